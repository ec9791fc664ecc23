"""The input of every search: a model, the data its searches share, and how many units to keep."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..models.classifier import Classifier
from ..models.encoding import Encoded
from ..progress import Progress
from .aim import Aim
from .data import SearchData
from .options import DeterministicOptions


def no_progress(done: int, of: int) -> None:
    """Report progress to nobody."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """What a search method is asked to solve.

    Args:
        model: The full model; its weights stay frozen.
        data: Examples, reference predictions and ablation values.
        prunable: The units to choose from. No method drops any other unit.
        keep: Numbers of prunable units to keep, one for each subnetwork, falling.
        targets: The sparsity that trained gates aim at for each of these numbers, rising. It need
            not be a whole number of units.
        seed: The only source of randomness.
        progress: Called with (steps done, steps in all).
        aim: What is asked beside agreeing with the model, if anything.
        start: The units from which exchanges start, in place of those that gates choose.
    """

    model: Classifier
    data: SearchData
    prunable: Bool[np.ndarray, " unit"]
    keep: tuple[int, ...]
    targets: tuple[float, ...]
    seed: int
    progress: Progress = no_progress
    aim: Aim | None = None
    start: Bool[np.ndarray, " unit"] | None = None

    @cached_property
    def all_data(self) -> SearchData:
        """The search's data followed by the examples of its aim, which have no reference."""
        data, aim = self.data, self.aim
        if aim is None:
            return data
        nothing = data.reference.new_full((len(aim.encoded), data.reference.shape[1]), np.nan)
        return replace(
            data,
            encoded=Encoded.joined([data.encoded, aim.encoded]),
            reference=torch.cat([data.reference, nothing]),
            labels=None,
        )

    @property
    def n_prunable(self) -> int:
        """Number of units to choose from."""
        return int(self.prunable.sum())

    def sample(self, options: DeterministicOptions) -> SearchData:
        """Return the data with at most as many examples as a search takes."""
        return self.data.sample(options.examples, options.drawn_by(self.seed))

    def stage(self, i: int, n: int) -> Progress:
        """Return the progress callback of stage ``i`` of ``n`` stages that take equally long."""
        return lambda done, of: self.progress(i * of + done, n * of)

    def named(self, values: Float[np.ndarray, " unit"]) -> dict[str, float]:
        """Return the prunable units' values by the units' labels, as plain JSON values."""
        units = zip(self.model.space, values, self.prunable, strict=True)
        return {str(unit): float(value) for unit, value, prunable in units if prunable}

    def everywhere(self, values: Float[np.ndarray, " gate"]) -> Float[np.ndarray, " unit"]:
        """Extend values of the prunable units to all units, with 1 for the others."""
        result = np.ones(len(self.prunable))
        result[self.prunable] = values
        return result

    def gates(self, values: Float[Tensor, "*batch gate"]) -> Float[Tensor, "*batch unit"]:
        """Extend gates of the prunable units to all units, the others open."""
        z = values.new_ones(*values.shape[:-1], len(self.prunable))
        positions = torch.from_numpy(np.flatnonzero(self.prunable)).to(values.device)
        return z.index_copy(-1, positions, values)
