"""The one exception that a user can cause, the one warning, and the sentences they carry."""

from __future__ import annotations

import difflib
import math
import warnings
from collections.abc import Iterable, Iterator
from numbers import Integral, Real
from typing import Any


class InputError(Exception):
    """Something the caller gave cannot be used; the message says what and what to do.

    Every error a user can cause, through the API or the command line, is this type. The command
    line prints its message as one line and exits with code 2.

    Args:
        message: What is wrong and what to do; made one line without control characters, as names
            and texts from files stand in it.
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message, 1000))


class Remark(UserWarning):
    """What a caller should know of a result that is given all the same.

    The command line prints it as one line on the error stream.
    """


def remark(message: str) -> None:
    """Warn of something that a caller should know, in one line."""
    warnings.warn(Remark(one_line(message, 1000)), stacklevel=3)


def unknown(kind: str, name: object, options: Iterable[str]) -> InputError:
    """Build the error for a name that is none of the known ones, suggesting the nearest.

    Args:
        kind: What the name names, such as ``"task"``.
        name: What was given.
        options: The names that would have been accepted.

    Returns:
        The error, to be raised by the caller.
    """
    known = [str(option) for option in options]
    message = f"unknown {kind} {one_line(str(name))!r}"
    near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.6)
    if near:
        message += f"; did you mean {near[0]!r}?"
    elif known:
        message += ";"
    if known:
        shown = ", ".join(known[:40]) + (" ..." if len(known) > 40 else "")
        message += f" known: {shown}"
    return InputError(message)


def expect(what: str, value: object, *kinds: Any, hint: str = "") -> None:
    """Raise an error unless a value is of one of some types.

    Args:
        what: What the value is, such as the argument's name.
        value: The value.
        *kinds: The types.
        hint: What to do where it is not.

    Raises:
        InputError: If it is of none of them.
    """
    if isinstance(value, kinds):
        return
    names = ["None" if kind is type(None) else kind.__name__ for kind in kinds]
    message = f"{what} must be of the type {' or '.join(names)}, not {type(value).__name__}"
    shown = "" if value is None else f" ({one_line(repr(value), 60)})"
    raise InputError(f"{message}{shown}" + (f"; {hint}" if hint else ""))


def expect_whole(what: str, value: object, least: int = 0) -> None:
    """Raise an error unless a value is a whole number that is large enough.

    Args:
        what: What the value is, such as the argument's name.
        value: The value.
        least: The smallest number allowed.

    Raises:
        InputError: If it is not.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise InputError(
            f"{what} is {one_line(repr(value), 60)}, but must be a whole number from {least}"
        )


def expect_number(what: str, value: object, *, above: bool = False, infinite: bool = False) -> None:
    """Raise an error unless a value is a number from 0.

    Args:
        what: What the value is, such as the argument's name.
        value: The value.
        above: Whether it must be above 0.
        infinite: Whether it may be infinite.

    Raises:
        InputError: If it is not.
    """
    number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    if not (number > 0 if above else number >= 0) or (math.isinf(number) and not infinite):
        least = "above" if above else "from"
        raise InputError(f"{what} is {one_line(repr(value), 60)}, but must be a number {least} 0")


def one_line(text: str, limit: int = 300) -> str:
    """Make a text safe to stand in a one-line message: no control characters, bounded length."""
    clean = "".join(c if c.isprintable() else " " for c in text)
    clean = " ".join(clean.split())
    return clean if len(clean) <= limit else clean[: limit - 3] + "..."


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Iterate over an error and those that it comes from."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def fits_one_line(name: str) -> bool:
    """Return whether a text can be shown as a name: printable, not empty, not too long."""
    return bool(name.strip()) and name.isprintable() and len(name) <= 100


def expect_known(kind: str, names: Iterable[str], options: Iterable[str]) -> None:
    """Refuse names that are none of the known ones.

    Args:
        kind: What they name, such as ``"task"``.
        names: What was given.
        options: The names that are accepted.

    Raises:
        InputError: If one is not; the message suggests the nearest.
    """
    options = list(options)
    for name in names:
        if name not in options:
            raise unknown(kind, name, options)
