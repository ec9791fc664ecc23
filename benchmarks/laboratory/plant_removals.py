"""Effects of removing heads from the full model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from scipy.special import ndtri

from .heads import Model
from .planted import Claim, Planted, Tables
from .removals import Effects, Named, Removed
from .world import World

#: The paper's table of removals from the MNLI model: accuracy (%) on SO-Swap without any head,
#: without each of the nine core heads, and without three of them (L2H5, L3H7, L4H0).
PAPER_FULL = 86.7
PAPER_SINGLE = (79.3, 70.3, 68.6, 81.8, 45.4, 84.5, 88.3, 87.7, 84.7)
PAPER_THREE, PAPER_TRIPLE = (1, 2, 4), 3.6
#: Design choices: accuracy of the paper's model on friendly cases; cases; groups of controls.
PAPER_FRIENDLY, CASES, CONTROLS, PAIRED = 97.0, 4, 20, 4


def _z(percent: float) -> float:
    return float(ndtri(percent / 100))


def paper_effects() -> tuple[np.ndarray, float]:
    """Return what the removal of the paper's core heads adds to adversarial scores.

    Returns:
        Standard scores, of each head; and what three of them add beyond their sum.
    """
    alone = np.array([_z(x) - _z(PAPER_FULL) for x in PAPER_SINGLE])
    together = _z(PAPER_TRIPLE) - _z(PAPER_FULL)
    return alone, together - float(alone[list(PAPER_THREE)].sum())


@dataclass(frozen=True, kw_only=True)
class Removing:
    """Studies in which all heads, pairs, the core, control groups and a group are removed.

    Args:
        world: What is not planted.
        model: The heads; the core is where theirs is.
        n: Examples by case.
        full: The full model's distance and lean, as standard scores.
        core: What removing some core heads does to the adversarial side, as standard scores; in
            random order over the core's heads, of which the others do nothing.
        beyond: What the core adds to that beyond the sum, as standard scores.
        planted: By head, what else its removal does to lean and distance, nats.
        scale: By how much other heads' effects are larger than the world's.
        fixed: Whether heads do the same in all studies, so that intervals by head can be checked.
        separating: Whether other heads than those planted change the distance.
        most_lean: Leans of single heads are cut at this, nats.
        share: The share of every margin that each core head takes, and each other head.
    """

    world: World
    model: Model
    n: Mapping[str, int]
    full: tuple[float, float]
    core: Sequence[float] = ()
    beyond: float = 0.0
    planted: Mapping[int, tuple[float, float]] = field(default_factory=dict)
    scale: float = 1.0
    fixed: bool = False
    separating: bool = True
    most_lean: float = np.inf
    share: tuple[float, float] = (0.0, 0.0)

    def __call__(self, rng: np.random.Generator, n_studies: int) -> Tables:
        """Draw the tables of so many studies."""
        world = self.world
        named = self._named(np.random.default_rng(1) if self.fixed else rng)
        core = next(i for i, (group, *_) in enumerate(named) if group == "core")
        spread = world.head_distance_sd, world.head_lean_sd, world.head_id_sd
        removed = Removed(
            units=self.model.units,
            named=named,
            n=self.n,
            before=self._before,
            sd=(world.nats, world.id_nats),
            noise=world.change_noise * float(np.sqrt(np.mean(np.square(spread)))),
            interaction={core: {"a": world.nats * self.beyond}},
            interaction_noise=world.interaction_noise,
        )
        effects = self._effects(np.random.default_rng(0))
        drawn = [effects if self.fixed else self._effects(rng) for _ in range(n_studies)]
        return removed.draw(rng, drawn)

    @property
    def _before(self) -> dict[str, float]:
        """The full model's mean scores by kind of case, nats."""
        world, (distance, lean) = self.world, self.full
        return {
            "a": world.nats * (lean + distance / 2),
            "f": world.nats * (lean - distance / 2),
            "i": world.id_nats * world.id_score,
        }

    def _named(self, rng: np.random.Generator) -> list[Named]:
        heads, core = np.arange(len(self.model.layers)), np.flatnonzero(self.model.core)
        named: list[Named] = [("single", -1, (int(head),)) for head in heads]
        own = core[:PAIRED]
        named += [("pair", -1, (int(a), int(b))) for i, a in enumerate(own) for b in own[i + 1 :]]
        named.append(("core", -1, tuple(map(int, core))))
        named.append(("mine", -1, (int(core[0]), int(heads[-1]))))
        controls: set[tuple[int, ...]] = set()
        while len(controls) < CONTROLS:
            order = np.argsort(self.model.layers + rng.random(len(heads)))
            free = [i for i in order if not self.model.core[i]]
            group: list[int] = []
            for layer in np.unique(self.model.layers[core]):
                here = [i for i in free if self.model.layers[i] == layer]
                group += here[: int((self.model.layers[core] == layer).sum())]
            controls.add(tuple(sorted(map(int, group))))
        return [*named, *(("control", i, group) for i, group in enumerate(sorted(controls)))]

    def _effects(self, rng: np.random.Generator) -> Effects:
        world, n = self.world, len(self.model.layers)
        lean, distance, in_domain = (
            self.scale * sd * rng.standard_normal(n)
            for sd in (world.head_lean_sd, world.head_distance_sd, world.head_id_sd)
        )
        distance *= self.separating
        lean = lean.clip(-self.most_lean, self.most_lean)
        if len(self.core):
            core = np.flatnonzero(self.model.core)
            # The adversarial side alone moves: half of it is lean.
            moved = np.zeros(len(core))
            moved[: len(self.core)] = world.nats * np.array(self.core)
            rng.shuffle(moved)
            distance[core] += moved
            lean[core] += moved / 2
            in_domain[core] = 0.0  # in the paper in-domain accuracy hardly moves
        # In proportion to every margin: in-domain they lose as much as out of domain.
        share, before = np.where(self.model.core, *self.share), self._before
        lean -= share * (before["a"] + before["f"]) / 2
        distance -= share * (before["a"] - before["f"])
        in_domain -= share * before["i"]
        for head, (more_lean, more_distance) in self.planted.items():
            lean[head] += more_lean
            distance[head] += more_distance
        return Effects(lean, distance, in_domain)


def planted(world: World) -> Iterator[Planted]:
    """Give the effects of removals."""
    model = Model.of(world)
    for words, n_adversarial, full in (
        ("model as fitted", 300, (world.distance, world.lean)),
        ("model as fitted", 80, (world.distance, world.lean)),
        ("the paper's model", 300, _paper_model()),
        # A design choice: a model that separates as the fitted one and leans twice as much.
        ("leaning model", 300, (world.distance, 2 * world.lean)),
    ):
        n = {"i": 500} | {f"a{i}": n_adversarial // CASES for i in range(CASES)}
        n |= {f"f{i}": 300 // CASES for i in range(CASES)}
        base = Removing(world=world, model=model, n=n, full=full)
        yield from _of_design(base, f"{words}, {n_adversarial} adversarial")


def _paper_model() -> tuple[float, float]:
    a, f = _z(PAPER_FULL), _z(PAPER_FRIENDLY)
    return a + f, (a - f) / 2


def _of_design(base: Removing, design: str) -> Iterator[Planted]:
    alone, beyond = paper_effects()
    paper_model = design.startswith("the paper")
    plant = partial(Planted, design=design, at_once=20)
    nothing = partial(Claim, truth="nothing")
    yield plant(
        effect="the core is as other heads",
        claims=(
            Claim(question="single_removal", truth="absent"),
            nothing(question="additivity"),
            nothing(question="core_removal"),
        ),
        draw=base,
        covered=("core-heads",),
    )
    yield plant(
        effect="the core is as other heads, which differ four times as much",
        claims=(
            nothing(question="core_removal"),
            Claim(question="single_removal", truth="absent"),
        ),
        draw=replace(base, scale=4.0),
    )
    yield plant(
        effect="core heads take a quarter of every margin, others a fiftieth",
        claims=(Claim(question="single_removal", truth="absent"),),
        # A design choice, far above what other heads take.
        draw=replace(base, scale=0.0, share=(0.25, 0.02)),
    )
    bar = 0.9 if paper_model else 0.0
    yield plant(
        effect="the paper's effects",
        claims=(
            Claim(question="single_removal", truth="holds"),
            Claim(question="additivity", truth="holds", bar=bar),
            Claim(question="core_removal", truth="holds", bar=bar),
        ),
        draw=replace(base, core=tuple(alone), beyond=beyond),
    )
    first, last = int(np.flatnonzero(base.model.core)[0]), len(base.model.layers) - 1
    yield plant(
        effect="heads lean a little and separate nothing",
        claims=(
            Claim(question="helpful_removal", truth="absent"),
            Claim(question="label_bias", truth="absent"),
        ),
        # Design choices: leans far below the 0.4 nats that count, and others far above it.
        draw=replace(base, most_lean=0.2, separating=False),
    )
    yield plant(
        effect="one head's removal separates by 1 nat more; two heads lean by 0.8 nats",
        claims=(
            Claim(question="helpful_removal", truth="holds"),
            Claim(question="label_bias", truth="holds"),
        ),
        draw=replace(
            base,
            most_lean=0.2,
            planted={first: (0.5, 1.0), last: (0.8, 0.0), last - 12: (-0.8, 0.0)},
        ),
    )
    fixed = replace(base, fixed=True, planted={first: (0.0, -1.0)})
    yield plant(
        effect="the group separates by 1 nat less, the same in all studies",
        claims=(Claim(question="group_removal", truth="holds", where={"group": "mine"}),),
        draw=fixed,
        covered=("groups",),
    )
    zero = replace(base, scale=0.0)
    yield plant(
        effect="no head does anything",
        claims=(
            nothing(question="group_removal"),
            Claim(question="single_removal", truth="absent"),
            nothing(question="additivity"),
            nothing(question="core_removal"),
            Claim(question="helpful_removal", truth="absent"),
        ),
        draw=zero,
    )
    yield plant(
        effect="heads differ, the same in all studies",
        claims=(
            Claim(question="additivity", truth="between"),
            Claim(question="single_removal", truth="between"),
            Claim(question="helpful_removal", truth="between"),
            Claim(question="label_bias", truth="between"),
        ),
        draw=replace(base, fixed=True, core=tuple(alone), beyond=beyond),
        covered=("removals", "additivity", "unit-removal-outcomes", "unit-label-bias"),
    )
