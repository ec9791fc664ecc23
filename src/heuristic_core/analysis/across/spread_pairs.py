"""Do subnetworks of one run differ more from each other than those of another?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats

from ...columns import Column, Table
from ...tables import SUBJECT
from ...writing import p_text
from ..accuracies import CASE, judged_by, subnetwork_means, subnetworks_of
from ..intervals import Estimate, change_text, holm
from ..power import ErrorSource, outlook
from ..question import Answer, Question, Row, Verdict, decide
from .runs import PAIR, Placed, Runs, pair_subject, shared_searches

#: Spreads that differ by less are as good as equal, and a difference that a study should find.
EQUAL_SPREAD, PLANNED_SPREAD = 0.02, 0.05
#: Fewer searches say too little of how far they spread.
ENOUGH = 5
(_SPARSITY,) = (column for column in SUBJECT if column.name == "sparsity")
_SPREAD, _TESTED = "OOD spread", "Welch's t over searches"
#: Differences are of these; ``in_domain`` is on in-domain suites, all others on the other ones.
_MEASURES = {"in_domain": "ID accuracy", "ood": "OOD accuracy", "spread": _SPREAD}


def spread_pairs(runs: Runs) -> list[Answer]:
    """Compare sizes, accuracies and their spread for each two runs' subnetworks of one sparsity.

    Args:
        runs: The runs.

    Returns:
        One answer for each two models that one method searched in, and each two searches in one
        model, with sparsities that both searched.
    """
    pairs = [
        (one, other)
        for one_model in (False, True)
        for one, other in runs.pairs(one_model=one_model)
        if set(one.sparsities) & set(other.sparsities)
    ]
    rows = [_rows(one, other) for one, other in pairs]
    tested = [row for some in rows for row in some if row["p"] is not None]
    # Holm's rule over all comparisons of one measure.
    for measure in _MEASURES.values():
        same = [row for row in tested if row["measure"] == measure]
        for row, p in zip(same, holm(np.array([row["p"] for row in same])).tolist(), strict=True):
            row["p"] = p
    return [
        Answer(
            subject=pair_subject(one, other),
            verdict=_verdict(some),
            rows={"spread-of-pairs": [{k: row[k] for k in row if k != "errors"} for row in some]},
        )
        for (one, other), some in zip(pairs, rows, strict=True)
    ]


def deviations(values: Float[np.ndarray, " search"]) -> Float[np.ndarray, " search"]:
    """Return the distance of each value to their median, whose mean is the spread.

    Of an odd number of values one is the median itself, whose distance is 0 by construction; it is
    left out.

    Source:
        Brown and Forsythe 1974; for the distance left out, Hines and Hines 2000.
    """
    distances = np.abs(values - np.median(values))
    return np.delete(distances, distances.argmin()) if len(values) % 2 else distances


def welch(
    one: Float[np.ndarray, " search"], other: Float[np.ndarray, " search"]
) -> tuple[Estimate, float]:
    """Compute the difference of two means with its 95 % interval, and its p-value, by Welch.

    Args:
        one: Values of the first group, at least two.
        other: Those of the second.
    """
    difference = float(one.mean() - other.mean())
    if np.ptp(one) == 0 == np.ptp(other):
        return Estimate(difference), 1.0
    test = stats.ttest_ind(one, other, equal_var=False)
    interval = test.confidence_interval(0.95)
    return Estimate(difference, float(interval.low), float(interval.high)), float(test.pvalue)


def _rows(one: Placed, other: Placed) -> list[Row]:
    rows = []
    for level in sorted(set(one.sparsities) & set(other.sparsities)):
        means = [_means(placed, level) for placed in (one, other)]
        for name, measure in _MEASURES.items():
            values = [some.get(name) for some in means]
            if values[0] is not None and values[1] is not None:
                why = _untestable(one, other, level, name, values[0], values[1])
                rows.append(_row(level, name, measure, values[0], values[1], why))
    return rows


def _row(
    level: float,
    name: str,
    measure: str,
    one: Float[np.ndarray, " search"],
    other: Float[np.ndarray, " search"],
    why: str,
) -> Row:
    samples = [deviations(x) for x in (one, other)] if name == "spread" else [one, other]
    values = [float(sample.mean()) if len(sample) else None for sample in samples]
    difference, p = (None, None) if why else welch(*samples)
    return {
        "sparsity": level,
        "measure": measure,
        "value": values[0],
        "other_value": values[1],
        "difference": difference,
        "p": p,
        "test": f"no test: {why}" if why else _TESTED,
        "errors": [(float(x.var(ddof=1) / len(x)) if len(x) > 1 else 0.0, len(x)) for x in samples],
    }


def _means(placed: Placed, level: float) -> dict[str, Any]:
    """Return the accuracies of each different subnetwork of one sparsity."""
    key = (*placed.core.model, placed.core.method, level)
    table = placed.run.evidence.once(subnetwork_means).get(key, pd.DataFrame())
    ood = judged_by(table)
    found = {"in_domain": "in_domain", "ood": ood, "spread": ood}
    return {name: table[column].to_numpy() for name, column in found.items() if column in table}


def _untestable(
    one: Placed,
    other: Placed,
    level: float,
    name: str,
    *samples: Float[np.ndarray, " search"],
) -> str:
    """Say why two samples allow no test; empty if they do."""
    role = "id" if name == "in_domain" else "ood"
    cases = [_cases(placed, level, role) for placed in (one, other)]
    if cases[0] != cases[1] or not cases[0]:
        return "other examples"
    if one.model == other.model and shared_searches(one, other):
        return "the same searches"
    least = min(map(len, samples))
    return f"it takes {ENOUGH} different subnetworks" if least < ENOUGH else ""


def _cases(placed: Placed, level: float, role: str) -> set[tuple[Any, ...]]:
    """Return the cases that subnetworks were tested on, with what identifies their examples."""
    rows = subnetworks_of(placed.run.evidence["evaluations"])
    rows = rows[(rows["sparsity"] == level) & (rows["role"] == role)]
    unique = rows.drop_duplicates([*CASE, "n"])[[*CASE, "n"]].itertuples(index=False, name=None)
    # Without a digest, examples are of the run itself.
    suites = placed.run.suites
    return {(*case, suites.get(case[0], placed.run.name)) for case in unique}


def _verdict(rows: Sequence[Row]) -> Verdict:
    spreads = [row for row in rows if row["measure"] == _SPREAD]
    tested = [row for row in spreads if row["p"] is not None]
    if not tested:
        whys = dict.fromkeys(row["test"].removeprefix("no test: ") for row in spreads)
        why = " or ".join(whys) or "no out-of-domain cases"
        return decide(QUESTION.claim, "", open_because=f"no test of the difference: {why}")
    best = min(tested, key=lambda row: (row["p"], -abs(row["difference"].value)))
    difference: Estimate = best["difference"]
    inside = [
        abs(row["difference"].low) < EQUAL_SPREAD and abs(row["difference"].high) < EQUAL_SPREAD
        for row in tested
    ]
    points = Estimate(*(100 * x for x in (difference.value, difference.low, difference.high)))
    (v1, n1), (v2, n2) = best["errors"]
    return decide(
        QUESTION.claim,
        f"at {best['sparsity']:.0%} sparsity OOD accuracies lie on average "
        f"{100 * best['value']:.1f} and {100 * best['other_value']:.1f} points from their median, "
        f"{change_text(points, 1)} (corrected {p_text(best['p'])})",
        supported=best["p"] < 0.05,
        contradicted=best["p"] >= 0.05 and all(inside),
        measure="mean distance to the median OOD accuracy, share of 1",
        effect=difference,
        p=best["p"],
        power=outlook(
            f"a difference of {100 * PLANNED_SPREAD:g} points",
            PLANNED_SPREAD,
            ErrorSource("searches of the first", v1, n1),
            ErrorSource("searches of the second", v2, n2),
        ),
    )


QUESTION = Question(
    key="spread_of_pairs",
    asks="Do the subnetworks of one run spread further out of domain than those of another?",
    claim="subnetworks of the two runs differ in how far they spread out of domain",
    page="across-runs",
    subject=PAIR,
    needs=("evaluations", "subnetworks"),
    answer=spread_pairs,
    tables=(
        Table(
            "spread-of-pairs",
            "One number of the subnetworks of two runs at one sparsity, and its difference.",
            _SPARSITY,
            Column(
                "measure",
                "mean accuracy over cases, or the mean distance of OOD accuracies to their median",
                "str",
                "measure",
                choices=tuple(_MEASURES.values()),
                key=True,
            ),
            *(
                Column(
                    name,
                    f"mean over the {which} run's subnetworks",
                    title=title,
                    form="percent",
                    digits=1,
                    optional=True,
                )
                for name, which, title in (
                    ("value", "first", "first"),
                    ("other_value", "other", "other"),
                )
            ),
            Column(
                "difference",
                "first minus other, share of 1",
                title="difference",
                digits=3,
                form="signed",
                interval=True,
                optional=True,
            ),
            Column(
                "p",
                "p of the difference, Holm-corrected over all comparisons of this measure",
                title="p",
                form="probability",
                optional=True,
            ),
            Column("test", "the test, or why there is none", "str", "test"),
            title="Accuracies and their spread, two runs at a time",
            folded=True,
        ),
    ),
    limits=(
        "Tests are over searches in these very models, on these very examples; further "
        "fine-tunings may differ by more.",
        "Accuracies near 0 or 1 have less room to spread.",
        "Runs that were tested on other examples are not tested against each other.",
    ),
)
