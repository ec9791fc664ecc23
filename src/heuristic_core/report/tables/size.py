"""Tables of the effective size over fine-tuning, and of accuracy by sparsity."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from ...analysis.accuracies import part_means
from ..results import Results
from ..table import (
    MODEL,
    MODEL_COLUMNS,
    Column,
    Row,
    Table,
    estimate_column,
    estimate_fields,
    estimated,
)
from ..wording import change, level, name, number, share

_ID = ("finetune_seed", "method", "data")
#: What an effective size is about, in words.
DATA = {
    "id": "in-domain",
    "adversarial": "adversarial",
    "balanced": "balanced OOD",
    "mixed": "mixed",
}


def size_table(results: Results) -> Table:
    """List the effective size at every checkpoint, on each kind of data."""
    found = results.analysis.get("size", ())
    margins = list(
        dict.fromkeys(m for size in found for at in size["sizes"] for m in at["by_margin"])
    )
    rows = [
        {key: size[key] for key in (*_ID, "margin_points")}
        | {key: at[key] for key in ("checkpoint", "accuracy", "n_seeds", "n_failed", "at_most")}
        | estimated("size", at["size"])
        | {f"size_margin_{margin}": value for margin, value in at["by_margin"].items()}
        | {"size_coarse": at["coarse"], "note": at["note"]}
        for size in found
        for at in size["sizes"]
    ]
    return Table(
        "size",
        "Effective size over fine-tuning",
        "Size: per cent of all units in the sparsest subnetwork whose accuracy is above the full "
        "model's less the margin; 100 where none is (“none”: for how many seeds). Mean over search "
        "seeds [95 % interval, over seeds and examples]. “≤”: even the sparsest is good enough. "
        "Margins: the mean size at the lowest and the highest of the other margins tried. Balanced "
        "OOD: mean of adversarial and friendly accuracy; mixed: all ID and adversarial cases.",
        (
            *_ID,
            "margin_points",
            "checkpoint",
            "accuracy",
            "n_seeds",
            "n_failed",
            "at_most",
            *estimate_fields("size"),
            *(f"size_margin_{margin}" for margin in margins),
            "size_coarse",
            "note",
        ),
        (
            MODEL_COLUMNS[0],
            MODEL_COLUMNS[2],
            Column("data", lambda r: DATA.get(r["data"], name(r["data"])), text=True),
            Column("step", lambda r: str(r["checkpoint"])),
            Column("accuracy %", lambda r: share(r["accuracy"])),
            Column("size %", _size),
            *(
                Column(f"margin {margin}", _field(f"size_margin_{margin}"))
                for margin in dict.fromkeys((*margins[:1], *margins[-1:]))
            ),
            Column("seeds", lambda r: str(r["n_seeds"])),
            Column("none", lambda r: str(r["n_failed"] or "")),
            Column("margin means nothing", lambda r: name(r["note"], 200), text=True),
        ),
        tuple(rows),
    )


def _size(row: Row) -> str:
    text = estimate_column("", "size").show(row)
    return f"≤ {text}" if row["at_most"] else text


def _field(key: str) -> Callable[[Row], str]:
    return lambda row: number(row.get(key))


def size_change_table(results: Results) -> Table:
    """List by how much the effective size changes, and over which checkpoints."""
    spans = {
        "change": "first to last",
        "where_meaningful": "where the margin means something",
        "at_rise": "steepest rise of OOD accuracy",
    }
    rows = [
        {key: size[key] for key in _ID}
        | {"over": words}
        | {key: size[span][key] for key in ("before", "after", "n_seeds")}
        | estimated("points", size[span]["points"])
        for size in results.analysis.get("size", ())
        for span, words in spans.items()
        if size[span] is not None
    ]
    return Table(
        "size-changes",
        "How the effective size changes",
        "In per cent of all units, paired by search seed [95 % interval, over seeds and examples].",
        (*_ID, "over", "before", "after", "n_seeds", *estimate_fields("points")),
        (
            MODEL_COLUMNS[0],
            MODEL_COLUMNS[2],
            Column("data", lambda r: DATA.get(r["data"], name(r["data"])), text=True),
            Column("over", lambda r: r["over"], text=True),
            Column("steps", lambda r: f"{r['before']} to {r['after']}"),
            estimate_column("change", "points"),
            Column("seeds", lambda r: str(r["n_seeds"])),
        ),
        tuple(rows),
        folded=True,
    )


def smoothness_table(results: Results) -> Table:
    """List the shape of the fall of accuracy over sparsities."""
    keys = (*MODEL, "data", "n_seeds")
    rows = [
        {key: found[key] for key in keys}
        | estimated("fall_points", found["fall_points"])
        | estimated("largest_share", found["largest_share"])
        | {"steepest_from": found["steepest"][0], "steepest_to": found["steepest"][1]}
        | {"evidence": found["evidence"]}
        for found in results.analysis.get("smoothness", ())
    ]
    return Table(
        "smoothness",
        "The fall of accuracy with sparsity",
        "Fall: over the range of sparsities, of a line, in points. Largest step: the largest share "
        "of the fall between two neighbouring sparsities; 100 % is a single step. BIC: how much "
        "better a gentle fall fits than two levels with a change point; below 0 the change point "
        "fits better, beyond ±6 clearly.",
        (
            *keys,
            *estimate_fields("fall_points", "largest_share"),
            "steepest_from",
            "steepest_to",
            "evidence",
        ),
        (
            *MODEL_COLUMNS,
            Column("accuracy", lambda r: name(r["data"]), text=True),
            Column("seeds", lambda r: str(r["n_seeds"])),
            estimate_column("fall", "fall_points"),
            estimate_column("largest step %", "largest_share", 0, 100),
            Column(
                "between", lambda r: f"{level(r['steepest_from'])} and {level(r['steepest_to'])}"
            ),
            Column("BIC", lambda r: change(r["evidence"])),
        ),
        tuple(rows),
    )


_PARTS = ("in_domain", "adversarial", "friendly", "balanced")


def grid_means(results: Results) -> pd.DataFrame:
    """Give the grid's mean accuracies over cases, one row per system, columns for all parts."""
    grid = results.measurements("grid")
    by = [*MODEL, "kind", "sparsity", "seed"]
    return part_means(grid, by).reindex(columns=list(_PARTS)).reset_index()


def grid_table(results: Results) -> Table:
    """List mean accuracies at every checkpoint and sparsity of the grid."""
    means = grid_means(results)
    found = means[means["kind"] == "subnetwork"].groupby([*MODEL, "sparsity"])
    full = means[means["kind"] == "full"].set_index(["finetune_seed", "checkpoint"])
    rows: list[Mapping[str, Any]] = []
    for key, some in found:
        model = dict(zip(MODEL, key, strict=False))
        if (where := (key[0], key[1])) in full.index and not any(
            all(row[k] == model[k] for k in MODEL) for row in rows
        ):
            of_full = full.loc[[where]].iloc[0]
            rows.append(model | {"sparsity": 0.0, "n": 0} | {p: of_full[p] for p in _PARTS})
        rows.append(
            model | {"sparsity": key[3], "n": len(some)} | {p: some[p].mean() for p in _PARTS}
        )
    return Table(
        "accuracy-by-sparsity",
        "Accuracy at every checkpoint and sparsity searched",
        "Means over cases and search seeds, on the smaller sample that further analyses use.",
        (*MODEL, "sparsity", "n", *_PARTS),
        (
            *MODEL_COLUMNS,
            Column(
                "sparsity", lambda r: level(r["sparsity"]) if r["n"] else "full model", text=True
            ),
            Column("n", lambda r: str(r["n"] or "")),
            Column("ID %", lambda r: share(r["in_domain"])),
            Column("adversarial %", lambda r: share(r["adversarial"])),
            Column("friendly %", lambda r: share(r["friendly"])),
            Column("balanced %", lambda r: share(r["balanced"])),
        ),
        tuple(rows),
        folded=True,
    )
