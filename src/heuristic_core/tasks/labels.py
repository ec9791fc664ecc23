"""Label names and how they map onto each other, written down once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

#: The classes of MNLI and SNLI, in the order of their numbers 0, 1, 2 in published files.
NLI_LABELS = ("entailment", "neutral", "contradiction")

#: The classes of HANS, in the order of their numbers 0, 1.
HANS_LABELS = ("entailment", "non-entailment")

#: What a three-way answer counts as on HANS (McCoy, Pavlick and Linzen 2019).
NLI_TO_HANS: Mapping[str, str] = MappingProxyType(
    {"neutral": "non-entailment", "contradiction": "non-entailment"}
)

#: The classes of QQP and PAWS, in the order of their numbers 0, 1.
PARAPHRASE_LABELS = ("not_duplicate", "duplicate")

#: What SNLI and MNLI write where the annotators did not agree; -1 in numbered versions.
NO_GOLD_LABEL = "-"

_FLOAT = re.compile(r"-?\d+\.0")


def label_names(
    values: Sequence[object], labels: Sequence[str], written: Mapping[str, str] | None = None
) -> list[str | None]:
    """Turn label values as files write them into label names.

    Args:
        values: Names in any case, or class numbers as numbers or text.
        labels: The names, in the order of their numbers.
        written: From what a file writes, in any case, to label names; if it is given, names and
            numbers are not looked at.

    Returns:
        For each value its name, ``NO_GOLD_LABEL`` where it says that there is none, or ``None``
        where it is no label at all.
    """
    known = {"-1": NO_GOLD_LABEL, NO_GOLD_LABEL: NO_GOLD_LABEL}
    if written is None:
        names = {name: name for name in labels}
        # Names that are numbers themselves are not to be taken for class numbers.
        if not any(name.strip().isdecimal() for name in labels):
            known = {str(i): name for i, name in enumerate(labels)} | known
    else:
        names = {written_alike(value): name for value, name in written.items()}
    lower = [name.lower() for name in names]
    # What differs in case alone has to be written as it is.
    any_case = {n.lower(): label for n, label in names.items() if lower.count(n.lower()) == 1}
    known |= names

    def named(value: object) -> str | None:
        text, alike = as_text(value), written_alike(value)
        # Without a map a column of true and false does not say which of them is class 1.
        if isinstance(value, bool) and alike not in any_case:
            return None
        return known.get(text) or any_case.get(text.lower()) or known.get(alike)

    return [named(value) for value in values]


def written_alike(value: object) -> str:
    """Write a value as text that is the same for numbers and truths of any format."""
    text = as_text(value)
    if text.lower() in ("true", "false"):
        return text.lower()
    return text.removesuffix(".0") if _FLOAT.fullmatch(text) else text


def as_text(value: object) -> str:
    """Write a value as text, the same whatever the format of its file; empty for what is none."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # a column of numbers with a gap is read as floats
    if isinstance(value, float) and value != value:
        return ""
    return str(value).strip() if isinstance(value, str | int | float) else ""
