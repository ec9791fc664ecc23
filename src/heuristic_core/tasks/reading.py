"""Reading labelled texts or text pairs from any table."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from ..errors import InputError, fits_one_line, one_line, unknown
from .delimited import TableFormat
from .hub import HUB_PREFIX
from .labels import (
    NO_GOLD_LABEL,
    as_text,
    label_names,
    labels_from,
    odd_numbers,
    with_class_names,
    written_alike,
)
from .literals import left_in_texts, without_literals
from .records import Records
from .sources import read_records
from .task import Examples

Source = str | os.PathLike[str]
# One column name, or several, of which the first that exists is used.
Column = str | Sequence[str]
Filter = Mapping[str, Collection[object]]

#: Longer texts point to a broken file, such as one that lacks a quotation mark: models read a few
#: hundred words.
LONGEST_TEXT = 100_000
_MUST_BE_TEXT = "must be text that is not empty, without zero bytes"


def read_examples(
    source: Source,
    *,
    text: Column,
    text_pair: Column | None = None,
    label: Column,
    labels: Sequence[str],
    label_map: Mapping[str, str] | None = None,
    label_from: float | None = None,
    case: str = "all",
    case_column: Column | None = None,
    known_cases: Collection[str] | None = None,
    split: str | None = None,
    config: str | None = None,
    keep: Filter | None = None,
    drop: Filter | None = None,
    drop_incomplete: bool = False,
    tidy: Callable[[str], str] | None = None,
    how: TableFormat | None = None,
    must_split: bool = False,
    notes: list[str] | None = None,
) -> Examples:
    """Read labelled texts or pairs of texts from any table.

    The extension gives the format of a file: ``.jsonl`` or ``.json``; ``.csv`` (commas), ``.tsv``
    or ``.txt`` (tabs); ``.parquet``, ``.arrow`` or ``.feather``. All but the last three may be
    packed (``.gz``, ``.bz2``, ``.xz``, ``.zst``, ``.zip``). Class names that a file carries decide
    over the order of ``labels``. Rows with the label ``-`` or -1 have no gold label and are
    dropped.

    Args:
        source: A path: a file, a folder that `datasets` saved or that holds the parts of one table,
            or a pattern for their names. If there is no such path: a name on the hub,
            ``namespace/name`` or ``hub:namespace/name``.
        text: The column of the first texts; of several names the first that exists.
        text_pair: The column of the second texts; none for single texts.
        label: The column of labels, names or class numbers.
        labels: The label names, in the order of the classes.
        label_map: Map from the values in the column of labels to label names, for values that are
            neither names nor class numbers.
        label_from: For a column of numbers and two labels: values from here on have the second
            label, lower ones the first.
        case: The case of all examples, without a column of cases.
        case_column: The column of the cases.
        known_cases: The case names that the column may hold; any if not given.
        split: The split of a data set on the hub or in a folder. In a file with a column ``split``
            it selects the rows; other files are read whole.
        config: The configuration of a data set on the hub.
        keep: Values by column. A row must have one of them in each of these columns.
        drop: Values by column. A row must have none of them.
        drop_incomplete: Drop rows that lack a text or a label; otherwise they raise an error.
        tidy: Function applied to each text.
        how: How a text table was written; recognised if not given.
        must_split: Refuse a split of a file that has none, in place of reading it whole.
        notes: A list to which sentences on dropped rows are added.

    Returns:
        The examples, in the order of the source.

    Raises:
        InputError: If the source cannot be read, lacks a column, has no rows to keep, or holds an
            empty text, an unknown label or an unknown case; the message names the first such
            line or row.
    """
    roles = {"text": text, "text_pair": text_pair, "label": label, "case": case_column}
    options = {role: _names(column) for role, column in roles.items() if column is not None}
    wanted = [name for names in options.values() for name in names]
    wanted += ["split", *(keep or ()), *(drop or ())]
    notes = notes if notes is not None else []
    records = read_records(source, wanted, split, config, how)
    notes += [f"{_short(records)}: {note}" for note in records.notes]
    records = _of_split(records, split, must_split)
    column_of = {role: _pick(records, names) for role, names in options.items()}
    records = _filtered(records, keep or {}, drop or {}, notes)
    if drop_incomplete:
        needed = [column_of[role] for role in ("text", "text_pair", "label") if role in column_of]
        records = _complete(records, needed, notes)

    values = records.columns[column_of["label"]]
    if label_map is not None and column_of["label"] in records.class_names:
        label_map = _numbers_named(records, column_of["label"], labels, label_map)
    if label_from is None:
        names = label_names(values, labels, label_map)
        allowed = list(labels if label_map is None else label_map)
        rule = f"must be one of {one_line(str(allowed), 200)}"
    else:
        names = labels_from(values, labels, label_from)
        rule = "must be a number, as label_from divides it"
    _check_header(records, column_of["label"])
    wrong = [name is None for name in names]
    if label_map is None and any(as_text(v).lower() in ("true", "false") for v in values):
        rule += "; for true and false give a label_map"
    _refuse(records, column_of["label"], wrong, rule)
    if label_map is None and column_of["label"] not in records.class_names:
        _check_numbers(records, column_of["label"], labels, notes)
    rows = [i for i, name in enumerate(names) if name != NO_GOLD_LABEL]
    if not rows:
        raise InputError(f"{records.name} has no row with a gold label; give labelled data")
    if len(rows) < len(names):
        notes.append(
            f"{_short(records)}: {len(names) - len(rows)} rows without a gold label dropped"
        )
    records = records.only(rows)
    columns = [
        _texts(records, column_of[role], tidy, notes)
        for role in ("text", "text_pair")
        if role in column_of
    ]
    cases = _cases(records, column_of["case"], known_cases) if "case" in column_of else case
    texts, pairs = columns[0], columns[1] if len(columns) == 2 else None
    return Examples.build(texts, pairs, [str(names[i]) for i in rows], cases, tuple(labels))


def _names(column: Column) -> tuple[str, ...]:
    return (column,) if isinstance(column, str) else tuple(column)


def _short(records: Records) -> str:
    """Return the source's name for a note, which must not reveal a user's folders."""
    return records.name if records.name.startswith(HUB_PREFIX) else PurePath(records.name).name


def _of_split(records: Records, split: str | None, must_split: bool) -> Records:
    """Keep the rows of one split, if the source has a column of splits."""
    values = records.columns.get("split")
    if split is None or records.one_split or values is None:
        if split is not None and must_split and not records.one_split:
            raise InputError(
                f"{records.name} has no splits, neither in files nor in a column split; leave "
                "split out, or choose rows with keep"
            )
        return records
    rows = [i for i, value in enumerate(values) if value == split]
    if not rows:
        raise unknown(f"split of {records.name}:", split, _seen(values))
    return records.only(rows)


def _numbers_named(
    records: Records, column: str, labels: Sequence[str], label_map: Mapping[str, str]
) -> Mapping[str, str]:
    """Let a label map give numbers where the file names its classes, unless the two differ."""
    names = records.class_names[column]
    whole, wrong = with_class_names(names, labels, label_map)
    if wrong is not None:
        raise InputError(
            f"{records.name} itself names class {names.index(wrong)} of {column} "
            f"{one_line(wrong, 60)!r}, but the label map says otherwise; the classes there are "
            f"{one_line(', '.join(names), 160)}: correct the map, or leave it out"
        )
    return whole


def _check_numbers(records: Records, column: str, labels: Sequence[str], notes: list[str]) -> None:
    """Refuse class numbers that may be of classes from -1, and note those that may be from 1."""
    wrong, odd = odd_numbers(records.columns[column], labels)
    if wrong:
        said = wrong.replace("COLUMN", one_line(column, 60))
        raise InputError(f"{records.name}: in the column {one_line(column, 60)!r}, {said}")
    if odd:
        notes.append(f"{_short(records)}: {odd}")


def _check_header(records: Records, column: str) -> None:
    """Refuse a file whose first row was taken for the names of its columns."""
    if column in {as_text(value) for value in records.columns[column][:1000]}:
        raise InputError(
            f"{records.name}: {one_line(column, 60)!r} names the column of labels and is also a "
            "value in it, so the file has no line of names; give names with format = { header = "
            '["...", "..."] }, one for each column'
        )


def _filtered(records: Records, keep: Filter, drop: Filter, notes: list[str]) -> Records:
    """Keep and drop rows by their values."""
    chosen = [True] * len(records.numbers)
    for columns, wanted in ((keep, True), (drop, False)):
        for column, values in columns.items():
            written = [written_alike(value) for value in records.columns[_pick(records, (column,))]]
            listed = {written_alike(value) for value in values}
            if wanted and (missing := sorted(listed - set(written))):
                raise unknown(f"value of {column} in {records.name}:", missing[0], _seen(written))
            chosen = [
                yes and (value in listed) is wanted
                for yes, value in zip(chosen, written, strict=True)
            ]
    if not any(chosen):
        raise InputError(
            f"no row of {records.name} is left by keep on {list(keep)} and drop on {list(drop)}; "
            "relax these filters"
        )
    if not all(chosen):
        notes.append(f"{_short(records)}: {sum(chosen)} of {len(chosen)} rows kept by their values")
    return records.only([i for i, yes in enumerate(chosen) if yes])


def _complete(records: Records, columns: Sequence[str], notes: list[str]) -> Records:
    """Drop the rows that lack a value."""
    kept = [
        i
        for i, row in enumerate(zip(*(records.columns[name] for name in columns), strict=True))
        if all(as_text(value) or isinstance(value, list | dict) for value in row)
    ]
    if not kept:
        raise InputError(
            f"no row of {records.name} has all of {list(columns)}; is this the right file?"
        )
    if len(kept) < len(records.numbers):
        dropped = len(records.numbers) - len(kept)
        notes.append(f"{_short(records)}: {dropped} incomplete rows dropped")
    return records.only(kept)


def _pick(records: Records, names: tuple[str, ...]) -> str:
    """Return the first of some columns that exists."""
    for name in names:
        if name in records.columns:
            return name
    message = f"{records.name} has no column " + " or ".join(map(repr, names))
    spaced = [column for column in records.present if column.strip() in names]
    if spaced:
        raise InputError(
            f"{message}, but one called {one_line(repr(spaced[0]), 60)}; remove the spaces"
        )
    if len(records.present) == 1 and any(c in records.present[0] for c in ",;\t|"):
        raise InputError(
            f"{message}, but a single one called {one_line(repr(records.present[0]), 120)}; save "
            "it with commas between columns as .csv, or with tabs as .tsv, or say what stands "
            'between them: format = { separator = ";" }'
        )
    if records.present[:1] and records.present[0].startswith("#"):
        message += ", and begins with #; remove the lines of comments before the names"
    near = [
        match
        for name in names
        for match in difflib.get_close_matches(name, records.present, n=1, cutoff=0.6)
    ]
    if near:
        message += f"; is it {one_line(near[0], 60)!r}? name that column, or rename it"
    else:
        message += "; rename the column that holds it"
    shown = ", ".join(one_line(name, 40) for name in records.present[:20]) or "none"
    message += f"; columns there: {one_line(shown)}"
    if records.unit == "row" and any(_like_a_value(name) for name in records.present):
        message += (
            "; if this is an example, the file has no line of names: give them with "
            'format = { header = ["...", "..."] }, one for each column'
        )
    raise InputError(message)


def _like_a_value(name: str) -> bool:
    """Whether the name of a column looks like a number or a sentence, as in a first example."""
    return name.strip().isdecimal() or len(name.split()) > 3


def _seen(values: Collection[Any]) -> list[str]:
    """List the distinct values of a column, made safe for a message."""
    return sorted({one_line(str(value), 40) for value in values})


def _texts(
    records: Records, column: str, tidy: Callable[[str], str] | None, notes: list[str]
) -> list[str]:
    """Check the texts of a column, undo literals and tidy them."""
    values = records.columns[column]
    wrong = [not _is_text(value) for value in values]
    _refuse(records, column, wrong, _MUST_BE_TEXT)
    for number, value in zip(records.numbers, values, strict=True):
        if len(value) > LONGEST_TEXT:
            raise InputError(
                f"{records.name}, {records.unit} {number}: {column} has {len(value)} characters, "
                f"but {LONGEST_TEXT} at most; is a quotation mark missing? fix or shorten it"
            )
    try:
        plain, note = without_literals(column, values)
    except InputError as error:
        raise InputError(f"{records.name}, {error}") from error
    if note:
        notes.append(f"{_short(records)}, {note}")
        _refuse(
            replace(records, columns={column: plain}),
            column,
            [not _is_text(p) for p in plain],
            _MUST_BE_TEXT,
        )
    notes += [f"{_short(records)}, {said}" for said in left_in_texts(column, plain)]
    return [tidy(value) for value in plain] if tidy else plain


def _is_text(value: object) -> bool:
    # Zero-width characters are not text, and some tokenizers stop at zero bytes.
    if not isinstance(value, str) or "\0" in value:
        return False
    if not any(c.isprintable() and not c.isspace() for c in value):
        return False
    try:
        value.encode()  # JSON may hold half a surrogate pair, which breaks tokenizers
    except UnicodeEncodeError:
        return False
    return True


def _cases(records: Records, column: str, known: Collection[str] | None) -> list[str]:
    """Read the names of the cases; an invalid or unknown one raises an error."""
    names = [as_text(value) for value in records.columns[column]]
    wrong = [not fits_one_line(name) for name in names]
    _refuse(records, column, wrong, "must be a name of up to 100 printable characters")
    if known is not None:
        for number, name in zip(records.numbers, names, strict=True):
            if name not in known:
                place = f"{records.name}, {records.unit} {number}"
                raise unknown(f"{column} in {place}:", name, known)
    return names


def _refuse(records: Records, column: str, wrong: list[bool], rule: str) -> None:
    """Raise an error for the first wrong value of a column, if there is one."""
    if not any(wrong):
        return
    first = wrong.index(True)
    value: Any = records.columns[column][first]
    others = sum(wrong) - 1
    more = f" (and in {others} other {records.unit}s)" if others else ""
    missing = value is None or value != value  # NaN differs from itself
    shown = "nothing" if missing else one_line(repr(value), 80)
    raise InputError(
        f"{records.name}, {records.unit} {records.numbers[first]}: {column} is {shown}{more}, but "
        f"{rule}; correct or remove it"
    )
