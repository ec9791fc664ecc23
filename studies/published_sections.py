"""Tables of the published study's page that accompany the verdicts on a finding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import pandas as pd

from heuristic_core.analysis.disjoint import NO_HEADS
from heuristic_core.analysis.questions import QUESTIONS
from heuristic_core.published.markdown import to_markdown
from heuristic_core.report import Results
from heuristic_core.report.tables import cell
from heuristic_core.report.wording import percent
from published_parts import PARTS, concluded_apart, with_parts
from published_tables import last_of, span, with_accuracy

#: What the table of disjoint searches calls subnetworks with all heads of another one forbidden.
ALL_FORBIDDEN = "100% forbidden"
#: By arm, or by part of its adversarial cases.
Arms = Mapping[str, Results]

#: Cases of the paper's table of removals, shown after the means.
_PAPER_CASES = (
    "ln_subject/object_swap",
    "ln_preposition",
    "cn_embedded_under_if",
    "cn_embedded_under_verb",
)
_PARTS = ("in-domain", *PARTS)
_DECLARED = {table.name: table for question in QUESTIONS for table in question.tables}
_CURVE = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)


def apart(arms: Arms) -> dict[str, Results]:
    """Draw every arm's conclusions on unseen and on seen cases apart.

    Returns:
        Results by names such as ``augmented, seen``; of an arm without seen cases by its own name.
    """
    return {
        f"{arm}, {part}" if part else arm: concluded
        for arm, results in arms.items()
        for part, concluded in concluded_apart(results).items()
    }


def curve(arms: Arms) -> str:
    """Write a table of accuracy at the last checkpoint by sparsity: means over cases and seeds."""
    rows = []
    for arm, results in arms.items():
        grid = _in_parts(results.measured["grid"], results)
        for part, some in grid.groupby("part"):
            means = some.groupby("sparsity")["accuracy"].mean()
            rows.append([arm, part, *(percent(means[s], 1) if s in means else "" for s in _CURVE)])
    return to_markdown(["arm", "cases", *map(percent, _CURVE)], rows)


def _in_parts(table: pd.DataFrame, results: Results) -> pd.DataFrame:
    """Return the rows of the last checkpoint with their part; in-domain suites are one part."""
    table = with_parts(last_of(with_accuracy(table)), results)
    part = table["part"].where(table["role"] == "ood", _PARTS[0])
    return table.assign(part=pd.Categorical(part, _PARTS).remove_unused_categories())


def sizes(arms: Arms) -> str:
    """Write a table of effective sizes over the checkpoints, by data.

    In-domain data are the same of all parts of an arm.
    """
    by_data: dict[tuple[str, str], dict[int, str]] = {}
    for name, results in arms.items():
        for row in _rows(results, "effective-size"):
            data = row["data"]
            arm = name.partition(",")[0] if data == "in-domain" else name
            by_data.setdefault((arm, data), {})[row["checkpoint"]] = _size(row)
    steps = sorted({step for some in by_data.values() for step in some})
    rows = [[*names, *(some.get(step, "") for step in steps)] for names, some in by_data.items()]
    return to_markdown(["arm", "data", *(f"step {step:,}" for step in steps)], rows)


def _rows(results: Results, name: str) -> list[dict[str, Any]]:
    """Return the rows of a question's table."""
    return results.conclusions.tables[name].to_dict("records")  # type: ignore[return-value]


def _size(row: Mapping[str, Any]) -> str:
    """Write a size with its interval, or why there is none."""
    if not row["meaningful"]:
        return "–"
    if row["n_failed"] == row["n_seeds"]:
        return "none"
    failed = f", {row['n_failed']} of {row['n_seeds']} none" if row["n_failed"] else ""
    return cell(replace(_DECLARED["effective-size"]["size"], digits=0), row) + failed


def shared(arms: Arms) -> str:
    """Write a table of the heads in all subnetworks, and of what disjoint searches find."""
    rows = []
    for arm, results in arms.items():
        between = {row["sparsity"]: row for row in _rows(results, "overlap-neighbours")}
        for row in _rows(results, "core"):
            sparsity = row["sparsity"]
            if pd.isna(sparsity):
                continue  # all sparsities together: the sparsest ones are parts of the others
            halves = _DECLARED["overlap-neighbours"]["halves"]
            rows.append(
                [
                    *(arm, percent(sparsity), f"{row['size']} of {row['heads']}"),
                    cell(_DECLARED["core"]["expected_in_layers"], row),
                    cell(halves, between[sparsity]) if sparsity in between else "",
                    *_disjoint(results, sparsity),
                ]
            )
    return to_markdown(
        [
            *("arm", "sparsity", "heads in all", "by chance within layers"),
            "rank correlation with the next sparsity",
            *("heads of disjoint subnetworks", "their in-domain difference from the model, points"),
            "that of subnetworks without heads",
        ],
        rows,
    )


def _disjoint(results: Results, sparsity: float) -> list[str]:
    """Write what searches find when all heads of another subnetwork are forbidden."""
    table = _DECLARED["disjoint"]
    some = [row for row in _rows(results, "disjoint") if row["sparsity"] == sparsity]
    if not some:
        return ["", "", ""]
    apart = next(row for row in some if row["subnetworks"] == ALL_FORBIDDEN)
    without = next(row for row in some if row["subnetworks"] == NO_HEADS)
    return [f"{apart['heads']:.0f}", *(cell(table["in_domain"], row) for row in (apart, without))]


def removals(arms: Arms) -> str:
    """Write a table of the last model's accuracy without heads, as in the paper."""
    rows = []
    for arm, results in arms.items():
        table = results.measured["removal"]
        table = _in_parts(table[table["readout"] == "model"], results)
        whole = table[table["group"] == "core"]["removed"]
        core = set(whole.iloc[0].split("+")) if len(whole) else set()
        single = table[table["group"] == "single"]
        in_core = single["removed"].isin(core)
        is_head = ~single["removed"].str.endswith("MLP")
        lines = {
            "nothing": table[table["group"] == "none"],
            "one head of the core": single[in_core],
            "one other head": single[~in_core & is_head],
            f"the core ({len(core)} heads)": table[table["group"] == "core"],
            "as many others of its layers": table[table["group"] == "control"],
        }
        for line, some in lines.items():
            columns = [some[some["part"] == part] for part in _PARTS]
            columns += [some[some["case"] == case] for case in _PAPER_CASES]
            means = [c.groupby(["removed", "draw"])["accuracy"].mean() for c in columns]
            rows.append([arm, line, *(span(mean) if len(mean) else "" for mean in means)])
    return to_markdown(["arm", "without", *_PARTS, *map("`{}`".format, _PAPER_CASES)], rows)


class Section(NamedTuple):
    """A table beside a finding's verdicts.

    Args:
        title: What it shows.
        write: Writes it.
        apart: Whether it shows unseen and seen cases apart, not whole arms.
    """

    title: str
    write: Callable[[Arms], str]
    apart: bool = False


#: The tables by the names in ``published_findings.toml``.
SECTIONS = {
    "curve": Section(
        "Accuracy at the last step by sparsity: means over cases and three seeds, on the "
        "grid's sample (20 pairs a case, 250 of each development set).",
        curve,
    ),
    "sizes": Section(
        "Effective size in per cent of the units: three seeds, a margin of 3 points; the grid ends "
        "at 20. *–*: the margin is not meaningful, since almost anything or a constant answer "
        "passes. *none*: no subnetwork of the grid is good enough, which counts as 100. On "
        "adversarial or mixed data label bias passes for accuracy and is not marked; the balanced "
        "rows show it. The paper has 45 to 52 in-domain throughout, and out of domain 30 at first "
        "and 73 to 97 later.",
        sizes,
        apart=True,
    ),
    "shared": Section(
        "Heads that are in all subnetworks; the correlation of how often heads are kept at one "
        "sparsity and at the next, each from another half of the searches; and subnetworks "
        "searched for with all heads of another one forbidden.",
        shared,
    ),
    "removals": Section(
        "Accuracy of the last model, in float32, when heads are replaced by their means: mean "
        "(lowest to highest) over heads or groups, on the grid's sample, where a pair is 5 points "
        "of a case.",
        removals,
    ),
}
