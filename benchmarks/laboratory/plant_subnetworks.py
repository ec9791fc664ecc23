"""Effects on how subnetworks answer: spread, discrimination, ranks, sparser, faithfulness."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri

from heuristic_core.tables import EVALUATIONS

from .planted import Claim, Planted, Tables
from .scores import (
    Means,
    Sample,
    Systems,
    discrimination,
    evaluations,
    predictions,
    right,
)
from .world import World

#: Design choices: adversarial cases and friendly ones, in-domain and friendly examples.
CASES, FRIENDLY_CASES, IN_DOMAIN, FRIENDLY = 4, 4, 2000, 300


def sample(
    adversarial: int, in_domain: int, alike_full: float, alike: float, friendly: int = FRIENDLY
) -> Sample:
    """Return a sample with so many adversarial examples in all, and the other kinds."""
    n = {"i": in_domain}
    n |= {f"a{case}": adversarial // CASES for case in range(CASES)}
    n |= {f"f{case}": friendly // FRIENDLY_CASES for case in range(FRIENDLY_CASES)}
    return Sample(n, alike_full, alike)


@dataclass(frozen=True, kw_only=True)
class Searched:
    """Subnetworks of one model at two sparsities.

    Args:
        world: What is not planted.
        seeds: Searches.
        sample: Examples.
        id_change: Change of the id score, at both sparsities.
        distance_change: Change of the distance, at both.
        lean_change: Change of the lean, at both.
        distance_sd: Standard deviation of the distance over searches, in all cases alike.
        own_sd: The same, case by case.
        lean_sd: The same of the lean.
        full: Distance and lean of the full model.
        accuracies: Between which adversarial accuracies are spread evenly on the scale of scores;
            those of the full model are then one half, and friendly ones do not differ.
    """

    world: World
    seeds: int
    sample: Sample
    id_change: tuple[float, float] = (0.0, 0.0)
    distance_change: tuple[float, float] = (0.0, 0.0)
    lean_change: tuple[float, float] = (0.0, 0.0)
    distance_sd: float = 0.0
    own_sd: float = 0.0
    lean_sd: float = 0.0
    full: tuple[float, float] | None = None
    accuracies: tuple[float, float] | None = None

    def __call__(self, rng: np.random.Generator, n_studies: int) -> Tables:
        """Draw the tables of so many studies."""
        world = self.world
        systems = Systems.of(self.seeds, (world.dense, world.sparse))
        found = ~systems.full
        level = (systems.sparsity == world.sparse).astype(int)
        distance, lean = self.full or (world.distance, world.lean)
        shape = (n_studies, len(found))

        def drawn(change: tuple[float, float], sd: float) -> np.ndarray:
            return (np.array(change)[level] + sd * rng.standard_normal(shape)) * found

        distances = distance + drawn(self.distance_change, self.distance_sd)
        leans = lean + drawn(self.lean_change, self.lean_sd)
        ids = world.id_score + drawn(self.id_change, world.id_sd[1])
        # Cases differ evenly; in a model that is not the world's they do not.
        own = np.linspace(-1.2, 1.2, CASES) * (world.case_spread if self.full is None else 0.0)
        more = self.own_sd * rng.standard_normal((*shape, CASES)) * found[:, None]
        if self.accuracies is not None:
            low, high = (ndtri(share) for share in self.accuracies)
            at = np.linspace(low, high, self.seeds)
            rows = np.zeros(shape)
            rows[:, found] = rng.permuted(np.tile(at, (n_studies, 2, 1)), axis=2).reshape(
                n_studies, -1
            )
            # Friendly accuracy stays: the lean falls by half of what the distance rises.
            distances, leans = distance + rows, lean + rows / 2
        means = Means(ids, distances, leans, own + more)
        scores = self.sample.scores(rng, systems, means, n_studies)
        answers = right(scores)
        return {
            "evaluations": evaluations(systems, answers, world.nats),
            "predictions": predictions(systems, answers, scores, world.nats),
            "discrimination": discrimination(systems, scores, world.nats),
        }


def planted(world: World) -> Iterator[Planted]:
    """Give the effects on subnetworks' answers."""
    yield from _searched(world)
    yield from _divergence(world)


def _designs(world: World) -> Iterator[tuple[str, Searched, bool]]:
    """Give designs, in which subnetworks are equal to the model, and which have all effects."""
    for seeds, adversarial in ((3, 80), (3, 220), (6, 500), (12, 220), (12, 4000)):
        # The arms' main suites have as many examples of a friendly case as of an adversarial one.
        friendly = max(FRIENDLY, 3 * adversarial // 4)
        some = sample(adversarial, IN_DOMAIN, world.alike_full, world.alike, friendly)
        base = Searched(world=world, seeds=seeds, sample=some)
        yield f"{seeds} seeds, {adversarial} adversarial", base, adversarial != 80
    for words, alike in (("answers not alike", (0.0, 0.0)), ("answers very alike", (0.8, 0.9))):
        some = sample(220, IN_DOMAIN, *alike)
        yield f"12 seeds, 220, {words}", Searched(world=world, seeds=12, sample=some), False
    some = sample(220, IN_DOMAIN, world.alike_full, world.alike)
    same = Searched(world=world, seeds=12, sample=replace(some, same=True))
    yield "12 seeds, 220, the same examples in all studies", same, False
    # A design choice: 7 % of adversarial examples are right, as the model leans.
    leaning = Searched(world=world, seeds=12, sample=some, full=(1.5, -2.2))
    yield "12 seeds, 220, leaning model", leaning, False


def _searched(world: World) -> Iterator[Planted]:
    at = {"sparsity": world.sparse}
    spread, areas, order = (
        partial(Claim, question=key, where=at) for key in ("spread", "discrimination", "ranks")
    )
    fall = partial(Claim, question="sparser", where=at)
    covered = ("by-sparsity", "separation", "separation-cases", "id-ood-correlations", "sparser")
    fitted: dict[str, Any] = {
        "distance_sd": world.distance_sd[1],
        "own_sd": world.own_sd[1],
        "lean_sd": world.lean_sd[1],
    }
    none = (spread(truth="absent"), areas(truth="absent"), order(truth="absent"))
    all_differ = (spread(truth="holds"), areas(truth="holds"), order(truth="holds"))
    for design, base, every in _designs(world):
        # Where all studies have the same examples, their mean is not what intervals are about.
        plant = partial(Planted, design=design, covered=() if base.sample.same else covered)
        yield plant(
            effect="subnetworks are alike",
            claims=(*none, fall(truth="nothing", effect=0.0)),
            draw=base,
        )
        yield plant(
            effect="only label bias differs",
            claims=(
                areas(truth="absent"),
                order(truth="absent"),
                fall(truth="nothing", effect=0.0),
            ),
            # A design choice: the sparser ones lean by half a standard deviation more.
            draw=replace(base, lean_sd=world.lean_sd[1], lean_change=(0.0, -0.5)),
        )
        yield plant(effect="as fitted", claims=all_differ, draw=replace(base, **fitted))
        if not every:
            continue
        changes: dict[str, Any] = {
            x: getattr(world, x) for x in ("id_change", "distance_change", "lean_change")
        }
        yield plant(
            effect="as fitted, and changes by sparsity as fitted",
            claims=(spread(truth="holds"), fall(truth="holds")),
            draw=replace(base, **fitted, **changes),
        )
        yield plant(
            effect="AUROC falls by about 5 points",
            # Design choices: this one, and the order below.
            draw=replace(base, **fitted, distance_change=(0.0, -0.3)),
            claims=(fall(truth="holds"),),
        )
        yield plant(
            effect="one order in all cases",
            claims=(areas(truth="holds"), order(truth="absent")),
            draw=replace(base, distance_sd=0.8),
        )
    yield from _at_ends(world, spread, areas)


def _at_ends(world: World, spread: partial, areas: partial) -> Iterator[Planted]:
    some = sample(220, IN_DOMAIN, world.alike_full, world.alike)
    base = Searched(world=world, seeds=12, sample=some)
    yield Planted(
        effect="adversarial accuracies from 3 to 12 %, as on QQP in the paper",
        design="12 seeds, 220 adversarial",
        claims=(spread(truth="holds"),),
        draw=replace(base, full=(1.88, -0.94), accuracies=(0.03, 0.12)),
    )
    yield Planted(
        effect="AUROCs of 1, leans differ",
        design="12 seeds, 220 adversarial",
        claims=(areas(truth="absent"), spread(truth="holds")),
        draw=replace(base, full=(8.0, -4.0), lean_sd=0.5),
    )


#: Design choices: the spread over examples of a divergence relative to its mean, as of a log-normal
#: one with a standard deviation of 1, and how much of it all searches share.
EXAMPLE_SD, EXAMPLES_ALIKE = 1.3, 0.7


@dataclass(frozen=True, kw_only=True)
class Diverging:
    """Subnetworks whose KL divergence is known; their answers are all right.

    Args:
        seeds: Searches.
        mean: Mean log KL in-domain and out of domain.
        sd: Standard deviations over searches.
        alike: Their correlation.
        examples: Of each kind.
    """

    seeds: int
    mean: tuple[float, ...]
    sd: tuple[float, ...]
    alike: float
    examples: int

    def __call__(self, rng: np.random.Generator, n_studies: int) -> Mapping[str, pd.DataFrame]:
        """Draw the tables of so many studies."""
        both = np.diag(self.sd) @ [[1, self.alike], [self.alike, 1]] @ np.diag(self.sd)
        logs = rng.multivariate_normal(self.mean, both, (n_studies, self.seeds))
        # Most of what examples add is the same for all searches.
        error = EXAMPLE_SD / self.examples**0.5
        logs += error * EXAMPLES_ALIKE**0.5 * rng.standard_normal((n_studies, 1, 2))
        logs += error * (1 - EXAMPLES_ALIKE) ** 0.5 * rng.standard_normal(logs.shape)
        kl = np.exp(logs)
        freedom = self.examples - 1
        kl_se = kl * error * (rng.chisquare(freedom, kl.shape) / freedom) ** 0.5
        study, seed, case = np.indices(kl.shape).reshape(3, -1)
        role = np.array(["id", "ood"])[case]
        rows = pd.DataFrame(
            {"finetune_seed": study, "checkpoint": 4000, "kind": "subnetwork"}
            | {"method": "learned", "sparsity": 0.5, "seed": seed, "suite": role, "role": role}
            | {"case": role, "case_kind": np.array(["id", "adversarial"])[case]}
            | {"n": self.examples, "correct": self.examples, "margin": 1.0}
            | {"kl": kl.ravel(), "kl_se": kl_se.ravel()}
        )
        return {"evaluations": EVALUATIONS.conform(rows)}


def _divergence(world: World) -> Iterator[Planted]:
    equal = (world.kl[0], world.kl[0])
    for seeds, examples in ((3, 300), (6, 300), (12, 300), (12, 4000)):
        draw = Diverging(
            seeds=seeds, mean=equal, sd=world.kl_sd, alike=world.kl_alike, examples=examples
        )
        for effect, mean, truth, true in (
            ("equally faithful", equal, "nothing", 1.0),
            ("as fitted", world.kl, "holds", float(np.exp(world.kl[1] - world.kl[0]))),
        ):
            yield Planted(
                effect=effect,
                design=f"{seeds} seeds, {examples} examples of a kind",
                claims=(Claim(question="faithfulness", truth=truth, effect=true),),  # type: ignore[arg-type]
                draw=replace(draw, mean=mean),
                covered=("faithfulness",),
            )
