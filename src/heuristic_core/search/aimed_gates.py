"""Gates that are trained towards an aim as far as the divergence from the model allows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..models.gates import Gates
from .hard_concrete import sample_gates
from .problem import Problem
from .rows import noise, ordered, passes

#: The aim's weight beside the divergence at the start, and at most.
_START, _MOST = 1.0, 4.0
#: How fast the weight changes: a factor of e a step, at most, times this.
_RATE = 0.1
#: Open gates are noisy while they are trained, so that the divergence is above that of the exact
#: cut; the bound is stretched by so much.
_STRETCH = 2.0


class AimedGates:
    """The part of gate training that follows an aim, seed by seed.

    A Lagrange multiplier weighs the aim against the divergence: it falls where the divergence of
    the gates is above the bound, and rises where it is below.

    Args:
        problems: The same problem once for each seed, with the same aim.
        n_passes: How many passes the training has.
        batch_size: Examples of a pass.
        rows_per_pass: Examples that run at once, at most.
    """

    def __init__(
        self,
        problems: Sequence[Problem],
        n_passes: int,
        batch_size: int,
        rows_per_pass: int | None,
    ) -> None:
        self._problem, self._rows_per_pass = problems[0], rows_per_pass
        aim, device = self._problem.aim, self._problem.model.device
        assert aim is not None
        self._aim = aim
        self._orders = [
            ordered(aim.encoded, n_passes, one.seed, batch_size=batch_size, by_length=True)
            for one in problems
        ]
        # Apart from the seed's own generator, so that the other noise is that of a plain search.
        self._generators = [
            torch.Generator(device).manual_seed(one.seed ^ 0x61696D) for one in problems
        ]
        self._log_weight = torch.full(
            (len(problems),), float(np.log(_START)), dtype=torch.float64, device=device
        )

    def add_gradients(
        self,
        gates: Gates,
        log_alpha: Float[Tensor, "seed gate"],
        divergence: Float[Tensor, " seed"],
    ) -> None:
        """Add the aim's gradients to those of the gates, and follow the divergence.

        Args:
            gates: The model's gates.
            log_alpha: The location of each gate.
            divergence: The mean divergence of each seed in this pass, in nats.
        """
        aim = self._aim
        room = 1 - divergence.to(self._log_weight) / (_STRETCH * aim.bound)
        self._log_weight += _RATE * room.clamp(-1, 1)
        self._log_weight.clamp_(max=float(np.log(_MOST)))
        rows = np.stack([next(order) for order in self._orders])
        n_rows = rows.shape[1]
        uniform = torch.stack(
            [
                noise(n_rows, log_alpha.shape[1], g, shared=False, antithetic=True)
                for g in self._generators
            ]
        )
        z = self._problem.gates(sample_gates(log_alpha[:, None], uniform))
        slopes = self._slopes(gates, rows, z.detach().flatten(0, 1)).view_as(z)
        factor = aim.sign * self._log_weight.exp()
        torch.autograd.backward([z], [slopes * factor[:, None, None].to(slopes)])

    def _slopes(
        self, gates: Gates, rows: Int[np.ndarray, "seed row"], z: Float[Tensor, "all_rows unit"]
    ) -> Float[Tensor, "all_rows unit"]:
        """Differentiate each seed's score with respect to the gates of its rows."""
        model, aim = self._problem.model, self._aim
        flat, own = rows.ravel(), z.requires_grad_()
        parts, order = [], []
        for some in passes(aim.encoded.lengths[flat], self._rows_per_pass):
            gates.z = own[some]
            logits = model(**aim.encoded.batch(flat[some], model.device)).logits
            parts.append(logits.to(torch.promote_types(logits.dtype, torch.float32)))
            order.append(some)
        # Pairs of examples may have run in different passes.
        back = torch.from_numpy(np.argsort(np.concatenate(order))).to(model.device)
        by_seed = torch.cat(parts)[back].view(*rows.shape, -1)
        scores = [aim.score(some, logits) for some, logits in zip(rows, by_seed, strict=True)]
        total = torch.stack(scores).sum()
        if not total.requires_grad:  # no pair in any seed's rows
            return torch.zeros_like(z)
        (slopes,) = torch.autograd.grad(total, own)
        return slopes
