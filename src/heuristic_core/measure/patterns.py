"""Which tokens a pattern of attention looks at, and how much of an attention map goes there."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..errors import InputError
from ..models.encoding import Encoded
from ..tasks.task import Examples

#: What a token may look at. Where two come out alike, the first is named. "repeated" is a word of
#: the other sentence: single texts have none, so it is left out of what is measured of them.
PATTERNS = (
    "repeated",
    "same",
    "previous",
    "next",
    "self",
    "cls",
    "first",
    "sep",
    "punctuation",
)

SPECIAL = -1  # in place of a sentence: the token belongs to none
PADDING = -2
NO_WORD = -1  # special tokens, padding and punctuation


def describe_tokens(tokenizer: Any, examples: Examples, encoded: Encoded, limit: int) -> Encoded:
    """Say of each token which sentence and word it is part of.

    Args:
        tokenizer: The model's tokenizer, a fast one.
        examples: The examples.
        encoded: The same as tokens, as the model gets them.
        limit: Longest input in tokens.

    Returns:
        Columns beside ``input_ids``, batched and padded like the tokens themselves: ``sentence``
        (0 or 1; ``SPECIAL`` for a special token), ``word`` (alike for the same piece of the same
        word; ``NO_WORD`` where there is none) and ``punctuation`` (0 or 1).

    Raises:
        InputError: If the tokenizer does not tell which token stems from which word, or if
            tokenising anew gives other tokens.
    """
    if not tokenizer.is_fast:
        raise InputError(
            "attention patterns need a fast tokenizer, which knows the word of each token; "
            "save the model with one (a tokenizer.json)"
        )
    text = list(examples.table["text"])
    pair = list(examples.table["text_pair"]) if examples.is_pair else None
    again = tokenizer(text, pair, truncation=True, max_length=limit)
    tokens = encoded.columns["input_ids"]
    if list(again["input_ids"]) != tokens:
        raise InputError(
            "the tokenizer gives other tokens than the model was given, so that it is not known "
            "which words they stem from"
        )
    spelling = _Spelling(tokenizer)
    columns: dict[str, list[list[int]]] = {"sentence": [], "word": [], "punctuation": []}
    for i, ids in enumerate(tokens):
        sentences, words = again.sequence_ids(i), again.word_ids(i)
        found = spelling.read(ids, sentences, words)
        columns["sentence"].append([SPECIAL if s is None else s for s in sentences])
        columns["word"].append([NO_WORD if mark else word for word, mark in found])
        columns["punctuation"].append([int(mark) for _, mark in found])
    pads = {"input_ids": 0, "sentence": PADDING, "word": NO_WORD, "punctuation": 0}
    return Encoded({"input_ids": tokens} | columns, pads, encoded.padding_side, 0)


class _Spelling:
    """Numbers the pieces of words, so that equal numbers mean the same piece of the same word."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._words: dict[tuple[int, ...], str] = {}
        self._numbers: dict[tuple[str, int], int] = {}

    def read(
        self, ids: list[int], sentences: list[int | None], words: list[int | None]
    ) -> list[tuple[int, bool]]:
        """Give for each token its number and whether it is punctuation."""
        places: dict[tuple[int | None, int | None], list[int]] = {}
        for position, key in enumerate(zip(sentences, words, strict=True)):
            places.setdefault(key, []).append(position)
        found = [(NO_WORD, False)] * len(ids)
        for (sentence, _), positions in places.items():
            if sentence is None:
                continue
            word = self._spell(tuple(ids[position] for position in positions))
            mark = bool(word) and all(unicodedata.category(c).startswith("P") for c in word)
            for piece, position in enumerate(positions):
                number = self._numbers.setdefault((word, piece), len(self._numbers))
                found[position] = (number, mark)
        return found

    def _spell(self, ids: tuple[int, ...]) -> str:
        # From the pieces, not the text: case and accents are then as the model sees them. Without
        # the spaces around it, so that a word which opens a sentence is no other word.
        if ids not in self._words:
            pieces = self._tokenizer.convert_ids_to_tokens(list(ids))
            self._words[ids] = self._tokenizer.convert_tokens_to_string(pieces).strip()
        return self._words[ids]


@dataclass(frozen=True, eq=False)
class Relations:
    """What the tokens of a batch are to each other.

    Args:
        allowed: Which tokens a token may attend to; none if it asks nothing: padding and special
            tokens.
        targets: Which of these each of ``PATTERNS`` looks at.
    """

    allowed: Bool[Tensor, "batch query key"]
    targets: Bool[Tensor, "pattern batch query key"]


def relate(
    sentence: Int[Tensor, "batch position"],
    word: Int[Tensor, "batch position"],
    punctuation: Int[Tensor, "batch position"],
    *,
    causal: bool,
) -> Relations:
    """Find the targets of every pattern.

    Args:
        sentence: Which sentence a token is part of; ``SPECIAL`` or ``PADDING`` for none.
        word: Which piece of which word it is; ``NO_WORD`` for none.
        punctuation: 1 for punctuation.
        causal: Whether a token may look only at itself and what comes before it.
    """
    real, text = sentence != PADDING, sentence >= 0
    opening = real & (real.cumsum(1) == 1)
    positions = torch.arange(sentence.shape[1], device=sentence.device)
    # How far a key lies behind the query that looks at it.
    step = (positions[None, :] - positions[:, None])[None]
    alike = (word[:, :, None] == word[:, None, :]) & (word[:, :, None] != NO_WORD)
    across = sentence[:, :, None] != sentence[:, None, :]

    def key(chosen: Bool[Tensor, "batch position"]) -> Bool[Tensor, "batch 1 position"]:
        return chosen[:, None, :]

    targets = {
        "repeated": alike & across,
        "same": alike & (step != 0),
        "previous": key(text) & (step == -1),
        "next": key(text) & (step == 1),
        "self": step == 0,
        "cls": key(opening & ~text),
        "first": key(opening & text) & (step != 0),
        "sep": key(real & ~opening & ~text),
        "punctuation": key(punctuation.bool()) & (step != 0),
    }
    allowed = text[:, :, None] & key(real)
    if causal:
        allowed &= step <= 0
    return Relations(allowed, torch.stack([targets[name] & allowed for name in PATTERNS]))


@dataclass(frozen=True, eq=False)
class PatternScores:
    """How much each example's attention follows each pattern; NaN where a pattern has no target.

    Args:
        attention: Mean attention to the targets, over the tokens that have one.
        chance: The same if attention were uniform over the tokens it may see.
        score: Attention over chance.
    """

    attention: Float[Tensor, "batch head pattern"]
    chance: Float[Tensor, "batch pattern"]
    score: Float[Tensor, "batch head pattern"]


def pattern_scores(
    attention: Float[Tensor, "batch head query key"], relations: Relations
) -> PatternScores:
    """Hold attention maps against patterns.

    Args:
        attention: From each query, shares of attention that sum to 1 over the allowed keys.
        relations: What the tokens are to each other.
    """
    asks = relations.allowed.any(-1)
    # What stands in rows of padding is arbitrary, and may be no number.
    maps = torch.where(asks[:, None, :, None], attention.double(), 0.0)
    targets = relations.targets.double()
    queries = relations.targets.any(-1).sum(-1).T
    shares = targets.sum(-1) / relations.allowed.sum(-1).clamp(min=1)
    total_chance = shares.sum(-1).T
    total = torch.einsum("bhqk,pbqk->bhp", maps, targets)
    return PatternScores(
        total / queries[:, None],
        total_chance / queries,
        total / total_chance[:, None],
    )
