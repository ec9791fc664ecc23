"""The command that joins runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import remark
from ..study.merge import merge_runs
from .console import JsonOption, out, print_json


def merge(
    folders: Annotated[list[Path], typer.Argument(help="Run folders.", metavar="RUN RUN ...")],
    out_folder: Annotated[Path, typer.Option("--out", help="The joined run folder.")],
    as_json: JsonOption = False,
) -> None:
    """Join runs of one study that were made apart; `hcore run` then finishes the joined run."""
    merged = merge_runs(folders, out_folder)
    for what, cells in (
        ("damaged and not taken from there", merged.damaged),
        (
            "not taken: they differ from the copy of a run named earlier, which was kept, or rest "
            "on one that does",
            merged.other,
        ),
        ("taken unchecked, as their version recorded no digests", merged.unchecked),
    ):
        if cells:
            more = " ..." if len(cells) > 3 else ""
            remark(f"{len(cells)} cells were {what}: {', '.join(cells[:3])}{more}")
    seeds = {"search.seeds": merged.config.search.seeds}
    if merged.config.finetune is not None:
        seeds["finetune.seeds"] = merged.config.finetune.seeds
    if as_json:
        copied = {str(folder): n for folder, n in merged.copied.items()}
        rest = {name: getattr(merged, name) for name in ("damaged", "other", "unchecked")}
        print_json({"run": str(out_folder), "copied": copied, "seeds": seeds, **rest})
        return
    for folder, n in merged.copied.items():
        out().print(f"{n} cells copied from {folder}", markup=False, soft_wrap=True)
    lists = {key: ",".join(map(str, values)) for key, values in seeds.items()}
    sets = " ".join(f"--set '{key}=[{values}]'" for key, values in lists.items())
    out().print(
        f"Finish it with: hcore run STUDY {sets} --out {out_folder}", markup=False, soft_wrap=True
    )
