"""The subnetworks of one size of a model, among which the faithful ones are sought."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from ..errors import InputError, expect_whole, one_line
from ..models.classifier import Classifier, check_classifier
from ..search.checks import search_data_of
from ..search.data import SearchData
from ..subnetwork import Subnetwork
from ..tasks.task import Examples, Task
from ..units import n_kept
from .divergence import Divergences

#: A choice of units for each row, over the prunable ones alone.
Choices = Bool[np.ndarray, "choice prunable"]


@dataclass(frozen=True, eq=False)
class OfSize:
    """All subnetworks that keep the same number of a model's prunable units.

    Args:
        model: The full model.
        all_data: The mask-learning examples, with the model's predictions.
        data: Those of them on which divergence is measured.
        units: What is prunable: ``all`` units, or ``heads`` alone; the other units are kept.
        n_kept: Prunable units kept.
        divergences: Computes how far choices of units are from the model.
    """

    model: Classifier
    all_data: SearchData
    data: SearchData
    units: str
    n_kept: int
    divergences: Divergences

    @classmethod
    def of(
        cls,
        model: Classifier,
        task: Task | Examples | SearchData,
        sparsity: float,
        *,
        units: str,
        ablation: str | None,
        examples: int,
        compact: bool = False,
    ) -> OfSize:
        """Check what a user gave and prepare the data.

        Args:
            model: The full model.
            task: The source of the examples, as for ``find_subnetworks``.
            sparsity: Share of the prunable units to drop.
            units: What is prunable.
            ablation: What dropped units become; with ``SearchData`` it is given there.
            examples: Use at most so many of the task's mask-learning examples.
            compact: Run each choice without the units that it drops, which is faster where choices
                agree on no lower layers.

        Raises:
            InputError: If an argument does not fit.
        """
        check_classifier(model)
        expect_whole("examples", examples, 1)
        kept = n_kept(int(model.space.prunable(units).sum()), sparsity)
        every = search_data_of(model, task, ablation)
        data = every.sample(examples, seed=0)
        return cls(model, every, data, units, kept, Divergences(model, data, compact=compact))

    @property
    def prunable(self) -> Bool[np.ndarray, " unit"]:
        """Which units may be dropped."""
        return self.model.space.prunable(self.units)

    @property
    def n_prunable(self) -> int:
        """Number of units that may be dropped."""
        return int(self.prunable.sum())

    @property
    def n_subnetworks(self) -> int:
        """Number of subnetworks of this size."""
        return math.comb(self.n_prunable, self.n_kept)

    @property
    def names(self) -> list[str]:
        """The labels of the prunable units, in order."""
        units = zip(self.model.space, self.prunable, strict=True)
        return [str(unit) for unit, prunable in units if prunable]

    def kl(self, choices: Choices) -> Float[np.ndarray, " choice"]:
        """Compute the mean KL divergence of some choices from the full model, in nats."""
        return self.divergences.of(self.masks(choices))

    def outputs(self, choices: Choices) -> Float[np.ndarray, "choice output"]:
        """Compute the logits of some choices, less those of the first class."""
        logits = self.divergences.runs.logits(self.masks(choices))
        return (logits[..., 1:] - logits[..., :1]).reshape(len(choices), -1)

    def divergence(
        self, outputs: Float[np.ndarray, "choice output"]
    ) -> Float[np.ndarray, " choice"]:
        """Compute the mean KL divergence from the full model, in nats, of such logits."""
        n_examples, n_labels = self.data.reference.shape
        logits = outputs.reshape(len(outputs), n_examples, n_labels - 1)
        first = np.zeros_like(logits[..., :1])
        return self.divergences.of_logits(np.concatenate([first, logits], axis=-1)).mean(1)

    def masks(self, choices: Choices) -> Bool[np.ndarray, "choice unit"]:
        """Extend choices to all units; those that are not prunable are kept."""
        masks = np.ones((len(choices), len(self.prunable)), dtype=bool)
        masks[:, self.prunable] = choices
        return masks

    def choice(self, subnetwork: Subnetwork) -> Bool[np.ndarray, " prunable"]:
        """Return which of the prunable units a subnetwork keeps.

        Raises:
            InputError: If it is not one of these.
        """
        self.model.values_of(subnetwork)  # refuses those of other models
        choice = subnetwork.mask[self.prunable]
        if not subnetwork.mask[~self.prunable].all():
            raise InputError(
                "a subnetwork to start from drops units that are not to be chosen among; see "
                "`units`"
            )
        if choice.sum() != self.n_kept:
            raise InputError(
                f"a subnetwork to start from keeps {choice.sum()} of {self.n_prunable} units, not "
                f"{self.n_kept}; find it at this sparsity"
            )
        return np.asarray(choice)

    def subnetwork(self, choice: Bool[np.ndarray, " prunable"], **facts: Any) -> Subnetwork:
        """Return the subnetwork of a choice, with where it came from.

        Args:
            choice: Which of the prunable units are kept.
            facts: What else to record.
        """
        data, model = self.data, self.model
        return Subnetwork(
            space=model.space,
            kept=model.space.from_mask(self.masks(choice[None])[0]),
            ablation=data.ablation,
            values={} if data.ablation == "zero" else data.values.arrays(),
            provenance={
                **model.facts(),
                "task": data.task or None,
                "data": {"search": data.digest} if data.digest else {},
                "values": data.values.over,
                "units": self.units,
                "examples": len(data.encoded),
                **facts,
            },
        )

    def __str__(self) -> str:
        of = f"{self.n_kept} of {self.n_prunable} {'heads' if self.units == 'heads' else 'units'}"
        name = one_line(self.model.name.rstrip("/").rsplit("/", 1)[-1], 60)
        return f"{of} of {name}" if name else of


def choices_of(kept: Iterable[Iterable[int]], n: int, n_prunable: int) -> Choices:
    """Turn lists of positions into choices.

    Args:
        kept: The positions kept by each choice.
        n: How many choices there are.
        n_prunable: Units to choose from.
    """
    choices = np.zeros((n, n_prunable), dtype=bool)
    positions = np.fromiter(
        (position for choice in kept for position in choice), dtype=np.int64
    ).reshape(n, -1)
    np.put_along_axis(choices, positions, True, axis=1)
    return choices
