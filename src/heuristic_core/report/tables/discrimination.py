"""Tables of what subnetworks tell apart, and of how cases rank them."""

from __future__ import annotations

from typing import Any

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
from ..wording import NOTHING, change, known, level, name, number, scientific

_ID = (*MODEL, "sparsity")


def discrimination_table(results: Results) -> Table:
    """List mean areas under the curve, and what adversarial accuracy goes with."""
    rows = [
        {key: found[key] for key in (*_ID, "n_subnetworks", "full")}
        | estimated("auc", found["auc"])
        | estimated("with_auc", found["accuracy_with_auc"])
        | estimated("with_bias", found["accuracy_with_bias"])
        for found in results.analysis.get("discrimination", ())
    ]
    return Table(
        "discrimination",
        "Telling adversarial from friendly cases",
        "AUC: probability that an adversarial example scores higher than a friendly one of its "
        "group, mean over cases; 0.5 is chance, and a lean to one label cannot change it. r: "
        "correlation over subnetworks of adversarial accuracy with the area and with the lean "
        "(bias) [95 % intervals].",
        (*_ID, "n_subnetworks", "full", *estimate_fields("auc", "with_auc", "with_bias")),
        (
            *MODEL_COLUMNS,
            Column("sparsity", lambda r: level(r["sparsity"])),
            Column("n", lambda r: str(r["n_subnetworks"])),
            Column("full AUC", lambda r: number(r["full"], 3)),
            estimate_column("AUC", "auc", 3),
            estimate_column("r with AUC", "with_auc", 2),
            estimate_column("r with bias", "with_bias", 2),
        ),
        tuple(rows),
    )


def told_apart_table(results: Results) -> Table:
    """List every adversarial case: areas and biases of the full model and over subnetworks."""
    keys = ("suite", "case", "group", "n", "n_friendly", "full_d_prime", "full_bias")
    more = ("low", "high", "span", "d_prime", "bias", "bias_sd", "p_value")
    rows = [
        {key: found[key] for key in _ID}
        | {key: case[key] for key in (*keys, *more)}
        | estimated("full", case["full"])
        | estimated("mean", case["mean"])
        for found in results.analysis.get("discrimination", ())
        for case in found["cases"]
    ]
    return Table(
        "discrimination-cases",
        "Every adversarial case against its friendly counterparts, widest first",
        "Areas under the curve over subnetworks; p: chance of areas this different if only the "
        "sample of examples differed, corrected for the number of cases. Bias: mean score of both "
        "sides in nats, above 0 a lean to the adversarial label.",
        (*_ID, *keys, *estimate_fields("full", "mean"), *more),
        (
            *MODEL_COLUMNS,
            Column("sparsity", lambda r: level(r["sparsity"]), only_if_varied=True),
            Column("suite", lambda r: name(r["suite"]), text=True, only_if_varied=True),
            Column("case", lambda r: name(r["case"]), text=True),
            Column("n", lambda r: f"{r['n']} / {r['n_friendly']}"),
            Column("full AUC", lambda r: number(r["full"], 2)),
            Column("low", lambda r: number(r["low"], 2)),
            Column("mean", lambda r: number(r["mean"], 2)),
            Column("high", lambda r: number(r["high"], 2)),
            Column("span", lambda r: number(r["span"], 2)),
            Column("p", lambda r: scientific(r["p_value"])),
            Column("d′", lambda r: number(r["d_prime"], 2)),
            Column("bias", lambda r: change(r["bias"], 2)),
            Column("full bias", lambda r: change(r["full_bias"], 2)),
        ),
        tuple(rows),
        folded=True,
    )


def ranks_table(results: Results) -> Table:
    """List how alike the adversarial cases rank subnetworks."""
    rows = [_ranks(found) for found in results.analysis.get("ranks", ())]
    crossing = ("seed", "case", "points", "other", "other_case", "other_points")
    return Table(
        "ranks",
        "Do all cases rank the subnetworks alike?",
        "W: Kendall's concordance over the cases that tell subnetworks apart; 1 if all rank them "
        "alike. By chance: the 95 % quantile for unrelated rankings. Changes places: pairs of "
        "subnetworks of which each is clearly better in some case, and the widest such pair, in "
        "points of accuracy or hundredths of AUC. r: correlation of ID with OOD "
        "accuracy over subnetworks [95 % intervals].",
        (
            *_ID,
            "measure",
            "n_subnetworks",
            "n_cases",
            "concordance",
            "concordance_by_chance",
            "p_value",
            "n_crossings",
            *(f"crossing_{key}" for key in crossing),
            *estimate_fields("id_with_adversarial", "id_with_balanced"),
        ),
        (
            *MODEL_COLUMNS,
            Column("sparsity", lambda r: level(r["sparsity"])),
            Column("by", lambda r: r["measure"], text=True),
            Column("n", lambda r: str(r["n_subnetworks"])),
            Column("cases", lambda r: str(r["n_cases"])),
            Column("W", lambda r: number(r["concordance"], 2)),
            Column("by chance", lambda r: number(r["concordance_by_chance"], 2)),
            Column("p", lambda r: scientific(r["p_value"])),
            Column("change places", lambda r: str(r["n_crossings"])),
            Column("widest", _widest, text=True),
            estimate_column("r adversarial", "id_with_adversarial", 2),
            estimate_column("r balanced", "id_with_balanced", 2),
        ),
        tuple(rows),
    )


def _ranks(found: Row) -> dict[str, Any]:
    keys = ("concordance", "concordance_by_chance", "p_value", "n_crossings")
    crossing = found["crossing"] or {}
    pearson = {
        key: (found[f"with_{key}"] or {}).get("pearson") for key in ("adversarial", "balanced")
    }
    return (
        {key: found[key] for key in (*_ID, "measure", "n_subnetworks")}
        | {"n_cases": len(found["cases"])}
        | {key: found[key] for key in keys}
        | {f"crossing_{key}": value for key, value in crossing.items()}
        | estimated("id_with_adversarial", pearson["adversarial"])
        | estimated("id_with_balanced", pearson["balanced"])
    )


def _widest(row: Row) -> str:
    if not known(row.get("crossing_seed")):
        return NOTHING
    return (
        f"seed {row['crossing_seed']} by {number(row['crossing_points'], 0)} points in "
        f"{name(row['crossing_case'])}, seed {row['crossing_other']} by "
        f"{number(row['crossing_other_points'], 0)} in {name(row['crossing_other_case'])}"
    )
