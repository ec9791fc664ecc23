"""Exchanges: a kept and a dropped unit are swapped while this lowers the divergence.

Gates are trained half open and under noise. The exact cut then closes some for good, and which
units serve best depends on all the others. Around the units kept, the logits of each example are
extrapolated linearly to those after any exchange, and the divergence is computed from these: the
network is linearised, not the divergence, which is far from linear where a prediction is about to
change. Chosen exchanges are made only if the divergence of the model itself falls with them.
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
from .problem import Problem

#: A smaller fall of the divergence, in nats, may be rounding error.
LEAST_FALL = 1e-6

Pair = tuple[int, int]
Mask = Bool[np.ndarray, " unit"]


@dataclass(frozen=True, eq=False)
class LinearModel:
    """The model linearised at one choice of units, on some examples.

    Args:
        reference: The full model's log-probabilities.
        logits: The logits with these units kept.
        slopes: Derivatives of the logits with respect to the gates.
    """

    reference: Float[Tensor, "example label"]
    logits: Float[Tensor, "example label"]
    slopes: Float[Tensor, "example label unit"]

    @property
    def divergence(self) -> float:
        """The mean divergence from the full model, in nats."""
        return float(kl_divergence(self.reference, self.logits).mean())

    def moved(self, pairs: list[Pair]) -> LinearModel:
        """Extrapolate the logits to those after some exchanges; the slopes stay."""
        logits = self.logits.clone()
        for out, back in pairs:
            logits += self.slopes[..., back] - self.slopes[..., out]
        return LinearModel(self.reference, logits, self.slopes)

    def predicted(self, out: int, backs: np.ndarray) -> Float[Tensor, " candidate"]:
        """Predict the mean divergence with ``out`` exchanged for each of some dropped units."""
        # The mean of sum p (log p - l) + logsumexp l; only the last term is not linear in l.
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
    """The result of exchanges.

    Args:
        kept: Which units are kept, as many as before.
        pairs: The exchanges made, (dropped, kept instead), in order.
    """

    kept: Mask
    pairs: list[Pair] = field(default_factory=list)


def exchange(
    problem: Problem,
    kept: Mask,
    *,
    rounds: int,
    examples: int,
    size: int,
    batch_size: int = 32,
) -> Exchanged:
    """Exchange kept for dropped units while the divergence from the full model falls.

    Each round linearises the model on a further part of the examples, chooses exchanges by this
    part and those of earlier rounds, and makes them if the model's own divergence on this part
    falls. If it does not, the first half of them is tried, and so on. Where a single exchange
    fails, the unit it would have dropped is not dropped in later rounds either.

    Args:
        problem: Model, data and the units that may be exchanged; the seed orders the examples.
        kept: Which units are kept at the start.
        rounds: Rounds; each runs forward and backward, and forward again for each trial.
        examples: Examples of a part, at most; when all parts have been used, the first is next.
        size: Exchanges of a round at most.
        batch_size: Examples a pass.

    Returns:
        The units kept and the exchanges made.
    """
    model, prunable = problem.model, problem.prunable
    result = Exchanged(kept.copy())
    if not (kept & prunable).any() or kept.all():
        return result
    movable = prunable.copy()
    pieces = parts(problem.data, examples, problem.seed)
    seen: deque[LinearModel] = deque(maxlen=len(pieces))
    for part in islice(cycle(pieces), rounds):
        logits, slopes = logit_slopes(model, part, _gates(result.kept), batch_size=batch_size)
        reference = part.reference.to(logits.dtype)
        here = LinearModel(reference, logits, slopes)
        seen.append(here)  # replaces what an earlier round computed on this part
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
    """Split the data at random into parts of nearly equal size, none larger than ``size``."""
    order = np.random.default_rng(seed).permutation(len(data.encoded))
    split = np.array_split(order, math.ceil(len(order) / size))
    return [data.take(np.sort(rows)) for rows in split]


def joined(models: Iterable[LinearModel]) -> LinearModel:
    """Join the examples of models linearised at the same choice of units."""
    every = list(models)
    return LinearModel(
        torch.cat([one.reference for one in every]),
        torch.cat([one.logits for one in every]),
        torch.cat([one.slopes for one in every]),
    )


def best_pairs(linear: LinearModel, kept: Mask, movable: Mask, size: int) -> list[Pair]:
    """Choose exchanges one by one, each the best by the linear model after those before.

    Args:
        linear: The model linearised at the units kept.
        kept: Which units are kept.
        movable: Which units may be exchanged.
        size: Exchanges at most; no unit is in two.

    Returns:
        Pairs of a unit to drop and one to keep instead; none where no exchange would lower the
        divergence by more than rounding error.
    """
    outs, backs = np.flatnonzero(kept & movable), np.flatnonzero(~kept & movable)
    pairs: list[Pair] = []
    while len(pairs) < size and len(outs) and len(backs):
        table = torch.stack([linear.predicted(int(out), backs) for out in outs])
        row, column = divmod(int(table.argmin()), len(backs))
        if not table[row, column] < linear.divergence - LEAST_FALL:
            break
        pairs.append((int(outs[row]), int(backs[column])))
        linear = linear.moved(pairs[-1:])
        outs, backs = np.delete(outs, row), np.delete(backs, column)
    return pairs


def swapped(kept: Mask, pairs: list[Pair]) -> Mask:
    """Return the units kept after some exchanges."""
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
