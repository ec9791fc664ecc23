"""How well subnetworks generalise on examples that no search saw."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

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
    """Divide a suite: every second adversarial case is aimed at, with half of its examples.

    Args:
        suite: An out-of-domain suite. Friendly cases are on both sides, with half of the examples.
            Without adversarial cases those that are not friendly take their place.
    """
    friendly, adversarial = (
        [case for case in suite.cases if suite.kind(case) == kind]
        for kind in ("friendly", "adversarial")
    )
    others = adversarial or [case for case in suite.cases if case not in friendly]
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
    scores = scores_of(suite, model_labels, [*one, *other], cases)
    if not scores.cases:
        return np.nan, np.nan
    weights = np.array([1 / len(one) for _ in one] + [-1 / len(other) for _ in other])
    mean = sum(float((weights @ placed).mean()) for placed in scores.placed)
    variance = sum(error_over_examples(weights @ part) for part in scores.parts)
    return mean / len(scores.cases), variance**0.5 / len(scores.cases)


class Scores(NamedTuple):
    """How subnetworks score the examples of adversarial cases and of their friendly counterparts.

    Args:
        cases: The cases.
        margins: For each case every subnetwork's log-odds of its label, example by example.
        placed: For each case the share of friendly examples that each of its examples is above.
        on_friendly: For each set of friendly examples the share of adversarial ones that are above
            each of them, added up over the cases.
    """

    cases: list[str]
    margins: list[Float[np.ndarray, "choice adversarial"]]
    placed: list[Float[np.ndarray, "choice adversarial"]]
    on_friendly: list[Float[np.ndarray, "choice friendly"]]

    @property
    def parts(self) -> list[Float[np.ndarray, "choice example"]]:
        """What the sum of AUROCs over cases owes to examples, each set of them independent."""
        return [*self.placed, *self.on_friendly]


def scores_of(
    suite: Suite,
    model_labels: tuple[str, ...],
    logits: Sequence[Logits],
    cases: Collection[str] | None = None,
) -> Scores:
    """Score the examples of the adversarial cases that have friendly counterparts.

    Args:
        suite: The suite.
        model_labels: The model's labels, in the order of its classes.
        logits: The logits of each subnetwork.
        cases: The cases; all if not given. Left out are those whose label the model cannot predict.
    """
    class_map = suite.class_map(model_labels)
    scores = Scores([], [], [], [])
    on_friendly: dict[tuple[str, int], Any] = defaultdict(float)
    for match in matches(suite):
        chosen = class_map == match.label
        if chosen.all() or not chosen.any() or (cases is not None and match.case not in cases):
            continue
        odds = [log_odds(own, np.broadcast_to(chosen, own.shape)) for own in logits]
        pairs = [placements(own[match.adversarial], own[match.friendly]) for own in odds]
        of_case, of_others = (np.stack(some) for some in zip(*pairs, strict=True))
        scores.cases.append(match.case)
        scores.margins.append(np.stack([own[match.adversarial] for own in odds]))
        scores.placed.append(of_case)
        on_friendly[match.group, match.label] += of_others
    scores.on_friendly.extend(on_friendly.values())
    return scores


def error_over_examples(values: Float[np.ndarray, "*choice example"]) -> Any:
    """Return the variance of each mean over examples; not a number of a single one."""
    n = values.shape[-1]
    return values.var(axis=-1, ddof=1) / n if n > 1 else np.full(values.shape[:-1], np.nan)
