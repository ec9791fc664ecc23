"""Turning examples into batches: tokenised once, batched by length, with little padding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError, expect_whole, one_line
from ..tasks.task import Examples


@dataclass(frozen=True, eq=False)
class Encoded:
    """Examples as token ids.

    Args:
        columns: The tokenizer's outputs, each a list of one list of ids per example.
        pads: What each column is padded with.
        padding_side: ``right`` or ``left``.
        n_truncated: How many examples were longer than the limit and were truncated.
        n_unknown: How many tokens stand for words that the vocabulary does not have.
        n_tokens: How many tokens there are, special ones left out.
    """

    columns: dict[str, list[list[int]]]
    pads: dict[str, int]
    padding_side: str
    n_truncated: int
    n_unknown: int = 0
    n_tokens: int = 0

    def __len__(self) -> int:
        return len(self.columns["input_ids"])

    def __repr__(self) -> str:
        return f"Encoded({len(self)} examples, {self.n_truncated} of them cut)"

    @property
    def lengths(self) -> np.ndarray:
        """Number of tokens of each example."""
        return np.array([len(ids) for ids in self.columns["input_ids"]], dtype=np.int64)

    def take(self, rows: np.ndarray) -> Encoded:
        """Return the examples at some positions, in the order of the positions."""
        columns = {name: [column[row] for row in rows] for name, column in self.columns.items()}
        # The counts are of all examples: which of them were truncated is not recorded.
        return replace(self, columns=columns)

    @classmethod
    def joined(cls, parts: Sequence[Encoded]) -> Encoded:
        """Return the examples of several sets, of one tokenizer, one set after the other.

        Args:
            parts: The sets, at least one.
        """
        first = next((part for part in parts if len(part)), parts[0])
        columns = {
            name: list(chain.from_iterable(part.columns[name] for part in parts if len(part)))
            for name in first.columns
        }
        counts = ("n_truncated", "n_unknown", "n_tokens")
        sums = {name: sum(getattr(part, name) for part in parts) for name in counts}
        return replace(first, columns=columns, **sums)

    def remarks(self, what: str) -> list[str]:
        """Say how many examples were truncated, and how many tokens are unknown, if any.

        Args:
            what: The examples in a word or two, in the plural.
        """
        said = []
        if self.n_truncated:
            limit = self.lengths.max()
            said.append(
                f"{self.n_truncated} of {len(self)} {what} were cut to {limit} tokens; "
                "--max-length sets another length"
            )
        if self.n_unknown:
            said.append(
                f"{self.n_unknown} of {self.n_tokens} tokens of {what} are unknown to the "
                "tokenizer's vocabulary"
            )
        return said

    def batch(
        self, rows: Sequence[int] | np.ndarray, device: torch.device, length: int | None = None
    ) -> dict[str, Tensor]:
        """Pad some examples for the model; with padding on the left, add their positions.

        Args:
            rows: Their positions.
            device: Where to put them.
            length: How many tokens to pad to; the longest of these examples if not given.
        """
        longest = length or max(len(self.columns["input_ids"][row]) for row in rows)
        tensors = {}
        for name, column in self.columns.items():
            block = np.full((len(rows), longest), self.pads[name], dtype=np.int64)
            for i, row in enumerate(rows):
                ids = column[row]
                if self.padding_side == "right":
                    block[i, : len(ids)] = ids
                else:
                    block[i, longest - len(ids) :] = ids
            tensors[name] = torch.from_numpy(block).to(device)
        if self.padding_side == "left" and "attention_mask" in tensors:
            # Counted from the first token that is not padding, as on the right.
            counted = tensors["attention_mask"].cumsum(-1) - 1
            tensors["position_ids"] = counted.clamp(min=0)
        return tensors

    def by_length(self, batch_size: int) -> Iterator[np.ndarray]:
        """Yield the positions of all examples in batches of similar length, longest first.

        Raises:
            InputError: If the batch size is not a whole number from 1.
        """
        expect_whole("batch_size", batch_size, 1)
        order = np.argsort(-self.lengths, kind="stable")
        for start in range(0, len(order), batch_size):
            yield order[start : start + batch_size]

    def by_tokens(self, n_tokens: int) -> Iterator[np.ndarray]:
        """Yield the positions of all examples in batches of similar length, longest first.

        Args:
            n_tokens: How many tokens a batch may have, padding included; a longer example is a
                batch of its own.
        """
        lengths = self.lengths
        order = np.argsort(-lengths, kind="stable")
        start = 0
        while start < len(order):
            end = start + max(1, n_tokens // max(1, int(lengths[order[start]])))
            yield order[start:end]
            start = end

    def shuffled(
        self,
        batch_size: int,
        n_batches: int,
        rng: np.random.Generator,
        *,
        by_length: bool = True,
    ) -> Iterator[np.ndarray]:
        """Yield batches for learning: epochs in random order, without a last incomplete batch.

        Args:
            batch_size: Examples a batch.
            n_batches: How many batches, over as many epochs as this takes.
            rng: The generator of the order.
            by_length: Batch examples of similar length, which saves padding.
        """
        size = min(batch_size, len(self))
        lengths = self.lengths
        n_yielded = 0
        while n_yielded < n_batches:
            order = rng.permutation(len(self))
            order = order[: len(order) // size * size]
            # Sorting within pools of a few batches saves padding and leaves batches random.
            pools = [order[i : i + 8 * size] for i in range(0, len(order), 8 * size)]
            batches = [
                (pool[np.argsort(lengths[pool], kind="stable")] if by_length else pool)[
                    i : i + size
                ]
                for pool in pools
                for i in range(0, len(pool), size)
            ]
            for i in rng.permutation(len(batches))[: n_batches - n_yielded]:
                n_yielded += 1
                yield batches[i]


def encode(
    tokenizer: Any, examples: Examples, max_length: int, *, token_types: bool | None = None
) -> Encoded:
    """Tokenise examples, truncating those longer than a limit and counting them.

    Args:
        tokenizer: The model's tokenizer, from transformers.
        examples: Texts or pairs.
        max_length: The limit in tokens, special tokens included.
        token_types: Whether to add token types; as the tokenizer is set if not given.

    Raises:
        InputError: If the tokenizer has no padding token, or does not know most of the words.
    """
    if tokenizer.pad_token_id is None:
        raise InputError("the tokenizer has no padding token; set one and save it with the model")
    text = list(examples.table["text"])
    pair = list(examples.table["text_pair"]) if examples.is_pair else None
    if not text:
        return Encoded({"input_ids": [], "attention_mask": []}, {}, "right", 0)
    # Padded without a mask, texts would be read with their padding.
    wanted: dict[str, Any] = {"return_attention_mask": True, "return_token_type_ids": token_types}
    plain = tokenizer(text, pair, truncation=False, verbose=False, **wanted)
    n_truncated = sum(len(ids) > max_length for ids in plain["input_ids"])
    if n_truncated:
        plain = tokenizer(text, pair, truncation=True, max_length=max_length, **wanted)
    pads = {
        "input_ids": tokenizer.pad_token_id,
        "attention_mask": 0,
        "token_type_ids": getattr(tokenizer, "pad_token_type_id", 0),
    }
    columns = {name: list(plain[name]) for name in pads if name in plain}
    n_unknown, n_tokens = _count_unknown(tokenizer, columns["input_ids"])
    if 2 * n_unknown > n_tokens:
        raise InputError(
            f"{n_unknown} of {n_tokens} tokens are unknown to the tokenizer's vocabulary, such as "
            f"those of {one_line(text[0], 60)!r}; give the model's own tokenizer and vocabulary, "
            "and for a vocabulary with capitals set do_lower_case to false in "
            "tokenizer_config.json"
        )
    return Encoded(columns, pads, tokenizer.padding_side, n_truncated, n_unknown, n_tokens)


def _count_unknown(tokenizer: Any, texts: list[list[int]]) -> tuple[int, int]:
    """Count tokens for what is unknown, and all that are not special."""
    unknown = tokenizer.unk_token_id
    special = {
        getattr(tokenizer, f"{name}_token_id")
        for name in ("bos", "eos", "cls", "sep", "pad", "mask")
    } - {None}
    tokens = np.fromiter(chain.from_iterable(texts), dtype=np.int64)
    n_tokens = int((~np.isin(tokens, list(special))).sum())
    # GPT-2 calls its end-of-text token unknown, and knows all.
    if unknown is None or unknown in special:
        return 0, n_tokens
    return int((tokens == unknown).sum()), n_tokens
