"""Does a core of heads survive where subnetworks repel each other?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int

from ..columns import Column, Table
from ..writing import p_text
from .evidence import Evidence
from .nulls import Chance, at_least, expected_jaccard, pooled_intersection
from .pairs import jaccard, pair_mean
from .power import least_number
from .question import Answer, Figure, Question, Row, Verdict, decide
from .systems import BY_SPARSITY, by_system

#: The core whose power is reported, heads.
PLANNED_CORE = 3


@dataclass(frozen=True, eq=False)
class Level:
    """The subnetworks of one weight of the penalty.

    Args:
        repel: The weight, in nats.
        heads: Which heads each keeps.
        names: The heads' names.
        divergences: Their divergences from the full model, in nats.
        bound: The highest divergence of a faithful one.
        pools: Heads of each layer.
        counts: How many of each layer each keeps.
    """

    repel: float
    heads: Bool[np.ndarray, "subnetwork head"]
    names: Sequence[str]
    divergences: Sequence[float]
    bound: float
    pools: Sequence[int]
    counts: Int[np.ndarray, "subnetwork layer"]

    @property
    def faithful(self) -> bool:
        """Whether all are within the bound."""
        return max(self.divergences) <= self.bound

    @property
    def shared(self) -> list[str]:
        """The heads that all keep."""
        return [
            name
            for name, shared in zip(self.names, np.all(self.heads, axis=0).tolist(), strict=True)
            if shared
        ]

    def shared_by_chance(self, n_shared: int, n_sets: int) -> Chance:
        """Compare a number of shared heads with chance, if sets keep as many heads in each layer.

        Args:
            n_shared: Heads in all sets.
            n_sets: How many sets there are, each like one of these.
        """
        counts = np.resize(self.counts, (n_sets, len(self.pools)))
        return at_least(pooled_intersection(self.pools, counts), n_shared)

    @cached_property
    def chance(self) -> Chance:
        """What the number of heads in all of them is by chance."""
        return self.shared_by_chance(len(self.shared), len(self.heads))

    @cached_property
    def expected(self) -> float:
        """The Jaccard index of random subnetworks with as many heads in each layer."""
        return expected_jaccard(self.pools, self.counts)

    @property
    def jaccard(self) -> float:
        """The mean Jaccard index of the heads of two."""
        return pair_mean(jaccard(self.heads)).value

    def row(self) -> Row:
        """Return what a table shows of it."""
        return {
            "repel": self.repel,
            "n": len(self.heads),
            "divergence": float(np.mean(self.divergences)),
            "worst": float(max(self.divergences)),
            "faithful": self.faithful,
            "jaccard": self.jaccard,
            "expected": self.expected,
            "shared": len(self.shared),
            "expected_shared": self.chance.expected,
            "p": self.chance.p_value,
            "members": " ".join(self.shared),
        }


def repulsion(evidence: Evidence) -> list[Answer]:
    """Ask whether heads remain in all subnetworks that overlap as little as they can.

    Returns:
        One answer per fine-tuning, checkpoint, method and sparsity at which subnetworks were
        searched for that repel each other.
    """
    answers = []
    for key, rows in by_system(evidence["repelled"], BY_SPARSITY):
        levels = [
            _level(weight, some)
            for weight, some in rows.groupby("repel")
            if some["seed"].nunique() > 1
        ]
        answers.append(
            Answer(
                subject=dict(zip(BY_SPARSITY, key, strict=True)),
                verdict=_verdict(levels),
                rows={"repulsion": [level.row() for level in levels]},
            )
        )
    return answers


def _level(weight: float, rows: pd.DataFrame) -> Level:
    heads = rows[rows["head"] >= 0]
    kept = heads.pivot(index="seed", columns=["layer", "head"], values="kept").sort_index(axis=1)
    layer = kept.columns.get_level_values("layer").to_numpy()
    mask = kept.to_numpy(dtype=bool)
    pools = [int((layer == one).sum()) for one in np.unique(layer)]
    counts: Int[np.ndarray, "subnetwork layer"] = np.stack(
        [mask[:, layer == one].sum(1) for one in np.unique(layer)], axis=1
    )
    of_seed = rows.groupby("seed")["divergence"].first()
    return Level(
        repel=float(weight),
        heads=mask,
        names=[f"L{one}H{head}" for one, head in kept.columns],
        divergences=of_seed.tolist(),
        bound=float(rows["bound"].iloc[0]),
        pools=pools,
        counts=counts,
    )


def _verdict(levels: Sequence[Level]) -> Verdict:
    claim = QUESTION.claim
    if not levels:
        return decide(
            claim,
            "one subnetwork has no other to share heads with",
            open_because="it takes at least two subnetworks of one search",
        )
    faithful = [level for level in levels if level.faithful and level.repel > 0]
    if not faithful:
        worst = min(max(level.divergences) for level in levels)
        return decide(
            claim,
            f"the least faithful subnetwork is at {worst:.3g} nats, the bound is "
            f"{levels[0].bound:.3g}",
            open_because="at no weight above 0 are all of them faithful",
        )
    last = faithful[-1]
    n, chance = len(last.shared), last.chance
    return decide(
        claim,
        f"paying up to {last.repel:g} nats for what they share, {len(last.heads)} faithful "
        f"subnetworks share {n} heads, where chance gives {chance.expected:.2g} "
        f"({p_text(chance.p_value)}); their mean Jaccard index is "
        f"{last.jaccard:.2f}, where chance gives {last.expected:.2f}",
        supported=chance.p_value < 0.05 and n > chance.expected,
        contradicted=n == 0,
        measure="heads in all subnetworks beyond chance",
        p=chance.p_value,
        power=least_number(
            f"a core of {PLANNED_CORE} heads",
            "subnetworks that repel each other",
            len(last.heads),
            lambda n: last.shared_by_chance(PLANNED_CORE, n).p_value < 0.05,
        ),
    )


QUESTION = Question(
    key="repulsion",
    asks="Does a core of heads survive where subnetworks repel each other?",
    claim="faithful subnetworks that overlap as little as they can still share a core of heads",
    page="faithful_sets",
    subject=BY_SPARSITY,
    needs=("repelled",),
    answer=repulsion,
    tables=(
        Table(
            "repulsion",
            "Subnetworks found in one pass, each of which paid for what it shared with the others.",
            Column(
                "repel",
                "what one paid if all others kept all of its units, nats",
                title="penalty",
                brief=True,
                low=0,
                key=True,
            ),
            Column("n", "subnetworks", "int", "n", low=2),
            Column(
                "divergence",
                "mean KL divergence from the full model on mask-learning examples, nats",
                title="KL",
                digits=3,
                brief=True,
                low=0,
            ),
            Column("worst", "the highest of them", title="highest KL", digits=3, low=0),
            Column("faithful", "whether all are within the bound", "bool", "faithful", brief=True),
            Column(
                "jaccard",
                "mean Jaccard index of the heads of two",
                title="Jaccard of heads",
                brief=True,
                low=0,
                high=1,
            ),
            Column(
                "expected",
                "the same of random subnetworks with as many heads in each layer",
                title="by chance",
                low=0,
                high=1,
            ),
            Column("shared", "heads in all", "int", "shared", brief=True),
            Column(
                "expected_shared",
                "the same of random subnetworks with as many heads in each layer",
                title="by chance",
                low=0,
            ),
            Column(
                "p", "probability of as many by chance", title="p", form="probability", brief=True
            ),
            Column("members", "the heads in all", "str", "members", optional=True),
            title="Overlap and fidelity as subnetworks repel each other",
        ),
    ),
    figures=(
        Figure(
            kind="lines",
            table="repulsion",
            columns={"x": "divergence", "y": "jaccard", "detail": "n"},
            title="Overlap against fidelity",
            caption="Mean Jaccard index of the heads of two subnetworks, over their mean KL "
            "divergence from the full model, as the penalty on shared units grows.",
        ),
    ),
    limits=(
        "How little subnetworks can share depends on how many there are and how large they are.",
        "A search that finds no subnetworks with less overlap does not prove that there are none.",
    ),
)
