"""Label names and the maps between them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

#: The classes of MNLI and SNLI, in the order of their numbers 0, 1, 2 in published files.
NLI_LABELS = ("entailment", "neutral", "contradiction")

#: The classes of HANS, in the order of their numbers 0, 1.
HANS_LABELS = ("entailment", "non-entailment")

#: The HANS labels of three-way predictions (McCoy, Pavlick and Linzen 2019).
NLI_TO_HANS: Mapping[str, str] = MappingProxyType(
    {"neutral": "non-entailment", "contradiction": "non-entailment"}
)

#: The classes of QQP and PAWS, in the order of their numbers 0, 1.
PARAPHRASE_LABELS = ("not_duplicate", "duplicate")

#: The label in SNLI and MNLI where annotators disagreed; -1 in versions with class numbers.
NO_GOLD_LABEL = "-"

_FLOAT = re.compile(r"-?\d+\.0")


def label_names(
    values: Sequence[object], labels: Sequence[str], written: Mapping[str, str] | None = None
) -> list[str | None]:
    """Turn label values from files into label names.

    Args:
        values: Names in any case, or class numbers as numbers or text.
        labels: The names, in the order of their numbers.
        written: Map from a file's values, in any case, to label names. If given, names and class
            numbers are not recognised.

    Returns:
        The label name of each value, ``NO_GOLD_LABEL`` if the value says that there is none, or
        ``None`` if the value is not a label.
    """
    known = {"-1": NO_GOLD_LABEL, NO_GOLD_LABEL: NO_GOLD_LABEL}
    if written is None:
        names = {name: name for name in labels}
        # Names that are numbers must not be mistaken for class numbers.
        if not any(name.strip().isdecimal() for name in labels):
            known = {str(i): name for i, name in enumerate(labels)} | known
    else:
        names = {written_alike(value): name for value, name in written.items()}
    lower = [name.lower() for name in names]
    # Names that differ only in case are matched exactly.
    any_case = {n.lower(): label for n, label in names.items() if lower.count(n.lower()) == 1}
    known |= names

    def named(value: object) -> str | None:
        text, alike = as_text(value), written_alike(value)
        # Without a map it is unknown which of true and false is class 1.
        if isinstance(value, bool) and alike not in any_case:
            return None
        return known.get(text) or any_case.get(text.lower()) or known.get(alike)

    return [named(value) for value in values]


def written_alike(value: object) -> str:
    """Write a value as text, the same for numbers and booleans from any file format."""
    text = as_text(value)
    if text.lower() in ("true", "false"):
        return text.lower()
    return text.removesuffix(".0") if _FLOAT.fullmatch(text) else text


def as_text(value: object) -> str:
    """Write a value as text, the same for any file format; empty for missing values."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # integers with missing values are read as floats
    if isinstance(value, float) and value != value:
        return ""
    return str(value).strip() if isinstance(value, str | int | float) else ""
