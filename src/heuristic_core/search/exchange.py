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
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import cycle, islice
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..models.classifier import Classifier
from .data import SearchData
from .gate_gradients import logit_slopes
from .gate_training import kl_divergence
from .problem import Problem

#: A smaller fall of the divergence, in nats, may be rounding error.
LEAST_FALL = 1e-6
#: Examples of each seed that run at once.
ROWS = 32

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


@dataclass(frozen=True, eq=False)
class Question:
    """What an exchange asks of the model.

    Args:
        rows: The examples.
        kept: Which units are kept.
        slopes: Whether it asks for slopes too, not for the logits alone.
    """

    rows: Int[np.ndarray, " row"]
    kept: Mask
    slopes: bool


Answer = tuple[Float[Tensor, "row label"], Float[Tensor, "row label unit"] | None]


def exchange(
    problems: Sequence[Problem],
    kept: Sequence[Mask],
    *,
    rounds: int,
    examples: int,
    size: int,
    rows_per_pass: int | None = None,
) -> list[Exchanged]:
    """Exchange kept for dropped units while the divergence from the full model falls.

    Each round linearises the model on a further part of the examples, chooses exchanges by this
    part and those of earlier rounds, and makes them if the model's own divergence on this part
    falls. If it does not, the first half of them is tried, and so on. Where a single exchange
    fails, the unit it would have dropped is not dropped in later rounds either. Seeds decide
    alone; what they ask of the model is run together.

    Args:
        problems: Model, data and the units that may be exchanged, once for each seed, which orders
            the examples.
        kept: Which units are kept at the start, for each seed.
        rounds: Rounds; each runs forward and backward, and forward again for each trial.
        examples: Examples of a part, at most; when all parts have been used, the first is next.
        size: Exchanges of a round at most.
        rows_per_pass: Examples of all seeds that run at once, at most; 32 of each if ``None``.

    Returns:
        The units kept and the exchanges made, for each seed.
    """
    limit = rows_per_pass or ROWS * len(problems)
    results: dict[int, Exchanged] = {}
    asked: dict[int, Question] = {}
    seeds = [
        _rounds(problem, start, rounds=rounds, examples=examples, size=size)
        for problem, start in zip(problems, kept, strict=True)
    ]

    def go_on(seed: int, answer: Answer | None) -> None:
        try:
            asked[seed] = seeds[seed].send(answer)
        except StopIteration as end:
            asked.pop(seed, None)
            results[seed] = end.value

    for seed in range(len(seeds)):
        go_on(seed, None)
    while asked:
        # Trials first, so that all seeds begin their next round together.
        trials = {seed: question for seed, question in asked.items() if not question.slopes}
        now = trials or dict(asked)
        for seed, answer in zip(now, _answers(problems[0], list(now.values()), limit), strict=True):
            go_on(seed, answer)
    return [results[seed] for seed in range(len(seeds))]


def _rounds(
    problem: Problem, kept: Mask, *, rounds: int, examples: int, size: int
) -> Generator[Question, Any, Exchanged]:
    """Make the exchanges of one seed, asking for what the model says."""
    prunable = problem.prunable
    result = Exchanged(kept.copy())
    if not (kept & prunable).any() or kept.all():
        return result
    movable = prunable.copy()
    pieces = parts(len(problem.data.encoded), examples, problem.seed)
    seen: deque[LinearModel] = deque(maxlen=len(pieces))
    for rows in islice(cycle(pieces), rounds):
        logits, slopes = yield Question(rows, result.kept, slopes=True)
        assert slopes is not None
        reference = problem.data.reference[rows].to(logits)
        here = LinearModel(reference, logits, slopes)
        seen.append(here)  # replaces what an earlier round computed on this part
        pairs = best_pairs(joined(seen), result.kept, movable, size)
        while pairs:
            logits, _ = yield Question(rows, swapped(result.kept, pairs), slopes=False)
            there = LinearModel(reference, logits.to(slopes), slopes)
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


def _answers(problem: Problem, questions: Sequence[Question], limit: int) -> list[Answer]:
    """Run the model on what several seeds ask, together; all ask for slopes or none does."""
    model, data = problem.model, problem.data
    some = data.take(np.concatenate([question.rows for question in questions]))
    lengths = [len(question.rows) for question in questions]
    kept = np.repeat([question.kept for question in questions], lengths, axis=0)
    z = torch.from_numpy(kept).float()
    if not questions[0].slopes:
        return [(logits, None) for logits in _logits(model, some, z, limit).split(lengths)]
    logits, slopes = logit_slopes(model, some, z, batch_size=limit)
    return list(zip(logits.split(lengths), slopes.split(lengths), strict=True))


def parts(n_examples: int, size: int, seed: int) -> list[Int[np.ndarray, " row"]]:
    """Split examples at random into parts of nearly equal size, none larger than ``size``."""
    order = np.random.default_rng(seed).permutation(n_examples)
    return [np.sort(rows) for rows in np.array_split(order, math.ceil(n_examples / size))]


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


def _logits(
    model: Classifier, data: SearchData, z: Float[Tensor, "example unit"], batch_size: int
) -> Float[Tensor, "example label"]:
    at = z.to(model.device)
    result = torch.empty(data.reference.shape, dtype=torch.float32, device=model.device)
    with model.inference(), model.gated(data.values) as gates:
        for rows in data.encoded.by_length(batch_size):
            gates.z = at[rows]
            result[rows] = model(**data.encoded.batch(rows, model.device)).logits.float()
    return result.clone()  # no inference tensor: it is computed with outside
