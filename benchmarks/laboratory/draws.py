"""Chunks of studies drawn and concluded, and what they come to, decision by decision."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from heuristic_core.analysis.conclusions import conclude
from heuristic_core.analysis.evidence import Evidence
from heuristic_core.analysis.questions import QUESTIONS
from heuristic_core.columns import Table
from heuristic_core.tables import CONTRADICTED, SUPPORTED, UNDECIDED

from .planted import Claim, Planted

_BY_KEY = {question.key: question for question in QUESTIONS}
#: A line with fewer draws has no coverage.
_ENOUGH_DRAWS = 200


@dataclass
class Drawn:
    """What some studies came to.

    Args:
        decisions: For each claim, how often each decision was taken.
        intervals: By table and column the estimates with their intervals, by row of the table.
        studies: How many there are.
    """

    decisions: list[Counter[str]]
    intervals: dict[str, pd.DataFrame] = field(default_factory=dict)
    studies: int = 0

    def add(self, other: Drawn) -> None:
        """Add the studies of another one."""
        for mine, theirs in zip(self.decisions, other.decisions, strict=True):
            mine.update(theirs)
        for name, rows in other.intervals.items():
            both = [self.intervals[name], rows] if name in self.intervals else [rows]
            self.intervals[name] = pd.concat(both, ignore_index=True)
        self.studies += other.studies


def draw(planted: Planted, seed: Sequence[int], n_studies: int) -> Drawn:
    """Draw studies, ask their questions and count the decisions.

    Args:
        planted: What is planted.
        seed: Seed of the draws.
        n_studies: How many studies.
    """
    tables = planted.draw(np.random.default_rng(list(seed)), n_studies)
    questions = [_BY_KEY[key] for key in planted.questions]
    result = conclude(Evidence(tables, seed=seed[-1]), questions)
    drawn = Drawn([], studies=n_studies)
    for number, claim in enumerate(planted.claims):
        rows = result.verdicts[_about(result.verdicts, claim)]
        counts = Counter(rows["decision"])
        # A question that gives no verdict decides nothing.
        counts[UNDECIDED] += n_studies - len(rows)
        drawn.decisions.append(counts)
        effect = rows[["effect", "effect_low", "effect_high"]].dropna()
        if len(effect):
            effect.columns = pd.Index(["value", "low", "high"])
            drawn.intervals[f"{claim.question}: verdict {number}"] = effect.assign(key="")
    for question in questions:
        for table in question.tables:
            if table.name in planted.covered:
                drawn.intervals |= _intervals(question.key, table, result.tables[table.name])
    return drawn


def _about(verdicts: pd.DataFrame, claim: Claim) -> pd.Series:
    chosen = verdicts["question"] == claim.question
    for name, value in claim.where.items():
        chosen &= verdicts[name] == value
    return chosen


def _intervals(question: str, table: Table, rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    keys = [name for name in table.key if name != "finetune_seed" and rows[name].notna().any()]
    words = [rows[key].map(str) for key in keys] or [pd.Series("", rows.index)]
    names = pd.Series(map(" ".join, zip(*words, strict=True)), rows.index, dtype=str)
    found = {}
    for column in table.columns:
        if column.interval:
            some = rows[[*column.names]].assign(key=names).dropna()
            some.columns = pd.Index(["value", "low", "high", "key"])
            found[f"{question}: {table.name}, {column.name}"] = some
    return found


def shares(planted: Planted, drawn: Drawn) -> list[dict]:
    """Say what share of studies was decided rightly, wrongly and not at all, claim by claim."""
    rows = []
    for claim, counts in zip(planted.claims, drawn.decisions, strict=True):
        n = counts.total()
        share = {name: counts[name] / n for name in (SUPPORTED, CONTRADICTED, UNDECIDED)}
        correct, wrong = {
            "holds": (share[SUPPORTED], share[CONTRADICTED]),
            "absent": (share[CONTRADICTED], share[SUPPORTED]),
            "nothing": (share[UNDECIDED], share[SUPPORTED] + share[CONTRADICTED]),
            "between": (0.0, 0.0),
        }[claim.truth]
        rows.append(
            {
                "question": claim.question,
                "where": " ".join(map(str, claim.where.values())),
                "effect": planted.effect,
                "design": planted.design,
                "truth": claim.truth,
                "n": n,
                "supported": share[SUPPORTED],
                "contradicted": share[CONTRADICTED],
                "undecided": share[UNDECIDED],
                "right": correct,
                "wrong": wrong,
                "bar": claim.bar,
            }
        )
    return rows


def coverage(planted: Planted, drawn: Drawn) -> list[dict]:
    """Compute how many intervals hold the true value, column by column.

    The true value is the world's where it is known, else the mean of the estimates over all
    studies, row by row of a table.
    """
    rows = []
    for name, some in drawn.intervals.items():
        question, column = name.split(": ")
        true = None
        if column.startswith("verdict "):
            claim = planted.claims[int(column.removeprefix("verdict "))]
            column = " ".join(["verdict", *map(str, claim.where.values())])
            true = claim.effect
        by_row = some.groupby("key")["value"]
        known = some[by_row.transform("size") >= min(_ENOUGH_DRAWS, drawn.studies / 2)]
        if known.empty:
            continue
        by_row = known.groupby("key")["value"]
        mean = by_row.transform("mean") if true is None else true
        half = (known["high"] - known["low"]) / 2
        inside = (known["low"] <= mean + 1e-9) & (known["high"] >= mean - 1e-9)
        rows.append(
            {
                "question": question,
                "column": column,
                "effect": planted.effect,
                "design": planted.design,
                "n": len(known),
                "rows": known["key"].nunique(),
                "true": "planted" if true is not None else "mean",
                "coverage": float(inside.mean()),
                "half_width": float(half.median()),
                "sd": float(by_row.std().mean()),
                "on_a_grid": _kind(column) in planted.of_levels
                or bool(by_row.nunique().median() <= 30),
                "at_an_end": _at_an_end(_ends(planted, question, column), known),
            }
        )
    return rows


def _ends(planted: Planted, question: str, column: str) -> tuple[float, float] | None:
    """Return the ends of the scale of a column; nothing where they are not known."""
    if _kind(column) == "verdict" or column in planted.ends:
        return planted.ends.get(_kind(column))
    table, name = column.split(", ")
    return _BY_KEY[question].table(table)[name].bounds


def _kind(column: str) -> str:
    """Return the column's name, which is the same for the verdicts on all subjects."""
    return "verdict" if column.startswith("verdict") else column


def _at_an_end(ends: tuple[float, float] | None, known: pd.DataFrame) -> bool:
    """Check whether most estimates are within two standard errors of the end of the scale."""
    if ends is None:
        return False
    groups = known.groupby("key")["value"]
    mean, sd = groups.mean(), groups.std()
    return bool(((mean - 2 * sd < ends[0]) | (mean + 2 * sd > ends[1])).mean() > 0.5)
