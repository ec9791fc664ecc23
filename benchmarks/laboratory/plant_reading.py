"""Effects on what heads attend to and depend on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from heuristic_core.tables import ATTENTION, DEPENDENCY

from .heads import Model
from .plant_heads import SPARSITY
from .planted import Claim, Planted, Tables
from .world import World

#: Design choices: suites, examples of each, searches that show the core.
SUITES, EXAMPLES, SEARCHES = ("a", "b", "c"), 250, 8
PATTERNS = ("repeated", "previous", "next", "sep", "cls")
STEPS = (0, 4000)
#: What uniform attention gives a pattern; so many doublings of it are nearly all attention.
CHANCE, MOST = 0.03, 4.8


@dataclass(frozen=True, kw_only=True)
class Attending:
    """Attention of all heads before and after fine-tuning.

    Args:
        world: What is not planted.
        model: The heads.
        more: By how many doublings core heads are stronger.
        repeated_before: If given, core heads attend to repeated tokens four times as much as
            chance afterwards, and such a share of them did before.
    """

    world: World
    model: Model
    more: float = 0.0
    repeated_before: float | None = None

    def __call__(self, rng: np.random.Generator, n_studies: int) -> Tables:
        """Draw the tables of so many studies."""
        world, core = self.world, self.model.core
        n = len(core)
        shape = (n_studies, len(STEPS), len(SUITES), n, len(PATTERNS))
        # Half a doubling below chance, but for one pattern of each head.
        log2 = np.full(shape, -0.5)
        main = rng.integers(4, size=(n_studies, 1, 1, n, 1))
        of_head = _at_least_0(rng, world.strength, world.strength_sd, (n_studies, 1, 1, n, 1))
        # What suites share is the head's; the rest of the variance is theirs.
        own_sd = world.strength_sd * (1 / world.suites_alike - 1) ** 0.5
        own = own_sd * rng.standard_normal((n_studies, len(STEPS), len(SUITES), n, 1))
        strength = (of_head + own + self.more * core[:, None]).clip(0, MOST)
        np.put_along_axis(log2, np.broadcast_to(main, (*shape[:-1], 1)), strength, axis=-1)
        if self.repeated_before is not None:
            rank = np.zeros((n_studies, 1, n), int)
            rank[..., core] = rng.random((n_studies, 1, core.sum())).argsort(-1).argsort(-1)
            before = rank < round(self.repeated_before * core.sum())
            log2[:, 1, :, core, 0] = 2.0
            at_first = np.where(before, 2.0, 0.0) + np.zeros((1, len(SUITES), 1))
            log2[:, 0, :, core, 0] = np.moveaxis(at_first[..., core], -1, 0)
        error = world.score_noise / EXAMPLES**0.5
        score = 2.0**log2 * (1 + error * rng.standard_normal(shape)).clip(0.01)
        study, step, suite, head, pattern = np.indices(shape).reshape(5, -1)
        units = np.array(self.model.units)[head]
        rows = pd.DataFrame(
            {"finetune_seed": study, "checkpoint": np.array(STEPS)[step]}
            | {"suite": np.array(SUITES)[suite], "unit": units}
            | {"layer": self.model.layers[head], "head": [int(x.split("H")[1]) for x in units]}
            | {"pattern": np.array(PATTERNS)[pattern], "weighting": "attention", "n": EXAMPLES}
            | {"attention": (CHANCE * score.ravel()).clip(0, 1), "chance": CHANCE}
            | {"score": score.ravel()}
            | {"score_se": (error * score).ravel(), "wins": 0.5}
        )
        kept = self.model.searched(rng, (n_studies, 1, SEARCHES), core_kept=1.0)
        return {
            "attention": ATTENTION.conform(rows),
            "subnetworks": self.model.table(kept, SPARSITY),
        }


def _at_least_0(
    rng: np.random.Generator, mean: float, sd: float, shape: tuple[int, ...]
) -> np.ndarray:
    """Draw numbers of a mean and a standard deviation that are not negative."""
    return rng.gamma((mean / sd) ** 2, sd**2 / mean, shape)


def planted(world: World) -> Iterator[Planted]:
    """Give the effects on attention and on dependency."""
    fitted = Model.of(world)
    within = np.array([f"H{i}" for i in range(12)])
    even = replace(fitted, core=np.isin([x[2:] for x in fitted.units], within[:2]))
    even = replace(even, kept=np.maximum(fitted.kept, 2))
    for words, model in (("core as placed in the study", fitted), ("two core heads a layer", even)):
        base = Attending(world=world, model=model)
        design = f"{len(SUITES)} suites, {int(model.core.sum())} heads, {words}"
        for effect, more in (("core heads as others", 0.0), ("core heads 0.8 doublings up", 0.8)):
            bar = 0.55 if more and model is even else 0.0
            yield Planted(
                effect=effect,
                design=design,
                claims=(
                    Claim(
                        question="attention_patterns",
                        truth="holds" if more else "nothing",
                        where={"checkpoint": STEPS[-1]},
                        effect=more,
                        bar=bar,
                    ),
                ),
                draw=replace(base, more=more),
                covered=("head-types",),
                at_once=10,
            )
    base = Attending(world=world, model=fitted)
    for share in (0.25, 0.75):
        yield Planted(
            effect=f"{share:.0%} of core heads for repeated tokens were such before",
            design=f"{len(SUITES)} suites, 12 heads",
            claims=(
                Claim(
                    question="repeated_tokens",
                    truth="holds" if share > 0.5 else "absent",
                    where={"suite": SUITES[0]},
                ),
            ),
            draw=replace(base, repeated_before=share),
            at_once=10,
        )
    yield from _depending(world)


#: Design choices: senders of each of three layers, core and others, and receivers above.
SENDERS, RECEIVERS = {1: (3, 4), 2: (3, 4), 3: (2, 4)}, 12


@dataclass(frozen=True, kw_only=True)
class Depending:
    """Added heads that read senders, core heads more than others or not.

    Args:
        world: What is not planted.
        more: By how much more added heads change without a core head.
        margin: By how much more the margin does, nats.
    """

    world: World
    more: float = 0.0
    margin: float = 0.0

    def __call__(self, rng: np.random.Generator, n_studies: int) -> Tables:
        """Draw the tables of so many studies."""
        world = self.world
        layer = np.repeat([*SENDERS], [sum(x) for x in SENDERS.values()])
        core = np.concatenate([np.arange(a + b) < a for a, b in SENDERS.values()])
        shape = (n_studies, len(layer), RECEIVERS, 3)
        tables = {}
        for name, mean, more, sd, edge, noise in (
            ("change", world.reads, self.more, world.reads_sd, world.edge_sd, world.edge_noise),
            (
                "margin",
                0.0,
                self.margin,
                world.margin_reads_sd,
                world.margin_edge_sd,
                world.margin_noise,
            ),
        ):
            sender = sd * rng.standard_normal((n_studies, len(layer), 1, 1))
            values = mean + sender + more * core[:, None, None]
            values = values + edge * rng.standard_normal(shape)
            values = values + noise * rng.standard_normal(shape)
            others = np.stack([values[:, (layer == at) & ~core].mean(1) for at in layer], axis=1)
            tables[name] = (values, values - others, noise)
        study, one, other, reads = np.indices(shape).reshape(4, -1)
        at = np.array([f"L{at}H{i}" for i, at in enumerate(layer)])
        receivers = np.array([f"L{4 + i % 2}H{i // 2}" for i in range(RECEIVERS)])
        change, margin = tables["change"], tables["margin"]
        rows = pd.DataFrame(
            {"finetune_seed": study, "checkpoint": 4000, "sender": at[one]}
            | {"receiver": receivers[other], "sender_group": np.where(core, "core", "control")[one]}
            | {"receiver_group": "added", "reads": np.array(["q", "k", "v"])[reads]}
            | {"path": "direct", "n": 120, "change": change[0].ravel(), "change_se": change[2]}
            | {"excess": change[1].ravel(), "excess_se": change[2]}
            | {"margin_change": margin[0].ravel(), "margin_change_se": margin[2]}
            | {"margin_excess": margin[1].ravel(), "margin_excess_se": margin[2]}
        )
        return {"dependency": DEPENDENCY.conform(rows)}


def _depending(world: World) -> Iterator[Planted]:
    for effect, more in (("core heads read as others", 0.0), ("core heads read 5 points more", 1)):
        yield Planted(
            effect=effect,
            design="8 core heads, 12 others, 12 added",
            claims=(
                Claim(
                    question="dependency",
                    truth="holds" if more else "nothing",
                    effect=0.05 * more,
                ),
            ),
            # Design choices: 5 % of the distance from the mean, and 5 thousandths of a nat.
            draw=Depending(world=world, more=0.05 * more, margin=0.005 * more),
            covered=("dependency",),
        )
