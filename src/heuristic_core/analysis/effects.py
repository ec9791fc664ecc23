"""Effects of removals as means over cases, with their errors over examples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from .intervals import Estimate, wilson
from .separation import RESOLUTION
from .systems import OfAnswers

_Model = tuple[int, int, str]
_Removal = tuple[str, int, str]

#: Group, draw and units of what is no removal.
_NONE = ("none", -1, "")
#: The groups that every table of removals may have; all others are a study's own.
KINDS = ("none", "single", "pair", "core", "control")
#: Errors that are so small a share of their effect are rounding: there is no variation.
_ALIKE = 1e-9


@dataclass(frozen=True)
class Effect:
    """A number measured on independent samples of examples.

    Args:
        value: The number.
        variances: What each sample adds to its variance.
        freedom: Degrees of freedom of each of these.
    """

    value: float
    variances: tuple[float, ...]
    freedom: tuple[float, ...]

    def __add__(self, other: Effect) -> Effect:
        """Add an effect on other examples."""
        return Effect(
            self.value + other.value,
            (*self.variances, *other.variances),
            (*self.freedom, *other.freedom),
        )

    def __mul__(self, factor: float) -> Effect:
        return Effect(
            self.value * factor, tuple(factor**2 * v for v in self.variances), self.freedom
        )

    def __sub__(self, other: Effect) -> Effect:
        """Subtract an effect on other examples."""
        return self + other * -1

    def estimate(self, level: float = 0.95) -> Estimate:
        """Give the number with its interval, not a number where a sample is a single example."""
        half = stats.t.ppf((1 + level) / 2, self._freedom) * self._error
        return Estimate(self.value, float(self.value - half), float(self.value + half))

    @property
    def p_value(self) -> float:
        """Two-sided probability of so large a number if there were no effect; 1 if not known.

        It is 1, too, below the scores' resolution, however often a number comes out alike.
        """
        if not self._error > 0 or abs(self.value) < RESOLUTION:
            return 1.0
        return float(2 * stats.t.sf(abs(self.value) / self._error, self._freedom))

    @property
    def _alike(self) -> bool:
        return bool(np.sum(self.variances) <= (_ALIKE * self.value) ** 2)

    @property
    def _error(self) -> float:
        # That all examples change alike does not show that all others would: the error is the one
        # that there would be if one example had not changed.
        if self._alike:
            return abs(self.value) / (1 + min(self.freedom, default=0.0))
        return float(np.sum(self.variances)) ** 0.5

    @property
    def _freedom(self) -> float:
        if self._alike:
            return min(self.freedom, default=1.0)
        # Welch's approximation; parts without variance add nothing to either sum.
        parts = [(v, f) for v, f in zip(self.variances, self.freedom, strict=True) if v > 0]
        return sum(v for v, _ in parts) ** 2 / sum(v**2 / f for v, f in parts) if parts else 1.0


@dataclass(frozen=True, eq=False)
class Effects:
    """What removing some units does.

    Args:
        removed: The units.
        margin: Change of the margin by part (``in_domain``, ``adversarial``, ``friendly``), each
            the mean over cases, and ``balanced``, the mean of the last two, which a lean to one
            label does not change.
        interaction: That change less the sum of the units' own changes, by the same parts.
        accuracy: Change of accuracy in points by the same parts.
        by_label: Change of the margin of OOD cases by their right label, each the mean over cases.
        auc: Change of the mean area under the curve over adversarial cases.
        auc_interaction: That change less the sum of the units' own.
    """

    removed: tuple[str, ...]
    margin: Mapping[str, Effect]
    interaction: Mapping[str, Effect]
    accuracy: Mapping[str, Estimate]
    by_label: Mapping[str, Effect]
    auc: Effect | None
    auc_interaction: Effect | None

    @property
    def generalisation(self) -> Effect | None:
        """The change that says most of generalisation: area, else balanced margin, else margin."""
        if self.auc is not None:
            return self.auc
        return self.margin.get("balanced", self.margin.get("adversarial"))

    @property
    def measure(self) -> str:
        """What :attr:`generalisation` is a change of."""
        if self.auc is not None:
            return "area under the curve"
        return "balanced OOD margin" if "balanced" in self.margin else "adversarial margin"


@dataclass(frozen=True, eq=False)
class Answerer(OfAnswers):
    """All removals from one model.

    Args:
        singles: Effects of each unit alone.
        pairs: Those of pairs.
        core: Those of the core as a whole; ``None`` if there is none.
        controls: Those of the groups matched to it, each once.
        own: Those of the study's own groups, by their names.
        full_margin: The full model's margin by part, as for effects.
        full_auc: The full model's mean area under the curve; ``None`` if not measured.
        n_adversarial: Adversarial examples.
    """

    singles: tuple[Effects, ...]
    pairs: tuple[Effects, ...]
    core: Effects | None
    controls: tuple[Effects, ...]
    own: Mapping[str, Effects]
    full_margin: Mapping[str, float]
    full_auc: float | None
    n_adversarial: int

    @property
    def whose(self) -> str:
        """What to add to a claim about this model."""
        return "" if self.head == "model" else ", as a probe on the encoder answers"


def answerers(table: pd.DataFrame, discrimination: pd.DataFrame | None) -> Iterator[Answerer]:
    """Read the effects of all removals, model by model.

    Args:
        table: Rows as in ``tables.REMOVAL``.
        discrimination: Rows as in ``tables.REMOVAL_DISCRIMINATION``, where they were measured.
    """
    areas = {} if discrimination is None else _by_removal(discrimination)
    for key, removals in _by_removal(table).items():
        full = removals.get(_NONE, [])
        known = areas.get(key, {})
        groups: dict[str, dict[str, Effects]] = {}
        for removal, rows in removals.items():
            if removal != _NONE:
                found = _effects(rows, full, known.get(removal, []))
                groups.setdefault(removal[0], {}).setdefault(removal[2], found)
        of_full = known.get(_NONE)
        margins = {name: _mean([r.margin for r in rows]) for name, rows in _parts(full).items()}
        if {"adversarial", "friendly"} <= set(margins):
            margins["balanced"] = (margins["adversarial"] + margins["friendly"]) / 2
        yield Answerer(
            *key,
            tuple(groups.get("single", {}).values()),
            tuple(groups.get("pair", {}).values()),
            next(iter(groups.get("core", {}).values()), None),
            tuple(groups.get("control", {}).values()),
            {name: next(iter(some.values())) for name, some in groups.items() if name not in KINDS},
            margins,
            _mean([row.auc for row in of_full]) if of_full else None,
            sum(row.n for row in _parts(full).get("adversarial", [])),
        )


def _by_removal(table: pd.DataFrame) -> dict[_Model, dict[_Removal, list[Any]]]:
    # Not by pandas: there are thousands of small groups.
    found: dict[_Model, dict[_Removal, list[Any]]] = {}
    for row in table.itertuples(index=False):
        key = (int(row.finetune_seed), int(row.checkpoint), str(row.head))
        removal = (str(row.group), int(row.draw), str(row.removed))
        found.setdefault(key, {}).setdefault(removal, []).append(row)
    return dict(sorted(found.items()))


def _parts(rows: Sequence[Any]) -> dict[str, list[Any]]:
    parts: dict[str, list[Any]] = {}
    for row in rows:
        parts.setdefault("in_domain" if row.role == "id" else row.case_kind, []).append(row)
    return parts


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def _effects(rows: Sequence[Any], full: Sequence[Any], areas: Sequence[Any]) -> Effects:
    parts = _parts(rows)
    before = {(row.suite, row.case): row.correct for row in full}
    labels: dict[str, list[Any]] = {}
    for row in rows:
        if row.role == "ood" and row.label:
            labels.setdefault(row.label, []).append(row)
    margin, interaction = (
        _balanced(_means(parts, column)) for column in ("margin_change", "interaction")
    )
    return Effects(
        tuple(rows[0].removed.split("+")),
        margin,
        interaction,
        {name: _accuracy_change(some, before) for name, some in parts.items()} if full else {},
        _means(labels, "margin_change"),
        _area(areas, "auc_change"),
        _area(areas, "auc_interaction"),
    )


def _means(parts: Mapping[str, Sequence[Any]], column: str) -> dict[str, Effect]:
    effects = {}
    for name, rows in parts.items():
        known = [row for row in rows if np.isfinite(getattr(row, column))]
        if known:
            effects[name] = Effect(
                _mean([getattr(row, column) for row in known]),
                tuple(float(getattr(row, f"{column}_se") / len(known)) ** 2 for row in known),
                tuple(float(max(1, row.n - 1)) for row in known),
            )
    return effects


def _balanced(effects: dict[str, Effect]) -> dict[str, Effect]:
    if {"adversarial", "friendly"} <= set(effects):
        effects["balanced"] = (effects["adversarial"] + effects["friendly"]) * 0.5
    return effects


def _area(areas: Sequence[Any], column: str) -> Effect | None:
    areas = [row for row in areas if np.isfinite(getattr(row, column))]
    if not areas:
        return None
    k = len(areas)
    parts = [(float(getattr(row, f"{column}_se") / k) ** 2, row.n) for row in areas]
    # The cases of a group have their friendly examples in common. How their errors go together is
    # not known: at worst they add up.
    common: dict[tuple, list[Any]] = {}
    for row in areas:
        common.setdefault((row.suite, row.case_group), []).append(row)
    for rows in common.values():
        error = sum(getattr(row, f"{column}_common_se") for row in rows) / k
        parts.append((float(error) ** 2, min(row.n_friendly for row in rows)))
    return Effect(
        _mean([getattr(row, column) for row in areas]),
        tuple(variance for variance, _ in parts),
        tuple(float(max(1, n - 1)) for _, n in parts),
    )


def _accuracy_change(rows: Sequence[Any], before: Mapping[tuple, int]) -> Estimate:
    """Give the change of mean accuracy in points, as if the examples were not the same.

    Source:
        Newcombe 1998, method 10, for a mean of differences.
    """
    low = high = total = 0.0
    for row in rows:
        new, old = _share(row.correct, row.n), _share(before[(row.suite, row.case)], row.n)
        total += new.value - old.value
        low += (new.value - new.low) ** 2 + (old.high - old.value) ** 2
        high += (new.high - new.value) ** 2 + (old.value - old.low) ** 2
    bounds = (total, total - low**0.5, total + high**0.5)
    return Estimate(*(float(100 * x / len(rows)) for x in bounds))


@lru_cache(maxsize=4096)
def _share(correct: int, n: int) -> Estimate:
    return wilson(correct, n)
