"""Examples and suites from the tables of task files and of the shelf."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from ..errors import unknown
from .delimited import TableFormat
from .reading import Source, read_examples
from .source_table import Kind, SourceTable, SuiteTable
from .task import CaseKind, Examples, Suite


def read_source(
    table: SourceTable,
    source: Source,
    *,
    columns: Mapping[str, str],
    labels: Sequence[str],
    label_map: Mapping[str, str] | None,
    case: str,
    split: str | None,
    notes: list[str],
    must_split: bool,
    how: TableFormat | None = None,
) -> Examples:
    """Read the examples of one table's source.

    Args:
        table: The table.
        source: Where they are: a path or a name on the hub.
        columns: The columns of ``text``, ``text_pair``, ``label`` and ``case``.
        labels: The label names, in the order of the classes.
        label_map: Map from values to labels.
        case: The case of all, without a column of cases.
        split: The split.
        notes: A list to which sentences on dropped rows are added.
        must_split: Refuse a split of a file that has none.
        how: How a text table was written.

    Raises:
        InputError: As for ``reading.read_examples``.
    """
    return read_examples(
        source,
        text=columns["text"],
        text_pair=columns.get("text_pair"),
        label=columns["label"],
        labels=labels,
        label_map=label_map,
        label_from=table.label_from,
        case=case,
        case_column=columns.get("case"),
        split=split,
        config=table.config,
        keep=table.keep,
        drop=table.drop,
        drop_incomplete=table.drop_incomplete,
        how=how,
        must_split=must_split,
        notes=notes,
    )


def built_suite(table: SuiteTable, examples: Examples, shown: str) -> Suite:
    """Build a suite with the kinds and groups that its table gives, of all its examples.

    Args:
        table: The table.
        examples: Its examples, with the cases that the source has.
        shown: The name of the table's place in messages.

    Raises:
        InputError: If the table names a case that does not occur.
    """
    cases = tuple(dict.fromkeys(examples.table["case"]))
    for what, given in (("kinds", table.kinds), ("groups", table.groups)):
        for case in given:
            if case not in cases:
                raise unknown(f"case in {what} of suite {table.name} in {shown}:", case, cases)
    suite = Suite(name=table.name, role=table.role, examples=examples, label_map=table.counts_as)
    if table.role == "id":
        return suite
    if table.kinds_by_label:
        of_case: dict[str, Kind | dict[str, Kind]] = dict.fromkeys(cases, table.kinds_by_label)
    else:
        of_case = {case: table.kinds.get(case, table.kind or "adversarial") for case in cases}
    examples, kinds, groups = _divided(examples, of_case, table.groups)
    return replace(suite, examples=examples, kinds=kinds, groups=groups)


def _divided(
    examples: Examples,
    of_case: Mapping[str, Kind | dict[str, Kind]],
    group_of: Mapping[str, str],
) -> tuple[Examples, dict[str, CaseKind], dict[str, str]]:
    """Divide cases whose kind depends on the label into a case for each label, of one group."""
    table = examples.table
    kinds: dict[str, CaseKind] = {}
    groups: dict[str, str] = {}
    names = []
    for case, label in zip(table["case"], table["label"], strict=True):
        kind, name = of_case[case], case
        if isinstance(kind, dict):
            # By default its own group: an adversarial label is compared with this case's others.
            kind, name = kind[label], f"{case}/{label}"
            groups[name] = group_of.get(case, case)
        elif case in group_of:
            groups[name] = group_of[case]
        kinds[name] = kind
        names.append(name)
    cases = pd.Series(names, table.index, dtype=object)
    return Examples(table.assign(case=cases), examples.labels), kinds, groups
