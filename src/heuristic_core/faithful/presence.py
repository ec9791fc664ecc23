"""What the presence of each unit does to how well faithful subnetworks generalise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from scipy import stats

from ..analysis.intervals import holm
from ..errors import InputError, expect
from ..measure.accuracy import Logits
from ..models.steady import steady
from ..progress import Progress
from ..search.problem import no_progress
from ..tasks.task import Suite, Task
from .diagnostics import effective_size
from .generalisation import error_over_examples, scores_of
from .sampling import SubnetworkSample

#: What is measured of every subnetwork: the mean AUROC over adversarial cases, and their margin.
MEASURES = ("auc", "margin")
#: A unit has an effect if at least so many draws keep it, and so many drop it.
_LEAST = 5
#: Pieces that the draws of a chain are divided into, at most.
_PIECES = 10
#: Subnetworks run between two reports of progress.
_AT_ONCE = 20


@steady()
def presence_effects(
    sample: SubnetworkSample, task: Task | Suite, *, progress: Progress | None = None
) -> pd.DataFrame:
    """Estimate what the presence of each unit does to discrimination out of domain.

    The measures of all subnetworks of a sample are regressed on the units that they keep. All keep
    the same number, so the effect of a unit is that of keeping it in place of another, on average
    over the other units that vary.

    Args:
        sample: Faithful subnetworks, from ``sample_subnetworks``.
        task: The task whose suites out of domain are used, or a suite.
        progress: Called with (subnetworks done, subnetworks in all).

    Returns:
        One row a ``measure`` and ``unit``. The measures are ``auc``, the mean AUROC between
        adversarial and friendly cases, and ``margin``, the mean log-odds of the right label in
        adversarial cases, in nats. ``share`` is how many draws keep the unit; ``effect`` is its
        effect with the ends ``low`` and ``high`` of a 95 % interval over draws and examples, ``p``
        its p-value and ``p_corrected`` the same Holm-corrected over the units of a measure. They
        are not numbers where fewer than five draws keep the unit, or drop it, and where all draws
        keep and drop another one with it. There is no interval and no ``p`` if a case has a single
        example, and no ``p`` where the measure never changes.

    Raises:
        InputError: If the task has no adversarial cases, or the sample is too small.
    """
    expect("the sample", sample, SubnetworkSample, hint="draw it with sample_subnetworks")
    expect("the task", task, Task, Suite, hint="load it with load_task")
    expect("progress", progress, Callable, type(None))
    given = [task] if isinstance(task, Suite) else [s for s in task.suites if s.role == "ood"]
    suites = [suite.for_labels(sample.of.model.labels) for suite in given]
    tables = []
    for name, measured in _measured(sample, suites, progress or no_progress).items():
        effects = regress(sample.choices, measured.values, sample.chain, measured.parts)
        effects.insert(0, "measure", name)
        effects.insert(1, "unit", sample.of.names)
        effects.insert(2, "share", sample.choices.mean(0))
        tables.append(effects)
    return pd.concat(tables, ignore_index=True)


class _Measured(NamedTuple):
    """A measure of every draw.

    Args:
        values: The measure.
        parts: What it owes to examples: it varies over them as the sum of the means of these, each
            of which is over examples of its own.
    """

    values: Float[np.ndarray, " draw"]
    parts: list[Float[np.ndarray, "draw example"]]


def _measured(
    sample: SubnetworkSample, suites: list[Suite], progress: Progress
) -> dict[str, _Measured]:
    """Measure every subnetwork of a sample on the adversarial cases of some suites.

    Args:
        sample: The subnetworks.
        suites: The suites.
        progress: Called with (subnetworks done, subnetworks in all).

    Raises:
        InputError: If no case is adversarial and has friendly counterparts.
    """
    of = sample.of
    masks, drawn = np.unique(of.masks(sample.choices), axis=0, return_inverse=True)
    runs = [of.divergences.elsewhere(of.model.encode(suite.examples)) for suite in suites]
    logits: list[list[Logits]] = [[] for _ in suites]
    for start in range(0, len(masks), _AT_ONCE):
        for of_suite, run in zip(logits, runs, strict=True):
            of_suite.extend(run.logits(masks[start : start + _AT_ONCE]))
        progress(min(start + _AT_ONCE, len(masks)), len(masks))
    scores = [
        scores_of(suite, of.model.labels, of_suite)
        for suite, of_suite in zip(suites, logits, strict=True)
    ]
    n = sum(len(one.cases) for one in scores)
    if not n:
        raise InputError(
            "no case is adversarial and has friendly cases of another label in its group, so "
            "nothing says how well subnetworks generalise; name a task with such cases"
        )
    placed, margins, parts = (
        [part[drawn] / n for one in scores for part in getattr(one, name)]
        for name in ("placed", "margins", "parts")
    )
    return {
        "auc": _Measured(sum(part.mean(1) for part in placed), parts),
        "margin": _Measured(sum(part.mean(1) for part in margins), margins),
    }


def regress(
    kept: Bool[np.ndarray, "draw prunable"],
    values: Float[np.ndarray, " draw"],
    chain: Int[np.ndarray, " draw"],
    on_examples: Sequence[Float[np.ndarray, "draw _"]] = (),
) -> pd.DataFrame:
    """Regress a measure on the units kept, at a fixed number of them.

    Effects sum to 0 over the units that vary, as all subnetworks keep equally many. Draws next to
    each other in a chain are alike, so errors are those of the jackknife that leaves out pieces of
    chains, longer than draws stay alike. The error over examples, which are the same for all draws,
    is added; the interval is Student's, with Welch's degrees of freedom.

    Args:
        kept: The units that each subnetwork keeps.
        values: What was measured of it.
        chain: The chain that drew it; draws of a chain are in order.
        on_examples: What the measure owes to examples: for each set of them what each example adds
            to the mean over the set.

    Returns:
        For each unit ``effect``, ``low``, ``high``, ``p`` and ``p_corrected``; not numbers where
        draws say nothing of the unit alone.

    Raises:
        InputError: If there are too few subnetworks for the units that vary.

    Source:
        Cluster jackknife, MacKinnon, Nielsen and Webb 2023.
    """
    n, often = len(kept), np.minimum(kept.sum(0), (~kept).sum(0)) >= _LEAST
    varies = kept.any(0) & ~kept.all(0)
    pieces = list(_pieces(values, chain))
    longest = max(map(len, pieces))
    if n - longest <= 2 * varies.sum() or not varies.any():
        raise InputError(
            f"{n} subnetworks are too few to tell the effects of {varies.sum()} units apart; draw "
            f"at least {int(3 * varies.sum()) + 10}"
        )
    estimate = _effects(kept[:, varies], values)
    without = np.array(
        [
            _effects(np.delete(kept[:, varies], piece, 0), np.delete(values, piece))
            for piece in pieces
        ]
    )
    m = len(pieces)
    over_draws = (m - 1) / m * np.square(without - estimate).sum(0)
    over_examples = np.zeros(len(estimate))
    for part in on_examples:
        # An effect is linear in what was measured, so it is a mean over the same examples.
        over_examples += error_over_examples(_effects(kept[:, varies], part))
    error = np.sqrt(over_draws + over_examples)
    with np.errstate(divide="ignore", invalid="ignore"):
        # Examples are many. What varies over nothing has no error.
        freedom = np.where(over_draws > 0, (m - 1) * (error**2 / over_draws) ** 2, np.inf)
        half = stats.t.ppf(0.975, freedom) * error
        p = 2 * stats.t.sf(np.abs(estimate) / error, freedom)
    columns = {"effect": estimate, "low": estimate - half, "high": estimate + half, "p": p}
    table = pd.DataFrame(np.nan, index=range(kept.shape[1]), columns=[*columns, "p_corrected"])
    for name, column in columns.items():
        table.loc[varies, name] = column
    table[~often] = np.nan
    _, alike, times = np.unique(kept, axis=1, return_inverse=True, return_counts=True)
    table[times[alike] > 1] = np.nan
    known = table["p"].notna()
    table.loc[known, "p_corrected"] = holm(table.loc[known, "p"].to_numpy())
    return table


def _pieces(
    values: Float[np.ndarray, " draw"], chain: Int[np.ndarray, " draw"]
) -> Iterator[Int[np.ndarray, " draw"]]:
    """Divide the draws of each chain into pieces twice as long as a draw stays like those next."""
    draws = [np.flatnonzero(chain == name) for name in np.unique(chain)]
    shortest = min(map(len, draws))
    together = np.array([values[of_chain[:shortest]] for of_chain in draws])
    alike = max(1.0, together.size / effective_size(together)) if np.ptp(together) else 1.0
    n = int(np.clip(shortest / (2 * alike), 2, _PIECES))
    for of_chain in draws:
        yield from np.array_split(of_chain, n)


def _effects(
    kept: Bool[np.ndarray, "draw varying"], values: Float[np.ndarray, "draw ..."]
) -> Float[np.ndarray, "varying ..."]:
    """Compute the effect of each unit in place of another one, on average over the others."""
    centred = kept - kept.mean(0)
    # Rows sum to 0, so the shortest of all solutions sums to 0 too.
    slopes = np.linalg.lstsq(centred, values - values.mean(0), rcond=1e-9)[0]
    return slopes * len(slopes) / max(1, len(slopes) - 1)
