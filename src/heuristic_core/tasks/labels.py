"""Label names and how they map onto each other, written down once."""

from __future__ import annotations

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
PARAPHRASE_LABELS = ("not_equivalent", "equivalent")

#: What SNLI and MNLI write where the annotators did not agree; -1 in numbered versions.
NO_GOLD_LABEL = "-"


def label_names(values: Sequence[object], labels: Sequence[str]) -> list[str | None]:
    """Turn label values as files write them into label names.

    Args:
        values: Names in any case, or class numbers as numbers or text.
        labels: The names, in the order of their numbers.

    Returns:
        For each value its name, ``NO_GOLD_LABEL`` where it says that there is none, or ``None``
        where it is no label at all.
    """
    known = {str(i): name for i, name in enumerate(labels)}
    known |= {"-1": NO_GOLD_LABEL, NO_GOLD_LABEL: NO_GOLD_LABEL}
    known |= {name.lower(): name for name in labels}
    return [known.get(_written(value)) for value in values]


def _written(value: object) -> str:
    """Write a label value as text; the empty text for what cannot be a label."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # a column of numbers with a gap is read as floats
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value).strip().lower()
