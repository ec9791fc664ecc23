"""Tables of removals: single units, the core beside matched groups, and additivity."""

from __future__ import annotations

from typing import Any

from ..results import Results
from ..table import (
    MODEL_COLUMNS,
    Column,
    Row,
    Table,
    estimate_column,
    estimate_fields,
    estimated,
)
from ..wording import name, number, scientific

ID = ("finetune_seed", "checkpoint", "head")
#: What tells one set of removals from another.
ID_COLUMNS = (
    *MODEL_COLUMNS[:2],
    Column("answered by", lambda r: answered_by(r), text=True, only_if_varied=True),
)
_PARTS = ("balanced", "adversarial", "friendly", "in_domain")


def answered_by(row: Row) -> str:
    """Say who answers: the model's own head, or one trained on frozen features."""
    return "a probe" if row["head"] == "probe" else "the model"


def removal_table(results: Results) -> Table:
    """List every unit, removed alone."""
    rows: list[dict[str, Any]] = []
    for found in results.analysis.get("removal", ()):
        for unit in found["units"]:
            row = {key: found[key] for key in ID}
            row |= {key: unit[key] for key in ("unit", "in_core", "p_value")}
            row |= estimated("auc", unit["auc"])
            for part in _PARTS:
                row |= estimated(part, unit["margin"].get(part))
            row |= estimated("beyond_in_domain", unit["beyond_in_domain"])
            rows.append(row | {"beyond_p_value": unit["beyond_p_value"]})
    estimates = estimate_fields("auc", *_PARTS, "beyond_in_domain")
    return Table(
        "removals",
        "Every unit removed alone, the most harmful first",
        "Changes [95 % intervals] of the area under the curve and of margins in nats; balanced: "
        "mean of adversarial and friendly. p: of the change of the area (else of the balanced, "
        "else the adversarial margin), corrected for the number of units.",
        (*ID, "unit", "in_core", *estimates, "p_value", "beyond_p_value"),
        (
            *ID_COLUMNS,
            Column("unit", lambda r: name(r["unit"]), text=True),
            Column("core", lambda r: "yes" if r["in_core"] else "", text=True),
            estimate_column("AUC", "auc", 3),
            estimate_column("balanced", "balanced", 2),
            estimate_column("adversarial", "adversarial", 2),
            estimate_column("friendly", "friendly", 2),
            estimate_column("ID", "in_domain", 2),
            Column("p", lambda r: scientific(r["p_value"])),
        ),
        tuple(rows),
        folded=True,
    )


def core_removal_table(results: Results) -> Table:
    """List what removing the core changes, beside matched groups of other heads."""
    keys = ("measure", "controls", "lowest", "highest", "percentile", "p_more", "p_less")
    rows = [
        {key: found[key] for key in ID}
        | {"core_size": len(found["core"]), "n_controls": found["n_controls"]}
        | {key: measure[key] for key in keys}
        | estimated("core", measure["core"])
        | estimated("beyond", measure["beyond"])
        for found in results.analysis.get("core_removal", ())
        for measure in found["measures"]
    ]
    return Table(
        "core-removal",
        "The core removed, beside matched groups of other heads",
        "Change without the core [95 % interval], and without random groups of as many other heads "
        "of the same layers: mean (most–least harmful). Difference: core less groups, with the "
        "interval in which 0 would be for 95 % of such groups. Worse: share of groups that do "
        "more harm. p: chance of so much harm if the core were such a group. Areas, and margins "
        "in nats.",
        (*ID, "core_size", "n_controls", *keys, *estimate_fields("core", "beyond")),
        (
            *ID_COLUMNS,
            Column("change of", lambda r: name(r["measure"]), text=True),
            estimate_column("core", "core", 3),
            Column("groups", _range),
            estimate_column("difference", "beyond", 3),
            Column("n", lambda r: str(r["n_controls"])),
            Column("worse %", lambda r: number(r["percentile"], 0)),
            Column("p", lambda r: scientific(r["p_more"])),
        ),
        tuple(rows),
    )


def _range(row: Row) -> str:
    mean, low, high = (number(row[key], 3) for key in ("controls", "lowest", "highest"))
    return f"{mean} ({low} to {high})"


def group_table(results: Results) -> Table:
    """List what removing the study's own groups does, and each of their units alone."""
    rows: list[dict[str, Any]] = []
    for found in results.analysis.get("groups", ()):
        together = found["together"]
        part = "balanced" if "balanced" in together["change"] else "adversarial"
        row = {key: found[key] for key in (*ID, "group", "p_value")}
        row |= {"units": " ".join(map(name, together["units"]))}
        row |= estimated("auc", together["auc"])
        row |= estimated("auc_interaction", together["auc_interaction"])
        row |= estimated("margin", together["change"].get(part))
        row |= estimated("in_domain", together["change"].get("in_domain"))
        alone = (f"{name(u)} {number(e['value'], 3)}" for u, e in found["singles"].items())
        rows.append(row | {"alone": ", ".join(alone)})
    estimates = estimate_fields("auc", "auc_interaction", "margin", "in_domain")
    return Table(
        "groups",
        "The study’s own groups removed",
        "Changes [95 % intervals] of the area under the curve, how much more that is than the sum "
        "of the changes without each unit, and of margins in nats. Alone: the change of the area, "
        "else of the OOD margin, without each unit. p: of the change without all of them, "
        "corrected for the number of groups.",
        (*ID, "group", "units", *estimates, "alone", "p_value"),
        (
            *ID_COLUMNS,
            Column("group", lambda r: name(r["group"]), text=True),
            Column("units", lambda r: r["units"], text=True),
            estimate_column("AUC", "auc", 3),
            estimate_column("beyond the sum", "auc_interaction", 3),
            Column("alone", lambda r: r["alone"], text=True),
            estimate_column("OOD margin", "margin", 2),
            estimate_column("ID margin", "in_domain", 2),
            Column("p", lambda r: scientific(r["p_value"])),
        ),
        tuple(rows),
    )


def additivity_table(results: Results) -> Table:
    """List what pairs of core heads, and the core, do together beyond each alone."""
    rows: list[dict[str, Any]] = []
    for found in results.analysis.get("additivity", ()):
        model = {key: found[key] for key in ID}
        together = [("core", found["core"])] if found["core"] else []
        together += [("pair", pair) for pair in found["pairs"]]
        for kind, one in together:
            part = "balanced" if "balanced" in one["interaction"] else "adversarial"
            rows.append(
                model
                | {"kind": kind, "units": " ".join(map(name, one["units"])), "measure": part}
                | {"n_units": len(one["units"]), "p_value": one["p_value"]}
                | estimated("change", one["change"].get(part))
                | estimated("interaction", one["interaction"].get(part))
                | estimated("auc", one["auc"])
                | estimated("auc_interaction", one["auc_interaction"])
            )
    return Table(
        "additivity",
        "Removing several core heads, beside the sum of removing each",
        "Changes of the area under the curve and of the margin in nats without all of them, and "
        "how much more that is than the sum of the changes without each [95 % intervals]: below 0 "
        "they hurt more together. p: of what the area, else the margin, changes beyond the sum; "
        "corrected for the number of pairs.",
        (
            *ID,
            "kind",
            "units",
            "n_units",
            "measure",
            *estimate_fields("change", "interaction", "auc", "auc_interaction"),
            "p_value",
        ),
        (
            *ID_COLUMNS,
            Column("units", _units, text=True),
            Column("margin", lambda r: r["measure"], text=True, only_if_varied=True),
            estimate_column("AUC", "auc", 3),
            estimate_column("beyond the sum", "auc_interaction", 3),
            estimate_column("margin change", "change", 2),
            estimate_column("beyond its sum", "interaction", 2),
            Column("p", lambda r: scientific(r["p_value"])),
        ),
        tuple(rows),
        folded=len(rows) > 12,
    )


def _units(row: Row) -> str:
    return f"the core ({row['n_units']} heads)" if row["kind"] == "core" else row["units"]
