"""Reading a text table in one given way, and what speaks for it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

#: How marks and backslashes are read. ``none``: all belong to the texts. ``doubled``: fields may be
#: quoted, with marks in them doubled. ``backslash``: a backslash also escapes what follows.
#: ``escaped``: it does, and no field is quoted.
Quotes = Literal["none", "doubled", "backslash", "escaped"]

#: Marks that programs can be told to use in place of the double quotation mark.
OTHER_MARKS = "'`|~^$%"
_NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*|[-+]?inf|nan|true|false", re.I)
#: What a backslash and a letter stand for, as databases write them.
_LETTERS = {"n": "\n", "t": "\t", "r": "\r"}


class WrongDialectError(Exception):
    """A table cannot be read in some way."""


@dataclass(frozen=True)
class Layout:
    """How a text table is laid out.

    Args:
        separator: What stands between fields.
        comma: Whether the table is a .csv, in which quoting is the rule.
        mark: The quotation mark.
        header: The names of the columns, for a table without a line of names.
    """

    separator: str
    comma: bool
    mark: str = '"'
    header: tuple[str, ...] | None = None


@dataclass
class Reading:
    """A table as it is read in one way, and what is remarkable about it.

    Args:
        quotes: The way.
        header: The names of the columns.
        columns: The values of the wanted columns.
        n_rows: Number of rows.
        long: The first row of more fields than there are columns, and their number.
        n_short: Number of rows of fewer fields.
        n_inside: Number of bare marks in fields that are not quoted.
        odd_escapes: Whether a backslash stands before a character that needs none.
        must_quote: Whether a field is quoted that must be, for a mark, separator or line end in it.
        needed: The different quoted fields that have a mark in them.
        needless: The columns of fields that are quoted without need.
        bare: The columns of fields that are neither quoted nor numbers.
        quoted_header: Whether the header is quoted without need.
        first_quoted: The first row with a quoted field.
    """

    quotes: Quotes
    header: tuple[str, ...] = ()
    columns: dict[str, list[str]] = field(default_factory=dict)
    n_rows: int = 0
    long: tuple[int, int] | None = None
    n_short: int = 0
    n_inside: int = 0
    odd_escapes: bool = False
    must_quote: bool = False
    needed: set[str] = field(default_factory=set)
    needless: set[int] = field(default_factory=set)
    bare: set[int] = field(default_factory=set)
    quoted_header: bool = False
    first_quoted: int = 0

    @property
    def even(self) -> bool:
        """Whether all rows have as many fields as there are columns."""
        return self.long is None and not self.n_short

    @property
    def is_written(self) -> bool:
        """Whether a program writes so: it quotes where it must, or all texts of a column."""
        whole = self.quoted_header or self.needless.isdisjoint(self.bare)
        return self.even and not self.n_inside and not self.odd_escapes and whole

    def same(self, other: Reading) -> bool:
        """Whether two readings give the same rows."""
        return (self.header, self.columns) == (other.header, other.columns)


def begins_with_mark(text: str, layout: Layout) -> bool:
    """Return whether a field of a table begins with the quotation mark."""
    mark = layout.mark
    return text.startswith(mark) or f"{layout.separator}{mark}" in text or f"\n{mark}" in text


def read_as(text: str, way: Quotes, layout: Layout, wanted: Collection[str]) -> Reading:
    """Read a table in one way.

    Args:
        text: The table. Its lines end in LF or, all of them, in CR LF; CR alone is text.
        way: The way.
        layout: Its layout.
        wanted: Names of the columns to keep.

    Returns:
        The table. Blank lines are no rows; what short rows lack is empty.

    Raises:
        WrongDialectError: If it cannot be read so.
    """
    reading = Reading(way)
    kept: list[tuple[int, list[str]]] = []
    ends: set[str] = set()
    if layout.header is not None:
        kept = _begin(reading, layout.header, wanted)
    for row in _rows(text, way, layout):
        ends.add(row.end)
        reading.odd_escapes |= row.odd_escapes
        reading.n_inside += row.n_inside
        if not reading.header:
            kept = _begin(reading, row.fields, wanted)
            reading.quoted_header = bool(row.quoted) and _needless(row, layout)
            continue
        reading.n_rows += 1
        missing = len(reading.header) - len(row.fields)
        if missing < 0:
            reading.long = reading.long or (reading.n_rows, len(row.fields))
            continue
        reading.n_short += missing > 0
        fields = row.fields + [""] * missing
        for i, values in kept:
            values.append(fields[i])
        if way != "none":
            _look(reading, row, layout)
    if len(ends - {""}) > 1:
        raise WrongDialectError("lines end in LF and in CR LF")
    return reading


def _begin(
    reading: Reading, names: Sequence[str], wanted: Collection[str]
) -> list[tuple[int, list[str]]]:
    """Start the columns; return the places and values of those that are kept."""
    reading.header = tuple(names)
    reading.columns = {name: [] for name in names if name in wanted}
    return [(i, reading.columns[name]) for i, name in enumerate(names) if name in wanted]


@dataclass
class _Row:
    fields: list[str]
    end: str
    quoted: Sequence[bool] = ()
    n_inside: int = 0
    odd_escapes: bool = False


def _needless(row: _Row, layout: Layout) -> bool:
    pairs = zip(row.fields, row.quoted, strict=True)
    return any(quoted and value and not _special(value, layout) for value, quoted in pairs)


def _special(value: str, layout: Layout) -> bool:
    return any(s in value for s in (layout.separator, layout.mark, "\n", "\r"))


def _look(reading: Reading, row: _Row, layout: Layout) -> None:
    """Note which fields of a row are quoted."""
    for i, value in enumerate(row.fields):
        if not row.quoted or not row.quoted[i]:
            if i not in reading.bare and value and not _NUMBER.fullmatch(value):
                reading.bare.add(i)
            continue
        reading.first_quoted = reading.first_quoted or reading.n_rows
        if layout.mark in value:
            reading.needed.add(value)
        if _special(value, layout):
            reading.must_quote = True
        elif value:
            reading.needless.add(i)


def _rows(text: str, way: Quotes, layout: Layout) -> Iterator[_Row]:
    mark = layout.mark
    special = {"none": "", "doubled": mark, "backslash": mark + "\\", "escaped": "\\"}[way]
    scanner = _Scanner(way, layout)
    place, end = 0, len(text)
    while place < end:
        stop = text.find("\n", place)
        ends, stop = ("\n", stop) if stop >= 0 else ("", end)
        line = text[place:stop]
        if any(s in line for s in special):
            row, place = scanner.row(text, place)
            yield row
            continue
        place = stop + 1
        if line.endswith("\r"):
            line, ends = line[:-1], "\r\n"
        if line:
            yield _Row(line.split(layout.separator), ends)


class _Scanner:
    """Divides rows that have quoted fields or escapes."""

    def __init__(self, way: Quotes, layout: Layout) -> None:
        separator, mark = re.escape(layout.separator), re.escape(layout.mark)
        ends = rf"(?={separator}|\r?\n|\r?\Z)"
        escape, no = ("", "") if way == "doubled" else (r"|\\.", r"\\")
        self.layout = layout
        self.quotes = way != "escaped"
        self.quoted = re.compile(
            f"{mark}((?:[^{mark}{no}]|{mark}{mark}{escape})*+){mark}{ends}", re.S
        )
        self.bare = re.compile(rf"((?:[^{separator}\n{no}]{escape})*+)", re.S)
        self.changed = re.compile(rf"{mark}{mark}|\\(.)" if escape else mark + mark, re.S)
        self.escaped = re.compile(r"\\(.)", re.S) if escape else None

    def row(self, text: str, place: int) -> tuple[_Row, int]:
        """Read the row that begins at a place; return it and where the next begins."""
        row = _Row([], "")
        quoted: list[bool] = []
        while True:
            quoted.append(self.quotes and text.startswith(self.layout.mark, place))
            found = (self.quoted if quoted[-1] else self.bare).match(text, place)
            if found is None:
                raise WrongDialectError("a quotation mark is missing, or not doubled")
            row.fields.append(self._value(row, found[1], quoted[-1]))
            place = found.end()
            if text.startswith(self.layout.separator, place):
                place += len(self.layout.separator)
                continue
            row.quoted = quoted
            if not quoted[-1] and row.fields[-1].endswith("\r"):
                row.fields[-1], row.end = row.fields[-1][:-1], "\r\n"
            elif text.startswith("\r", place):
                row.end, place = "\r\n", place + 1
            elif place < len(text):
                row.end = "\n"
            if place < len(text) and text[place] != "\n":
                raise WrongDialectError("a backslash ends it")
            return row, place + 1

    def _value(self, row: _Row, raw: str, quoted: bool) -> str:
        """Undo doubled marks and escapes, and note what is odd."""
        mark = self.layout.mark
        plain = (self.layout.separator, mark, *OTHER_MARKS, "\\", "\n", "\r")

        def one(match: re.Match[str]) -> str:
            if match[0] == mark * 2:
                return mark
            row.odd_escapes |= match[1] not in plain
            return _LETTERS.get(match[1], match[1])

        if quoted:
            return self.changed.sub(one, raw)
        if self.escaped is None:
            row.n_inside += raw.count(mark)
            return raw
        if self.quotes:
            row.n_inside += self.escaped.sub("", raw).count(mark)
        return self.escaped.sub(one, raw)
