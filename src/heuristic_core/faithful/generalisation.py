"""How well subnetworks generalise on examples that no search saw."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Float

from ..analysis.separation import placements
from ..measure.accuracy import Logits, log_odds, predict_each, score
from ..measure.discrimination import discriminate, matches
from ..models.classifier import Classifier
from ..subnetwork import Subnetwork
from ..tasks.task import Suite


@dataclass(frozen=True)
class Halves:
    """A suite divided into what searches aim at and what judges them.

    Args:
        aimed: The examples that searches aim at.
        judging: The examples that no search sees.
        aimed_cases: The cases aimed at, friendly ones left out.
        held_out_cases: The other ones; the same where there is only one.
    """

    aimed: Suite
    judging: Suite
    aimed_cases: tuple[str, ...]
    held_out_cases: tuple[str, ...]


def halves(suite: Suite) -> Halves:
    """Divide a suite: every second case is aimed at, with half of its examples.

    Args:
        suite: An out-of-domain suite. Friendly cases are on both sides, with half of the examples.
    """
    friendly = [case for case in suite.cases if suite.kind(case) == "friendly"]
    others = [case for case in suite.cases if case not in friendly]
    aimed_cases = tuple(others[::2])
    cases = suite.examples.table["case"]
    # Within each case, every second example is aimed at.
    number = suite.examples.table.groupby("case").cumcount().to_numpy()
    aimed = cases.isin([*aimed_cases, *friendly]).to_numpy() & (number % 2 == 0)
    one, other = (
        replace(suite, examples=suite.examples.take(np.flatnonzero(side)))
        for side in (aimed, ~aimed)
    )
    return Halves(one, other, aimed_cases, tuple(others[1::2]) or aimed_cases)


def run_each(
    model: Classifier, suites: Sequence[Suite], subnetwork: Subnetwork | None
) -> dict[str, Logits]:
    """Run a model or subnetwork on several suites, and return its logits by suite."""
    encodings = [model.encode(suite.examples) for suite in suites]
    every = predict_each(model, encodings, subnetwork=subnetwork)
    return {suite.name: logits for suite, logits in zip(suites, every, strict=True)}


def by_case(
    model: Classifier,
    suites: Sequence[Suite],
    logits: Mapping[str, Logits],
    reference: Mapping[str, Logits],
) -> pd.DataFrame:
    """Score a subnetwork case by case, as ``evaluate`` does, with ``auc`` of adversarial cases.

    Args:
        model: The full model.
        suites: The suites, as the model's labels need them.
        logits: The subnetwork's logits by suite.
        reference: The full model's.
    """
    parts = []
    for suite in suites:
        rows = score(suite, model.labels, logits[suite.name], reference[suite.name])
        separated = discriminate(suite, model.labels, logits[suite.name])
        parts.append(rows.merge(separated[["case", "auc"]], on="case", how="left"))
    return pd.concat(parts, ignore_index=True)


def difference_of_aurocs(
    suite: Suite,
    model_labels: tuple[str, ...],
    cases: Sequence[str],
    one: Sequence[Logits],
    other: Sequence[Logits],
) -> tuple[float, float]:
    """Compare the mean AUROCs of two groups of subnetworks, which score the same examples.

    Args:
        suite: The suite.
        model_labels: The model's labels, in the order of its classes.
        cases: The adversarial cases over which AUROCs are averaged.
        one: The logits of each subnetwork of one group.
        other: Those of the other group; if it is empty, nothing is subtracted.

    Returns:
        The difference of the means, and its standard error over examples; not numbers where no
        case has friendly counterparts.

    Source:
        DeLong, DeLong and Clarke-Pearson 1988, for a mean of several areas.
    """
    class_map = suite.class_map(model_labels)
    found = [match for match in matches(suite) if match.case in cases]
    if not found:
        return np.nan, np.nan
    mean, variance = 0.0, 0.0
    on_friendly: dict[tuple[str, int], Float[np.ndarray, " friendly"]] = defaultdict(
        lambda: np.zeros(1)
    )
    for match in found:
        chosen = class_map == match.label
        change: list[Float[np.ndarray, " example"]] = [np.zeros(1), np.zeros(1)]
        for sign, group in ((1, one), (-1, other)):
            for logits in group:
                odds = log_odds(logits, np.broadcast_to(chosen, logits.shape))
                placed = placements(odds[match.adversarial], odds[match.friendly])
                change = [
                    total + sign * own / len(group)
                    for total, own in zip(change, placed, strict=True)
                ]
        mean += float(change[0].mean()) / len(found)
        variance += _error(change[0] / len(found))
        on_friendly[match.group, match.label] = on_friendly[match.group, match.label] + change[
            1
        ] / len(found)
    variance += sum(map(_error, on_friendly.values()))
    return mean, variance**0.5


def _error(values: Float[np.ndarray, " example"]) -> float:
    """Return the variance of a mean over examples."""
    return float(values.var(ddof=1) / len(values)) if len(values) > 1 else np.nan
