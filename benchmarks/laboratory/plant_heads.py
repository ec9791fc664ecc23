"""Effects on which heads searches keep: core, overlap, emergence, and disjoint subnetworks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from heuristic_core.tables import DISCRIMINATION, DISJOINT, EVALUATIONS

from .heads import Model
from .planted import Claim, Planted, Tables, Truth
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
        sd = np.array([world.ordinary_sd, world.forbidden_sd]) / 100
        shift = np.array([world.ordinary, self.points]) / 100
        # Paired on examples: what all get wrong together is in the full model's accuracy too.
        hard = rng.normal(0, (world.alike / self.n / 4) ** 0.5, (n_studies, 1, 1)) * (not self.same)
        noise = rng.normal(0, ((1 - world.alike) / self.n / 4) ** 0.5, (n_studies, 2, self.seeds))
        true = shift[:, None] + sd[:, None] * rng.standard_normal((n_studies, 2, self.seeds))
        share = (accuracy + true + hard + noise).clip(0, 1)
        study, forbidden, seed = np.indices(share.shape).reshape(3, -1)
        case = {"suite": "i", "role": "id", "case": "i", "case_kind": "id", "n": self.n}
        rows = {"finetune_seed": study, "checkpoint": 4000, "kind": "subnetwork"}
        rows |= {"method": "learned", "sparsity": SPARSITY, "seed": seed, **case}
        rows |= {"correct": np.round(self.n * share).astype(int).ravel()}
        rows |= {"kl": np.exp(rng.normal(world.kl[0], world.kl_sd[0], share.size))}
        rows |= {"margin": 1.0, "forbidden": forbidden.astype(float), "other_heads": 20}
        rows |= {"heads": 20, "shared_heads": np.where(forbidden, 0, 20), "units": 26}
        full = {"finetune_seed": np.arange(n_studies), "checkpoint": 4000, "kind": "full"}
        full |= {"method": "", "sparsity": 0.0, "seed": -1, **case, "kl": 0.0, "margin": 1.0}
        own = rng.normal(0, ((1 - world.alike) / self.n / 4) ** 0.5, n_studies) * (not self.same)
        correct = np.round(self.n * (accuracy + hard[:, 0, 0] + own)).astype(int)
        return {
            "disjoint": DISJOINT.conform(pd.DataFrame(rows)),
            "grid": EVALUATIONS.conform(pd.DataFrame(full | {"correct": correct})),
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
