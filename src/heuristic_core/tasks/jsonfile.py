"""Reading JSON: one object a line, a list of objects, or columns as pandas writes them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import IO, Any

from ..errors import InputError, one_line
from . import limits
from .records import Records, wrong_encoding

_FORMS = (
    'give one {"column": value, ...} a line, a list of such rows, or columns of equal length: '
    '{"column": [values]}'
)


def read_json(handle: IO[bytes], shown: str, wanted: Collection[str]) -> Records:
    """Read some columns of a JSON file.

    Args:
        handle: What the file holds.
        shown: Its name in messages.
        wanted: Names of the columns.

    Raises:
        InputError: If it is no valid JSON of such a form, or too large; the message names the line.
    """
    first, lines = b"", iter(handle)
    n_blank = 0
    for first in lines:
        if _decoded(first, shown, 1 + n_blank).strip():
            break
        n_blank += 1
    start = _decoded(first, shown, 1 + n_blank)
    if not start.strip():
        return _Rows(shown, "line", wanted).records()
    if start.lstrip().startswith("[") or not _is_row(start):
        rest = "".join(_decoded(line, shown, i) for i, line in enumerate(lines, n_blank + 2))
        whole = _parsed(start + rest, shown, n_blank + 1)
        return _whole(whole, shown, wanted)
    rows = _Rows(shown, "line", wanted)
    rows.add(_parsed(start, shown, n_blank + 1), n_blank + 1)
    for number, line in enumerate(lines, n_blank + 2):
        text = _decoded(line, shown, number)
        if text.strip():
            rows.add(_parsed(text, shown, number), number)
    return rows.records()


def _is_row(line: str) -> bool:
    """Return whether a line is a row of its own, so that the others are too."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        # The first line of an object over several lines, if all of it is read so far.
        return line.strip() not in ("{", "[") and not line.rstrip().endswith((",", "{", "["))
    whole = (_is_columns, _is_table, _is_split, _tables)
    return not (isinstance(value, dict) and any(is_form(value) for is_form in whole))


def _is_table(value: dict[str, Any]) -> bool:
    """Return whether an object is a table that pandas wrote with its schema."""
    return isinstance(value.get("schema"), dict) and isinstance(value.get("data"), list)


def _is_split(value: dict[str, Any]) -> bool:
    """Return whether an object is a table that pandas wrote with its names apart."""
    return {*value, "index"} == {"columns", "index", "data"} and all(
        isinstance(part, list) for part in value.values()
    )


def _tables(value: dict[str, Any]) -> list[str]:
    """Return the names of the lists of rows that an object consists of; none if it does not."""
    lists = [isinstance(part, list) and bool(part) for part in value.values()]
    if not lists or not all(lists):
        return []
    rows = (isinstance(row, dict) for part in value.values() for row in part)
    return [str(name) for name in value] if all(rows) else []


def _is_columns(value: dict[str, Any]) -> bool:
    """Return whether an object holds columns: lists of one length, or maps of the same keys."""
    columns = list(value.values())
    if not columns or len({type(column) for column in columns}) > 1:
        return False
    if isinstance(columns[0], list):
        return len({len(column) for column in columns}) == 1
    return isinstance(columns[0], dict) and len({tuple(column) for column in columns}) == 1


def _whole(value: Any, shown: str, wanted: Collection[str]) -> Records:
    rows = _Rows(shown, "row", wanted)
    for number, row in enumerate(_rows_of(value, shown), start=1):
        rows.add(row, number)
    return rows.records()


def _rows_of(value: Any, shown: str) -> Iterator[Any]:
    if isinstance(value, list):
        yield from value
        return
    if isinstance(value, dict) and _is_table(value):
        yield from value["data"]
        return
    if isinstance(value, dict) and (names := _tables(value)):
        if len(names) > 1:
            raise InputError(
                f"{shown} holds several lists of rows ({one_line(', '.join(names), 80)}); save the "
                "one that is meant in a file of its own"
            )
        yield from value[names[0]]
        return
    if isinstance(value, dict) and _is_split(value):
        n = len(value["columns"])
        if any(not isinstance(row, list) or len(row) != n for row in value["data"]):
            raise InputError(f"{shown} has rows of other lengths than columns; {_FORMS}")
        for row in value["data"]:
            yield dict(zip(value["columns"], row, strict=True))
        return
    if not isinstance(value, dict) or not _is_columns(value):
        keys = ", ".join(map(str, value)) if isinstance(value, dict) else type(value).__name__
        raise InputError(f"{shown} is one JSON value ({one_line(keys, 80)}); {_FORMS}")
    if all(name.isdecimal() for name in value) and not any(map(_numbered, value.values())):
        yield from value.values()
        return
    columns = {
        name: list(column.values()) if isinstance(column, dict) else column
        for name, column in value.items()
    }
    for row in zip(*columns.values(), strict=True):
        yield dict(zip(columns, row, strict=True))


def _numbered(column: Any) -> bool:
    """Return whether something is no row by name, as those of pandas' index are."""
    return not isinstance(column, dict) or any(name.isdecimal() for name in column)


class _Rows:
    """Rows that become columns."""

    def __init__(self, shown: str, unit: str, wanted: Collection[str]) -> None:
        self.shown, self.unit, self.wanted = shown, unit, wanted
        self.present: dict[str, None] = {}
        self.rows: list[dict[str, Any]] = []
        self.numbers: list[int | str] = []

    def add(self, row: Any, number: int) -> None:
        """Add one row."""
        if len(self.rows) >= limits.MOST_ROWS:
            raise limits.too_large(self.shown)
        if not isinstance(row, dict):
            raise InputError(f"{self.shown}, {self.unit} {number}, is no JSON object; {_FORMS}")
        self.present |= dict.fromkeys(row)
        # The official files also hold parses, which are much larger than the texts.
        self.rows.append({name: row[name] for name in self.wanted if name in row})
        self.numbers.append(number)

    def records(self) -> Records:
        """Return all rows as columns."""
        columns = {
            name: [row.get(name) for row in self.rows]
            for name in self.wanted
            if name in self.present
        }
        return Records(self.shown, self.unit, tuple(self.present), columns, self.numbers)


def _decoded(line: bytes, shown: str, number: int) -> str:
    try:
        text = line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise wrong_encoding(f"{shown}, line {number},") from error
    if "\0" in text:
        raise wrong_encoding(f"{shown}, line {number},")
    return text


def _parsed(text: str, shown: str, number: int) -> Any:
    try:
        value = json.loads(text, object_pairs_hook=_unique)
    except _TwiceError as error:
        raise InputError(
            f"{shown}, line {number}, has two values of {one_line(str(error), 60)!r}; remove one"
        ) from error
    except (ValueError, RecursionError) as error:
        line = number + getattr(error, "lineno", 1) - 1
        raise InputError(
            f"{shown}, line {line}, is no valid JSON ({one_line(str(error), 120)}); the file may "
            "be truncated: fetch it again or fix the line"
        ) from error
    return value


class _TwiceError(Exception):
    """A JSON object has two values of the same name."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        names = [name for name, _ in pairs]
        raise _TwiceError(next(name for i, name in enumerate(names) if name in names[:i]))
    return record
