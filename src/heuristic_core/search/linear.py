"""The model linearised at a choice of units: what exchanges of units would do to what is asked.

Logits of each example are extrapolated linearly to those after any exchange, and what is asked of a
subnetwork is computed from these: the network is linearised, not the divergence, which is far from
linear where a prediction is about to change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from .aim import Aim
from .gate_training import kl_divergence

Pair = tuple[int, int]


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
    def value(self) -> float:
        """The mean divergence from the full model, in nats."""
        return float(kl_divergence(self.reference, self.logits).mean())

    def moved(self, pairs: Sequence[Pair]) -> LinearModel:
        """Extrapolate the logits to those after some exchanges; the slopes stay."""
        return replace(self, logits=_moved(self.logits, self.slopes, pairs))

    def predicted(self, out: int, backs: np.ndarray) -> Float[Tensor, " candidate"]:
        """Predict the mean divergence with ``out`` exchanged for each of some dropped units."""
        # The mean of sum p (log p - l) + logsumexp l; only the last term is not linear in l.
        fixed, moving = self._linear_part
        shifted = self.logits.unsqueeze(-1) + _shift(self.slopes, out, backs)
        total = torch.logsumexp(shifted, dim=1).mean(0)
        return fixed - moving[torch.from_numpy(backs)] + moving[out] + total

    @cached_property
    def _linear_part(self) -> tuple[Tensor, Float[Tensor, " unit"]]:
        """The linear part of the mean divergence: its value here, and how each gate lowers it."""
        p = self.reference.exp()
        fixed = (p * (self.reference - self.logits)).sum(-1).mean()
        return fixed, torch.einsum("nc,ncu->u", p, self.slopes) / len(p)

    @classmethod
    def joined(cls, models: Sequence[LinearModel]) -> LinearModel:
        """Join the examples of models linearised at the same choice of units."""
        return cls(
            torch.cat([one.reference for one in models]),
            torch.cat([one.logits for one in models]),
            torch.cat([one.slopes for one in models]),
        )


@dataclass(frozen=True, eq=False)
class AimedModel:
    """The model linearised on a search's examples and on those of its aim.

    What is asked is the aim's value, and that the divergence stays within the aim's bound.

    Args:
        faithful: The model on the search's examples.
        aim: What the search aims at.
        rows: The examples of the aim.
        logits: Their logits.
        slopes: Derivatives of their logits with respect to the gates.
    """

    faithful: LinearModel
    aim: Aim
    rows: Int[np.ndarray, " other"]
    logits: Float[Tensor, "other label"]
    slopes: Float[Tensor, "other label unit"]

    @property
    def value(self) -> float:
        """The aim's value, with what a divergence beyond the bound adds; lower is better."""
        score = self.aim.score(self.rows, self.logits)
        return float(self.aim.value(score, torch.tensor(self.faithful.value)))

    def moved(self, pairs: Sequence[Pair]) -> AimedModel:
        """Extrapolate the logits to those after some exchanges; the slopes stay."""
        logits = _moved(self.logits, self.slopes, pairs)
        return replace(self, faithful=self.faithful.moved(pairs), logits=logits)

    def predicted(self, out: int, backs: np.ndarray) -> Float[Tensor, " candidate"]:
        """Predict the value with ``out`` exchanged for each of some dropped units."""
        shifted = self.logits.unsqueeze(-1) + _shift(self.slopes, out, backs)
        score = self.aim.score(self.rows, shifted.movedim(-1, 0))
        return self.aim.value(score, self.faithful.predicted(out, backs))

    @classmethod
    def joined(cls, models: Sequence[AimedModel]) -> AimedModel:
        """Join the examples of models linearised at the same choice of units."""
        return cls(
            LinearModel.joined([one.faithful for one in models]),
            models[0].aim,
            np.concatenate([one.rows for one in models]),
            torch.cat([one.logits for one in models]),
            torch.cat([one.slopes for one in models]),
        )


def _moved(
    logits: Float[Tensor, "example label"],
    slopes: Float[Tensor, "example label unit"],
    pairs: Sequence[Pair],
) -> Float[Tensor, "example label"]:
    after = logits.clone()
    for out, back in pairs:
        after += slopes[..., back] - slopes[..., out]
    return after


def _shift(
    slopes: Float[Tensor, "example label unit"], out: int, backs: np.ndarray
) -> Float[Tensor, "example label candidate"]:
    return slopes[..., torch.from_numpy(backs)] - slopes[..., out, None]
