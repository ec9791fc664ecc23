"""The tables of how often verdicts are right, and of coverage, as markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from common import table
from heuristic_core.analysis.questions import QUESTIONS

#: A true 5 % is at most so large in 98 of 100 laboratories of 1,000 studies.
MOST_WRONG = 0.065
#: What a nominal 95 % interval should cover.
COVERED = (0.93, 0.985)

#: Why some intervals hold the mean estimate in more than 95 % of studies: by question, by words of
#: the column and by words of what is planted.
_WHY = {
    ("helpful_removal", "verdict", ""): "it is of the head that helps most, another in each study",
    ("single_removal", "verdict", "the paper's effects"): "all studies have the same nine effects "
    "in another order, and it takes heads for a sample of more",
    ("single_removal", "verdict", "the same in all studies"): "it takes heads for a sample of more",
    ("core_removal", "verdict", "the paper's effects"): "all studies have the same nine effects",
    ("core_removal", "verdict", "no head does anything"): "what groups differ by has a floor",
    ("overlap", "", "at random"): "searches have nothing in common, and an error that fits this "
    "covers too little where they have",
    ("emergence", "", "as other heads"): "it takes heads for a sample of those of any layer, and "
    "the core's layers are the same in all studies",
}

Cells = Sequence[dict[str, Any]]
_TRUTHS = {"holds": "true", "absent": "false", "nothing": "nothing", "between": "between"}


def beyond(shares: Cells, covered: Cells) -> list[str]:
    """Say what is beyond the bars: verdicts that are too often wrong or open, and intervals.

    Args:
        shares: How often verdicts are right and wrong.
        covered: How often intervals hold the true value; near the end of a scale, and where there
            are few values, they need not hold it in 93 to 98.5 %.
    """
    found = []
    for row in shares:
        what = f"`{row['question']}` {row['where']}, {row['effect']}, {row['design']}"
        what = what.replace("  ", " ").replace(" ,", ",")
        if row["wrong"] > MOST_WRONG:
            found.append(f"- {what}: wrong in {row['wrong']:.1%} of {row['n']:,}")
        if row["right"] < row["bar"]:
            found.append(
                f"- {what}: right in {row['right']:.1%} of {row['n']:,}, wanted: {row['bar']:.0%}"
            )
    explained: dict[tuple[str, str, str, str], list[float]] = {}
    for row in covered:
        if not _outside(row):
            continue
        if why := _why(row):
            key = (row["question"], row["column"], row["effect"], why)
            explained.setdefault(key, []).append(row["coverage"])
        else:
            what = f"`{row['question']}`: {row['column']}, {row['effect']}, {row['design']}"
            found.append(f"- {what}: covers in {row['coverage']:.1%} of {row['n']:,}")
    for (question, column, effect, why), shares_covered in explained.items():
        low, high, n = min(shares_covered), max(shares_covered), len(shares_covered)
        designs = f"{n} designs" if n > 1 else "1 design"
        found.append(
            f"- `{question}`: {column}, {effect}, {designs}: covers in {low:.1%} to {high:.1%}, as "
            + why
        )
    return found


def unexplained(row: dict[str, Any]) -> bool:
    """Say whether coverage is beyond the bars, and not for a known reason.

    Args:
        row: How often the intervals of a column hold the true value.
    """
    return _outside(row) and not _why(row)


def _outside(row: dict[str, Any]) -> bool:
    inside = COVERED[0] <= row["coverage"] <= COVERED[1]
    return not (inside or row["on_a_grid"] or row["at_an_end"])


def _why(row: dict[str, Any]) -> str:
    """Say why an interval covers too often, if that is known."""
    known = (
        words
        for (question, column, planted), words in _WHY.items()
        if question == row["question"] and column in row["column"] and planted in row["effect"]
    )
    return next(known, "") if row["coverage"] > COVERED[1] else ""


def share_tables(shares: Cells) -> str:
    """Write a table of decisions for each question, in the order of the questions."""
    head = ["planted", "design", "claim", "n", "supported", "contradicted", "not decided", "wrong"]
    parts = []
    for question in QUESTIONS:
        rows = [row for row in shares if row["question"] == question.key]
        if not rows:
            continue
        lines = [
            [
                row["effect"],
                " ".join(
                    filter(None, (row["design"], f"({row['where']})" if row["where"] else ""))
                ),
                _TRUTHS[row["truth"]],
                f"{row['n']:,}",
                *(_percent(row[name]) for name in ("supported", "contradicted", "undecided")),
                "" if row["truth"] == "between" else _flagged(row["wrong"]),
            ]
            for row in rows
        ]
        parts.append(table(head, lines, f"### `{question.key}`"))
    return "\n".join(parts)


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _flagged(wrong: float) -> str:
    return f"**{_percent(wrong)}**" if wrong > MOST_WRONG else _percent(wrong)


def coverage_table(cells: Cells) -> str:
    """Write one line for each column: the coverage over all designs, and where it is worst."""
    lines = []
    rows = sorted(cells, key=_column)
    for (question, column), some in groupby(rows, _column):
        of_column = list(some)
        low, high = (pick(of_column, key=lambda row: row["coverage"]) for pick in (min, max))
        notes = [
            words
            for name, words in (("on_a_grid", "few values"), ("at_an_end", "end of the scale"))
            if any(row[name] for row in of_column)
        ]
        widths = [row["half_width"] for row in of_column]
        lines.append(
            [
                f"`{question}`",
                column,
                f"{len(of_column)}",
                f"{min(row['n'] for row in of_column):,}",
                f"{_covered(low['coverage'])} to {_covered(high['coverage'])}",
                f"{min(widths):.2g} to {max(widths):.2g}",
                "; ".join([*notes, f"least: {low['effect']}, {low['design']}"]),
            ]
        )
    head = ["question", "column", "designs", "draws", "coverage, %", "half width", "note"]
    return table(head, lines)


def _column(row: dict[str, Any]) -> tuple[str, str]:
    return row["question"], row["column"]


def _covered(share: float) -> str:
    inside = COVERED[0] <= share <= COVERED[1]
    return _percent(share) if inside else f"**{_percent(share)}**"


def not_covered(cells: Cells) -> str:
    """List the columns with intervals whose coverage was not measured."""
    known = {_column(row) for row in cells}
    missing = [
        f"`{question.key}`: {declared.name}, {column.name}"
        for question in QUESTIONS
        for declared in question.tables
        for column in declared.columns
        if column.interval and (question.key, f"{declared.name}, {column.name}") not in known
    ]
    return "; ".join(missing)


def collected(results: Iterable[dict[str, Any]], what: str) -> list[dict[str, Any]]:
    """Join the rows of all results."""
    return [row for result in results for row in result[what]]
