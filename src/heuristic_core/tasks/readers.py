"""Readers of labelled sentence pairs: any table, MNLI and SNLI, and HANS."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Collection, Sequence
from typing import Any

from ..errors import InputError, one_line, unknown
from .grammar import SUBCASES
from .labels import HANS_LABELS, NLI_LABELS, NO_GOLD_LABEL, label_names
from .sources import Records, read_records
from .task import Examples

Source = str | os.PathLike[str]
# One column name, or several of which the first that is there counts.
Column = str | Sequence[str]

_PREMISE = ("sentence1", "premise")
_HYPOTHESIS = ("sentence2", "hypothesis")
_LABEL = ("gold_label", "label")


def read_pairs(
    source: Source,
    *,
    text: Column,
    text_pair: Column,
    label: Column,
    labels: Sequence[str],
    case: str = "all",
    case_column: Column | None = None,
    known_cases: Collection[str] | None = None,
    split: str | None = None,
    tidy: Callable[[str], str] | None = None,
    notes: list[str] | None = None,
) -> Examples:
    """Read labelled pairs of texts from any table.

    Files are told apart by extension: ``.jsonl``, ``.csv`` (quoted), ``.tsv`` and ``.txt`` (tabs,
    nothing quoted), all four also with ``.gz``, and ``.parquet``. Rows whose label is ``-`` or -1
    have no gold label and are dropped.

    Args:
        source: A path. If there is no such path: a name on the hub, ``namespace/name`` or
            ``hub:namespace/name``.
        text: The column of the first texts; of several names the first that is there.
        text_pair: The column of the second texts.
        label: The column of labels, names or class numbers.
        labels: The label names, in the order of the classes.
        case: The case of all pairs, if there is no column for it.
        case_column: The column of the cases.
        known_cases: The names that cases in that column may have; any if not given.
        split: Which split of a data set on the hub. Of a file with a column ``split`` those rows
            are kept; any other file is read whole.
        tidy: What is done to each text.
        notes: A list to which a sentence is added if pairs were dropped.

    Returns:
        The pairs, in the order of the source.

    Raises:
        InputError: If the source cannot be read, lacks a column, or holds an empty text, an
            unknown label or an unknown case; the message names the first such line or row.
    """
    options = [_names(column) for column in (text, text_pair, label, case_column or ())]
    wanted = [name for names in options for name in names]
    records = _of_split(read_records(source, ["split", *wanted], split), split)
    roles = [_pick(records, names) for names in options if names]

    name = label_names(records.columns[roles[2]], labels)
    _refuse(records, roles[2], [value is None for value in name], f"must be one of {list(labels)}")
    rows = [i for i, value in enumerate(name) if value != NO_GOLD_LABEL]
    if not rows:
        raise InputError(f"{records.name} has no pair with a gold label; give labelled data")
    if notes is not None and len(rows) < len(name):
        notes.append(f"{records.name}: {len(name) - len(rows)} pairs without a gold label dropped")
    records = records.only(rows)
    for role in (*roles[:2], *roles[3:]):
        wrong = [not _is_text(value) for value in records.columns[role]]
        _refuse(records, role, wrong, "must be text that is not empty")
    if case_column and known_cases is not None:
        _check_cases(records, roles[3], known_cases)

    texts, pairs = (
        [tidy(value) for value in records.columns[role]] if tidy else records.columns[role]
        for role in roles[:2]
    )
    cases = records.columns[roles[3]] if case_column else case
    return Examples.build(texts, pairs, [str(name[i]) for i in rows], cases, tuple(labels))


def read_nli(
    source: Source,
    split: str | None = None,
    *,
    case: str = "all",
    case_column: str | None = None,
    notes: list[str] | None = None,
) -> Examples:
    """Read MNLI, SNLI or data in their style, labels in MNLI's class order.

    Args:
        source: A file or a name on the hub, as for ``read_pairs``. Columns are the official
            ``sentence1``, ``sentence2``, ``gold_label``, or ``premise``, ``hypothesis``,
            ``label``.
        split: Which split, of data that has several.
        case: The case of all pairs, if there is no column for it.
        case_column: The column of the cases, such as ``genre``.
        notes: A list to which a sentence is added if pairs without gold label were dropped.

    Returns:
        The pairs.

    Raises:
        InputError: As for ``read_pairs``.

    Source:
        Williams, Nangia and Bowman 2018 (MNLI); Bowman et al. 2015 (SNLI).
    """
    return read_pairs(
        source,
        text=_PREMISE,
        text_pair=_HYPOTHESIS,
        label=_LABEL,
        labels=NLI_LABELS,
        case=case,
        case_column=case_column,
        split=split,
        notes=notes,
    )


def read_hans(
    source: Source,
    split: str = "validation",
    *,
    tidy: bool = True,
    notes: list[str] | None = None,
) -> Examples:
    """Read HANS; the case of each pair is its subcase.

    Args:
        source: A file or a name on the hub, as for ``read_pairs``: the official text or jsonl
            file, or a table with the columns ``premise``, ``hypothesis``, ``label``, ``subcase``.
        split: Which split; an official file is one split and is read whole.
        tidy: Write ``The doctor danced.`` for ``The doctor danced .``, as the model's training
            data does; some versions of HANS have the spaces, others do not.
        notes: A list to which sentences on what was changed or dropped are added.

    Returns:
        The pairs.

    Raises:
        InputError: As for ``read_pairs``.

    Source:
        McCoy, Pavlick and Linzen 2019, "Right for the Wrong Reasons".
    """
    if tidy and notes is not None:
        notes.append("HANS: spaces before punctuation, where there are any, removed")
    return read_pairs(
        source,
        text=_PREMISE,
        text_pair=_HYPOTHESIS,
        label=_LABEL,
        labels=HANS_LABELS,
        case_column="subcase",
        known_cases=SUBCASES,
        split=split,
        tidy=close_punctuation if tidy else None,
        notes=notes,
    )


def close_punctuation(text: str) -> str:
    """Remove the spaces before full stops and commas."""
    return re.sub(r"\s+([.,])", r"\1", text)


def _names(column: Column) -> tuple[str, ...]:
    return (column,) if isinstance(column, str) else tuple(column)


def _of_split(records: Records, split: str | None) -> Records:
    """Keep the rows of one split, if the source tells splits apart by a column."""
    values = records.columns.get("split")
    if split is None or values is None:
        return records
    rows = [i for i, value in enumerate(values) if value == split]
    if not rows:
        # Made safe, as these names come from the file.
        found = sorted({one_line(str(value), 40) for value in values})
        raise unknown(f"split of {records.name}:", split, found)
    return records.only(rows)


def _pick(records: Records, names: tuple[str, ...]) -> str:
    """Choose the first of some columns that is there."""
    for name in names:
        if name in records.columns:
            return name
    message = f"{records.name} has no column " + " or ".join(map(repr, names))
    near = [
        match
        for name in names
        for match in difflib.get_close_matches(name, records.present, n=1, cutoff=0.6)
    ]
    if near:
        message += f"; is it {one_line(near[0], 60)!r}? rename it"
    else:
        message += "; rename the column that holds it"
    shown = ", ".join(one_line(name, 40) for name in records.present[:20]) or "none"
    raise InputError(f"{message}; columns there: {one_line(shown)}")


def _is_text(value: object) -> bool:
    if not isinstance(value, str) or not value.strip():
        return False
    try:
        value.encode()  # half a surrogate pair, which JSON can smuggle in, breaks tokenizers
    except UnicodeEncodeError:
        return False
    return True


def _check_cases(records: Records, column: str, known: Collection[str]) -> None:
    """Fail on the first value of a column that is none of the known cases, if there is one."""
    for number, value in zip(records.numbers, records.columns[column], strict=True):
        if value not in known:
            place = f"{records.name}, {records.unit} {number}"
            raise unknown(f"{column} in {place}:", value, known)


def _refuse(records: Records, column: str, wrong: list[bool], rule: str) -> None:
    """Fail on the first wrong value of a column, if there is one."""
    if not any(wrong):
        return
    first = wrong.index(True)
    value: Any = records.columns[column][first]
    others = sum(wrong) - 1
    more = f" (and in {others} other {records.unit}s)" if others else ""
    missing = value is None or value != value  # NaN is what differs from itself
    found = "nothing" if missing else one_line(repr(value), 80)
    raise InputError(
        f"{records.name}, {records.unit} {records.numbers[first]}: {column} is {found}{more}, but "
        f"{rule}; correct or remove it"
    )
