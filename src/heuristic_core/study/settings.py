"""Settings given as ``key=value`` on the command line."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Any

from ..errors import InputError, one_line


def settings(
    changes: Sequence[str], into: dict[str, Any] | None = None, option: str = "--set"
) -> dict[str, Any]:
    """Turn ``key=value`` texts into nested dictionaries.

    Args:
        changes: Texts such as ``search.seeds=[1, 2]``; values as in TOML, ``none`` for no value
            and other bare words as strings.
        into: What is changed, in place; a new dictionary if not given.
        option: The option's name in errors.

    Returns:
        The dictionary.

    Raises:
        InputError: If a text is not of that form.
    """
    raw = {} if into is None else into
    for change in changes:
        key, equals, text = change.partition("=")
        *tables, name = key.strip().split(".")
        if not equals or not all((*tables, name)):
            raise InputError(f"{option} {one_line(change)!r} is not of the form key=value")
        table = raw
        for table_name in tables:
            table = table.setdefault(table_name, {})
            if not isinstance(table, dict):
                raise InputError(f"{option} {key}: {table_name} is no table")
        table[name] = _value(text)
    return raw


def _value(text: str) -> Any:
    if text.strip() == "none":
        return None  # TOML has no null
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text.strip()  # a bare word is a string: --set model.source=minilm
