"""Reading tables of text from files, whose extension gives the format, or from the hub.

Nothing is executed or unpickled. A broken file raises an ``InputError`` that names the file, the
place in it and the remedy.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import warnings
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import IO, Any, cast

import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from ..errors import InputError, one_line
from .hub import HUB_NAME, HUB_PREFIX, checked_hub_name, read_hub
from .records import Records, check_columns

#: Extensions of the supported formats, the most common first.
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

#: Limits on the uncompressed size: files are read into memory. The largest official file has half
#: a million rows and half a gigabyte.
MOST_ROWS = 10_000_000
MOST_BYTES = 4 * 2**30


def read_records(
    source: str | os.PathLike[str],
    wanted: Collection[str],
    split: str | None = None,
    config: str | None = None,
) -> Records:
    """Read some columns of a file or of a data set on the hub.

    Args:
        source: A path. If there is no such path: a name on the hub, ``namespace/name`` or
            ``hub:namespace/name``.
        wanted: Names of the columns to read; missing ones are left out.
        split: The split of a data set on the hub; files are read whole.
        config: The configuration of a data set on the hub.

    Returns:
        The columns.

    Raises:
        InputError: If the source cannot be read.
    """
    name = _hub_name(source)
    if name is not None:
        return read_hub(name, wanted, split, config)
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
    """Return the name on the hub, or None if the source is a path."""
    if not isinstance(source, str) or os.path.exists(os.path.expanduser(source)):
        return None
    if source.startswith(HUB_PREFIX):
        return checked_hub_name(source.removeprefix(HUB_PREFIX))
    # The name of a missing file must not be sent to the hub.
    looks_like_file = source.lower().endswith(EXTENSIONS) or os.path.isdir(os.path.dirname(source))
    return source if HUB_NAME.fullmatch(source) and not looks_like_file else None


def _check_file(path: Path, shown: str) -> str:
    """Check that a file can be read, and return its extension."""
    # Methods of Path raise errors on names that no file can have.
    if not os.path.exists(path):
        raise InputError(
            f"there is no file {shown}; check the path, or give a name on the hub as "
            "hub:namespace/name"
        )
    if os.path.isdir(path):
        raise InputError(f"{shown} is a folder; give the data file inside it")
    if not os.path.isfile(path):
        raise InputError(f"{shown} is not a regular file; give a data file")
    if not os.access(path, os.R_OK):
        raise InputError(f"{shown} is not readable; change its permissions (chmod u+r)")
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
        # read_table would turn folder names into columns, and pandas would trust the metadata.
        with pa.parquet.ParquetFile(path) as file:
            present = tuple(file.schema_arrow.names)
            check_columns(shown, present)
            groups = range(file.metadata.num_row_groups)
            unpacked = sum(file.metadata.row_group(i).total_byte_size for i in groups)
            if file.metadata.num_rows > MOST_ROWS or unpacked > MOST_BYTES:
                raise _too_large(shown)
            names = [name for name in dict.fromkeys(present) if name in wanted]
            read = file.read(columns=names)
            # The metadata may be wrong, and are used only if no column is read.
            n_rows = read.num_rows if names else min(file.metadata.num_rows, 1)
        columns = {name: read.column(name).to_pylist() for name in names}
    except (OSError, ValueError, KeyError, OverflowError, pa.ArrowException) as error:
        raise InputError(
            f"{shown} is no intact parquet file ({one_line(str(error), 120)}); fetch it again"
        ) from error
    return Records(shown, "row", present, columns, list(range(1, n_rows + 1)))


def _read_text(path: Path, shown: str, extension: str, wanted: Collection[str]) -> Records:
    try:
        with (
            cast(
                io.RawIOBase, gzip.open(path) if extension.endswith(".gz") else path.open("rb")
            ) as file,
            io.BufferedReader(_Counted(file, shown)) as handle,
        ):
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
        if number > MOST_ROWS:
            raise _too_large(shown)
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            if not text.strip():
                continue
            if "\0" in text:
                raise _wrong_encoding(f"{shown}, line {number},")
            record = json.loads(text, object_pairs_hook=_unique)
        except UnicodeDecodeError as error:
            raise _wrong_encoding(f"{shown}, line {number},") from error
        except (ValueError, RecursionError) as error:
            raise InputError(
                f"{shown}, line {number}, is no valid JSON ({one_line(str(error), 120)}); the file "
                "may be truncated: fetch it again or fix the line"
            ) from error
        if isinstance(record, _Twice):
            raise InputError(
                f"{shown}, line {number}, has two values of {one_line(record.name, 60)!r}; remove "
                "one"
            )
        if not isinstance(record, dict):
            raise InputError(
                f"{shown}, line {number}, is no JSON object; write one "
                '{"column": value, ...} a line'
            )
        present |= dict.fromkeys(record)
        # The official files also hold parses, which are much larger than the texts.
        rows.append({name: record[name] for name in wanted if name in record})
        numbers.append(number)
    columns = {name: [row.get(name) for row in rows] for name in wanted if name in present}
    return Records(shown, "line", tuple(present), columns, numbers)


def _read_csv(handle: IO[bytes], shown: str, wanted: Collection[str], *, comma: bool) -> Records:
    try:
        with warnings.catch_warnings():
            # pandas only warns when it drops surplus values of every row.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table = pd.read_csv(
                handle,
                sep="," if comma else "\t",
                # The official tab-separated files hold bare quotation marks.
                quoting=csv.QUOTE_MINIMAL if comma else csv.QUOTE_NONE,
                encoding="utf-8-sig",
                header=None,  # pandas would rename duplicate columns
                dtype=str,
                na_filter=False,
                index_col=False,
                nrows=MOST_ROWS + 2,  # the header, and one row more than allowed
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
    if len(table) > MOST_ROWS + 1:
        raise _too_large(shown)
    present = tuple(str(name) for name in table.iloc[0])
    if any("\0" in name for name in present):
        raise _wrong_encoding(shown)
    check_columns(shown, present)
    columns = {
        name: table[place].iloc[1:].astype(object).tolist()
        for place, name in enumerate(present)
        if name in wanted
    }
    return Records(shown, "row", present, columns, list(range(1, len(table))))


class _Counted(io.RawIOBase):
    """A file that raises an error once too many bytes were read."""

    def __init__(self, file: io.RawIOBase, shown: str) -> None:
        self._file, self._shown, self._given = file, shown, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        n = self._file.readinto(buffer)
        self._given += n or 0
        if self._given > MOST_BYTES:
            raise _too_large(self._shown)
        return n


class _Twice:
    """Marks a JSON object that has two values of the same name."""

    def __init__(self, name: str) -> None:
        self.name = name


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any] | _Twice:
    names = [name for name, _ in pairs]
    record = dict(pairs)
    if len(record) == len(names):
        return record
    return _Twice(next(name for i, name in enumerate(names) if name in names[:i]))


def _too_large(shown: str) -> InputError:
    return InputError(
        f"{shown} has more than {MOST_ROWS} rows or unpacks to more than {MOST_BYTES} bytes, which "
        "is the limit; give fewer rows"
    )


def _wrong_encoding(place: str) -> InputError:
    # Also for zero bytes: UTF-16 without a byte order mark is valid UTF-8, but not text.
    return InputError(f"{place} is not UTF-8; convert the file, for instance with iconv -t UTF-8")
