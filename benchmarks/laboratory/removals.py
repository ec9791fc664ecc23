"""Removals of heads from a model whose single scores are simulated, as both tables of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from heuristic_core.measure.discrimination import packed
from heuristic_core.tables import DISCRIMINATION, REMOVAL, REMOVAL_DISCRIMINATION

from .scores import KINDS, LABELS, placements

#: Group, draw, units.
Named = tuple[str, int, tuple[int, ...]]


@dataclass(frozen=True)
class Effects:
    """What the removal of each head does to scores, in nats.

    Args:
        lean: Change of every out-of-domain score, (head).
        distance: Change of adversarial scores minus that of friendly ones.
        id: Change of in-domain margins.
    """

    lean: np.ndarray
    distance: np.ndarray
    id: np.ndarray

    def on(self, kind: str) -> np.ndarray:
        """Return the changes of the scores of one kind of case."""
        if kind == "i":
            return self.id
        return self.lean + self.distance / (2 if kind == "a" else -2)


@dataclass(frozen=True, kw_only=True)
class Removed:
    """Removals from one model.

    Args:
        units: The heads' names.
        named: The groups that are removed.
        n: Examples by case.
        before: The full model's mean scores by kind of case, nats.
        sd: Their standard deviation over examples, out of domain and in-domain.
        noise: Standard deviation over examples of a single head's change, nats.
        interaction: By the number of a group, what it adds to the changes of adversarial, friendly
            and in-domain scores, nats.
        interaction_noise: Standard deviation over examples of an interaction, nats.
    """

    units: Sequence[str]
    named: Sequence[Named]
    n: Mapping[str, int]
    before: Mapping[str, float]
    sd: tuple[float, float]
    noise: float
    interaction: Mapping[int, Mapping[str, float]]
    interaction_noise: float

    def draw(self, rng: np.random.Generator, effects: Sequence[Effects]) -> dict[str, pd.DataFrame]:
        """Draw the tables of one study for each of several effects."""
        rows: list[pd.DataFrame] = []
        areas: list[pd.DataFrame] = []
        for study, effect in enumerate(effects):
            scores = {case: self._scores(rng, case, effect) for case in self.n}
            rows.append(self._margins(scores).assign(finetune_seed=study))
            areas.append(self._areas(scores).assign(finetune_seed=study))
        separation = pd.concat(areas, ignore_index=True)
        return {
            "removal": REMOVAL.conform(pd.concat(rows, ignore_index=True)),
            "removal_discrimination": REMOVAL_DISCRIMINATION.conform(separation),
            "discrimination": self._full(separation),
        }

    def _scores(
        self, rng: np.random.Generator, case: str, effects: Effects
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw scores without each group, and the sums of the changes alone, (group, example)."""
        n, kind = self.n[case], case[0]
        sd = self.sd[kind == "i"]
        drawn = rng.standard_normal(n)
        own = self.noise * rng.standard_normal((len(self.units), n))
        # Scores vary as much as before: what is noise in them changes hands.
        alone = effects.on(kind)[:, None] + own + sd * _less(self.noise**2, sd) * drawn
        after, sums = np.empty((2, len(self.named), n))
        most = max(len(members) for *_, members in self.named)
        for number, (_, _, members) in enumerate(self.named):
            chosen = list(members)
            sums[number] = alone[chosen].sum(0)
            after[number] = effects.on(kind)[chosen].sum() + own[chosen].sum(0)
            variance = len(members) * self.noise**2
            if len(members) > 1:
                extra = self.interaction_noise * (len(members) / most) ** 0.5
                variance += extra**2
                after[number] += extra * rng.standard_normal(n)
                after[number] += self.interaction.get(number, {}).get(kind, 0.0)
            after[number] += sd * _less(variance, sd) * drawn
        full = self.before[kind] + sd * drawn
        after = np.concatenate([full[None], full + after])
        return after, np.concatenate([np.zeros((1, n)), sums])

    def _columns(self, index: np.ndarray) -> dict[str, Any]:
        groups = [
            ("none", -1, ""),
            *(
                (group, draw, "+".join(self.units[i] for i in members))
                for group, draw, members in self.named
            ),
        ]
        names, draws, removed = (np.array(x, object)[index] for x in zip(*groups, strict=True))
        return {
            "checkpoint": 4000,
            "readout": "model",
            "group": names,
            "draw": draws.astype(int),
            "removed": removed,
        }

    @property
    def _several(self) -> np.ndarray:
        return np.array([False, *(len(members) > 1 for *_, members in self.named)])

    def _margins(self, scores: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> pd.DataFrame:
        parts = []
        index = np.arange(len(self.named) + 1)
        for case, (after, sums) in scores.items():
            n, sign = after.shape[1], -1 if case[0] == "f" else 1
            change = sign * (after - after[0])
            beyond = change - sign * sums
            role = "id" if case[0] == "i" else "ood"
            several = self._several
            parts.append(
                pd.DataFrame(
                    self._columns(index)
                    | {"suite": role, "role": role, "case": case, "case_kind": KINDS[case[0]]}
                    | {"label": LABELS[case[0]], "n": n, "correct": (sign * after > 0).sum(1)}
                    | {"kl": 0.0, "margin": sign * after.mean(1), "margin_change": change.mean(1)}
                    | {"margin_se": after.std(1, ddof=1) / n**0.5}
                    | {"margin_change_se": change.std(1, ddof=1) / n**0.5}
                    | {"interaction": np.where(several, beyond.mean(1), np.nan)}
                    | {"interaction_se": np.where(several, beyond.std(1, ddof=1) / n**0.5, np.nan)}
                    | {"pooled_change": np.nan}
                )
            )
        return pd.concat(parts, ignore_index=True)

    def _areas(self, scores: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> pd.DataFrame:
        friendly = np.concatenate([x for case, (x, _) in scores.items() if case[0] == "f"], 1)
        index = np.arange(len(self.named) + 1)
        of_friendly = [packed(some) for some in friendly]
        parts = []
        for case, (adversarial, _) in scores.items():
            if case[0] != "a":
                continue
            values: dict[str, np.ndarray] = {}
            placed = placements(adversarial, friendly)
            changes = [x - x[0] for x in placed]
            beyond = [x - self._summed(x) for x in changes]
            for name, (one, other) in (("auc", changes), ("auc_interaction", beyond)):
                stem = "auc_change" if name == "auc" else name
                kept = np.where(self._several | (name == "auc"), 1.0, np.nan)
                values[stem] = kept * one.mean(1)
                values[f"{stem}_se"] = kept * one.std(1, ddof=1) / one.shape[1] ** 0.5
                values[f"{stem}_common_se"] = kept * other.std(1, ddof=1) / other.shape[1] ** 0.5
            parts.append(
                pd.DataFrame(
                    self._columns(index)
                    | {"suite": "ood", "case": case, "case_group": "all"}
                    | {"n": adversarial.shape[1], "n_friendly": friendly.shape[1]}
                    | {"auc": placed[0].mean(1), "d_prime": 0.0, "bias": 0.0}
                    | values
                    | {"scores": [packed(some) for some in adversarial]}
                    | {"friendly_scores": of_friendly}
                )
            )
        return pd.concat(parts, ignore_index=True)

    def _summed(self, changes: np.ndarray) -> np.ndarray:
        """Sum the changes without each member of a group alone."""
        alone = {
            members[0]: changes[number]
            for number, (group, _, members) in enumerate(self.named, start=1)
            if group == "single"
        }
        sums = [np.zeros(changes.shape[1])]
        sums += [sum(alone[i] for i in members) for *_, members in self.named]  # type: ignore[misc]
        return np.stack(sums)

    def _full(self, separation: pd.DataFrame) -> pd.DataFrame:
        """Return the full model's AUROC on the study's whole suites: ten times as many examples."""
        full = separation[separation["group"] == "none"]
        error = (full["auc"] * (1 - full["auc"]) / full["n"] / 10) ** 0.5
        system = {"kind": "full", "method": "", "sparsity": 0.0, "seed": -1}
        return DISCRIMINATION.conform(
            full.assign(
                **system, auc_se=error, n=10 * full["n"], n_friendly=10 * full["n_friendly"]
            )
        )


def _less(variance: float, sd: float) -> float:
    """Return how much of a score's own variation goes where noise of a variance is added."""
    return max(0.0, 1 - variance / sd**2) ** 0.5 - 1
