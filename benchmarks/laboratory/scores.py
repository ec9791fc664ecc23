"""Scores of single examples, and the tables that come from them.

Many studies share a table; their fine-tuning seed names them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtri

from heuristic_core.measure.discrimination import packed
from heuristic_core.tables import DISCRIMINATION, EVALUATIONS, PREDICTIONS

#: The first letter of a case says its kind.
KINDS = {"i": "id", "a": "adversarial", "f": "friendly"}
LABELS = {"i": "", "a": "no", "f": "yes"}


@dataclass(frozen=True)
class Systems:
    """The systems of a study: full models, whose seed is -1, and subnetworks.

    Args:
        checkpoint: The step of each.
        sparsity: Its sparsity; 0 for a full model.
        seed: Its search seed.
    """

    checkpoint: np.ndarray
    sparsity: np.ndarray
    seed: np.ndarray

    @classmethod
    def of(
        cls, seeds: int, sparsities: Iterable[float], checkpoints: Sequence[int] = (4000,)
    ) -> Systems:
        """Return, at each checkpoint, the full model and subnetworks by sparsity and seed."""
        levels = list(sparsities)
        rows = [
            (step, level, seed)
            for step in checkpoints
            for level, seed in [
                (0.0, -1),
                *((level, seed) for level in levels for seed in range(seeds)),
            ]
        ]
        return cls(*(np.array(column) for column in zip(*rows, strict=True)))

    @property
    def full(self) -> np.ndarray:
        """Which are full models."""
        return self.seed < 0

    def columns(self, index: np.ndarray) -> dict[str, np.ndarray]:
        """Return the columns that name a system, for rows of systems of these numbers."""
        full = self.full[index]
        return {
            "checkpoint": self.checkpoint[index],
            "kind": np.where(full, "full", "subnetwork"),
            "method": np.where(full, "", "learned"),
            "sparsity": self.sparsity[index],
            "seed": self.seed[index],
        }


@dataclass(frozen=True)
class Means:
    """Mean scores of systems, (study, system) or what broadcasts to it.

    Args:
        id: In-domain; above 0 is right.
        distance: Between adversarial and friendly examples.
        lean: To the label that is right on adversarial ones.
        own: What an adversarial case adds to the distance, (study, system, case).
    """

    id: np.ndarray
    distance: np.ndarray
    lean: np.ndarray
    own: np.ndarray | None = None

    def of(self, case: str) -> np.ndarray:
        """Return the mean scores on one case, whose name ends in its number."""
        if case[0] == "i":
            return self.id
        if case[0] == "f":
            return self.lean - self.distance / 2
        own = 0.0 if self.own is None else self.own[..., int(case[1:])]
        return self.lean + self.distance / 2 + own


def from_accuracies(adversarial: np.ndarray, friendly: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distance and the lean with which systems are so accurate."""
    a, f = (ndtri(np.clip(x, 0.003, 0.997)) for x in (adversarial, friendly))
    return a + f, (a - f) / 2


@dataclass(frozen=True)
class Sample:
    """Examples, and how systems answer them alike.

    Args:
        n: Examples by case.
        alike_full: Correlation of a subnetwork's scores with the full model's.
        alike: That of two subnetworks' scores; at least as high.
        same: Whether all studies have the same examples: then intervals over searches alone hold
            what further searches would give on these.
    """

    n: Mapping[str, int]
    alike_full: float
    alike: float
    same: bool = False

    def scores(
        self, rng: np.random.Generator, systems: Systems, means: Means, n_studies: int
    ) -> dict[str, np.ndarray]:
        """Draw scores by case, (study, system, example)."""
        full = systems.full[:, None]
        drawn = {}
        for case, n in self.n.items():
            source = np.random.default_rng(list(case.encode())) if self.same else rng
            shape = (1 if self.same else n_studies, 1, n)
            hard, shared = (source.standard_normal(shape, np.float32) for _ in range(2))
            own = rng.standard_normal((n_studies, len(systems.seed), n), np.float32)
            own *= np.where(full, 1 - self.alike_full, 1 - self.alike).astype(np.float32) ** 0.5
            own += np.float32(self.alike_full**0.5) * hard
            # Subnetworks share with each other what they do not share with the full model.
            between = np.where(full, 0.0, self.alike - self.alike_full).astype(np.float32) ** 0.5
            own += between * shared
            drawn[case] = own + means.of(case)[..., None].astype(np.float32)
        return drawn


def right(scores: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Say which answers are right, by case."""
    return {case: x < 0 if case[0] == "f" else x > 0 for case, x in scores.items()}


def evaluations(systems: Systems, correct: Mapping[str, np.ndarray], nats: float) -> pd.DataFrame:
    """Count right answers: rows of ``tables.EVALUATIONS``.

    Args:
        systems: The systems.
        correct: Which answers are right, by case, (study, system, example).
        nats: Unit of the margin, which is not simulated but for its sign.
    """
    parts = []
    for case, answers in correct.items():
        study, system = np.indices(answers.shape[:2]).reshape(2, -1)
        counts = answers.sum(-1).ravel()
        role = "id" if case[0] == "i" else "ood"
        parts.append(
            pd.DataFrame(
                {"finetune_seed": study, **systems.columns(system)}
                | {"suite": role, "role": role, "case": case, "case_kind": KINDS[case[0]]}
                | {"n": answers.shape[-1], "correct": counts, "kl": 0.0}
                | {"margin": nats * ndtri((counts + 0.5) / (answers.shape[-1] + 1))}
            )
        )
    return EVALUATIONS.conform(pd.concat(parts, ignore_index=True))


def predictions(
    systems: Systems,
    correct: Mapping[str, np.ndarray],
    scores: Mapping[str, np.ndarray] | None = None,
    nats: float = 1.0,
) -> pd.DataFrame:
    """Pack answers, and scores if given: rows of ``tables.PREDICTIONS``."""
    parts = []
    for case, answers in correct.items():
        study, system = np.indices(answers.shape[:2]).reshape(2, -1)
        n = answers.shape[-1]
        bits = np.packbits(answers.reshape(-1, n), axis=1)
        of_case = None if scores is None or case[0] == "i" else scores[case].reshape(-1, n)
        parts.append(
            pd.DataFrame(
                {"finetune_seed": study, **systems.columns(system)}
                | {"suite": "id" if case[0] == "i" else "ood", "case": case}
                | {"label": "" if case[0] == "i" else LABELS["a"]}
                | {"case_group": "" if case[0] == "i" else "all", "n": n}
                | {"correct": [row.tobytes() for row in bits]}
                | {"scores": None if of_case is None else [packed(nats * x) for x in of_case]}
            )
        )
    return PREDICTIONS.conform(pd.concat(parts, ignore_index=True))


def discrimination(systems: Systems, scores: Mapping[str, np.ndarray], nats: float) -> pd.DataFrame:
    """Compare each adversarial case with all friendly ones: rows of ``tables.DISCRIMINATION``."""
    friendly = np.concatenate([x for case, x in scores.items() if case[0] == "f"], axis=-1)
    parts = []
    for case, adversarial in scores.items():
        if case[0] != "a":
            continue
        study, system = np.indices(adversarial.shape[:2]).reshape(2, -1)
        one, other = placements(adversarial, friendly)
        n, m = adversarial.shape[-1], friendly.shape[-1]
        error = (one.var(-1, ddof=1) / n + other.var(-1, ddof=1) / m) ** 0.5
        means = adversarial.mean(-1), friendly.mean(-1)
        spread = ((adversarial.var(-1, ddof=1) + friendly.var(-1, ddof=1)) / 2) ** 0.5
        values = {
            "auc": one.mean(-1),
            "auc_se": error,
            "d_prime": (means[0] - means[1]) / spread,
            "bias": nats * (means[0] + means[1]) / 2,
        }
        parts.append(
            pd.DataFrame(
                {"finetune_seed": study, **systems.columns(system)}
                | {"suite": "ood", "case": case, "case_group": "all", "n": n, "n_friendly": m}
                | {name: x.ravel() for name, x in values.items()}
            )
        )
    return DISCRIMINATION.conform(pd.concat(parts, ignore_index=True))


def placements(adversarial: np.ndarray, friendly: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute the shares of the other kind on an example's right side, in the last axis.

    This is ``analysis.separation.placements`` for many systems at once; drawn scores have no ties.
    """
    n, m = adversarial.shape[-1], friendly.shape[-1]
    order = np.argsort(np.concatenate([adversarial, friendly], axis=-1), axis=-1)
    from_friendly = order >= n
    below = np.cumsum(from_friendly, axis=-1)
    one, other = np.empty(adversarial.shape), np.empty(friendly.shape)
    both = np.empty(order.shape)
    np.put_along_axis(both, order, np.where(from_friendly, 0, below / m), axis=-1)
    one = both[..., :n].copy()
    above = n - (np.arange(1, n + m + 1) - below)
    np.put_along_axis(both, order, np.where(from_friendly, above / n, 0), axis=-1)
    other = both[..., n:]
    return one, other
