"""Texts that a program wrote as Python literals, such as ``b'...'``, and what they stand for."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Sequence

from ..errors import InputError, one_line

#: The literals of bytes and of text in Python 2, which are nothing that one writes.
_MARKED = re.compile(r"""\s*[bBuU](?:'.*'|".*")\s*""", re.S)
#: Other literals that a whole column may consist of: lists of words, and texts in single quotes.
_OTHERS = {
    "a Python list or tuple": re.compile(r"""\s*[\[(]\s*['"].*[\])]\s*""", re.S),
    "a Python dictionary": re.compile(r"""\s*\{\s*['"].*:.*\}\s*""", re.S),
    "a Python text in quotes": re.compile(r"""\s*'.*'\s*""", re.S),
}

#: What a whole column of texts in double quotes has in it where JSON or Python wrote it.
_ESCAPED = re.compile(r'(?s)\s*"(?:[^"\\]|\\.)*"\s*')
#: What programs leave in texts that they do not decode.
_LEFT = {
    "HTML entities": re.compile(r"&(?:amp|quot|lt|gt|nbsp|apos|#\d{2,5}|#x[0-9a-fA-F]{2,5});"),
    "escapes such as \\u00e9": re.compile(r"\\u[0-9a-fA-F]{4}"),
    "characters that could not be decoded": re.compile("\ufffd"),
    "UTF-8 that was read as another encoding": re.compile("Ã[\u0080-\u00bf]|â€[\u0080-\uffff]"),
}


def left_in_texts(column: str, texts: Sequence[str]) -> list[str]:
    """Say how many texts hold what a program did not decode; they are read as they are.

    Args:
        column: The column's name.
        texts: Its texts.
    """
    said = []
    for what, pattern in _LEFT.items():
        found = [text for text in texts if pattern.search(text)]
        if found:
            example = one_line(found[0], 60)
            said.append(
                f"{column}: {len(found)} of {len(texts)} texts hold {what}, such as {example!r}, "
                "and are read as they stand"
            )
    return said


def without_literals(column: str, texts: Sequence[str]) -> tuple[list[str], str]:
    """Undo the literals of a column whose texts are all literals.

    Args:
        column: The column's name, for messages.
        texts: Its texts.

    Returns:
        The texts, and a sentence on what was done; empty if nothing.

    Raises:
        InputError: If some texts are literals of bytes and others are not, if one stands for
            no text, or if all are literals of another kind.
    """
    values = [_value(text) if _MARKED.fullmatch(text) else None for text in texts]
    n = sum(value is not None for value in values)
    if n:
        decoded = (_decoded(value) for value in values)
        good = [text for text in decoded if text is not None]
        if len(good) < len(texts):
            raise InputError(
                f"{column}: {n} of {len(texts)} texts are Python literals such as b'...', but not "
                "all are, or some are not UTF-8; write the texts themselves into the file"
            )
        return good, f"{column}: all texts were Python literals such as b'...', which were undone"
    if all(_ESCAPED.fullmatch(text) for text in texts) and any("\\" in text for text in texts):
        raise InputError(
            f"{column}: every text is in quotes with escapes, such as {texts[0][:40]!r}; write the "
            "texts themselves into the file"
        )
    for what, pattern in _OTHERS.items():
        if all(pattern.fullmatch(text) and _value(text) is not None for text in texts):
            raise InputError(
                f"{column}: every text is {what}, such as {texts[0][:40]!r}; write the texts "
                "themselves into the file"
            )
    return list(texts), ""


def _value(text: str) -> object:
    """Evaluate a literal, which runs no code; ``None`` if it is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of escapes that Python does not know
        try:
            return ast.literal_eval(text.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return None


def _decoded(value: object) -> str | None:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return None
    return value if isinstance(value, str) else None
