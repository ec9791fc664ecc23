"""Recognition: which constructions generate a pair, for any content words."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cache

from .constructions import SUBCASES
from .lexicon import CLASSES
from .phrases import Be, Frame, Phrase, Slot


@dataclass(frozen=True)
class Content:
    """A content word without its identity.

    Args:
        kind: Noun (``N``), verb (``V``) or adjective (``A``).
        index: Number of the word among those of its kind in the pair, from 1.
        readings: The word classes it belongs to, each with its form there.
    """

    kind: str
    index: int
    readings: frozenset[tuple[str, str]]

    def __str__(self) -> str:
        forms = "/".join(sorted({form for _, form in self.readings}))
        classes = "+".join(sorted({name for name, _ in self.readings}))
        return f"{self.kind}{self.index}.{forms}.{classes}"


Token = str | Content


def _content_words() -> dict[str, tuple[str, str, frozenset[tuple[str, str]]]]:
    """Map each spelling of a content word to its kind, name and readings."""
    readings: dict[str, set[tuple[str, str]]] = defaultdict(set)
    identity: dict[str, tuple[str, str]] = {}
    for name, word_class in CLASSES.items():
        if word_class.kind == "F":
            continue
        for lexeme in word_class.lexemes:
            for form, spelling in lexeme.forms:
                readings[spelling].add((name, form))
                identity[spelling] = (word_class.kind, lexeme.name)
    return {spelling: (*identity[spelling], frozenset(readings[spelling])) for spelling in identity}


_CONTENT = _content_words()
_FUNCTION = {
    name: frozenset(lexeme.name for lexeme in word_class.lexemes)
    for name, word_class in CLASSES.items()
    if word_class.kind == "F"
}
_SEVERAL_WORDS = sorted(
    (s for s in {*_CONTENT, *frozenset().union(*_FUNCTION.values())} if " " in s),
    key=len,
    reverse=True,
)
_TOKEN = re.compile("|".join([*(rf"\b{s}\b" for s in _SEVERAL_WORDS), r"\w+", r"[^\w\s]"]))


def _tokens(sentence: str) -> list[str]:
    """Split a sentence into words and punctuation, without the final full stop."""
    tokens = _TOKEN.findall(" ".join(sentence.lower().split()))
    # One template of HANS doubles an article ("stopped the the doctor").
    tokens = [t for i, t in enumerate(tokens) if (t, *tokens[i - 1 : i]) != ("the", "the")]
    return tokens[:-1] if tokens[-1:] == ["."] else tokens


def _abstract(premise: str, hypothesis: str) -> tuple[tuple[Token, ...], tuple[Token, ...]]:
    numbers: dict[str, dict[str, int]] = defaultdict(dict)

    def token(word: str) -> Token:
        if word not in _CONTENT:
            return word
        kind, name, readings = _CONTENT[word]
        return Content(kind, numbers[kind].setdefault(name, len(numbers[kind]) + 1), readings)

    return tuple(map(token, _tokens(premise))), tuple(map(token, _tokens(hypothesis)))


def abstract(premise: str, hypothesis: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Replace each content word of a pair by its number, forms and classes.

    Function words are unchanged. A multi-word expression ("in front of") is one token.

    Args:
        premise: The first sentence.
        hypothesis: The second sentence.

    Returns:
        The tokens of both sentences, such as ``("the", "N1.pl.person", ...)``.
    """
    first, second = _abstract(premise, hypothesis)
    return tuple(map(str, first)), tuple(map(str, second))


class _Binding:
    """The words and forms that the slots of a frame are matched with."""

    def __init__(self) -> None:
        self.word: dict[tuple[str, int], tuple[str, int]] = {}
        self.slot: dict[tuple[str, int], tuple[str, int]] = {}
        self.number: dict[tuple[str, int], str] = {}

    def accepts(self, slot: Slot, token: Content) -> bool:
        """Match a slot with a content word, and remember the match."""
        forms = {form for name, form in token.readings if name == slot.word_class}
        if slot.form is None:
            # A noun reads as one form only, so there is no choice.
            number = next(iter(forms), None)
            if number is None or self.number.setdefault(slot.key, number) != number:
                return False
        elif slot.form not in forms:
            return False
        word = (token.kind, token.index)
        # The same slot has the same word, another slot another word.
        return (
            self.word.setdefault(slot.key, word) == word
            and self.slot.setdefault(word, slot.key) == slot.key
        )


def _matches(phrase: Phrase, tokens: tuple[Token, ...], binding: _Binding) -> bool:
    for item, token in zip(phrase, tokens, strict=True):
        if isinstance(item, str):
            if item != token:
                return False
        elif isinstance(item, Be):
            if token != item.spell(binding.number[item.subject.key]):
                return False
        elif isinstance(token, Content):
            if not binding.accepts(item, token):
                return False
        elif token not in _FUNCTION.get(item.word_class, ()):
            return False
    return True


@cache
def _frames_by_length() -> dict[tuple[int, int], list[tuple[str, Frame]]]:
    table: dict[tuple[int, int], list[tuple[str, Frame]]] = defaultdict(list)
    for name, subcase in SUBCASES.items():
        for frame in subcase.frames:
            table[len(frame.premise), len(frame.hypothesis)].append((name, frame))
    return dict(table)


def parse(premise: str, hypothesis: str) -> tuple[str, ...]:
    """Find the constructions that generate a pair for some choice of content words.

    Args:
        premise: The first sentence.
        hypothesis: The second sentence.

    Returns:
        Names of subcases in the order of ``SUBCASES``; empty if none generates the pair.
    """
    first, second = _abstract(premise, hypothesis)
    frames = _frames_by_length().get((len(first), len(second)), ())
    names = [name for name, frame in frames if _generates(frame, first, second)]
    return tuple(dict.fromkeys(names))


def _generates(frame: Frame, premise: tuple[Token, ...], hypothesis: tuple[Token, ...]) -> bool:
    binding = _Binding()
    return _matches(frame.premise, premise, binding) and _matches(
        frame.hypothesis, hypothesis, binding
    )
