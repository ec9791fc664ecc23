"""Patterns of attention: the target tokens of each, and how much attention goes to them."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..errors import InputError
from ..models.device import widened
from ..models.encoding import Encoded
from ..tasks.task import Examples

#: Kinds of target tokens; of equal scores the first wins. The target of "repeated" is the same
#: word in the other sentence, so that it is not measured on single texts.
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

SPECIAL = -1  # in place of the sentence of special tokens
PADDING = -2
NO_WORD = -1  # special tokens, padding and punctuation


def describe_tokens(tokenizer: Any, examples: Examples, encoded: Encoded, limit: int) -> Encoded:
    """Find the sentence and word of each token.

    Args:
        tokenizer: The model's tokenizer, a fast one.
        examples: The examples.
        encoded: The tokenised examples.
        limit: Longest input in tokens.

    Returns:
        The columns ``input_ids``, ``sentence`` (0 or 1; ``SPECIAL`` for a special token), ``word``
        (equal for the same piece of the same word; ``NO_WORD`` for none) and ``punctuation`` (0
        or 1), batched and padded like the tokens.

    Raises:
        InputError: If the tokenizer does not know the words of tokens, or tokenising again gives
            different tokens.
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
            "the tokenizer gives different tokens than before, so that the words of tokens are "
            "unknown; load the model again"
        )
    spelling = _Spelling(tokenizer)
    columns: dict[str, list[list[int]]] = {"sentence": [], "word": [], "punctuation": []}
    for i, ids in enumerate(tokens):
        sentences, words = again.sequence_ids(i), again.word_ids(i)
        pieces = spelling.read(ids, sentences, words)
        columns["sentence"].append([SPECIAL if s is None else s for s in sentences])
        columns["word"].append([NO_WORD if mark else word for word, mark in pieces])
        columns["punctuation"].append([int(mark) for _, mark in pieces])
    pads = {"input_ids": 0, "sentence": PADDING, "word": NO_WORD, "punctuation": 0}
    return Encoded({"input_ids": tokens} | columns, pads, encoded.padding_side, 0)


class _Spelling:
    """Numbers the pieces of words: equal numbers mean the same piece of the same word."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._words: dict[tuple[int, ...], str] = {}
        self._numbers: dict[tuple[str, int], int] = {}

    def read(
        self, ids: list[int], sentences: list[int | None], words: list[int | None]
    ) -> list[tuple[int, bool]]:
        """Return for each token its number and whether it is punctuation."""
        by_word: dict[tuple[int | None, int | None], list[int]] = {}
        for position, key in enumerate(zip(sentences, words, strict=True)):
            by_word.setdefault(key, []).append(position)
        pieces = [(NO_WORD, False)] * len(ids)
        for (sentence, _), positions in by_word.items():
            if sentence is None:
                continue
            word = self._spell(tuple(ids[position] for position in positions))
            mark = bool(word) and all(unicodedata.category(c).startswith("P") for c in word)
            for piece, position in enumerate(positions):
                number = self._numbers.setdefault((word, piece), len(self._numbers))
                pieces[position] = (number, mark)
        return pieces

    def _spell(self, ids: tuple[int, ...]) -> str:
        # Spelled from the pieces, with case and accents as in the model's input. Spaces are
        # stripped, so that a word is the same at the start of a sentence.
        if ids not in self._words:
            pieces = self._tokenizer.convert_ids_to_tokens(list(ids))
            self._words[ids] = self._tokenizer.convert_tokens_to_string(pieces).strip()
        return self._words[ids]


@dataclass(frozen=True, eq=False)
class Relations:
    """Relations between the tokens of a batch.

    Args:
        allowed: The tokens that each token may attend to; none for padding and special tokens.
        targets: Those that are targets of each of ``PATTERNS``.
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
        sentence: The sentence of each token; ``SPECIAL`` or ``PADDING`` for none.
        word: The number of each piece of a word; ``NO_WORD`` for none.
        punctuation: 1 for punctuation, else 0.
        causal: Whether a token attends only to itself and earlier tokens.
    """
    real, text = sentence != PADDING, sentence >= 0
    opening = real & (real.cumsum(1) == 1)
    positions = torch.arange(sentence.shape[1], device=sentence.device)
    # Position of the key minus position of the query.
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
    """Attention of each example to the targets of each pattern; NaN if there are none.

    Args:
        attention: Mean attention to the targets, over the tokens that have one.
        chance: The same for uniform attention over all allowed tokens.
        score: Attention over chance.
    """

    attention: Float[Tensor, "batch head pattern"]
    chance: Float[Tensor, "batch pattern"]
    score: Float[Tensor, "batch head pattern"]


def pattern_scores(
    attention: Float[Tensor, "batch head query key"], relations: Relations
) -> PatternScores:
    """Measure how much attention goes to the targets of each pattern.

    Args:
        attention: Attention maps, which sum to 1 over the allowed keys of each query.
        relations: The relations between the tokens.
    """
    is_query = relations.allowed.any(-1)
    # Rows of padding are arbitrary and may be NaN.
    maps = torch.where(is_query[:, None, :, None], widened(attention), 0.0)
    targets = widened(relations.targets)
    queries = relations.targets.any(-1).sum(-1).T
    shares = targets.sum(-1) / relations.allowed.sum(-1).clamp(min=1)
    total_chance = shares.sum(-1).T
    total = torch.einsum("bhqk,pbqk->bhp", maps, targets)
    return PatternScores(
        total / queries[:, None],
        total_chance / queries,
        total / total_chance[:, None],
    )
