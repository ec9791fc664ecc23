"""Ways to read a text table: which quotation marks and backslashes belong to the texts.

A text table does not say how it was written. It is read in every way that makes sense, and the
readings are held against each other. One is chosen only if no other is what a program may have
written; otherwise the user is asked.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from ..errors import InputError, one_line
from .scanning import (
    OTHER_MARKS,
    Layout,
    Quotes,
    Reading,
    WrongDialectError,
    begins_with_mark,
    read_as,
)

#: Texts with marks that a quoting program writes as they stand, before a .tsv is taken for quoted.
_ENOUGH = 3
#: Rows of a .csv that are quoted without need, before the marks are taken for quoting.
_MANY = 10


def chosen(shown: str, text: str, layout: Layout, wanted: Collection[str]) -> Reading:
    """Choose the reading of a table, by what a program may have written.

    Args:
        shown: The table's name in messages.
        text: The table.
        layout: Its layout.
        wanted: Names of the columns that are read.

    Returns:
        The reading.

    Raises:
        InputError: If there is none, or several that differ in a wanted column.
    """
    ways: dict[Quotes, Reading] = {}
    for way in _ways(text, layout):
        try:
            ways[way] = read_as(text, way, layout, wanted)
        except WrongDialectError:
            continue
    return _checked(shown, text, _one_of(shown, ways, text, layout), layout, wanted)


def the_only(
    shown: str, text: str, way: Quotes, layout: Layout, wanted: Collection[str]
) -> Reading:
    """Read a table in the way that the user names.

    Raises:
        InputError: If it cannot be read so.
    """
    try:
        reading = _even(shown, read_as(text, way, layout, wanted), layout)
        return reading if way == "none" else _tight(shown, reading, layout)
    except WrongDialectError as error:
        raise InputError(
            f'{shown} is no valid table with quotes = "{way}" ({error}); correct the file or the '
            "key"
        ) from error


def _ways(text: str, layout: Layout) -> list[Quotes]:
    ways: list[Quotes] = ["none"]
    if layout.mark in text:
        ways.append("doubled")
    if "\\" in text:
        ways += ["backslash", "escaped"]
    return ways


def _one_of(shown: str, ways: dict[Quotes, Reading], text: str, layout: Layout) -> Reading:
    plain, doubled = ways.get("none"), ways.get("doubled")
    # Of equal readings the first: quoted or plain before those with escapes.
    order = [ways[way] for way in ("doubled", "none", "backslash", "escaped") if way in ways]
    order = [r for r in order if (r.even if r is plain else r.is_written)]
    several = [r for i, r in enumerate(order) if not any(r.same(s) for s in order[:i])]
    if len(several) == 2 and several[0] is doubled and several[1] is plain:
        if doubled.n_rows == plain.n_rows and _is_sure(doubled, layout.comma):
            return doubled
        raise _unclear(shown, f"row {doubled.first_quoted} may be quoted, or have marks of its own")
    if len(several) > 1:
        raise _unclear(shown, "a backslash may belong to a text, or escape what follows")
    by_rule = doubled if layout.comma and layout.mark in text else plain
    if not several:
        if by_rule is None and plain is None:
            raise InputError(
                f"{shown} is no valid table: some lines end in CR LF and others in LF; make them "
                "alike, for instance with dos2unix"
            )
        if by_rule is None:
            raise _unclear(shown, _doubt(doubled))
        return by_rule
    # A .csv is quoted as a rule, but this one could not be.
    may_be_quoted = layout.comma and begins_with_mark(text, layout)
    if several[0] is plain and may_be_quoted and not (doubled and doubled.same(plain)):
        raise _unclear(shown, _doubt(doubled))
    return several[0]


def _is_sure(doubled: Reading, comma: bool) -> bool:
    """Whether a table is quoted that could also be one with marks of its own."""
    if doubled.quoted_header:
        return True
    if doubled.needless:
        return comma and doubled.n_rows >= _MANY
    return comma or len(doubled.needed) >= _ENOUGH


def _doubt(doubled: Reading | None) -> str:
    if doubled is None:
        return "a quotation mark inside a quoted text is not doubled, or one is missing"
    return f"row {doubled.first_quoted} has quotation marks that nothing needs"


def _checked(
    shown: str, text: str, reading: Reading, layout: Layout, wanted: Collection[str]
) -> Reading:
    """Refuse a table whose rows are uneven, or that another mark may quote."""
    for mark in OTHER_MARKS:
        other = replace(layout, mark=mark)
        if mark in (layout.mark, layout.separator) or not begins_with_mark(text, other):
            continue
        try:
            marked = read_as(text, "doubled", other, wanted)
        except WrongDialectError:
            continue
        if marked.must_quote and marked.is_written and not marked.same(reading):
            raise _unclear(shown, f"row {marked.first_quoted} may be quoted with {mark}", mark)
    return _even(shown, _tight(shown, reading, layout), layout)


def _tight(shown: str, reading: Reading, layout: Layout) -> Reading:
    """Refuse a .csv in which marks after a space seem to quote, which no reading undoes."""
    mark = layout.mark
    for values in reading.columns.values() if layout.comma else ():
        for row, value in enumerate(values, 1):
            plain = value.strip(" ")
            if value[:1] == " " and len(plain) > 1 and plain[0] == plain[-1] == mark:
                raise InputError(
                    f"{shown}, row {row}, has a space before a quotation mark; remove the spaces "
                    "after separators, or say that such marks belong to the texts: format = { "
                    'quotes = "none" }'
                )
    return reading


def _even(shown: str, reading: Reading, layout: Layout) -> Reading:
    if reading.long:
        row, n = reading.long
        separated = {",": "commas", "\t": "tabs"}.get(layout.separator, repr(layout.separator))
        raise InputError(
            f"{shown} is no valid table (row {row} has {n} fields for {len(reading.header)} "
            f"columns); the file may be truncated or not separated by {separated}, or its texts "
            'quoted otherwise: format = { separator = ";" } or format = { quotes = "none" } says so'
        )
    return reading


def _unclear(shown: str, doubt: str, mark: str = "") -> InputError:
    how = f', quote_mark = "{mark}"' if mark else ""
    return InputError(
        f"{shown} is no valid table in one way alone ({one_line(doubt, 120)}); say how it was "
        f'written: format = {{ quotes = "doubled"{how} }} if its texts are quoted, with '
        '"backslash" if a backslash escapes what follows, or format = { quotes = "none" } if all '
        "marks belong to the texts"
    )
