"""Effects on which heads searches keep: core, overlap, emergence, and disjoint subnetworks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.special import ndtri

from heuristic_core.tables import DISCRIMINATION, DISJOINT, EVALUATIONS

from .heads import Model
from .planted import Claim, Planted, Tables, Truth
from .scores import Means, Sample, Systems, evaluations, predictions, right
from .world import World

#: Design choice: how often a search keeps a head of a planted core.
KEPT = 0.9
#: Of all subnetworks.
SPARSITY = 0.5


@dataclass(frozen=True, kw_only=True)
class Found:
    """Subnetworks of one checkpoint.

    Args:
        model: The heads.
        seeds: Searches.
        alike: Correlation of two searches' choices within layers.
        core_kept: How often each keeps a core head; without it there is no core.
    """

    model: Model
    seeds: int
    alike: float = 0.0
    core_kept: float | None = None

    def __call__(self, rng: np.random.Generator, n_studies: int) -> Tables:
        """Draw the tables of so many studies."""
        shape = (n_studies, 1, self.seeds)
        common = np.broadcast_to(
            np.random.default_rng(0).standard_normal(len(self.model.layers)),
            (n_studies, 1, len(self.model.layers)),
        )
        kept = self.model.searched(
            rng, shape, alike=self.alike, core_kept=self.core_kept, common=common
        )
        return {"subnetworks": self.model.table(kept, SPARSITY)}


def planted(world: World) -> Iterator[Planted]:
    """Give the effects on heads."""
    model = Model.of(world)
    yield from _cores(world, model)
    yield from _two_models(model)
    yield from _early(world, model)
    yield from _apart(world)


def _cores(world: World, model: Model) -> Iterator[Planted]:
    at = {"sparsity": SPARSITY}
    for seeds in (3, 6, 12):
        base = Found(model=model, seeds=seeds)
        for effect, truth, draw in (
            ("heads at random within layers", "nothing", base),
            ("a core kept to 90 %", "holds", replace(base, core_kept=KEPT)),
            ("searches as alike as fitted", "holds", replace(base, alike=world.preference)),
        ):
            yield Planted(
                effect=effect,
                design=f"{seeds} seeds",
                claims=(
                    Claim(question="core", truth=truth, where=at),  # type: ignore[arg-type]
                    Claim(question="overlap", truth=truth),  # type: ignore[arg-type]
                ),
                draw=draw,
                covered=("frequencies", "overlap"),
                at_once=25,
            )


@dataclass(frozen=True, kw_only=True)
class TwoModels:
    """Two fine-tunings of one model, whose cores have some heads in common.

    Args:
        model: The heads; those of its core are moved within layers in the second fine-tuning.
        shared: The share of the core's heads that both have; ``None`` if both are at random.
        seeds: Searches.
    """

    model: Model
    shared: float | None
    seeds: int = 6

    def __call__(self, rng: np.random.Generator, n_studies: int) -> Tables:
        """Draw one study."""
        rows = []
        for fine_tuning in range(2):
            core = self.model.core
            if self.shared is None:
                core = self._shuffled(rng, core)
            elif fine_tuning:
                moved = rng.permutation(np.flatnonzero(core))[round(self.shared * core.sum()) :]
                core = self._moved(rng, core, moved)
            own = replace(self.model, core=core)
            kept = own.searched(rng, (1, 1, self.seeds), core_kept=1.0)
            rows.append(self.model.table(kept, SPARSITY).assign(finetune_seed=fine_tuning))
        return {"subnetworks": pd.concat(rows, ignore_index=True)}

    def _shuffled(self, rng: np.random.Generator, core: np.ndarray) -> np.ndarray:
        order = np.argsort(self.model.layers + rng.random(len(core)))
        return core[order]

    def _moved(self, rng: np.random.Generator, core: np.ndarray, moved: np.ndarray) -> np.ndarray:
        result = core.copy()
        result[moved] = False
        for head in moved:
            here = self.model.layers == self.model.layers[head]
            result[rng.choice(np.flatnonzero(here & ~core & ~result))] = True
        return result


def _two_models(model: Model) -> Iterator[Planted]:
    cases: tuple[tuple[str, float | None, Truth], ...] = (
        ("cores at random within layers", None, "absent"),
        ("half of both cores shared", 0.5, "absent"),
        ("all of both cores shared", 1.0, "holds"),
    )
    for effect, shared, truth in cases:
        yield Planted(
            effect=effect,
            design="2 fine-tunings, 6 seeds, 12 heads",
            claims=(Claim(question="core_overlap", truth=truth),),
            draw=TwoModels(model=model, shared=shared),
            covered=("core-overlap",),
            ends={"verdict": (0.0, 1.0)},
            at_once=1,
        )


#: Checkpoints of the grid; generalisation begins at the third.
GRID_STEPS, RISE = (250, 500, 1000, 4000), 1000


@dataclass(frozen=True, kw_only=True)
class Early:
    """A core that searches of early checkpoints keep, or do not.

    Args:
        model: The heads.
        seeds: Searches of the grid.
        alike: Correlation of two searches' choices at one checkpoint.
        core_kept: How often an early search keeps a core head; without it, as any other head.
    """

    model: Model
    seeds: int
    alike: float
    core_kept: float | None

    def __call__(self, rng: np.random.Generator, n_studies: int) -> Tables:
        """Draw the tables of so many studies."""
        final = self.model.searched(rng, (n_studies, 1, 8), core_kept=1.0)
        shape = (n_studies, len(GRID_STEPS), self.seeds)
        grid = self.model.searched(rng, shape, alike=self.alike, core_kept=self.core_kept)
        last = self.model.searched(rng, (n_studies, 1, self.seeds), core_kept=1.0)
        grid[:, -1:] = last
        return {
            "subnetworks": self.model.table(final, SPARSITY),
            "grid_subnetworks": self.model.table(grid, SPARSITY, GRID_STEPS),
            **_rising(n_studies),
        }


def _rising(n_studies: int) -> Tables:
    """Return full models of which one case's AUROC rises at a known checkpoint."""
    study, step = (x.ravel() for x in np.indices((n_studies, len(GRID_STEPS))))
    at = np.array(GRID_STEPS)[step]
    full = {"finetune_seed": study, "checkpoint": at, "kind": "full", "method": ""}
    full |= {"sparsity": 0.0, "seed": -1, "suite": "ood", "case": "a0", "n": 1000}
    areas = {"case_group": "all", "n_friendly": 1000, "auc": np.where(at < RISE, 0.5, 0.9)}
    areas |= {"auc_se": 0.01, "d_prime": 0.0, "bias": 0.0}
    scored = {"role": "ood", "case_kind": "adversarial", "correct": 500, "kl": 0.0, "margin": 0.0}
    return {
        "discrimination": DISCRIMINATION.conform(pd.DataFrame(full | areas)),
        "evaluations": EVALUATIONS.conform(pd.DataFrame(full | scored)),
    }


def _early(world: World, model: Model) -> Iterator[Planted]:
    for seeds in (3, 6):
        for words, alike in (
            ("searches alike as fitted", world.early_preference),
            ("searches independent", 0.0),
            ("searches fully alike", 0.95),
        ):
            for effect, core_kept in (("core as other heads", None), ("core kept to 90 %", KEPT)):
                holds = core_kept is not None
                # The published design: 3 searches, 12 heads.
                bar = 0.8 if holds and seeds == 3 and alike < 0.9 else 0.0
                yield Planted(
                    effect=f"{effect} before the rise",
                    design=f"{seeds} seeds, {int(model.core.sum())} heads, {words}",
                    claims=(
                        Claim(question="emergence", truth="holds" if holds else "absent", bar=bar),
                    ),
                    draw=Early(model=model, seeds=seeds, alike=alike, core_kept=core_kept),
                    covered=("emergence",),
                    ends={"verdict": (0.0, 1.0)},
                    at_once=25,
                )


@dataclass(frozen=True, kw_only=True)
class Apart:
    """Subnetworks without any head of another one.

    Args:
        world: What is not planted.
        seeds: Pairs.
        points: Their in-domain accuracy minus the full model's, in points.
        n: In-domain examples.
        same: Whether all studies have the same examples.
    """

    world: World
    seeds: int
    points: float
    n: int = 500
    same: bool = False

    def __call__(self, rng: np.random.Generator, n_studies: int) -> Tables:
        """Draw the tables of so many studies."""
        world, accuracy = self.world, self.world.id_by_step[-1]
        # The full model, ordinary subnetworks and those that may not use their heads.
        seeds = np.arange(self.seeds)
        seed = np.concatenate([[-1], seeds, seeds])
        forbidden = np.repeat([0.0, 0.0, 1.0], [1, self.seeds, self.seeds])
        systems = Systems(np.full(len(seed), 4000), np.where(seed < 0, 0.0, SPARSITY), seed)
        shift, sd = (
            np.where(seed < 0, 0.0, np.where(forbidden, of_apart, ordinary)) / 100
            for ordinary, of_apart in (
                (world.ordinary, self.points),
                (world.ordinary_sd, world.forbidden_sd),
            )
        )
        true = accuracy + shift + sd * rng.standard_normal((n_studies, len(seed)))
        zero = np.zeros(len(seed))
        means = Means(ndtri(true.clip(0.003, 0.997)), zero, zero)
        sample = Sample({"i": self.n}, world.alike_full, world.alike, self.same)
        answered = right(sample.scores(rng, systems, means, n_studies))
        rows = evaluations(systems, answered, world.nats)
        packed = predictions(systems, answered)
        system = np.tile(np.arange(len(seed)), n_studies)
        again = rows.assign(
            kl=np.exp(rng.normal(world.kl[0], world.kl_sd[0], len(rows))),
            forbidden=forbidden[system],
            other_heads=20,
            heads=20,
            shared_heads=np.where(forbidden[system] > 0, 0, 20),
            units=26,
            answers=packed["correct"],
        )
        return {
            "disjoint": DISJOINT.conform(again[seed[system] >= 0]),
            "grid": rows[rows["kind"] == "full"],
            "grid_predictions": packed[packed["kind"] == "full"],
        }


def _apart(world: World) -> Iterator[Planted]:
    for seeds, same in ((4, False), (12, False), (4, True)):
        # Nothing, the margin, a design choice, and what was measured.
        for points in (0.0, -3.0, -10.0, world.forbidden):
            examples = "the same examples in all studies" if same else "500 in-domain"
            yield Planted(
                effect=f"disjoint ones lose {abs(points):.0f} points",
                design=f"{seeds} pairs, {examples}",
                claims=(
                    Claim(
                        question="disjoint",
                        truth="holds" if points == 0 else "absent",
                        effect=points,
                    ),
                ),
                draw=Apart(world=world, seeds=seeds, points=points, same=same),
                covered=("disjoint",),
            )
