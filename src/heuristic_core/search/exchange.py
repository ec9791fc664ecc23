"""Exchanges: pairs of a kept and a dropped unit swapped while this brings the model's answers back.

Gates are trained half open and on noise; the exact cut then closes some for good, and which units
serve best depends on all the others. Around the units kept, the logits of each example are extended
linearly to those after any exchange, and the divergence is computed from these: it is the network
that is linearised, not the divergence, which is far from linear where a prediction is about to
change. Chosen exchanges are made only if the model itself, run with them, agrees.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import cycle, islice

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..models.classifier import Classifier
from .data import SearchData
from .gate_gradients import logit_slopes
from .gate_training import kl_divergence

#: A fall of the divergence by less than so many nats may be rounding, and nobody would notice it.
LEAST_FALL = 1e-6

Pair = tuple[int, int]
Mask = Bool[np.ndarray, " unit"]


@dataclass(frozen=True, eq=False)
class LinearModel:
    """The model near one choice of units: logits of some examples, and their slopes in the gates.

    Args:
        reference: The full model's log-probabilities.
        logits: The logits with these units kept.
        slopes: How the logits move as a gate opens.
    """

    reference: Float[Tensor, "example label"]
    logits: Float[Tensor, "example label"]
    slopes: Float[Tensor, "example label unit"]

    @property
    def divergence(self) -> float:
        """The mean divergence from the full model, in nats."""
        return float(kl_divergence(self.reference, self.logits).mean())

    def moved(self, pairs: list[Pair]) -> LinearModel:
        """Extend the logits to those after some exchanges; the slopes stay."""
        logits = self.logits.clone()
        for out, back in pairs:
            logits += self.slopes[..., back] - self.slopes[..., out]
        return LinearModel(self.reference, logits, self.slopes)

    def foretold(self, out: int, backs: np.ndarray) -> Float[Tensor, " candidate"]:
        """Foretell the mean divergence with ``out`` dropped for each of some dropped units."""
        # The mean of sum p (log p - l) + logsumexp l, of which only the last is not linear in l.
        shift = self.slopes[..., torch.from_numpy(backs)] - self.slopes[..., out, None]
        fixed, moving = self._linear_part
        total = torch.logsumexp(self.logits.unsqueeze(-1) + shift, dim=1).mean(0)
        return fixed - moving[torch.from_numpy(backs)] + moving[out] + total

    @cached_property
    def _linear_part(self) -> tuple[Tensor, Float[Tensor, " unit"]]:
        """The linear part of the mean divergence: its value here, and how each gate lowers it."""
        p = self.reference.exp()
        fixed = (p * (self.reference - self.logits)).sum(-1).mean()
        return fixed, torch.einsum("nc,ncu->u", p, self.slopes) / len(p)


@dataclass
class Exchanged:
    """What exchanges led to.

    Args:
        kept: Which units are kept, as many as before.
        pairs: The exchanges made, (dropped, kept instead), in their order.
    """

    kept: Mask
    pairs: list[Pair] = field(default_factory=list)


def exchange(
    model: Classifier,
    data: SearchData,
    kept: Mask,
    prunable: Mask,
    *,
    rounds: int,
    examples: int,
    size: int,
    seed: int,
    batch_size: int = 32,
) -> Exchanged:
    """Exchange kept for dropped units while the divergence from the full model falls.

    Each round looks at a further part of the examples from where the search stands, chooses
    exchanges by these and by the parts of the rounds before, and makes them if the model's own
    divergence on this part falls. If it does not, it tries the first half of them, and so on; the
    unit dropped by one that fails alone is not dropped again.

    Args:
        model: The full model; its weights stay frozen.
        data: The examples on which exchanges are judged.
        kept: Which units are kept at the start.
        prunable: Which units may be exchanged.
        rounds: Rounds; each runs forward and backward, and forward again for each trial.
        examples: Examples of a part, at most; when all parts have been used, the first is next.
        size: Exchanges of a round at most.
        seed: Where the order of the examples comes from.
        batch_size: Examples a pass.

    Returns:
        The units kept and the exchanges made.
    """
    result = Exchanged(kept.copy())
    if not (kept & prunable).any() or kept.all():
        return result
    movable = prunable.copy()
    pieces = parts(data, examples, seed)
    seen: deque[LinearModel] = deque(maxlen=len(pieces))
    for part in islice(cycle(pieces), rounds):
        logits, slopes = logit_slopes(model, part, _gates(result.kept), batch_size=batch_size)
        reference = part.reference.to(logits.dtype)
        here = LinearModel(reference, logits, slopes)
        seen.append(here)  # in place of what was seen of this part before
        pairs = best_pairs(joined(seen), result.kept, movable, size)
        while pairs:
            logits = _logits(model, part, swapped(result.kept, pairs), batch_size).to(slopes)
            there = LinearModel(reference, logits, slopes)
            if there.divergence < here.divergence - LEAST_FALL:
                others = [model_of_part.moved(pairs) for model_of_part in list(seen)[:-1]]
                seen = deque([*others, there], maxlen=len(pieces))
                break
            if len(pairs) == 1:
                movable[pairs[0][0]] = False
            pairs = pairs[: len(pairs) // 2]
        result.kept = swapped(result.kept, pairs)
        result.pairs += pairs
    return result


def parts(data: SearchData, size: int, seed: int) -> list[SearchData]:
    """Split the data at random into parts of like size, none larger than ``size``."""
    order = np.random.default_rng(seed).permutation(len(data.encoded))
    split = np.array_split(order, math.ceil(len(order) / size))
    return [data.take(np.sort(rows)) for rows in split]


def joined(models: Iterable[LinearModel]) -> LinearModel:
    """Join the examples of models near the same choice of units."""
    every = list(models)
    return LinearModel(
        torch.cat([one.reference for one in every]),
        torch.cat([one.logits for one in every]),
        torch.cat([one.slopes for one in every]),
    )


def best_pairs(linear: LinearModel, kept: Mask, movable: Mask, size: int) -> list[Pair]:
    """Choose exchanges one after the other, each the best by the linear model after those before.

    Args:
        linear: The model near the units kept.
        kept: Which units are kept.
        movable: Which units may be exchanged.
        size: Exchanges at most; no unit is in two.

    Returns:
        Pairs of a unit to drop and one to keep instead; none where none would help by more than
        rounding may.
    """
    outs, backs = np.flatnonzero(kept & movable), np.flatnonzero(~kept & movable)
    pairs: list[Pair] = []
    while len(pairs) < size and len(outs) and len(backs):
        table = torch.stack([linear.foretold(int(out), backs) for out in outs])
        row, column = divmod(int(table.argmin()), len(backs))
        if not table[row, column] < linear.divergence - LEAST_FALL:
            break
        pairs.append((int(outs[row]), int(backs[column])))
        linear = linear.moved(pairs[-1:])
        outs, backs = np.delete(outs, row), np.delete(backs, column)
    return pairs


def swapped(kept: Mask, pairs: list[Pair]) -> Mask:
    """Give the units kept after some exchanges."""
    after = kept.copy()
    for out, back in pairs:
        after[out], after[back] = False, True
    return after


def _gates(kept: Mask) -> Float[Tensor, " unit"]:
    return torch.from_numpy(kept).float()


def _logits(
    model: Classifier, data: SearchData, kept: Mask, batch_size: int
) -> Float[Tensor, "example label"]:
    with model.gated(data.values) as gates:
        gates.z = _gates(kept).to(model.device)
        return model.logits(data.encoded, batch_size=batch_size).clone()
