"""Rewrite a run folder's tables of an earlier version so that their columns are today's.

    python studies/rename_columns.py docs/results/minilm-mnli-hans/natural

Columns that were renamed since are read under either name, so this is needed only where a table is
to be read by other programs. Values stay as they are; the manifest gets the digests of the new
files.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from heuristic_core.errors import InputError
from heuristic_core.storage import file_digest, read_json, read_table, write_json, write_table
from heuristic_core.study.results import read_results
from heuristic_core.tables import TABLES


def rename_columns(folder: Path) -> list[str]:
    """Rewrite the tables of a run folder that have columns of other names than declared.

    Args:
        folder: The run folder.

    Returns:
        The names of the tables that were rewritten.

    Raises:
        InputError: If the folder holds no finished run, or a table is damaged.
    """
    read_results(folder)  # checks every table, so that no damage gets a new digest
    manifest = read_json(folder / "manifest.json")
    rewritten = []
    for path in sorted((folder / "tables").glob("*.parquet")):
        name, table, frame = path.stem, TABLES[path.stem], read_table(path)
        if not set(frame) <= set(table.names):
            write_table(path, table.conform(frame))
            manifest.setdefault("tables", {})[name] = file_digest(path)
            rewritten.append(name)
    write_json(folder / "manifest.json", manifest)
    return rewritten


def main(folder: Annotated[Path, typer.Argument(help="A finished run folder.")]) -> None:
    """Rewrite the tables of a run folder whose columns were renamed since."""
    for name in rename_columns(folder):
        print(name)


if __name__ == "__main__":
    try:
        typer.run(main)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
