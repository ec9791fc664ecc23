"""Reading columns of Parquet and Arrow files, with the class names that they carry."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet

from ..errors import InputError, one_line
from . import limits
from .labels import NO_GOLD_LABEL
from .records import Records, check_columns

#: What an Arrow file that can be read in any order begins with; others are streams.
_FILE_MARK = b"ARROW1"


def read_parquet(path: Path, shown: str, wanted: Collection[str]) -> Records:
    """Read some columns of a Parquet file.

    Args:
        path: The file.
        shown: Its name in messages.
        wanted: Names of the columns.

    Raises:
        InputError: If it is damaged, too large, or has two columns of one name.
    """
    try:
        # read_table would turn folder names into columns, and pandas would trust the metadata.
        with pa.parquet.ParquetFile(path) as file:
            schema = file.schema_arrow
            check_columns(shown, tuple(schema.names))
            groups = range(file.metadata.num_row_groups)
            size = sum(file.metadata.row_group(i).total_byte_size for i in groups)
            if file.metadata.num_rows > limits.MOST_ROWS or size > limits.MOST_BYTES:
                raise limits.too_large(shown)
            names = [name for name in schema.names if name in wanted]
            read = file.read(columns=names)
            # The metadata may be wrong, and are used only if no column is read.
            n_rows = read.num_rows if names else min(file.metadata.num_rows, 1)
        columns = {name: read.column(name).to_pylist() for name in names}
    except (OSError, ValueError, KeyError, OverflowError, pa.ArrowException) as error:
        raise _damaged(shown, "parquet", error) from error
    return _records(shown, schema, columns, n_rows)


def read_arrow(path: Path, shown: str, wanted: Collection[str]) -> Records:
    """Read some columns of an Arrow file: a stream, as `datasets` writes, or a Feather file.

    Args:
        path: The file.
        shown: Its name in messages.
        wanted: Names of the columns.

    Raises:
        InputError: As for ``read_parquet``.
    """
    columns: dict[str, list[Any]] = {}
    n_rows = 0
    try:
        with pa.OSFile(str(path)) as file:
            is_file = file.read(len(_FILE_MARK)) == _FILE_MARK
            file.seek(0)
            reader: Any = pa.ipc.open_file(file) if is_file else pa.ipc.open_stream(file)
            schema = reader.schema
            check_columns(shown, tuple(schema.names))
            columns = {name: [] for name in schema.names if name in wanted}
            size = 0
            for batch in _batches(reader) if is_file else reader:
                # Damaged offsets would make pyarrow read memory that is not the file's.
                batch.validate(full=True)
                n_rows += batch.num_rows
                size += batch.nbytes
                if n_rows > limits.MOST_ROWS or size > limits.MOST_BYTES:
                    raise limits.too_large(shown)
                for name, values in columns.items():
                    values += batch.column(schema.get_field_index(name)).to_pylist()
    except (OSError, ValueError, KeyError, OverflowError, pa.ArrowException) as error:
        raise _damaged(shown, "Arrow", error) from error
    return _records(shown, schema, columns, n_rows)


def _batches(reader: Any) -> Any:
    return (reader.get_batch(i) for i in range(reader.num_record_batches))


def named_classes(
    shown: str,
    columns: Mapping[str, Sequence[Any]],
    class_names: Mapping[str, tuple[str, ...]],
) -> dict[str, list[Any]]:
    """Put class names in place of class numbers.

    Args:
        shown: The source's name in messages.
        columns: Columns of values.
        class_names: The names of the classes, for each column that has classes.

    Returns:
        The columns, with ``NO_GOLD_LABEL`` for -1.

    Raises:
        InputError: If a number has no name.
    """

    def name(column: str, value: Any) -> str | None:
        names = class_names[column]
        if value is None or value == -1:
            return None if value is None else NO_GOLD_LABEL
        if not isinstance(value, int) or not 0 <= value < len(names):
            raise InputError(
                f"{shown}: {column} is {one_line(repr(value), 60)}, but the file names "
                f"{len(names)} classes, {one_line(', '.join(names), 120)}; write the file again"
            )
        return names[value]

    return {
        column: [name(column, v) for v in values] if column in class_names else list(values)
        for column, values in columns.items()
    }


def _records(
    shown: str, schema: pa.Schema, columns: Mapping[str, Sequence[Any]], n_rows: int
) -> Records:
    # A class that the file stores as a word already needs no name.
    whole = {field.name for field in schema if pa.types.is_integer(field.type)}
    names = {c: n for c, n in _class_names(shown, schema).items() if c in columns and c in whole}
    return Records(
        name=shown,
        unit="row",
        present=tuple(schema.names),
        columns=named_classes(shown, columns, names),
        numbers=list(range(1, n_rows + 1)),
        class_names=names,
    )


def _class_names(shown: str, schema: pa.Schema) -> dict[str, tuple[str, ...]]:
    """Read the class names that `datasets` writes into a file's metadata."""
    written = (schema.metadata or {}).get(b"huggingface")
    if written is None:
        return {}
    try:
        info = json.loads(written).get("info") or {}
        named = {
            str(column): feature["names"]
            for column, feature in (info.get("features") or {}).items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
        }
        if not all(
            isinstance(names, list) and names and all(isinstance(name, str) for name in names)
            for names in named.values()
        ):
            raise ValueError("a class has no name")
    except (ValueError, KeyError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{shown}: the class names in the file's metadata are damaged "
            f"({one_line(str(error), 80)}); write the file again with `datasets`"
        ) from error
    return {column: tuple(names) for column, names in named.items()}


def _damaged(shown: str, kind: str, error: Exception) -> InputError:
    return InputError(
        f"{shown} is no intact {kind} file ({one_line(str(error), 120)}); fetch it again"
    )
