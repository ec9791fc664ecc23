"""The one exception a user can cause, and the sentence it carries."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


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


def one_line(text: str, limit: int = 300) -> str:
    """Make a text safe to stand in a one-line message: no control characters, bounded length."""
    clean = "".join(c if c.isprintable() else " " for c in text)
    clean = " ".join(clean.split())
    return clean if len(clean) <= limit else clean[: limit - 3] + "..."
