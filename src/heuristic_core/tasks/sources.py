"""Where tables of text come from: a file whose extension says its format, or the hub.

Nothing read here is ever executed or unpickled, and every way a file can be broken ends in an
``InputError`` that names the file, the place in it and the remedy.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import re
import warnings
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from ..errors import InputError, one_line, unknown
from .labels import NO_GOLD_LABEL

#: The extensions of files that can be read, the most usual first.
EXTENSIONS = (
    ".jsonl.gz",
    ".jsonl",
    ".parquet",
    ".csv",
    ".tsv",
    ".txt",
    ".csv.gz",
    ".tsv.gz",
    ".txt.gz",
)

_HUB_PREFIX = "hub:"
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


@dataclass(frozen=True, eq=False)
class Records:
    """Some columns of a table, with where each row stands in its source.

    Args:
        name: The source, fit for a message.
        unit: What ``numbers`` count: ``line`` or ``row``.
        present: The names of all columns of the source.
        columns: The values of those columns that were wanted and are there.
        numbers: For each row its number in the source, from 1.
    """

    name: str
    unit: str
    present: tuple[str, ...]
    columns: dict[str, list[Any]]
    numbers: list[int]

    def only(self, rows: Collection[int]) -> Records:
        """Give the rows at some positions."""
        columns = {name: [values[i] for i in rows] for name, values in self.columns.items()}
        numbers = [self.numbers[i] for i in rows]
        return Records(self.name, self.unit, self.present, columns, numbers)


def read_records(
    source: str | os.PathLike[str], wanted: Collection[str], split: str | None = None
) -> Records:
    """Read some columns of a file or of a data set on the hub.

    Args:
        source: A path. If there is no such path: a name on the hub, ``namespace/name`` or
            ``hub:namespace/name``.
        wanted: Names of the columns to read; those that are not there are left out.
        split: Which split of a data set on the hub; files are read whole.

    Returns:
        The columns.

    Raises:
        InputError: If the source cannot be read.
    """
    name = _hub_name(source)
    if name is not None:
        return _read_hub(name, wanted, split)
    path = Path(os.path.expanduser(source))
    shown = one_line(str(source))
    extension = _check_file(path, shown)
    if extension == ".parquet":
        records = _read_parquet(path, shown, wanted)
    else:
        records = _read_text(path, shown, extension, wanted)
    if not records.numbers:
        raise InputError(f"{shown} has no examples; give a file with at least one")
    return records


def _hub_name(source: str | os.PathLike[str]) -> str | None:
    """Give the hub name a source is meant as, or None for a path."""
    if not isinstance(source, str) or os.path.exists(os.path.expanduser(source)):
        return None
    if source.startswith(_HUB_PREFIX):
        return _checked_hub_name(source.removeprefix(_HUB_PREFIX))
    # A missing file must not be looked for on the hub.
    looks_like_file = source.lower().endswith(EXTENSIONS) or os.path.isdir(os.path.dirname(source))
    return source if _HUB_NAME.fullmatch(source) and not looks_like_file else None


def _checked_hub_name(name: str) -> str:
    """Make sure that the hub's client takes a name for one on the hub and for nothing else."""
    shown = f"{_HUB_PREFIX}{one_line(name)}"
    # Names without namespace may be the client's own readers: some versions have one, "pandas",
    # that unpickles whatever lies in the working folder.
    if not _HUB_NAME.fullmatch(name):
        raise InputError(
            f"{shown} is no name on the hub; write hub:namespace/name, or give a local file"
        )
    # The client would read the local one and call it the hub's.
    if os.path.exists(name):
        raise InputError(
            f"{shown} is also the name of something in the working folder; start from another "
            "folder, or give a local file"
        )
    return name


def _check_file(path: Path, shown: str) -> str:
    """Make sure that there is a file to read, and give its extension."""
    # Not the methods of Path: they raise on names that no file can have.
    if not os.path.exists(path):
        raise InputError(
            f"there is no file {shown}; check the path, or give a name on the hub as "
            "hub:namespace/name"
        )
    if os.path.isdir(path):
        raise InputError(f"{shown} is a folder; give the data file inside it")
    if not os.path.isfile(path):
        raise InputError(f"{shown} is no regular file; give a data file")
    extension = next((e for e in EXTENSIONS if path.name.lower().endswith(e)), None)
    if extension is None:
        raise InputError(
            f"{shown} has an unknown extension; name the file by its format: "
            + ", ".join(EXTENSIONS)
        )
    if path.stat().st_size == 0:
        raise InputError(f"{shown} is empty; fetch it again")
    return extension


def _read_parquet(path: Path, shown: str, wanted: Collection[str]) -> Records:
    try:
        # Not read_table: it takes folder names for columns. Nor pandas: it trusts file metadata.
        with pa.parquet.ParquetFile(path) as file:
            present = tuple(file.schema_arrow.names)
            names = [name for name in dict.fromkeys(present) if name in wanted]
            read = file.read(columns=names)
            n_rows = file.metadata.num_rows
        columns = {name: read.column(name).to_pylist() for name in names}
    except (OSError, ValueError, KeyError, OverflowError, pa.ArrowException) as error:
        raise InputError(
            f"{shown} is no intact parquet file ({one_line(str(error), 120)}); fetch it again"
        ) from error
    return Records(shown, "row", present, columns, list(range(1, n_rows + 1)))


def _read_text(path: Path, shown: str, extension: str, wanted: Collection[str]) -> Records:
    try:
        with cast(
            IO[bytes], gzip.open(path) if extension.endswith(".gz") else path.open("rb")
        ) as handle:
            if extension.startswith(".jsonl"):
                return _read_jsonl(handle, shown, wanted)
            return _read_csv(handle, shown, wanted, comma=extension.startswith(".csv"))
    except gzip.BadGzipFile as error:
        raise InputError(
            f"{shown} is no intact gzip file ({one_line(str(error), 120)}); fetch it again"
        ) from error
    except (EOFError, zlib.error) as error:
        raise InputError(f"{shown} is a truncated or damaged gzip file; fetch it again") from error
    except OSError as error:
        reason = one_line(error.strerror or str(error), 120)
        raise InputError(f"cannot read {shown}: {reason}") from error


def _read_jsonl(handle: IO[bytes], shown: str, wanted: Collection[str]) -> Records:
    present: dict[str, None] = {}
    rows: list[dict[str, Any]] = []
    numbers: list[int] = []
    for number, line in enumerate(handle, start=1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            if not text.strip():
                continue
            record = json.loads(text)
        except UnicodeDecodeError as error:
            raise _wrong_encoding(f"{shown}, line {number},") from error
        except (ValueError, RecursionError) as error:
            raise InputError(
                f"{shown}, line {number}, is no valid JSON ({one_line(str(error), 120)}); the file "
                "may be truncated: fetch it again or mend the line"
            ) from error
        if not isinstance(record, dict):
            raise InputError(
                f"{shown}, line {number}, is no JSON object; write one "
                '{"column": value, ...} a line'
            )
        present |= dict.fromkeys(record)
        # The parses in the official files are many times larger than what is wanted.
        rows.append({name: record[name] for name in wanted if name in record})
        numbers.append(number)
    columns = {name: [row.get(name) for row in rows] for name in wanted if name in present}
    return Records(shown, "line", tuple(present), columns, numbers)


def _read_csv(handle: IO[bytes], shown: str, wanted: Collection[str], *, comma: bool) -> Records:
    try:
        with warnings.catch_warnings():
            # pandas only warns where it would drop surplus values of every row.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(
                handle,
                sep="," if comma else "\t",
                # The official tab-separated files hold bare quotation marks.
                quoting=csv.QUOTE_MINIMAL if comma else csv.QUOTE_NONE,
                encoding="utf-8-sig",
                dtype=str,
                na_filter=False,
                index_col=False,
            )
    except UnicodeDecodeError as error:
        raise _wrong_encoding(shown) from error
    except pd.errors.EmptyDataError as error:
        raise InputError(f"{shown} is empty; fetch it again") from error
    except (ValueError, pd.errors.ParserWarning) as error:
        raise InputError(
            f"{shown} is no valid table ({one_line(str(error), 160)}); the file may be truncated, "
            f"or not separated by {'commas' if comma else 'tabs'}"
        ) from error
    present = tuple(str(name) for name in table.columns)
    columns = {name: table[name].astype(object).tolist() for name in wanted if name in present}
    return Records(shown, "row", present, columns, list(range(1, len(table) + 1)))


def _wrong_encoding(place: str) -> InputError:
    return InputError(f"{place} is not UTF-8; convert the file, for instance with iconv -t UTF-8")


def _read_hub(name: str, wanted: Collection[str], split: str | None) -> Records:
    shown = f"{_HUB_PREFIX}{one_line(name)}"
    try:
        import datasets  # takes a second, and files do not need it

        try:
            loaded = datasets.load_dataset(name, split=split)
        except RuntimeError as error:
            if "scripts are no longer supported" not in str(error):
                raise
            # The hub keeps a converted copy of data sets that were published as a program.
            loaded = datasets.load_dataset(name, split=split, revision="refs/convert/parquet")
    except Exception as error:  # whatever the hub's client raises, it is no bug of the caller
        raise InputError(
            f"cannot load {shown} ({one_line(str(error), 160)}); check name, split and connection, "
            "or download the data and give the file"
        ) from error
    if not isinstance(loaded, datasets.Dataset):
        splits = list(loaded) if isinstance(loaded, datasets.DatasetDict) else []
        if len(splits) != 1:
            raise unknown(f"split of {shown}:", split, splits)
        loaded = loaded[splits[0]]
    present = tuple(loaded.column_names)
    names = [column for column in wanted if column in present]
    columns = {column: list(loaded[column]) for column in names}
    for column in names:
        feature = loaded.features[column]
        if isinstance(feature, datasets.ClassLabel):
            columns[column] = [_class_name(value, feature.names) for value in columns[column]]
    if not len(loaded):
        raise InputError(f"{shown} has no examples; name another split")
    return Records(shown, "row", present, columns, list(range(1, len(loaded) + 1)))


def _class_name(number: int | None, names: list[str]) -> str | None:
    if number is None:
        return None
    return names[number] if number >= 0 else NO_GOLD_LABEL
