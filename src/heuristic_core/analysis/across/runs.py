"""Several runs that are compared, and which of their models and searches belong together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product
from typing import Any

import pandas as pd

from ...errors import InputError
from ..core_overlap import last_cores
from ..cores import Core, cores
from ..evidence import Evidence


@dataclass(frozen=True, eq=False, kw_only=True)
class ComparedRun:
    """One of the runs that are compared.

    Args:
        name: Its name, which no other of them has.
        evidence: What it measured.
        verdicts: What it came to, as in ``tables.VERDICTS``.
        models: What identifies each fine-tuning, by its seed; two runs of one model have the same.
        start: What identifies the weights that its fine-tunings start from; empty if that is not
            recorded.
        suites: The digest of each suite's examples.
        searches: The names of its searches, which hold a hash of all that determines them.
    """

    name: str
    evidence: Evidence
    verdicts: pd.DataFrame
    models: Mapping[int, str] = field(default_factory=dict)
    start: str = ""
    suites: Mapping[str, str] = field(default_factory=dict)
    searches: frozenset[str] = frozenset()

    @property
    def cores(self) -> list[Core]:
        """The core of each fine-tuning and method, over all sparsities at its last checkpoint."""
        return last_cores(self.evidence.once(cores))


@dataclass(frozen=True, eq=False)
class Placed:
    """A core, and the run that it is of."""

    run: ComparedRun
    core: Core

    @property
    def model(self) -> tuple[str, int]:
        """What identifies its model."""
        seed, checkpoint = self.core.model
        return self.run.models.get(seed, f"{self.run.name} {seed}"), checkpoint

    @property
    def name(self) -> str:
        """Its run, and what tells it from the run's other cores, for reasons."""
        own = self.run.cores
        words = [self.run.name]
        if len({core.finetune_seed for core in own}) > 1:
            words.append(f"fine-tuning {self.core.finetune_seed}")
        if len({core.method for core in own}) > 1:
            words.append(f"method {self.core.method}")
        return ", ".join(words)

    def at(self, sparsity: float) -> Core | None:
        """Return the core of the same model and method at one sparsity; ``None`` without one."""
        own, every = self.core, self.run.evidence.once(cores)
        same = (c for c in every if (c.model, c.method) == (own.model, own.method))
        return next((core for core in same if core.sparsity == sparsity), None)

    @property
    def sparsities(self) -> list[float]:
        """The sparsities of its subnetworks, in order."""
        levels = self.core.kept.table.index.get_level_values("sparsity")
        return sorted({float(level) for level in levels})


class Runs:
    """Runs whose models have the same heads.

    Args:
        runs: The runs, at least two.
        seed: Seed of permutations.

    Raises:
        InputError: If a run has no subnetworks, or two runs' models have different heads.
    """

    def __init__(self, runs: Sequence[ComparedRun], *, seed: int = 0) -> None:
        self.runs = tuple(runs)
        self.seed = seed
        self.placed = [Placed(run, core) for run in self.runs for core in _cores(run)]
        first = self.placed[0]
        for one in self.placed[1:]:
            mine, others = set(first.core.kept.heads), set(one.core.kept.heads)
            if mine != others:
                raise InputError(
                    f"{first.run.name} and {one.run.name} are of models with different heads "
                    f"({len(mine)} and {len(others)} of them); only runs of one architecture can "
                    "be compared"
                )

    def pairs(self, *, one_model: bool) -> Iterator[tuple[Placed, Placed]]:
        """Pair what two runs found.

        Args:
            one_model: Whether pairs are two searches in one model, or else searches of one method
                in two models.
        """
        for run, other in combinations(self.runs, 2):
            both = ([p for p in self.placed if p.run is one] for one in (run, other))
            for a, b in product(*both):
                if (a.model == b.model) == one_model and (
                    one_model or a.core.method == b.core.method
                ):
                    yield a, b


def _cores(run: ComparedRun) -> list[Core]:
    found = run.cores
    if not found:
        raise InputError(f"the run {run.name} has no subnetworks, so no core; search for some")
    return found


#: The columns that name a pair.
PAIR = (
    "run",
    "finetune_seed",
    "checkpoint",
    "method",
    "other_run",
    "other_finetune_seed",
    "other_checkpoint",
    "other_method",
)


def pair_subject(one: Placed, other: Placed) -> dict[str, Any]:
    """Return the values of :data:`PAIR`."""
    values = ((placed.run.name, *placed.core.model, placed.core.method) for placed in (one, other))
    return dict(zip(PAIR, (value for some in values for value in some), strict=True))


def shared_searches(one: Placed, other: Placed) -> int:
    """Count the searches of one model that both runs hold, which are no two searches."""
    seed, checkpoint = one.core.model
    both = one.run.searches & other.run.searches
    return sum(name.startswith(f"search-f{seed}-s{checkpoint}-") for name in both)


def apart(one: Placed, other: Placed) -> str:
    """Say what keeps two models' heads from being the same heads, as sentences; may be empty."""
    starts = {one.run.start, other.run.start}
    if "" in starts:
        return (
            "It is not recorded which pretrained weights the models start from; only if they are "
            "the same are heads of one number the same heads."
        )
    if len(starts) > 1:
        return (
            "The models start from different pretrained weights, so heads of one number need not "
            "be the same heads: a small overlap says nothing."
        )
    return ""


def other_levels(one: Placed, other: Placed) -> str:
    """Say that two cores are of other sparsities or other numbers of searches; may be empty."""
    texts = []
    levels = [" and ".join(f"{s:.0%}" for s in placed.sparsities) for placed in (one, other)]
    if levels[0] != levels[1]:
        texts.append(f"The sparsities differ ({levels[0]}; {levels[1]})")
    sets = [len(placed.core.sets) for placed in (one, other)]
    if sets[0] != sets[1]:
        texts.append(f"{'the' if texts else 'The'} numbers of sets differ ({sets[0]}; {sets[1]})")
    if not texts:
        return ""
    return f"{' and '.join(texts)}: sparser or more searches have a smaller core."
