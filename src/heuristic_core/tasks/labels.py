"""Label names, the ways to spell them, and the maps between them."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType

from ..errors import InputError

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

#: The name of a class that a configuration does not name.
_DEFAULT = re.compile(r"LABEL_\d+")

_FLOAT = re.compile(r"-?\d+\.0")

#: Words for the same class, each with the first of its line.
_WORDS = {
    word: words[0]
    for words in (
        ("entailment", "entail", "entails", "entailed"),
        ("neutral",),
        ("contradiction", "contradict", "contradicts", "contradicted", "contradictory"),
        ("duplicate", "duplicates", "paraphrase", "equivalent"),
        ("negative", "neg"),
        ("positive", "pos"),
    )
    for word in words
}
#: Classes named by a letter, where all are.
_LETTERS = {"e": "entailment", "n": "neutral", "c": "contradiction"}
_NEGATION = re.compile(r"(?:not|non|no) ?(.+)")


def spelled_alike(name: str) -> str:
    """Return what different spellings of a class name have in common.

    Case, spaces, hyphens and underscores do not count, nor do ``not``, ``non`` and ``no`` before a
    word differ, nor do forms of the usual words: ``ENTAILMENT``, ``not_entailment`` as
    ``non-entailment``, ``contradictory`` as ``contradiction``.
    """
    plain = re.sub(r"[\s_-]+", " ", name.casefold()).strip()
    if not plain:
        return name
    if (found := _NEGATION.fullmatch(plain)) and (found[1] in _WORDS):
        return f"not {_WORDS[found[1]]}"
    if found := re.fullmatch(r"(?:not|non) (.+)", plain):
        return f"not {found[1]}"
    return _WORDS.get(plain, plain)


def counterparts(names: Sequence[str], labels: Iterable[str]) -> dict[str, str]:
    """Find the label that each of some class names spells.

    Args:
        names: The names, all of one model or one file.
        labels: The labels.

    Returns:
        The label of each name that spells exactly one, and is the only name to spell it. Equal
        names come first, then those that differ in case alone, then other spellings. The letters
        e, n and c count where they are all names.
    """
    labels = list(dict.fromkeys(labels))
    found = {name: name for name in names if name in labels}
    letters = {name.casefold().strip() for name in names} == set(_LETTERS)
    for spelling in (str.casefold, spelled_alike):
        spelled: dict[str, list[str]] = {}
        for label in labels:
            spelled.setdefault(spelling(label), []).append(label)
        rest = [name for name in names if name not in found]
        for name in rest:
            key = spelling(name)
            if letters and spelling is spelled_alike:
                key = _LETTERS[name.casefold().strip()]
            like = spelled.get(key, [])
            alike = [n for n in rest if spelling(n) == spelling(name)]
            if len(like) == 1 and like[0] not in found.values() and len(alike) == 1:
                found[name] = like[0]
    return found


def example_map(names: Sequence[str], labels: Sequence[str]) -> str:
    """Write a label map as the command line takes it, with labels in the order given.

    Classes stand in it by their names where these are a configuration's default, and else by their
    numbers: a label map in use may have changed the names.
    """
    known = counterparts(names, labels)
    free = [label for label in labels if label not in known.values()]
    some = {n: known.get(n) or (free.pop(0) if free else "...") for n in names}
    by_name = all(_DEFAULT.fullmatch(name) for name in names) or any(map(str.isdecimal, names))
    return ",".join(
        f"{name if by_name else number}={label}"
        for number, (name, label) in enumerate(some.items())
    )


def label_names(
    values: Sequence[object], labels: Sequence[str], written: Mapping[str, str] | None = None
) -> list[str | None]:
    """Turn label values from files into label names.

    Args:
        values: Names in any case and spelling, or class numbers as numbers or text.
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

    found = [named(value) for value in values]
    if written is not None or None not in found:
        return found
    # Other spellings count only if the file has no value that is no label.
    texts = list(dict.fromkeys(as_text(value) for value in values if isinstance(value, str)))
    others = [t for t in texts if t and t not in known]
    spelled = _spelled(others, labels)
    return [
        spelled.get(as_text(value)) if name is None and isinstance(value, str) else name
        for name, value in zip(found, values, strict=True)
    ]


def odd_numbers(values: Sequence[object], labels: Sequence[str]) -> tuple[str, str]:
    """Look for class numbers in files that do not seem to count from 0.

    Args:
        values: The column of labels.
        labels: The names, in the order of their numbers.

    Returns:
        What speaks against reading -1 as no label, and what speaks for counting from 1; each empty
        if nothing does.
    """
    seen = {written_alike(value) for value in values if not isinstance(value, bool)}
    numbers = {str(i): name for i, name in enumerate(labels)}
    if seen & set(labels) or any(name.strip().isdecimal() for name in labels):
        return "", ""
    missing = [i for i in numbers if i not in seen]
    if "-1" in seen and seen & set(numbers) and {"0", str(len(labels) - 1)} & set(missing):
        classes = sorted(seen & {"-1", *numbers}, key=int)
        said = ", ".join(f'"{number}" = "..."' for number in classes)
        return (
            f"-1 means no label, and no row has {missing[0]} ({numbers[missing[0]]!r}); if -1 is a "
            f"class, give label_map = {{ {said} }}, and if not, drop such rows: drop = {{ COLUMN = "
            '"-1" }',
            "",
        )
    if len(labels) > 2 and missing == ["0"]:
        return "", (
            f"no row has class number 0 ({labels[0]!r}); if classes are numbered from 1, say so "
            "with label_map"
        )
    return "", ""


def labels_from(values: Sequence[object], labels: Sequence[str], least: float) -> list[str | None]:
    """Turn numbers, such as shares of annotators, into label names.

    Args:
        values: The numbers, or text that says one.
        labels: Two names.
        least: Numbers from here on have the second label, lower ones the first.

    Returns:
        The label name of each value; ``None`` if it is no number.

    Raises:
        InputError: If there are not two labels.
    """
    if len(labels) != 2:
        raise InputError(f"label_from divides numbers into two labels, but there are {len(labels)}")

    def named(value: object) -> str | None:
        try:
            number = float(as_text(value))
        except ValueError:
            return None
        return labels[number >= least] if math.isfinite(number) else None

    return [named(value) for value in values]


def _spelled(texts: Collection[str], labels: Sequence[str]) -> dict[str, str]:
    """Find the labels that values of a file spell; several values may spell the same."""
    of = {}
    keys = [spelled_alike(label) for label in labels]
    letters = {text.casefold() for text in texts} <= set(_LETTERS)
    for text in texts:
        key = _LETTERS[text.casefold()] if letters else spelled_alike(text)
        if keys.count(key) == 1:
            of[text] = labels[keys.index(key)]
    return of


def with_class_names(
    names: Sequence[str], labels: Sequence[str], written: Mapping[str, str]
) -> tuple[dict[str, str], str | None]:
    """Extend a label map by numbers to the names that a file itself gives its classes.

    Args:
        names: The names of the file's classes, in the order of their numbers.
        labels: The label names.
        written: The map from the file's values, names or numbers, to label names.

    Returns:
        The map from names, and the first name that is a label other than the map's; ``None`` if
        there is none.
    """
    plain = {written_alike(value).lower(): label for value, label in written.items()}
    spelled = counterparts(names, labels)
    whole = dict(written)
    for number, name in enumerate(names):
        label = plain.get(written_alike(name).lower(), plain.get(str(number)))
        if label is None:
            continue
        if spelled.get(name, label) != label:
            return whole, name
        whole[name] = label
    return whole, None


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
