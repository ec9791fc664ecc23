"""Putting tokenised English back as people write it.

PAWS has ``does n't`` where QQP has ``doesn't``. A model that was trained on untouched questions
would otherwise meet two changes at once in PAWS: the swapped words that are meant, and the spaces.
"""

from __future__ import annotations

import re

_QUOTES = {"``": '"', "''": '"'}
# A single mark that stands alone is a genitive or closes; tokenisers leave opening ones with words.
_CLOSING = re.compile(r"[,.?!:;)\]}%]+|'")
_OPENING = re.compile(r"[(\[{]+")
_ENDING = re.compile(r"n't|'(?:s|m|d|re|ve|ll)", re.IGNORECASE)
_MONEY = re.compile(r"[$£€]")
_SPLIT_WORDS = re.compile(r"\b(?:(?:gon|wan) na|got ta|(?:gim|lem) me)\b", re.IGNORECASE)
_BYTES = re.compile(r"(?:\\x[0-9a-fA-F]{2})+")


def detokenise(text: str) -> str:
    r"""Remove the spaces, and only those, that a tokeniser put in.

    Quotation marks of TeX's kind become ``"``, and bytes written out (``Pok\xc3\xa9mon``) become
    the letters they stand for, where they do. Nothing else is changed, so letters and their order
    stay; detokenising again changes nothing.

    Args:
        text: Tokens with spaces between, as the Penn Treebank's tokeniser makes them.

    Returns:
        The text.
    """
    while True:
        before, text = text, _once(text)
        if text == before:  # what was joined may now be joined to the next
            return text


def _once(text: str) -> str:
    text = _BYTES.sub(_letters, text)
    tokens = [_QUOTES.get(token, token) for token in text.split()]
    written = ""
    quotes = _sides(tokens)
    glue = True  # nothing stands before the first token
    for i, token in enumerate(tokens):
        side = quotes.get(i)
        joins = side == "close" or _CLOSING.fullmatch(token) or _ENDING.fullmatch(token)
        written += token if glue or joins else f" {token}"
        following = tokens[i + 1] if i + 1 < len(tokens) else ""
        money = _MONEY.fullmatch(token) and following[:1].isdigit()
        glue = side == "open" or bool(_OPENING.fullmatch(token)) or bool(money)
    return _SPLIT_WORDS.sub(lambda match: match.group().replace(" ", ""), written)


def _sides(tokens: list[str]) -> dict[int, str]:
    """Say of each quotation mark whether it opens or closes."""
    places = [i for i, token in enumerate(tokens) if token == '"']
    sides = {}
    if len(places) > 2 and (places[0], places[-1]) == (0, len(tokens) - 1):
        # Marks around the whole text hold others inside, and both kinds are written alike.
        sides = {places.pop(0): "open", places.pop(): "close"}
    return sides | {place: ("open", "close")[n % 2] for n, place in enumerate(places)}


def _letters(match: re.Match[str]) -> str:
    written = bytes(int(pair, 16) for pair in match.group().split("\\x")[1:])
    try:
        letters = written.decode("utf-8")
    except UnicodeDecodeError:
        return match.group()
    return letters if letters.isprintable() else match.group()
