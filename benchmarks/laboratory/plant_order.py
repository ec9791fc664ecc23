"""Effects on when a model learns its task and when it comes to generalise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtri

from heuristic_core.tables import FINETUNING

from .planted import Claim, Planted, Tables, Truth
from .scores import Means, Sample, Systems, discrimination, evaluations, right
from .world import World

#: Design choices: the distance of a case that has risen (an AUROC of 0.8), cases, examples.
RISEN, CASES, IN_DOMAIN = 1.19, 8, 9820
#: The task is learned at this share of its last accuracy, as the question has it.
LEARNED = 0.9


@dataclass(frozen=True, kw_only=True)
class Learning:
    """Full models at all checkpoints.

    Args:
        world: Accuracy in-domain at each checkpoint.
        n: Adversarial examples of a case; there are four times as many friendly ones.
        later: How many of the cases rise when the task is learned, and the others before.
    """

    world: World
    n: int
    later: int

    def __call__(self, rng: np.random.Generator, n_studies: int) -> Tables:
        """Draw the tables of so many studies."""
        steps = np.array(self.world.steps, int)
        accuracy = np.array(self.world.id_by_step)
        learned = int(np.argmax(accuracy >= LEARNED * accuracy[-1]))
        systems = Systems(steps, np.zeros(len(steps)), np.full(len(steps), -1))
        # Cases rise at any later checkpoint than the first that has learned, or at one before the
        # last that has not; the first trained one is before all rises.
        late = rng.integers(learned + 1, len(steps), (n_studies, CASES))
        early = rng.integers(1, learned, (n_studies, CASES))
        at = np.where(np.arange(CASES) < self.later, late, early)
        own = RISEN * (np.arange(len(steps))[:, None] >= at[:, None])
        shape = (n_studies, len(steps))
        zero = np.zeros(shape)
        means = Means(np.broadcast_to(ndtri(accuracy), shape), zero, zero, own)
        n = {"i": IN_DOMAIN} | {f"a{case}": self.n for case in range(CASES)} | {"f0": 4 * self.n}
        # Models of one fine-tuning answer as alike as subnetworks do.
        alike = self.world.alike
        scores = Sample(n, alike, alike).scores(rng, systems, means, n_studies)
        logged = pd.DataFrame({"finetune_seed": range(n_studies), "step": 250})
        return {
            "evaluations": evaluations(systems, right(scores), self.world.nats),
            "discrimination": discrimination(systems, scores, self.world.nats),
            "finetuning": FINETUNING.conform(logged.assign(loss=1.0, learning_rate=1e-4)),
        }


def planted(world: World) -> Iterator[Planted]:
    """Give the effects on the order of learning."""
    effects: tuple[tuple[str, int, Truth], ...] = (
        ("all cases rise after the task is learned", CASES, "holds"),
        ("half of the cases rise after it", CASES // 2, "absent"),
        ("all cases rise before it", 0, "absent"),
    )
    for n in (100, 1000):
        for effect, later, truth in effects:
            yield Planted(
                effect=effect,
                design=f"{CASES} cases of {n}, {len(world.steps)} checkpoints",
                claims=(Claim(question="learning_order", truth=truth),),
                draw=Learning(world=world, n=n, later=later),
                at_once=20,
            )
