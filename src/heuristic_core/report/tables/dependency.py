"""Tables of what added heads owe to what the core's heads write."""

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
from ..wording import NOTHING, change, name, scientific, share

_ID = ("finetune_seed", "checkpoint")
_REPLACED = {
    "mean": "is replaced by the mean of that",
    "counterfactual": "is replaced by what it writes on a matched friendly example",
}


def effect_table(results: Results) -> Table:
    """List how much more core heads change added heads than controls do, path by path."""
    settings = (results.config.get("analysis") or {}).get("dependency") or {}
    replaced = _REPLACED[settings.get("replace", "mean")]
    rows: list[dict[str, Any]] = []
    for found in results.analysis.get("dependency", ()):
        for effect in found["effects"]:
            row = {key: found[key] for key in _ID} | {"path": effect["path"]}
            row |= {"senders": len(found["core"]), "controls": len(found["controls"])}
            row |= {"receivers": len(found["receivers"]), "tested": found["n_tested"]}
            row["edges"] = sum(edge["path"] == effect["path"] for edge in found["edges"])
            for part in ("change", "margin"):
                contrast = effect[part] or {}
                row |= {f"{part}_{key}": contrast.get(key) for key in ("core", "others", "p_value")}
                row |= estimated(f"{part}_difference", contrast.get("difference"))
            rows.append(row)
    fields = [
        field
        for part in ("change", "margin")
        for field in (
            f"{part}_core",
            f"{part}_others",
            *estimate_fields(f"{part}_difference"),
            f"{part}_p_value",
        )
    ]
    return Table(
        "dependency",
        "What replacing a core head changes in added heads, beside other heads",
        "Change: of an added head’s output, in per cent of its distance from its mean, when what a "
        f"core head, or another head of its layer, writes {replaced} [difference with its 95 % "
        "interval, in points]. Margin: the same of the answers, in nats. Edges: core head, added "
        "head and projection that stand out beyond correction, of those tested on all paths.",
        (*_ID, "path", "senders", "controls", "receivers", "tested", "edges", *fields),
        (
            *MODEL_COLUMNS[:2],
            Column("path", lambda r: name(r["path"]), text=True),
            Column("core %", lambda r: share(r["change_core"])),
            Column("others %", lambda r: share(r["change_others"])),
            estimate_column("difference", "change_difference", 1, 100),
            Column("p", lambda r: scientific(r["change_p_value"])),
            estimate_column("margin", "margin_difference", 3),
            Column("p of margin", lambda r: scientific(r["margin_p_value"])),
            Column("edges", lambda r: f"{r['edges']} of {r['tested']}"),
        ),
        tuple(rows),
    )


def edge_table(results: Results) -> Table:
    """List the edges that stand out."""
    keys = ("sender", "receiver", "reads", "path", "change", "p_value", "margin_change")
    rows = [
        {key: found[key] for key in _ID}
        | {key: edge[key] for key in keys}
        | estimated("excess", edge["excess"])
        | estimated("margin_excess", edge["margin_excess"])
        for found in results.analysis.get("dependency", ())
        for edge in found["edges"]
    ]
    return Table(
        "edges",
        "Added heads that depend on a core head",
        "Reads: which projection of the added head reads the change. Change: of its output, over "
        "its distance from its mean. Excess: that less the mean over other heads of the core "
        "head’s layer [95 % interval]; p is corrected for all edges tested. Margin: how the "
        "answers change, in nats.",
        (*_ID, *keys, *estimate_fields("excess", "margin_excess")),
        (
            *MODEL_COLUMNS[:2],
            Column("core head", lambda r: name(r["sender"]), text=True),
            Column("added head", lambda r: name(r["receiver"]), text=True),
            Column("reads", lambda r: name(r["reads"]), text=True),
            Column("path", lambda r: name(r["path"]), text=True),
            Column("change %", lambda r: share(r["change"])),
            estimate_column("excess", "excess", 1, 100),
            Column("p", lambda r: scientific(r["p_value"])),
            Column("margin", _margin),
        ),
        tuple(rows),
        folded=len(rows) > 12,
    )


def _margin(row: Row) -> str:
    return NOTHING if row["margin_change"] is None else change(row["margin_change"], 3)
