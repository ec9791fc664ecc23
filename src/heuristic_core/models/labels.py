"""The names of a classifier's classes, as its configuration or the user gives them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..errors import InputError, expect, fits_one_line, one_line, unknown

_NO_NAME = re.compile(r"LABEL_\d+")


def label_settings(
    source: object, raw: Mapping[str, Any], labels: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the settings that name a classifier's classes, where config.json does not do.

    Names may stand in ``label2id`` alone, and be numbers.

    Args:
        source: The model's name in errors.
        raw: The content of config.json.
        labels: The user's names, by the name or the number of a class.

    Returns:
        ``id2label`` and ``label2id`` for the configuration; nothing if its own names stand.

    Raises:
        InputError: If the names in config.json are not as configurations have them, or the user
            names a class that is not there.
    """
    names = _names(source, raw.get("id2label"))
    numbers = _numbers(source, raw.get("label2id"))
    known = [i for i, name in numbers.items() if not _NO_NAME.fullmatch(name)]
    unnamed = all(_NO_NAME.fullmatch(name) for name in names.values())
    if unnamed and known and sorted(numbers) == list(range(max(len(numbers), len(names)))):
        names = numbers
    if not names and labels is not None:
        n = raw.get("num_labels")
        names = {i: f"LABEL_{i}" for i in range(n if isinstance(n, int) and n < 1000 else 2)}
    own = {str(i): name for i, name in names.items()} == raw.get("id2label")
    if labels is None and (own or not names):
        return {} if not numbers or _is_plain(raw.get("label2id")) else {"label2id": _ids(numbers)}
    names = _renamed(source, names, labels or {})
    return {"id2label": names, "label2id": _ids(names)}


def read_label_map(text: str) -> dict[str, str]:
    """Read a label map from the command line: ``LABEL_0=entailment,LABEL_1=neutral``.

    Raises:
        InputError: If it is none.
    """
    pairs = [pair.split("=") for pair in text.split(",")]
    names = {old.strip(): new.strip() for old, new, *_ in (p for p in pairs if len(p) == 2)}
    if len(names) < len(pairs) or not all(names) or not all(names.values()):
        raise InputError(
            f"--labels is {one_line(text, 80)!r}, but must give classes of the model their names, "
            "as in LABEL_0=entailment,LABEL_1=neutral,LABEL_2=contradiction"
        )
    return names


def _ids(names: Mapping[int, str]) -> dict[str, int]:
    return {name: i for i, name in names.items()}


def _is_plain(ids: Any) -> bool:
    return all(type(i) is int for i in ids.values())


def _names(source: object, written: Any) -> dict[int, str]:
    """Read ``id2label``; names that are numbers become text."""
    if written is None:
        return {}
    if not (
        isinstance(written, Mapping)
        and all(str(key).isdecimal() for key in written)
        and all(
            isinstance(name, str | int) and not isinstance(name, bool) and str(name).strip()
            for name in written.values()
        )
    ):
        raise InputError(
            f"{source}: id2label in config.json is {one_line(str(written), 80)}, but must give "
            'each class number a name, such as {"0": "no", "1": "yes"}; correct it'
        )
    return {int(key): str(name) for key, name in written.items()}


def _numbers(source: object, written: Any) -> dict[int, str]:
    """Read ``label2id``, whose numbers may be text."""
    if written is None:
        return {}
    if not (
        isinstance(written, Mapping)
        and all(
            (isinstance(i, int) and not isinstance(i, bool)) or str(i).isdecimal()
            for i in written.values()
        )
    ):
        raise InputError(
            f"{source}: label2id in config.json is {one_line(str(written), 80)}, but must give "
            'each name its class number, such as {"no": 0, "yes": 1}; correct or remove it'
        )
    return {int(i): str(name) for name, i in written.items()}


def _renamed(source: object, names: Mapping[int, str], labels: Mapping[str, str]) -> dict[int, str]:
    """Give classes the user's names."""
    expect("labels", labels, Mapping)
    renamed = dict(names)
    for old, new in labels.items():
        found = [i for i, name in names.items() if old in (name, str(i))]
        exact = [i for i in found if names[i] == old]
        if not found:
            raise unknown(f"class of {source} in labels:", old, names.values())
        if not isinstance(new, str) or not fits_one_line(new):
            raise InputError(
                f"labels gives the class {one_line(str(old), 60)!r} the name "
                f"{one_line(repr(new), 60)}, but a name is text of up to 100 characters"
            )
        renamed[(exact or found)[0]] = new
    return renamed
