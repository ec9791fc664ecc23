"""Effects in the grid of checkpoints and sparsities: effective size and smoothness."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from .plant_subnetworks import sample
from .planted import Claim, Planted, Tables, Truth
from .scores import Means, Sample, Systems, evaluations, from_accuracies, predictions, right
from .world import World

#: Design choices: the sparsities of the arms and of the paper, and in-domain examples.
ARMS, PAPER, IN_DOMAIN = np.arange(1, 17) / 20, np.arange(1, 14) / 20, 500
#: Design choice: the full model's accuracies by kind at the first and the last checkpoint.
FULL = {"i": (0.80, 0.83), "a": (0.40, 0.75), "f": (0.95, 0.92)}
STEPS = (250, 4000)
#: From a position in the range (0 to 1) and draws to the share of a fall that is left.
Shape = Callable[[np.ndarray, np.random.Generator], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Accuracies by sparsity, as many points below the full model as is asked for.

    Args:
        world: What is not planted.
        seeds: Searches.
        sample: Examples.
        at: The sparsity at which 3 points are lost, at the first and the last checkpoint.
        lean: Points that adversarial accuracy loses and friendly gains at the highest sparsity, in
            proportion to the sparsity, at each checkpoint.
        sd: Standard deviation of accuracy over searches, points; the world's if not given.
    """

    world: World
    seeds: int
    sample: Sample
    at: tuple[float, float]
    lean: tuple[float, float] = (0.0, 0.0)
    sd: float | None = None

    def __call__(self, rng: np.random.Generator, n_studies: int) -> Tables:
        """Draw the tables of so many studies."""
        systems = Systems.of(self.seeds, ARMS, STEPS)
        step = (systems.checkpoint == STEPS[1]).astype(int)
        # Loss grows with the square of sparsity: a design choice.
        lost = 0.03 * (systems.sparsity / np.array(self.at)[step]) ** 2
        leant = np.array(self.lean)[step] / 100 * systems.sparsity / ARMS[-1]
        sd = self.world.grid_sd if self.sd is None else self.sd
        noise = sd / 100 * _by_search(rng, systems, n_studies, self.world.grid_alike)
        share = {
            kind: np.array(full)[step] - lost + sign * leant + noise
            for (kind, full), sign in zip(FULL.items(), (0, -1, 1), strict=True)
        }
        distance, lean = from_accuracies(share["a"], share["f"])
        means = Means(from_accuracies(share["i"], share["i"])[0] / 2, distance, lean)
        answers = right(self.sample.scores(rng, systems, means, n_studies))
        return {
            "grid": evaluations(systems, answers, self.world.nats),
            "grid_predictions": predictions(systems, answers),
        }


def _by_search(
    rng: np.random.Generator, systems: Systems, n_studies: int, alike: float
) -> np.ndarray:
    """Draw what searches differ by, alike at neighbouring sparsities; 0 for full models."""
    drawn = rng.standard_normal((n_studies, len(systems.seed)))
    result = np.zeros_like(drawn)
    last: dict[tuple[int, int], int] = {}
    for i, (step, seed) in enumerate(zip(systems.checkpoint, systems.seed, strict=True)):
        if seed < 0:
            continue
        before = last.get((step, seed))
        result[:, i] = (
            drawn[:, i]
            if before is None
            else alike * result[:, before] + (1 - alike**2) ** 0.5 * drawn[:, i]
        )
        last[step, seed] = i
    return result


def planted(world: World) -> Iterator[Planted]:
    """Give the effects on the grid."""
    yield from _sizes(world)
    yield from _falls(world)


#: Design choices: the sparsities where 3 points are lost, which lie between levels of the grid.
SIZES = {
    "no change": (0.425, 0.425),
    "a fall of 40 points": (0.225, 0.625),
    "a rise of 20 points": (0.525, 0.325),
    "a rise of 40 points": (0.625, 0.225),
}
#: The smallest size in the grid, and the largest change.
SMALLEST = 100 * (1 - float(ARMS[-1]))
ENDS = {
    "effective-size, size": (SMALLEST, 100.0),
    "effective-size-margins, size": (SMALLEST, 100.0),
    "effective-size-changes, points": (SMALLEST - 100, 100 - SMALLEST),
    "verdict": (SMALLEST - 100, 100 - SMALLEST),
}
#: What must be found of a rise of 40 points on balanced data, by seeds and adversarial examples.
SIZE_BARS = {(3, 220): 0.70, (6, 500): 0.95}


def _sizes(world: World) -> Iterator[Planted]:
    for seeds, adversarial in ((3, 80), (3, 220), (6, 220), (6, 500)):
        some = sample(adversarial, IN_DOMAIN, world.alike_full, world.alike)
        for effect, at in SIZES.items():
            bar = SIZE_BARS.get((seeds, adversarial), 0.0)
            truth: Truth = "nothing" if at[0] == at[1] else "holds" if at[0] < at[1] else "absent"
            wanted = bar if effect == "a rise of 40 points" else 0.0
            yield Planted(
                effect=effect,
                design=f"{seeds} seeds, {adversarial} adversarial",
                claims=tuple(
                    Claim(
                        question="effective_size",
                        truth=truth,
                        where={"data": data},
                        effect=100 * (at[0] - at[1]),
                        bar=wanted if data == "balanced" else 0.0,
                    )
                    for data in ("balanced", "adversarial", "mixed", "in-domain")
                ),
                draw=Grid(world=world, seeds=seeds, sample=some, at=at),
                covered=("effective-size", "effective-size-changes", "effective-size-margins"),
                ends=ENDS,
                of_levels=ENDS,
                at_once=20,
            )
    some = sample(220, IN_DOMAIN, world.alike_full, world.alike)
    for at_first in (True, False):
        yield Planted(
            effect=f"no change, {'early' if at_first else 'late'} subnetworks lean",
            design="3 seeds, 220 adversarial",
            claims=tuple(
                Claim(question="effective_size", truth="absent", where={"data": data})
                for data in ("balanced", "adversarial", "mixed")
            ),
            # A design choice: 10 points at the highest sparsity.
            draw=Grid(
                world=world,
                seeds=3,
                sample=some,
                at=(0.425, 0.425),
                lean=(10.0, 0.0) if at_first else (0.0, 10.0),
            ),
            at_once=20,
        )


def _logistic(width: float, middle: tuple[float, float]) -> Shape:
    scale = width / (2 * np.log(9))  # from 10 % to 90 % within 2 ln 9 times its scale
    return lambda at, rng: 1 / (1 + np.exp((at - rng.uniform(*middle)) / scale))


def _two_steps(at: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    first, second, part = rng.uniform(0.15, 0.4), rng.uniform(0.6, 0.85), rng.uniform(0.3, 0.7)
    return (at < first) * part + (at < second) * (1 - part)


#: Design choices: shapes, whether each is smooth, and what must be found of it.
SHAPES: Mapping[str, tuple[Shape, bool, float]] = {
    "a straight line": (lambda at, rng: 1 - at, True, 0.8),
    "a line over the last 60 %": (lambda at, rng: np.minimum(1, (1 - at) / 0.6), True, 0.0),
    "a logistic over 0.6 of the range": (_logistic(0.6, (0.4, 0.6)), True, 0.0),
    "two steps": (_two_steps, False, 0.0),
    "a logistic over a fifth": (_logistic(0.2, (0.3, 0.7)), False, 0.0),
    "one step": (lambda at, rng: (at < rng.uniform(0.25, 0.75)) * 1.0, False, 0.0),
}


@dataclass(frozen=True, kw_only=True)
class Fall:
    """A fall of balanced accuracy by 15 to 50 points, of a shape.

    Args:
        world: What is not planted.
        shape: The shape.
        sample: Examples.
        levels: The sparsities.
        sd: Standard deviation over searches, points.
        seeds: Searches.
    """

    world: World
    shape: Shape
    sample: Sample
    levels: np.ndarray = field(default_factory=lambda: ARMS)
    sd: float = 0.0
    seeds: int = 3

    def __call__(self, rng: np.random.Generator, n_studies: int) -> Tables:
        """Draw the tables of so many studies."""
        systems = Systems.of(self.seeds, self.levels)
        at = (self.levels - self.levels[0]) / np.ptp(self.levels)
        left = np.stack([self.shape(at, rng) for _ in range(n_studies)])
        left = np.concatenate([np.ones((n_studies, 1)), np.repeat(left, self.seeds, axis=1)], 1)
        fall = rng.uniform(15, 50, (n_studies, 1)) / 50
        seen = np.minimum(fall, 0.9)
        noise = self.sd / 50 * _by_search(rng, systems, n_studies, self.world.grid_alike)
        # Searches differ most where the model is right most.
        adversarial = 0.03 + seen * left + noise * (0.5 + 0.5 * left)
        distance, lean = from_accuracies(adversarial, 0.97 - (fall - seen) * (1 - left))
        means = Means(np.ones((n_studies, 1)), distance, lean)
        answers = right(self.sample.scores(rng, systems, means, n_studies))
        return {"grid": evaluations(systems, answers, self.world.nats)}


def _falls(world: World) -> Iterator[Planted]:
    for words, levels, adversarial, sd in (
        ("arms' grid", ARMS, 220, world.grid_sd),
        ("arms' grid", ARMS, 80, 2.0),
        ("paper's grid", PAPER, 220, 2.0),
    ):
        some = sample(adversarial, 20, world.alike_full, world.alike)
        for name, (shape, smooth, bar) in SHAPES.items():
            draw = Fall(world=world, shape=shape, sample=some, levels=levels, sd=sd)
            truth: Truth = "holds" if smooth else "absent"
            yield Planted(
                effect=name,
                design=f"3 seeds, {words}, {adversarial} adversarial, sd {sd:.1f} points",
                claims=(Claim(question="smoothness", truth=truth, bar=bar),),
                draw=draw,
            )
