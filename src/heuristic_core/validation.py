"""What is wrong with settings that pydantic refuses, in words for those who write them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from .errors import one_line

#: What is said of a key.
UNKNOWN = "is unknown"

#: Names of studies and of suites, which name files too.
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$"
SUITE_NAME = r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,79}$"
_PATTERNS = {
    NAME: "letters, digits, '.', '_' and '-', 80 at most, a letter or digit first",
    SUITE_NAME: "letters, digits, '.', '_', '+' and '-', 80 at most, a letter or digit first",
}

_WHOLE, _NUMBER, _TEXT = "a whole number", "a number", "a text"
_TABLE, _LIST, _YES = "a table", "a list", "true or false"

#: What a value must be, by the kind of error.
_MUST_BE: dict[str, str | Callable[[Mapping[str, Any]], str]] = {
    "int_type": _WHOLE,
    "float_type": _NUMBER,
    "finite_number": "a finite number",
    "bool_type": _YES,
    "string_type": _TEXT,
    "list_type": _LIST,
    "dict_type": _TABLE,
    "model_type": _TABLE,
    "literal_error": lambda about: str(about["expected"]).replace("', '", "' or '"),
    "string_pattern_mismatch": lambda about: _PATTERNS.get(about["pattern"], about["pattern"]),
    "greater_than": lambda about: f"above {about['gt']:.10g}",
    "greater_than_equal": lambda about: f"at least {about['ge']:.10g}",
    "less_than": lambda about: f"below {about['lt']:.10g}",
    "less_than_equal": lambda about: f"at most {about['le']:.10g}",
}
#: The same in whole sentences, of which the value is no part.
_SAYS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "missing": lambda about: "is missing",
    "extra_forbidden": lambda about: UNKNOWN,
    "value_error": lambda about: str(about["error"]),
    "too_short": lambda about: (
        f"must have {about['min_length']} items or more"
        if about["min_length"] > 1
        else "must not be empty"
    ),
    "invalid_key": lambda about: "has a key that is no text",
}
#: What pydantic puts into the place of an error in a value of one of several kinds.
_BRANCH = re.compile(r"(?:[a-z-]+\[.*\]|str|int|float|bool|model-fields|[A-Z]\w+)", re.DOTALL)


def wrong(error: ValidationError) -> tuple[tuple[str | int, ...], str]:
    """Say in words what is wrong with settings.

    Args:
        error: The error that pydantic raised; unknown keys come before its other errors.

    Returns:
        The place, as keys and numbers of items; and what is wrong there.
    """
    errors = error.errors(include_url=False)
    first = next((one for one in errors if one["type"] == "extra_forbidden"), errors[0])
    if first["loc"][-1:] == ("[key]",):
        no_text = first["type"] == "string_type"
        return first["loc"][:-1], _SAYS["invalid_key"]({}) if no_text else _words([first])
    at = _branches_at(first, errors)
    if at is None:
        return first["loc"], _words([first])
    same = [one for one in errors if one["loc"][:at] == first["loc"][:at] and len(one["loc"]) > at]
    deepest = max(same, key=lambda one: len(one["loc"]))
    if len(deepest["loc"]) > at + 1:  # of the right kind, with something wrong in it
        return (*deepest["loc"][:at], *deepest["loc"][at + 1 :]), _words([deepest])
    # Of the right kind, but out of its bounds, is nearer than of another kind.
    near = [one for one in same if not one["type"].endswith(("_type", "literal_error"))]
    return first["loc"][:at], _words(near[:1] or same)


def _branches_at(first: ErrorDetails, errors: list[ErrorDetails]) -> int | None:
    """Find where a place names one of several kinds of value."""
    for at, part in enumerate(first["loc"]):
        if isinstance(part, str) and _BRANCH.fullmatch(part):
            beside = {one["loc"][at] for one in errors if one["loc"][:at] == first["loc"][:at]}
            if "[" in part or len(beside) > 1:
                return at
    return None


def _words(errors: list[ErrorDetails]) -> str:
    first = errors[0]
    about = first.get("ctx", {})
    if first["type"] in _SAYS:
        return one_line(_SAYS[first["type"]](about))
    if first["type"] not in _MUST_BE:
        return one_line(first["msg"])
    kinds = [_kind(one) for one in errors if one["type"] in _MUST_BE]
    return one_line(f"must be {' or '.join(dict.fromkeys(kinds))}, not {_shown(first['input'])}")


def _kind(error: ErrorDetails) -> str:
    must_be = _MUST_BE[error["type"]]
    return must_be if isinstance(must_be, str) else must_be(error.get("ctx", {}))


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list | tuple):
        return "a list"
    return one_line(repr(value), 60)
