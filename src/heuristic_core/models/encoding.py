"""Turning examples into batches: tokenised once, batched by length, with little padding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError, expect_whole
from ..tasks.task import Examples


@dataclass(frozen=True, eq=False)
class Encoded:
    """Examples as token ids.

    Args:
        columns: The tokenizer's outputs, each a list of one list of ids per example.
        pads: What each column is padded with.
        padding_side: ``right`` or ``left``.
        n_truncated: How many examples were longer than the limit and were truncated.
    """

    columns: dict[str, list[list[int]]]
    pads: dict[str, int]
    padding_side: str
    n_truncated: int

    def __len__(self) -> int:
        return len(self.columns["input_ids"])

    @property
    def lengths(self) -> np.ndarray:
        """Number of tokens of each example."""
        return np.array([len(ids) for ids in self.columns["input_ids"]], dtype=np.int64)

    def take(self, rows: np.ndarray) -> Encoded:
        """Return the examples at some positions, in the order of the positions."""
        columns = {name: [column[row] for row in rows] for name, column in self.columns.items()}
        # The count is of all examples: which of them were truncated is not recorded.
        return Encoded(columns, self.pads, self.padding_side, self.n_truncated)

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


def encode(tokenizer: Any, examples: Examples, max_length: int) -> Encoded:
    """Tokenise examples, truncating those longer than a limit and counting them.

    Args:
        tokenizer: The model's tokenizer, from transformers.
        examples: Texts or pairs.
        max_length: The limit in tokens, special tokens included.

    Raises:
        InputError: If the tokenizer has no padding token.
    """
    if tokenizer.pad_token_id is None:
        raise InputError("the tokenizer has no padding token; set one and save it with the model")
    text = list(examples.table["text"])
    pair = list(examples.table["text_pair"]) if examples.is_pair else None
    if not text:
        return Encoded({"input_ids": [], "attention_mask": []}, {}, "right", 0)
    plain = tokenizer(text, pair, truncation=False, verbose=False)
    n_truncated = sum(len(ids) > max_length for ids in plain["input_ids"])
    if n_truncated:
        plain = tokenizer(text, pair, truncation=True, max_length=max_length)
    pads = {
        "input_ids": tokenizer.pad_token_id,
        "attention_mask": 0,
        "token_type_ids": getattr(tokenizer, "pad_token_type_id", 0),
    }
    columns = {name: list(plain[name]) for name in pads if name in plain}
    return Encoded(columns, pads, tokenizer.padding_side, n_truncated)
