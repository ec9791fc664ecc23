"""Numbers measured on independent samples of examples, with their errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from .intervals import Estimate, holm
from .separation import RESOLUTION

#: Errors that are so small a share of their effect are rounding: there is no variation.
_NO_VARIATION = 1e-9


@dataclass(frozen=True)
class Effect:
    """A number measured on independent samples of examples.

    Args:
        value: The number.
        variances: What each sample adds to its variance.
        freedom: Degrees of freedom of each of these variances.
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
        """Return the number with its interval, whose ends are NaN if a sample is one example."""
        half = stats.t.ppf((1 + level) / 2, self._freedom) * self._error
        return Estimate(self.value, float(self.value - half), float(self.value + half))

    @property
    def p_value(self) -> float:
        """Two-sided p-value of the number; 1 if its error is not known.

        It is also 1 below the resolution of scores, however alike the examples are.
        """
        if not self._error > 0 or abs(self.value) < RESOLUTION:
            return 1.0
        return float(2 * stats.t.sf(abs(self.value) / self._error, self._freedom))

    @property
    def _without_variation(self) -> bool:
        return bool(np.sum(self.variances) <= (_NO_VARIATION * self.value) ** 2)

    @property
    def _error(self) -> float:
        # That all examples change alike does not show that others would: the error is what it
        # would be if one example had not changed.
        if self._without_variation:
            return abs(self.value) / (1 + min(self.freedom, default=0.0))
        return float(np.sum(self.variances)) ** 0.5

    @property
    def _freedom(self) -> float:
        if self._without_variation:
            return min(self.freedom, default=1.0)
        # Welch's approximation; parts without variance add nothing to either sum.
        parts = [(v, f) for v, f in zip(self.variances, self.freedom, strict=True) if v > 0]
        return sum(v for v, _ in parts) ** 2 / sum(v**2 / f for v, f in parts) if parts else 1.0


def estimated(effect: Effect | None) -> Estimate | None:
    """Return an effect with its interval; ``None`` if it was not measured."""
    return None if effect is None else effect.estimate()


def corrected(effects: Sequence[Effect | None]) -> list[float]:
    """Return the Holm-corrected p-values of effects; one that was not measured has p = 1."""
    return holm(np.array([1.0 if e is None else e.p_value for e in effects])).tolist()


def clear_sign(change: Effect | Estimate | None, p_value: float) -> int:
    """Return the sign of a change if it is clear (p < 0.05); otherwise, or without one, 0."""
    return 0 if change is None or p_value >= 0.05 else int(np.sign(change.value))
