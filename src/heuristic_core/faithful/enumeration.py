"""Every subnetwork of one size, for models small enough: the best one, and the faithful ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from numbers import Integral

import numpy as np
import pandas as pd
from jaxtyping import Float

from ..errors import InputError, expect, expect_number, expect_whole
from ..models.classifier import Classifier
from ..models.steady import steady
from ..progress import Progress
from ..search.data import SearchData
from ..subnetwork import Subnetwork
from ..tasks.task import Examples, Task
from ..writing import small
from .of_size import Choices, OfSize, choices_of

#: Choices computed between two reports of progress.
_AT_ONCE = 2048


@dataclass(frozen=True, eq=False, repr=False)
class Enumeration:
    """Every subnetwork of one size, the most faithful first.

    Args:
        of: What they are subnetworks of.
        choices: Which prunable units each keeps.
        kl: Its mean KL divergence from the full model, in nats, rising.
    """

    of: OfSize
    choices: Choices
    kl: Float[np.ndarray, " choice"]

    def __len__(self) -> int:
        return len(self.kl)

    def __getitem__(self, place: int) -> Subnetwork:
        """Return the subnetwork at a place: 0 is the best, -1 the worst."""
        expect("the place", place, Integral)
        choice, kl = self.choices[place], float(self.kl[place])
        return self.of.subnetwork(choice, method="enumerated", kl=kl, place=range(len(self))[place])

    def __iter__(self) -> Iterator[Subnetwork]:
        return (self[place] for place in range(len(self)))

    @property
    def optimum(self) -> Subnetwork:
        """The subnetwork of the least divergence."""
        return self[0]

    def count(self, bound: float) -> int:
        """Count the subnetworks whose divergence is at most a bound: the first so many.

        Args:
            bound: The bound, in nats.

        Raises:
            InputError: If it is no number from 0.
        """
        expect_number("bound", bound, infinite=True)
        return int(np.searchsorted(self.kl, bound, side="right"))

    def inclusion(self, bound: float) -> pd.DataFrame:
        """Return in which share of the subnetworks within a bound each prunable unit is kept.

        Args:
            bound: The largest KL divergence from the full model, in nats.

        Returns:
            One row a ``unit``, with its ``share``.

        Raises:
            InputError: If the bound is no number from 0, or no subnetwork is within it.
        """
        n = self.count(bound)
        if not n:
            raise InputError(
                f"no subnetwork is within {bound:g} nats; the best has {self.kl[0]:.3g}"
            )
        return pd.DataFrame({"unit": self.of.names, "share": self.choices[:n].mean(0)})

    def __repr__(self) -> str:
        ends = f"KL {small(float(self.kl[0]))} to {small(float(self.kl[-1]))} nats"
        return f"Enumeration({len(self):,} subnetworks of {self.of}, {ends})"


@steady()
def enumerate_subnetworks(
    model: Classifier,
    task: Task | Examples | SearchData,
    sparsity: float,
    *,
    units: str = "all",
    ablation: str | None = None,
    examples: int = 500,
    limit: int = 200_000,
    progress: Progress | None = None,
) -> Enumeration:
    """Compute the divergence of every subnetwork of one size, for models of up to 20 units.

    Args:
        model: The full model.
        task: The source of the mask-learning examples, or data that ``prepare`` made.
        sparsity: Share of the prunable units to drop, in [0, 1).
        units: Choose among ``all`` units, or ``heads`` alone; MLPs are then kept.
        ablation: ``mean`` (the default) or ``zero``; with prepared data it is given there.
        examples: Measure divergence on so many of the mask-learning examples, at most.
        limit: The most subnetworks to compute.
        progress: Called with (subnetworks done, subnetworks in all).

    Returns:
        The subnetworks, the most faithful first.

    Raises:
        InputError: If there are more subnetworks than the limit, or an argument does not fit.
    """
    expect_whole("limit", limit, 1)
    expect("progress", progress, Callable, type(None))
    of = OfSize.of(model, task, sparsity, units=units, ablation=ablation, examples=examples)
    n = of.n_subnetworks
    if n > limit:
        raise InputError(
            f"{of.n_kept} of {of.n_prunable} units can be kept in {n:,} ways, more than the limit "
            f"of {limit:,}; sample them with sample_subnetworks, or raise limit"
        )
    # In this order neighbours agree on most of the lower layers.
    choices = choices_of(combinations(range(of.n_prunable), of.n_kept), n, of.n_prunable)
    kl = np.empty(n)
    for start in range(0, n, _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        kl[some] = of.kl(choices[some])
        if progress is not None:
            progress(min(start + _AT_ONCE, n), n)
    order = np.argsort(kl, kind="stable")
    return Enumeration(of, choices[order], kl[order])
