"""Tables of the published study's page that stand beside the verdicts on a finding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from published_parts import PARTS, concluded_apart, with_parts
from published_tables import last_of, percent, share, span, table_of, with_accuracy

from heuristic_core.report import Results

#: By arm and part of its adversarial cases.
Parts = Mapping[str, Mapping[str, Results]]

#: Cases of the paper's table of removals, beside the means.
_PAPER_CASES = (
    "ln_subject/object_swap",
    "ln_preposition",
    "cn_embedded_under_if",
    "cn_embedded_under_verb",
)
_CURVE = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)


def apart(arms: Mapping[str, Results]) -> Parts:
    """Draw every arm's conclusions on unseen and on seen cases apart."""
    return {arm: concluded_apart(results) for arm, results in arms.items()}


def named(arm: str, part: str) -> str:
    """Name a part of an arm."""
    return f"{arm}, {part}" if part else arm


def _curve(parts: Parts, arms: Mapping[str, Results]) -> str:
    """Accuracy at the last checkpoint against sparsity, means over cases and seeds."""
    rows = []
    for arm, results in arms.items():
        grid = with_parts(last_of(with_accuracy(results.measured["grid"])), results)
        grid = grid.assign(part=grid["part"].where(grid["role"] == "ood", "in-domain"))
        columns = grid.groupby("sparsity")["part"].unique().iloc[0]
        for part in ("in-domain", *(part for part in PARTS if part in columns)):
            means = grid[grid["part"] == part].groupby("sparsity")["accuracy"].mean()
            rows.append([arm, part, *(share(means[s]) for s in _CURVE)])
    return table_of(["arm", "cases", *map(percent, _CURVE)], rows)


def _sizes(parts: Parts, arms: Mapping[str, Results]) -> str:
    """Effective sizes over the checkpoints, by data."""
    rows = []
    steps = sorted({s["checkpoint"] for e in _sized(parts) for s in e["sizes"]})
    for arm, by_part in parts.items():
        for part, results in by_part.items():
            for entry in results.analysis["size"]:
                if entry["data"] == "id" and part == "seen":
                    continue  # the same as of the unseen part
                sizes = {one["checkpoint"]: _size(one) for one in entry["sizes"]}
                rows.append([named(arm, part), entry["data"], *(sizes.get(s, "") for s in steps)])
    return table_of(["arm", "data", *(f"step {s:,}" for s in steps)], rows)


def _sized(parts: Parts) -> list[Mapping[str, Any]]:
    return [e for p in parts.values() for r in p.values() for e in r.analysis["size"]]


def _size(one: Mapping[str, Any]) -> str:
    """Write a size; the smallest of the grid is an upper bound."""
    return f"{'at most ' if one['at_most'] else ''}{one['size']['value']:.0f}%"


def _shared(parts: Parts, arms: Mapping[str, Results]) -> str:
    """Heads in all subnetworks, how alike sparsities are, and what disjoint searches find."""
    rows = []
    for arm, results in arms.items():
        found = {entry["sparsity"]: entry for entry in results.analysis["core"]}
        tried = {entry["sparsity"]: entry for entry in results.analysis["disjoint"]}
        (between,) = results.analysis["overlap"][0]["neighbours"]
        for sparsity, entry in found.items():
            row = [arm, "together" if sparsity is None else percent(sparsity)]
            row.append(f"{len(entry['core'])} of {entry['n_heads']}")
            row.append(f"{entry['layer_expected']:.2g}")
            halves = between["halves"]
            both = f"{halves['value']:.2f} [{halves['low']:.2f}, {halves['high']:.2f}]"
            row.append(both if sparsity is None else "")
            if sparsity in tried:
                last = tried[sparsity]["shares"][-1]
                off = last["in_domain_points"]
                row += [f"{last['heads']:.1f} of {entry['heads_kept'][0]}"]
                row += [f"{off['value']:.1f} [{off['low']:.1f}, {off['high']:.1f}]"]
            else:
                row += ["", ""]
            rows.append(row)
    return table_of(
        [
            *("arm", "sparsity", "heads in all", "by chance within layers"),
            "rank correlation of how often heads are kept at the two, each by half of the searches",
            *("heads kept when the other's are forbidden", "points off in-domain then"),
        ],
        rows,
    )


def _removals(parts: Parts, arms: Mapping[str, Results]) -> str:
    """Accuracy of the last model without heads, as in the paper's table."""
    rows = []
    for arm, results in arms.items():
        table = results.measured["removal"]
        table = with_parts(last_of(with_accuracy(table[table["head"] == "model"])), results)
        table = table.assign(part=table["part"].where(table["role"] == "ood", "in-domain"))
        single = table[table["group"] == "single"]
        cores = results.analysis["core_removal"]
        core = next(entry["core"] for entry in cores if entry["head"] == "model")
        heads = single[single["removed"].isin(core)]
        others = single[~single["removed"].isin(core) & ~single["removed"].str.endswith("MLP")]
        lines = {
            "nothing": table[table["group"] == "none"],
            "a head of the core": heads,
            "another head": others,
            f"the core ({len(core)} heads)": table[table["group"] == "core"],
            "as many others of its layers": table[table["group"] == "control"],
        }
        for line, some in lines.items():
            by_system = [some["removed"], some["draw"]]
            columns = [
                some[some["part"] == part].groupby(by_system)["accuracy"].mean()
                for part in ("in-domain", *PARTS)
            ]
            columns += [
                some[some["case"] == case].groupby(by_system)["accuracy"].mean()
                for case in _PAPER_CASES
            ]
            rows.append([arm, line, *(span(column) if len(column) else "" for column in columns)])
    return table_of(
        ["arm", "without", "in-domain", *PARTS, *map("`{}`".format, _PAPER_CASES)], rows
    )


#: By the name that a finding gives as its table: what it is of, and what makes it.
SECTIONS: dict[str, tuple[str, Callable[[Parts, Mapping[str, Results]], str]]] = {
    "curve": (
        "Accuracy at the last step against sparsity: means over cases and three seeds, on the "
        "grid's sample (20 pairs a case, 250 of each development set).",
        _curve,
    ),
    "sizes": (
        "Effective size, in per cent of the units that the grid can drop (margin 3 points, three "
        "seeds); *at most* where the sparsest subnetworks of the grid still match. The paper's: "
        "in-domain 50 throughout, out of domain 30 at first and 73 to 97 later.",
        _sizes,
    ),
    "shared": (
        "Heads that are in all subnetworks, and subnetworks searched for with all heads of another "
        "one forbidden.",
        _shared,
    ),
    "removals": (
        "Accuracy of the last model when heads are replaced by their means: mean (lowest to "
        "highest) over heads or groups, on the grid's sample, where a pair is 5 points of a case.",
        _removals,
    ),
}


def section(name: str, parts: Parts, arms: Mapping[str, Results]) -> tuple[str, str]:
    """Give what a table is of, and the table."""
    title, made_by = SECTIONS[name]
    return title, made_by(parts, {arm: r for arm, r in arms.items() if _has(name, r)})


def _has(name: str, results: Results) -> bool:
    table = {"curve": "grid", "removals": "removal"}.get(name)
    return table is None or len(results.measured[table]) > 0
