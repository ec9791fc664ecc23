"""Tables of accuracies, prepared once for the page, the terminal and the CSV files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from ..results import Results
from ..table import MODEL, MODEL_COLUMNS, Column, Row, Table
from ..wording import (
    NOTHING,
    change,
    extent,
    interval,
    known,
    level,
    mean,
    name,
    number,
    scientific,
    share,
)


def mean_curves(curves: Row) -> list[dict[str, Any]]:
    """Average one fine-tuning's cases per checkpoint: in-domain, adversarial and friendly."""
    steps = sorted({point["checkpoint"] for c in curves["curves"] for point in c["points"]})

    def average(step: int, part: str) -> float | None:
        return mean(
            [
                point["accuracy"]
                for curve in curves["curves"]
                if part_of(curve) == part
                for point in curve["points"]
                if point["checkpoint"] == step
            ]
        )

    parts = ("id", "adversarial", "friendly")
    return [{"checkpoint": step} | {part: average(step, part) for part in parts} for step in steps]


def part_of(curve: Row) -> str:
    """Say which mean a case belongs to: id, adversarial or friendly."""
    return "id" if curve["role"] == "id" else str(curve["case_kind"])


def curve_table(results: Results) -> Table:
    """List the full model's mean accuracies at each checkpoint."""
    rows = []
    for curves in results.analysis.get("curves", ()):
        for row in mean_curves(curves):
            loss = _loss(results.finetuning, curves["finetune_seed"], row["checkpoint"])
            rows.append({"finetune_seed": curves["finetune_seed"], **row, "training_loss": loss})
    columns = [
        MODEL_COLUMNS[0],
        Column("step", lambda r: str(r["checkpoint"])),
        Column("ID %", lambda r: share(r["id"])),
        Column("adversarial %", lambda r: share(r["adversarial"])),
        Column("friendly %", lambda r: share(r["friendly"])),
    ]
    if any(known(row["training_loss"]) for row in rows):
        columns.append(Column("training loss", lambda r: number(r["training_loss"], 3)))
    return Table(
        "full-model",
        "The full model over fine-tuning",
        "Means over cases. Training loss: the mean since the log entry before.",
        ("finetune_seed", "checkpoint", "id", "adversarial", "friendly", "training_loss"),
        tuple(columns),
        tuple(rows),
    )


def _loss(finetuning: pd.DataFrame, seed: int, step: int) -> float | None:
    logged = finetuning[(finetuning["finetune_seed"] == seed) & (finetuning["step"] <= step)]
    return None if logged.empty else float(logged.sort_values("step")["loss"].iloc[-1])


def sparsity_table(results: Results) -> Table:
    """List the full model and the subnetworks of each sparsity, as means and ranges."""
    rows: list[dict[str, Any]] = []
    seen = set()
    for spread in results.analysis.get("spread", ()):
        model = {key: spread[key] for key in MODEL}
        if tuple(model.values()) not in seen:
            seen.add(tuple(model.values()))
            rows.append(model | {"kind": "full", "sparsity": 0.0} | _overview([spread["full"]]))
        rows.append(
            model
            | {"kind": "subnetwork", "sparsity": spread["sparsity"]}
            | _overview(spread["subnetworks"])
            | {"matching": spread["n_matching"]}
            | _interval(spread, "adversarial")
            | _interval(spread, "friendly")
        )

    def both(part: str) -> Callable[[Row], str]:
        def show(row: Row) -> str:
            low, high = row[f"{part}_low"], row[f"{part}_high"]
            text = share(row[part])
            text += "" if low == high else f" ({interval(low, high, 0)})"
            ends = row.get(f"{part}_95_low"), row.get(f"{part}_95_high")
            return (
                text
                if not known(ends[0]) or ends[0] == ends[1]
                else f"{text} [{interval(*ends, 0)}]"
            )

        return show

    return Table(
        "by-sparsity",
        "Full model and subnetworks, by sparsity",
        "Mean over subnetworks (lowest–highest) [95 % interval of the mean, Student’s t]. "
        "Each subnetwork's adversarial and friendly accuracy is its mean over cases. “diff.” is "
        "the mean ID difference to the full model in points; “match” counts subnetworks within the "
        "margin.",
        (*MODEL, "kind", "sparsity", *_overview([]), "matching", *_ENDS),
        (
            *MODEL_COLUMNS,
            Column("sparsity", _sparsity_or_full, text=True),
            Column("n", lambda r: NOTHING if r["kind"] == "full" else str(r["n"])),
            Column("match", lambda r: str(r.get("matching", NOTHING))),
            Column("ID %", both("id")),
            Column("diff.", _difference),
            Column("adversarial %", both("adversarial")),
            Column("friendly %", both("friendly")),
        ),
        tuple(rows),
    )


def _sparsity_or_full(row: Row) -> str:
    return "full model" if row["kind"] == "full" else level(row["sparsity"])


def _difference(row: Row) -> str:
    return NOTHING if row["kind"] == "full" else change(row["difference"])


_ENDS = tuple(f"{part}_95_{end}" for part in ("adversarial", "friendly") for end in ("low", "high"))


def _interval(spread: Row, part: str) -> dict[str, float]:
    estimate = spread[part] or {}
    return {f"{part}_95_{end}": estimate[end] for end in ("low", "high") if estimate}


def _overview(systems: Sequence[Row]) -> dict[str, Any]:
    row: dict[str, Any] = {"n": len(systems)}
    row["difference"] = mean([system["difference_points"] for system in systems])
    for key, part in (("in_domain", "id"), ("adversarial",) * 2, ("friendly",) * 2):
        values = [system[key] for system in systems]
        low, high = extent(values)
        row |= {part: mean(values), f"{part}_low": low, f"{part}_high": high}
    return row


def subnetwork_table(results: Results) -> Table:
    """List every subnetwork: what it keeps and what it gets right."""
    sizes = _sizes(results.subnetworks)
    rows = []
    for spread in results.analysis.get("spread", ()):
        model = {key: spread[key] for key in (*MODEL, "sparsity")}
        for system in spread["subnetworks"]:
            size = sizes.get((*model.values(), system["seed"]), {})
            rows.append(model | {"seed": system["seed"]} | size | _accuracies(system))
    fields = (*MODEL, "sparsity", "seed", *_SIZE, *_ACCURACIES)
    return Table(
        "subnetworks",
        "Every subnetwork",
        "Sparsity as asked for, over all units (heads and MLPs) and over heads alone. KL: mean "
        "divergence of its predictions from the full model's in-domain, in nats. Adversarial and "
        "friendly: means over cases.",
        fields,
        (
            *MODEL_COLUMNS,
            Column("asked %", lambda r: share(r["sparsity"], 0)),
            Column("seed", lambda r: str(r["seed"])),
            Column("units cut %", lambda r: share(r.get("unit_sparsity"))),
            Column("heads cut %", lambda r: share(r.get("head_sparsity"))),
            Column("heads kept", lambda r: _of(r, "heads")),
            Column("MLPs kept", lambda r: _of(r, "mlps")),
            Column("ID %", lambda r: share(r["id"])),
            Column("diff.", lambda r: change(r["difference"])),
            Column("KL", lambda r: number(r["kl"], 3)),
            Column("adversarial %", lambda r: share(r["adversarial"])),
            Column("friendly %", lambda r: share(r["friendly"])),
        ),
        tuple(rows),
        folded=True,
    )


_SIZE = ("unit_sparsity", "head_sparsity", "heads_kept", "heads", "mlps_kept", "mlps")
_ACCURACIES = ("id", "difference", "kl", "adversarial", "friendly")


def _accuracies(system: Row) -> dict[str, Any]:
    keys = ("in_domain", "difference_points", "kl", "adversarial", "friendly")
    return {ours: system[key] for ours, key in zip(_ACCURACIES, keys, strict=True)}


def _of(row: Row, part: str) -> str:
    return f"{row[f'{part}_kept']} of {row[part]}" if part in row else NOTHING


def _sizes(subnetworks: pd.DataFrame) -> dict[tuple, dict[str, Any]]:
    """Count what each subnetwork keeps, by what names it."""
    found = {}
    for key, group in subnetworks.groupby([*MODEL, "sparsity", "seed"]):
        heads = group[group["head"] >= 0]["kept"]
        mlps = group[group["head"] < 0]["kept"]
        numbers = (
            1 - group["kept"].mean(),
            1 - heads.mean(),
            int(heads.sum()),
            len(heads),
            int(mlps.sum()),
            len(mlps),
        )
        found[key] = dict(zip(_SIZE, numbers, strict=True))
    return found


def case_table(results: Results) -> Table:
    """List every out-of-domain case: the full model and the span over subnetworks."""
    keys = ("suite", "case", "case_kind", "n", "full", "low", "mean", "high", "span_points")
    rows = [
        {key: spread[key] for key in (*MODEL, "sparsity")}
        | {key: case[key] for key in (*keys, "p_value")}
        for spread in results.analysis.get("spread", ())
        for case in spread["cases"]
    ]
    return Table(
        "cases",
        "Every out-of-domain case, widest first",
        "Span: highest minus lowest accuracy among the subnetworks of one sparsity, in points. "
        "p: chance of differences this large if all were equally accurate and only the sample of "
        "examples differed, corrected for the number of cases.",
        (*MODEL, "sparsity", *keys, "p_value"),
        (
            *MODEL_COLUMNS,
            Column("sparsity", lambda r: level(r["sparsity"])),
            Column("suite", lambda r: name(r["suite"]), text=True, only_if_varied=True),
            Column("case", lambda r: name(r["case"]), text=True),
            Column("kind", lambda r: name(r["case_kind"]), text=True),
            Column("n", lambda r: str(r["n"])),
            Column("full %", lambda r: share(r["full"])),
            Column("low %", lambda r: share(r["low"])),
            Column("mean %", lambda r: share(r["mean"])),
            Column("high %", lambda r: share(r["high"])),
            Column("span", lambda r: number(r["span_points"])),
            Column("p", lambda r: scientific(r["p_value"])),
        ),
        tuple(rows),
        folded=True,
    )
