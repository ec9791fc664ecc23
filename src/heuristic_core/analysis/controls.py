"""Comparison of a core with control groups: as many random other heads of the same layers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy import stats

from .effect import Effect
from .intervals import Estimate
from .separation import RESOLUTION


def widening(heads: Counter[int], core: Counter[int]) -> float | None:
    """Compute how much less control groups vary than a random core's distance to their mean.

    If the core were n random heads of a layer's N, the variance of its distance to the mean of the
    others would be n N / (N - n) head variances; that of a control is n (N - 2 n) / (N - n).

    Args:
        heads: Heads of each layer.
        core: How many of them are the core's.

    Returns:
        The ratio of standard deviations; ``None`` if the core has half of the heads or more, or
        the heads are not known.
    """
    sizes = _pools(heads, core)
    across = sum(n * total / (total - n) for total, n in sizes)
    within = sum(n * (total - 2 * n) / (total - n) for total, n in sizes)
    return (across / within) ** 0.5 if within > 0 else None


def freedom(heads: Counter[int], core: Counter[int], n_controls: int) -> float:
    """Compute the degrees of freedom of the spread of control groups.

    Groups drawn from the same few heads say less of how heads differ than independent ones. The
    relative variance of their spread is the sum of two parts: one from the number of groups, one
    from the number of heads.

    Args:
        heads: Heads of each layer.
        core: How many of them are the core's.
        n_controls: Control groups.
    """
    others = sum(total - n - 1 for total, n in _pools(heads, core))
    parts = [1 / free for free in (n_controls - 1, others) if free > 0]
    return 1 / sum(parts) if parts else 1.0


def against_controls(
    core: Effect,
    controls: Sequence[Effect],
    heads: Counter[int],
    members: Counter[int],
    over_examples: Float[np.ndarray, "group group"] | None = None,
) -> dict[str, Any]:
    """Compare one change without the core with those without control groups.

    Args:
        core: The change without the core.
        controls: The changes without each control group.
        heads: Heads of each layer.
        members: How many of them are the core's.
        over_examples: How the model without each of them varies over examples, the core first, if
            that is known.

    Returns:
        Values by the columns of the table ``core-removal``; NaN where one group gives no spread.
    """
    values, n = np.array([control.value for control in controls]), len(controls)
    mean = float(values.mean())
    more, same = (values < core.value).sum(), (values == core.value).sum()
    # Of the distance of one more group to the mean. Groups that differ by rounding do not differ.
    spread = values.var(ddof=1) if n > 1 else np.nan
    wide, free = widening(heads, members) or 1.0, freedom(heads, members, n)
    if over_examples is None:
        # What examples add to the change without a group is in the spread of groups; a core that
        # does more has a larger error.
        own, others = (float(np.sum(core.variances)), np.mean([sum(c.variances) for c in controls]))
        noise = max(0.0, own - others)
    else:
        # Only what heads do varies less from group to group than from the core to the groups.
        alone = over_examples[1:, 1:]
        spread = max(0.0, spread - (np.trace(alone) - alone.mean() * n) / max(1, n - 1))
        weights = np.array([1.0, *[-1 / n] * n])
        noise = float(weights @ over_examples @ weights)
    error = np.sqrt(np.maximum(spread, RESOLUTION**2) * wide**2 * (1 + 1 / n) + noise)
    beyond = core.value - mean
    half = stats.t.ppf(0.975, free) * error
    return {
        "core": core.estimate(),
        "n_controls": n,
        "controls": mean,
        "lowest": float(values.min()),
        "highest": float(values.max()),
        "beyond": Estimate(beyond, float(beyond - half), float(beyond + half)),
        "percentile": float(100 * (more + same / 2) / n),
        "p_more": float(stats.t.cdf(beyond / error, free)),
        "p_less": float(stats.t.cdf(-beyond / error, free)),
    }


def _pools(heads: Counter[int], core: Counter[int]) -> list[tuple[int, int]]:
    """Return the sizes of the pools that controls are drawn from, each with the core's share."""
    if any(2 * n > heads[layer] for layer, n in core.items()):  # controls are of other layers too
        heads, core = Counter({0: heads.total()}), Counter({0: core.total()})
    return [(heads[i], n) for i, n in core.items() if heads[i] > n]
