"""What an open verdict would take: how much more data would find the effect that a claim asks for.

That effect is stated beforehand. Of the data only the errors count: the power to find what was
observed says no more than its p-value (Hoenig and Heisey 2001).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from scipy import special, stats

from .effect import Effect
from .intervals import Estimate, wilson

#: The share of studies in which the effect should be found.
POWER = 0.8
#: A claim holds for most items if the interval of their share lies above one half. This share of
#: them should be enough.
PLANNED_SHARE = 0.8
#: More than so many times the data is no advice.
MOST = 64
#: Above so many degrees of freedom, Student's t is normal.
_NORMAL = 1000.0


@dataclass(frozen=True)
class ErrorSource:
    """What one part of the data adds to the error of an effect.

    Args:
        name: What there would have to be more of, in the plural, such as ``search seeds``.
        variance: What it adds to the variance of the effect.
        n: How many there are.
        counted: Whether a reader can count them; else advice is in multiples, as of examples that
            several cases have.
        least: With fewer nothing is decided, however small the error.
    """

    name: str
    variance: float
    n: float
    counted: bool = True
    least: float = 0.0

    @property
    def unknown(self) -> bool:
        """Whether so few of them do not tell what they add."""
        return math.isnan(self.variance)

    def times(self, factor: float) -> ErrorSource:
        """Return what it would add with so many times the data."""
        return replace(self, variance=self.variance / factor, n=self.n * factor)


def found(effect: float, *sources: ErrorSource, p: float = 0.05) -> float:
    """Compute how often an effect is found, and in the right direction, by a two-sided t-test.

    Args:
        effect: The true effect.
        sources: What its error comes from.
        p: The p-value below which it counts as found.

    Returns:
        The share of studies.
    """
    if any(source.unknown or source.n < source.least for source in sources):
        return 0.0
    parts = [source for source in sources if source.variance > 0]
    variance = sum(source.variance for source in parts)
    if not parts:
        return 1.0
    if any(source.n <= 1 for source in parts):
        return 0.0
    # Welch's approximation.
    freedom = variance**2 / sum(source.variance**2 / (source.n - 1) for source in parts)
    away = abs(effect) / variance**0.5
    # The functions behind SciPy's distributions, which check their arguments at a hundred times the
    # cost.
    if freedom > _NORMAL:
        return float(special.ndtr(away + special.ndtri(p / 2)))
    return 1.0 - float(special.nctdtr(freedom, away, special.stdtrit(freedom, 1 - p / 2)))


def outlook(
    said: str, effect: float, *sources: ErrorSource, p: float = 0.05, both_sides: bool = False
) -> str:
    """Say what would find an effect in 80 % of studies.

    Args:
        said: The effect in words, such as ``a fall of 20 points``.
        effect: The effect.
        sources: What its error comes from.
        p: The p-value below which it counts as found.
        both_sides: Whether an interval has to exclude the effect and its negative.

    Returns:
        A clause without its full stop. It names the least that is enough of one source, or of all:
        multiples of all count as often as there are sources.
    """
    for source in sources:
        if source.unknown:
            least = max(source.least, 2)
            return f"{source.n:.0f} cannot tell how much {source.name} differ: it takes {least:.0f}"

    def power(chosen: tuple[ErrorSource, ...], more: float) -> float:
        one_side = found(effect, *(s.times(more) if s in chosen else s for s in sources), p=p)
        return max(0.0, 2 * one_side - 1) if both_sides else one_side

    now = power((), 1)
    if now >= POWER:
        return f"{said} would have been found in {now:.0%} of such studies"
    plans = []
    for chosen in (*((source,) for source in sources), sources):
        more = _least(partial(power, chosen))
        if more is not None:
            plans.append((len(chosen) * more, chosen, more))
    if not plans:
        return (
            f"{said} would be found in {now:.0%} of such studies, and not in {POWER:.0%} with "
            f"{MOST} times the data"
        )
    _, chosen, more = min(plans, key=lambda plan: plan[0])
    needed = " and ".join(_amount(source, more) for source in chosen)
    return f"with {needed}, {said} would be found in {POWER:.0%} of such studies; now in {now:.0%}"


def _least(power: Callable[[float], float]) -> float | None:
    """Find the least multiple of the data whose power is enough; power rises with it."""
    if power(MOST) < POWER:
        return None
    low, high = 0.0, math.log2(MOST)
    for _ in range(16):
        middle = (low + high) / 2
        low, high = (low, middle) if power(2**middle) >= POWER else (middle, high)
    return 2**high


def _amount(source: ErrorSource, times: float) -> str:
    if source.counted:
        return f"{math.ceil(source.n * times - 0.01)} {source.name} instead of {source.n:.0f}"
    tenths = math.ceil(10 * times - 0.1)
    return f"{tenths / 10 if tenths < 100 else math.ceil(times):g} times as many {source.name}"


def by_interval(
    name: str, estimate: Estimate, n: int, freedom: int | None = None, *, least: int = 2
) -> ErrorSource:
    """Read the error of a source off Student's interval; that of a single one is unknown.

    Args:
        name: What there would have to be more of, in the plural.
        estimate: An estimate with its 95 % interval.
        n: How many there are.
        freedom: Its degrees of freedom; ``n - 1`` if not given.
        least: With fewer nothing is decided.
    """
    half = (estimate.high - estimate.low) / 2
    free = n - 1 if freedom is None else freedom
    error = half / float(stats.t.isf(0.025, free)) if free > 0 else math.nan
    return ErrorSource(name, error**2, n, least=least)


def by_examples(effect: Effect) -> ErrorSource:
    """Return an effect's error over examples."""
    freedom = min(effect.freedom, default=1.0)
    return ErrorSource("examples", float(np.sum(effect.variances)), freedom + 1, counted=False)


def too_few_planned(n: int, needed: int, name: str) -> str:
    """Say that a study plans fewer of something than a verdict takes; nothing if it does not.

    Args:
        n: How many it plans.
        needed: How many it takes.
        name: What, in the plural.
    """
    return (
        f"it takes {needed} {name}, and {n} {'is' if n == 1 else 'are'} planned"
        if n < needed
        else ""
    )


def least_number(said: str, name: str, n: int, enough: Callable[[int], bool]) -> str:
    """Say how many of something it takes, by a rule that is tried from the present number on.

    Args:
        said: The effect in words.
        name: What there would have to be more of, in the plural.
        n: How many there are.
        enough: Whether a number is enough.
    """
    if enough(n):
        return f"{said} would have been found"
    for more in range(n + 1, MOST + 1):
        if enough(more):
            return f"with {more} {name} instead of {n}, {said} would be found"
    return f"{said} would not be found with {MOST} {name} either"


def for_most(name: str, n: int, *, least: int = 1) -> str:
    """Say how many items it takes to find that a claim holds for most of them.

    Args:
        name: The items, in the plural.
        n: How many there are.
        least: With fewer nothing is decided.
    """
    return least_number(
        f"a share of {PLANNED_SHARE:.0%}",
        name,
        n,
        lambda n: n >= least and wilson(round(PLANNED_SHARE * n), n).low > 0.5,
    )
