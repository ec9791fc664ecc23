"""Tables of the published study's page that stand beside the verdicts on a finding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import pandas as pd

from heuristic_core.analysis.across.core_pairs import OF_MODELS
from heuristic_core.published.markdown import to_markdown
from heuristic_core.report import Results
from heuristic_core.report.in_short import MARKS
from heuristic_core.report.tables import cell
from heuristic_core.report.wording import NOTHING, percent, probability, share
from heuristic_core.study.compare import compare_results
from published_faithful import least_overlap, needed_heads, passed_tests, ranges
from published_parts import PARTS, concluded_apart, with_parts
from published_tables import DECLARED, Arms, last_of, with_accuracy

_PARTS = ("in-domain", *PARTS)
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


def over_sparsity(results: Results) -> pd.DataFrame:
    """Return the last model's mean accuracy, a row for each part and a column for each sparsity."""
    grid = in_parts(results.measured["grid"], results)
    means = grid.groupby(["part", "sparsity"], observed=True)["accuracy"].mean()
    return means.unstack()


def curve(arms: Arms) -> str:
    """Write a table of accuracy at the last checkpoint by sparsity."""
    rows = []
    for arm, results in arms.items():
        for part, means in over_sparsity(results).iterrows():
            rows.append([arm, part, *(share(means[s]) if s in means else "" for s in _CURVE)])
    return to_markdown(["arm", "cases", *map(percent, _CURVE)], rows)


def in_parts(table: pd.DataFrame, results: Results) -> pd.DataFrame:
    """Return the rows of the last checkpoint with their part; in-domain suites are one part."""
    table = with_parts(last_of(with_accuracy(table)), results)
    part = table["part"].where(table["role"] == "ood", _PARTS[0])
    return table.assign(part=pd.Categorical(part, _PARTS).remove_unused_categories())


def sizes(parts: Arms) -> str:
    """Write a table of in-domain and balanced effective sizes over the checkpoints.

    Data without a meaningful size are left out, and in-domain data are the same of all parts.
    """
    by_data: dict[tuple[str, str], dict[int, str]] = {}
    for part, results in parts.items():
        for row in _rows(results, "effective-size"):
            if row["data"] in ("in-domain", "balanced"):
                arm = part.partition(",")[0] if row["data"] == "in-domain" else part
                by_data.setdefault((arm, row["data"]), {})[row["checkpoint"]] = _size(row)
    known = {names: some for names, some in by_data.items() if {*some.values()} != {NOTHING}}
    steps = sorted({step for some in known.values() for step in some})
    rows = [[*names, *(some.get(step, "") for step in steps)] for names, some in known.items()]
    return to_markdown(["arm", "data", *(f"step {step:,}" for step in steps)], rows)


def _rows(results: Results, name: str) -> list[dict[str, Any]]:
    """Return the rows of a question's table."""
    return results.conclusions.tables[name].to_dict("records")  # type: ignore[return-value]


def _size(row: Mapping[str, Any]) -> str:
    """Write a size with its interval, or why there is none."""
    if not row["meaningful"]:
        return NOTHING
    if row["n_failed"] == row["n_seeds"]:
        return "none"
    failed = f", {row['n_failed']} of {row['n_seeds']} none" if row["n_failed"] else ""
    return cell(replace(DECLARED["effective-size"]["size"], digits=0), row) + failed


def shared(arms: Arms) -> str:
    """Write a table of the heads in all subnetworks, and of how frequencies correlate."""
    chance = DECLARED["core"]["expected_in_layers"]
    halves = DECLARED["overlap-neighbours"]["halves"]
    rows: list[list[str]] = []
    levels: list[str] = []
    for arm, results in arms.items():
        # All sparsities together: the sparsest subnetworks are parts of the others.
        cores = [row for row in _rows(results, "core") if not pd.isna(row["sparsity"])]
        levels = [percent(row["sparsity"]) for row in cores]
        rows.append(
            [
                arm,
                *(f"{c['size']} of {c['heads']} ({cell(chance, c)} by chance)" for c in cores),
                *(cell(halves, row) for row in _rows(results, "overlap-neighbours")),
            ]
        )
    heads = [f"heads in all at {level}" for level in levels]
    return to_markdown(["arm", *heads, "rank correlation of the two"], rows)


def kept_before(arms: Arms) -> str:
    """Write a table of how much of the final core subnetworks keep over the checkpoints."""
    found: dict[tuple[str, float], dict[int, str]] = {}
    for arm, results in arms.items():
        for row in _rows(results, "emergence"):
            if row["checkpoint"] > 0:  # the untrained classifier is random
                shares = [share(row[name]) for name in ("share", "share_by_chance")]
                of_core = found.setdefault((arm, row["sparsity"]), {})
                of_core[row["checkpoint"]] = "{} ({})".format(*shares)
    steps = sorted({step for of_core in found.values() for step in of_core})
    return to_markdown(
        ["arm", "sparsity", *(f"step {step:,}" for step in steps)],
        [
            [arm, percent(sparsity), *(of_core.get(step, "") for step in steps)]
            for (arm, sparsity), of_core in found.items()
        ],
    )


def removals(arms: Arms) -> str:
    """Write a table of the last model's accuracy without its core, and without other heads."""
    rows = []
    for arm, results in arms.items():
        table = results.measured["removal"]
        table = in_parts(table[table["readout"] == "model"], results)
        means = table.groupby(["part", "group"], observed=True)["accuracy"].mean().unstack()
        size = table.loc[table["group"] == "core", "removed"].iloc[0].count("+") + 1
        cells = [
            "{} → {} ({})".format(*map(share, means.loc[part, ["none", "core", "control"]]))
            if part in means.index
            else ""
            for part in _PARTS
        ]
        rows.append([arm, str(size), *cells])
    return to_markdown(["arm", "heads of the core", *(f"{part}, %" for part in _PARTS)], rows)


def favoured_labels(parts: Arms) -> str:
    """Write a table of the units that favour each label in the last model."""
    labels: list[str] = []
    rows = []
    for part, results in parts.items():
        biased = {
            row["label"]: f"{row['n']}: {row['units'].replace(' ', ', ')}" if row["n"] else "0"
            for row in _rows(results, "label-bias")
            if row["readout"] == "model"
        }
        labels = labels or list(biased)
        rows.append([part, *(biased.get(label, "") for label in labels)])
    return to_markdown(["arm", *(f"units for {label}" for label in labels)], rows)


def same_core(arms: Arms) -> str:
    """Write a table of how much the cores of every two arms have in common."""
    compared = compare_results(arms)
    columns = OF_MODELS.table("core-of-models")
    rows = compared.tables["core-of-models"]
    rows = rows[rows["sparsity"].isna()]
    verdicts = compared.verdicts[compared.verdicts["question"] == OF_MODELS.key]
    return to_markdown(
        ["arms", "mostly the same heads", "heads", "in both", "by chance", "share of the smaller"],
        [
            [
                f"{row['run']} and {row['other_run']}",
                f"{MARKS[decision]}, p = {probability(row['p'])}",
                f"{row['size']} and {row['other_size']}",
                *(cell(columns[name], row) for name in ("shared", "in_layers", "share")),
            ]
            for row, decision in zip(rows.to_dict("records"), verdicts["decision"], strict=True)
        ],
    )


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
        "Accuracy of the last models by sparsity, %: means over cases and three seeds, on the "
        "grid's sample (20 pairs a case).",
        curve,
    ),
    "sizes": Section(
        "Effective size, % of the units: three seeds, a margin of 3 points; the grid ends at 20. "
        "*–*: almost anything or a constant answer is within the margin. *none*: no subnetwork is "
        "good enough, which counts as 100.",
        sizes,
        apart=True,
    ),
    "kept": Section(
        "Share of the final core that the grid's subnetworks of each checkpoint keep, % (by chance "
        "within layers).",
        kept_before,
    ),
    "shared": Section(
        "Heads that are in all subnetworks, and what chance within layers gives; and the "
        "correlation of how often heads are kept at the two sparsities, each in another half of "
        "the searches.",
        shared,
    ),
    "removals": Section(
        "Accuracy of the last model → without its core (without as many random other heads "
        "of its layers), on the grid's sample.",
        removals,
    ),
    "favoured": Section(
        "Units without which the last model answers the cases of a label clearly worse, and the "
        "others better.",
        favoured_labels,
        apart=True,
    ),
    "overlap": Section(
        "Subnetworks found together, each of which paid for the units it shared with the others, "
        "by this penalty: their mean KL divergence from the model in nats, the mean Jaccard index "
        "of two, and the heads in all. Chance is that of random heads, as many in each layer.",
        least_overlap,
    ),
    "needed": Section(
        "Heads that all searches keep, and heads without which no subnetwork within the bound on "
        "the divergence was found.",
        needed_heads,
    ),
    "ranges": Section(
        "Subnetworks that match the model, by what else the searches aimed at: nothing, to "
        "generalise well, badly, or well without the heads of those that do so badly. Searches saw "
        "the cases aimed at, on other examples; they saw nothing of those held out.",
        ranges,
    ),
    "valid": Section(
        "Subnetworks that pass each test of a card of validity, beside random sets of their size: "
        "mean KL divergence from the model, nats.",
        passed_tests,
    ),
}
