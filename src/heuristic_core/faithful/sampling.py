"""A sample of the faithful subnetworks of one size: each is as likely as any other."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from ..errors import InputError, expect, expect_number, expect_whole, remark
from ..models.classifier import Classifier, check_classifier
from ..models.steady import steady
from ..progress import Progress, partial_progress
from ..search.data import SearchData
from ..search.find import find_subnetwork
from ..search.methods import search_effort
from ..search.problem import no_progress
from ..subnetwork import Subnetwork
from ..tasks.task import Examples, Task
from ..writing import small
from .chains import Chains
from .diagnostics import LEAST_ESS, MOST_RHAT, inclusion, mixing
from .of_size import Choices, OfSize

#: Where there are at most so many units, runs are short and all choices can be drawn from.
_FEW_UNITS = 25
#: Levels of a ladder of bounds in a model of few units.
_LEVELS = 4


@dataclass(frozen=True, eq=False, repr=False)
class SubnetworkSample:
    """Subnetworks of one size drawn from all whose divergence is within a bound.

    Args:
        of: What they are subnetworks of.
        bound: The largest mean KL divergence from the full model, in nats.
        choices: Which prunable units each keeps.
        kl: Its divergence, in nats.
        chain: The chain that drew it; draws of a chain are in order.
        inclusion: One row a ``unit``: the ``share`` of all draws that keep it, with the ends
            ``low`` and ``high`` of its 95 % interval, ``rhat`` and the effective sample size
            ``ess``.
        diagnostics: ``rhat`` and ``ess`` of the divergence; ``worst_rhat`` and ``least_ess`` of
            the divergence and all units; the ``moves`` of each chain after warming up, and the
            share of them that was ``accepted``; the share of ``swaps`` between levels that was
            made, from the lowest on; how many different subnetworks were ``runs`` of the model,
            searches left out.
        seed: The source of randomness.
    """

    of: OfSize
    bound: float
    choices: Choices
    kl: Float[np.ndarray, " draw"]
    chain: Int[np.ndarray, " draw"]
    inclusion: pd.DataFrame
    diagnostics: dict[str, Any]
    seed: int

    def __len__(self) -> int:
        return len(self.kl)

    def __getitem__(self, draw: int) -> Subnetwork:
        """Return the subnetwork of a draw."""
        facts = {"method": "sampled", "bound": self.bound, "seed": self.seed}
        own = {"draw": range(len(self))[draw], "chain": int(self.chain[draw])}
        return self.of.subnetwork(self.choices[draw], **facts, **own, kl=float(self.kl[draw]))

    def __iter__(self) -> Iterator[Subnetwork]:
        return (self[draw] for draw in range(len(self)))

    def __repr__(self) -> str:
        facts = self.diagnostics
        return (
            f"SubnetworkSample({len(self)} of {self.of}, KL at most {small(self.bound)} nats, "
            f"R-hat {facts['worst_rhat']:.2f}, effective sample size {facts['least_ess']:.0f}, "
            f"{facts['runs']:,} runs)"
        )


@steady()
def sample_subnetworks(
    model: Classifier,
    task: Task | Examples | SearchData,
    sparsity: float,
    *,
    bound: float | None = None,
    n: int = 200,
    seed: int = 0,
    units: str = "all",
    ablation: str | None = None,
    examples: int = 200,
    chains: int = 4,
    steps: int = 20,
    warm_up: int | None = None,
    starts: Iterable[Subnetwork] | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> SubnetworkSample:
    """Draw subnetworks of one size uniformly from all that are as faithful as asked for.

    Markov chains exchange kept for dropped units. Each starts at a subnetwork found by the learned
    search with a seed of its own. R-hat says whether they agree, the effective sample size how
    many independent draws theirs are worth; where either is poor, there is a ``Remark``.

    Args:
        model: The full model.
        task: The source of the mask-learning examples, or data that ``prepare`` made.
        sparsity: Share of the prunable units to drop, in [0, 1).
        bound: The largest mean KL divergence from the full model on the examples, in nats; if not
            given, a quarter above that of the least faithful subnetwork to start from.
        n: How many subnetworks to return.
        seed: The only source of randomness.
        units: Choose among ``all`` units, or ``heads`` alone; MLPs are then kept.
        ablation: ``mean`` (the default) or ``zero``; with prepared data it is given there.
        examples: Measure divergence on so many of the mask-learning examples, at most.
        chains: How many chains, at least two.
        steps: Moves of a chain from one subnetwork that is returned to the next.
        warm_up: Moves of a chain before the first; half of the others if not given.
        starts: Where chains start, one after the other; searched for if not given.
        progress: Called with (examples run, examples in all), roughly.
        options: Settings of the learned search.

    Returns:
        The subnetworks with the share that keeps each unit, and diagnostics.

    Raises:
        InputError: If no subnetwork within the bound was found, or an argument does not fit.
    """
    for what, value, least in (("n", n, 1), ("chains", chains, 2), ("steps", steps, 1)):
        expect_whole(what, value, least)
    expect_whole("seed", seed)
    expect("progress", progress, Callable, type(None))
    expect("starts", starts, Iterable, type(None))
    if bound is not None:
        expect_number("bound", bound, above=True)
    check_classifier(model)
    few = int(model.space.prunable(units).sum()) <= _FEW_UNITS
    of = OfSize.of(
        model,
        task,
        sparsity,
        units=units,
        ablation=ablation,
        examples=examples,
        compact=not few,
    )
    if of.n_subnetworks == 1:
        raise InputError(
            f"there is one subnetwork of {of.n_kept} of {of.n_prunable} units; drop some, not all"
        )
    draws = max(4, math.ceil(n / chains))
    before = draws * steps // 2 if warm_up is None else warm_up
    expect_whole("warm_up", before)
    rng = np.random.default_rng(seed)
    report = progress or no_progress
    sampling = (before + draws * steps) * chains * len(of.data.encoded)
    if starts is None:
        searching = chains * search_effort("learned", options, [sparsity])
        seeds = rng.integers(2**31, size=chains).tolist()
        of_search = partial_progress(report, 0, searching, searching + sampling)
        starts = _searched(of, sparsity, seeds, options, of_search)
        report = partial_progress(report, searching, sampling, searching + sampling)
    elif options:
        raise InputError("settings of the search are of no use with starts; leave one of them out")
    starts = list(starts)
    if not starts:
        raise InputError("starts are empty; give at least one subnetwork, or leave them out")
    choices = np.array([of.choice(start) for start in starts])
    if bound is None:
        bound = of.divergences.bound(starts)
    it = Chains(
        of,
        choices[np.arange(chains) % len(choices)],
        float(bound),
        n_levels=_LEVELS if few else 1,
        free=few,
        guided=not few,
        rng=rng,
    )
    return _drawn(of, it, n, draws, steps, before, seed, report)


def _searched(
    of: OfSize,
    sparsity: float,
    seeds: list[int],
    options: dict[str, Any],
    progress: Progress,
) -> list[Subnetwork]:
    """Search with several seeds for subnetworks to start from."""
    return [
        find_subnetwork(
            of.model,
            of.all_data,
            sparsity,
            seed=seed,
            units=of.units,
            progress=lambda done, of_all, i=i: progress(i * of_all + done, len(seeds) * of_all),
            **options,
        )
        for i, seed in enumerate(seeds)
    ]


def _drawn(
    of: OfSize,
    chains: Chains,
    n: int,
    draws: int,
    steps: int,
    before: int,
    seed: int,
    progress: Progress,
) -> SubnetworkSample:
    """Let chains warm up and draw, and say how far the draws can be trusted."""
    every = before + draws * steps
    chains.warm_up(before, lambda done, _: progress(done, every))
    lost = chains.gather()
    if lost == len(chains.kl):
        raise InputError(
            f"no subnetwork of {of} within {chains.bound:.3g} nats was found; the best has "
            f"{chains.known.least:.3g}; raise bound, or warm_up"
        )
    if lost:
        remark(
            f"{lost} of {len(chains.kl)} chains found no subnetwork within {chains.bound:.3g} nats "
            "while warming up, and go on from where others are; a larger warm_up lets them look "
            "longer"
        )
    kept = np.empty((len(chains.kl), draws * steps, of.n_prunable), dtype=bool)
    kl = np.empty(kept.shape[:2])
    for i in range(draws * steps):
        chains.step()
        kept[:, i], kl[:, i] = chains.choices[:, 0], chains.kl[:, 0]
        if (i + 1) % steps == 0:
            progress(before + i + 1, every)
    rhat, ess = mixing(kl)
    table = inclusion(of.names, kept, ess)
    facts = {
        "rhat": rhat,
        "ess": ess,
        "worst_rhat": max(rhat, float(table["rhat"].max())),
        "least_ess": min(ess, float(table["ess"].min())),
        "moves": draws * steps,
        "accepted": float(chains.accepted.sum() / chains.tried.sum()),
        "swaps": (chains.swaps[1] / np.maximum(1, chains.swaps[0])).tolist(),
        "runs": len(chains.known),
    }
    _warn(facts)
    # The last of every so many moves, from all chains in turn.
    kept, kl = kept[:, steps - 1 :: steps], kl[:, steps - 1 :: steps]
    return SubnetworkSample(
        of,
        chains.bound,
        kept.swapaxes(0, 1).reshape(-1, of.n_prunable)[:n],
        kl.T.ravel()[:n],
        np.tile(np.arange(len(kl)), draws)[:n],
        table,
        facts,
        seed,
    )


def _warn(facts: dict[str, Any]) -> None:
    """Remark on chains that disagree, and on draws that are worth few."""
    found = []
    if facts["worst_rhat"] > MOST_RHAT:
        found.append(f"the chains differ (R-hat {facts['worst_rhat']:.2f}, above {MOST_RHAT})")
    if facts["least_ess"] < LEAST_ESS:
        found.append(
            f"their draws are worth {facts['least_ess']:.0f} independent ones (below {LEAST_ESS})"
        )
    if found:
        remark(f"{' and '.join(found)}, so shares are rough; raise steps or n")
