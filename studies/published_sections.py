"""Tables of the published study's page that stand beside the verdicts on a finding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pandas as pd

from heuristic_core.report import Results
from heuristic_core.report.wording import bounded, number, percent
from published_parts import PARTS, concluded_apart, with_parts
from published_tables import last_of, span, table_of, with_accuracy

#: By arm, or by part of its adversarial cases.
Arms = Mapping[str, Results]

#: Cases of the paper's table of removals, beside the means.
_PAPER_CASES = (
    "ln_subject/object_swap",
    "ln_preposition",
    "cn_embedded_under_if",
    "cn_embedded_under_verb",
)
_PARTS = ("in-domain", *PARTS)
_CURVE = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)


def apart(arms: Arms) -> dict[str, Results]:
    """Draw every arm's conclusions on unseen and on seen cases apart, by such as ``arm, seen``."""
    return {
        f"{arm}, {part}" if part else arm: concluded
        for arm, results in arms.items()
        for part, concluded in concluded_apart(results).items()
    }


def curve(arms: Arms) -> str:
    """Accuracy at the last checkpoint against sparsity, means over cases and seeds."""
    rows = []
    for arm, results in arms.items():
        grid = _in_parts(results.measured["grid"], results)
        for part, some in grid.groupby("part"):
            means = some.groupby("sparsity")["accuracy"].mean()
            rows.append([arm, part, *(percent(means[s], 1) if s in means else "" for s in _CURVE)])
    return table_of(["arm", "cases", *map(percent, _CURVE)], rows)


def _in_parts(table: pd.DataFrame, results: Results) -> pd.DataFrame:
    """Take the last checkpoint, its in-domain suites together and its cases in order."""
    table = with_parts(last_of(with_accuracy(table)), results)
    part = table["part"].where(table["role"] == "ood", _PARTS[0])
    return table.assign(part=pd.Categorical(part, _PARTS).remove_unused_categories())


def sizes(arms: Arms) -> str:
    """Effective sizes over the checkpoints, by data; in-domain data are the same of all parts."""
    found = {
        (name.partition(",")[0] if entry["data"] == "id" else name, entry["data"]): {
            one["checkpoint"]: _size(one) for one in entry["sizes"]
        }
        for name, results in arms.items()
        for entry in results.analysis["size"]
    }
    steps = sorted({step for row in found.values() for step in row})
    rows = [[*names, *(row.get(step, "") for step in steps)] for names, row in found.items()]
    return table_of(["arm", "data", *(f"step {step:,}" for step in steps)], rows)


def _size(one: Mapping[str, Any]) -> str:
    """Write a size with its interval, or why there is none."""
    if one["note"]:
        return "–"
    if one["n_failed"] == one["n_seeds"]:
        return "none"
    failed = f", {one['n_failed']} of {one['n_seeds']} none" if one["n_failed"] else ""
    return f"{bounded(one['size'], 0)}{failed}"


def shared(arms: Arms) -> str:
    """Heads in all subnetworks, how alike sparsities are, and what disjoint searches find."""
    rows = []
    for arm, results in arms.items():
        tried = {entry["sparsity"]: entry for entry in results.analysis["disjoint"]}
        between = {
            entry["denser"]: entry
            for found in results.analysis["overlap"]
            for entry in found["neighbours"]
        }
        for entry in results.analysis["core"]:
            sparsity = entry["sparsity"]
            if sparsity is None:
                continue  # what the sparsest share, as they are parts of the others
            row = [arm, percent(sparsity), f"{len(entry['core'])} of {entry['n_heads']}"]
            row.append(f"{entry['layer_expected']:.2g}")
            row.append(bounded(between[sparsity]["halves"], 2) if sparsity in between else "")
            rows.append(row + _disjoint(tried.get(sparsity)))
    return table_of(
        [
            *("arm", "sparsity", "heads in all", "by chance within layers"),
            "rank correlation with the next sparsity",
            *("heads of disjoint subnetworks", "their points from the model in-domain"),
            "those of no head at all",
        ],
        rows,
    )


def _disjoint(entry: Mapping[str, Any] | None) -> list[str]:
    """Write what searches find when all heads of another subnetwork are forbidden."""
    if entry is None:
        return ["", "", ""]
    all_forbidden = next(one for one in entry["shares"] if one["forbidden"] == 1)
    return [
        f"{all_forbidden['heads']:.0f}",
        bounded(all_forbidden["in_domain_points"]),
        number(entry["without_heads_points"]),
    ]


def removals(arms: Arms) -> str:
    """Accuracy of the last model without heads, as in the paper's table."""
    rows = []
    for arm, results in arms.items():
        table = results.measured["removal"]
        table = _in_parts(table[table["head"] == "model"], results)
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
    return table_of(["arm", "without", *_PARTS, *map("`{}`".format, _PAPER_CASES)], rows)


class Section(NamedTuple):
    """A table beside a finding's verdicts.

    Args:
        title: What it is of.
        made_by: What makes it.
        apart: Whether of unseen and seen cases apart, not of whole arms.
    """

    title: str
    made_by: Callable[[Arms], str]
    apart: bool = False


#: By the name that a finding gives as its table.
SECTIONS = {
    "curve": Section(
        "Accuracy at the last step against sparsity: means over cases and three seeds, on the "
        "grid's sample (20 pairs a case, 250 of each development set).",
        curve,
    ),
    "sizes": Section(
        "Effective size in per cent of the units: three seeds, a margin of 3 points, the grid ends "
        "at 20. *–* is where the margin means nothing, as next to none or one answer throughout "
        "will do; *none* is where no subnetwork of the grid is good enough, and counts as 100. On "
        "adversarial or mixed data a lean to one label passes for accuracy and is not marked; the "
        "balanced rows tell. The paper's: in-domain 45 to 52 throughout, out of domain 30 at first "
        "and 73 to 97 later.",
        sizes,
        apart=True,
    ),
    "shared": Section(
        "Heads that are in all subnetworks; how often heads are kept at one sparsity and at the "
        "next, each by another half of the searches; and subnetworks searched for with all heads "
        "of another one forbidden.",
        shared,
    ),
    "removals": Section(
        "Accuracy of the last model, in float32, when heads are replaced by their means: mean "
        "(lowest to highest) over heads or groups, on the grid's sample, where a pair is 5 points "
        "of a case.",
        removals,
    ),
}
