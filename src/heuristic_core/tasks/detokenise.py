"""Detokenisation of English text.

PAWS has ``does n't`` where QQP has ``doesn't``. For a model that is fine-tuned on QQP, PAWS would
differ in two ways: in the swapped words, which are intended, and in the spaces, which are not.
"""

from __future__ import annotations

import re

_QUOTES = {"``": '"', "''": '"'}
# A single quotation mark on its own is a genitive or closes: tokenisers attach opening ones.
_CLOSING = re.compile(r"[,.?!:;)\]}%]+|'")
_OPENING = re.compile(r"[(\[{]+")
_ENDING = re.compile(r"n't|'(?:s|m|d|re|ve|ll)", re.IGNORECASE)
_MONEY = re.compile(r"[$£€]")
_SPLIT_WORDS = re.compile(r"\b(?:(?:gon|wan) na|got ta|(?:gim|lem) me)\b", re.IGNORECASE)
_BYTES = re.compile(r"(?:\\x[0-9a-fA-F]{2})+")


def detokenise(text: str) -> str:
    r"""Remove the spaces that a tokeniser inserted.

    TeX quotation marks become ``"``, and escaped bytes (``Pok\xc3\xa9mon``) become the letters they
    encode, if they encode any. All other characters keep their order, and detokenising twice is
    the same as detokenising once.

    Args:
        text: Tokens of the Penn Treebank tokeniser, separated by spaces.

    Returns:
        The text.
    """
    while True:
        before, text = text, _once(text)
        if text == before:  # joined tokens may join the next one in another pass
            return text


def _once(text: str) -> str:
    text = _BYTES.sub(_letters, text)
    tokens = [_QUOTES.get(token, token) for token in text.split()]
    written = ""
    quotes = _quotation_marks(tokens)
    glue = True  # no space before the first token
    for i, token in enumerate(tokens):
        quote = quotes.get(i)
        joins = quote == "close" or _CLOSING.fullmatch(token) or _ENDING.fullmatch(token)
        written += token if glue or joins else f" {token}"
        following = tokens[i + 1] if i + 1 < len(tokens) else ""
        money = _MONEY.fullmatch(token) and following[:1].isdigit()
        glue = quote == "open" or bool(_OPENING.fullmatch(token)) or bool(money)
    return _SPLIT_WORDS.sub(lambda match: match.group().replace(" ", ""), written)


def _quotation_marks(tokens: list[str]) -> dict[int, str]:
    """Return for the position of each quotation mark whether it opens or closes."""
    positions = [i for i, token in enumerate(tokens) if token == '"']
    outer = {}
    if len(positions) > 2 and (positions[0], positions[-1]) == (0, len(tokens) - 1):
        # Marks around the whole text enclose others, which look the same.
        outer = {positions.pop(0): "open", positions.pop(): "close"}
    return outer | {i: ("open", "close")[n % 2] for n, i in enumerate(positions)}


def _letters(match: re.Match[str]) -> str:
    written = bytes(int(pair, 16) for pair in match.group().split("\\x")[1:])
    try:
        letters = written.decode("utf-8")
    except UnicodeDecodeError:
        return match.group()
    return letters if letters.isprintable() else match.group()
