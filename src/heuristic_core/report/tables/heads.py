"""Tables of the heads and MLPs that subnetworks keep and share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..results import Results
from ..table import MODEL, MODEL_COLUMNS, Column, Row, Table
from ..wording import NOTHING, level, name, scientific

_NULLS = ("expected", "p_value", "layer_expected", "layer_p_value")


def core_table(results: Results) -> Table:
    """List the heads shared per sparsity and over all."""
    rows = [
        {key: core[key] for key in MODEL}
        | {
            "sparsity": core["sparsity"],
            "subnetworks": core["n_subnetworks"],
            "size": len(core["core"]),
            "heads": core["n_heads"],
            **{key: core[key] for key in _NULLS},
            "members": " ".join(name(head) for head in core["core"]),
        }
        for core in results.analysis.get("core", ())
    ]
    return Table(
        "core",
        "Heads that all subnetworks share",
        "Expected and p: the mean number of shared heads, and the chance of at least as many, if "
        "each set kept its number of heads at random; in layers: if it kept its number in every "
        "layer. Over all sparsities, what one search seed's subnetworks share counts as one set, "
        "as they may come from one run.",
        (*MODEL, "sparsity", "subnetworks", "size", "heads", *_NULLS, "members"),
        (
            *MODEL_COLUMNS,
            Column("sparsity", lambda r: scope(r["sparsity"]), text=True),
            Column("n", lambda r: str(r["subnetworks"])),
            Column("shared", lambda r: f"{r['size']} of {r['heads']}"),
            Column("expected", lambda r: scientific(r["expected"])),
            Column("p", lambda r: scientific(r["p_value"])),
            Column("in layers", lambda r: scientific(r["layer_expected"])),
            Column("p in layers", lambda r: scientific(r["layer_p_value"])),
            Column("heads", lambda r: r["members"] or NOTHING, text=True),
        ),
        tuple(rows),
    )


def scope(sparsity: float | None) -> str:
    """Write the sparsity a core is of, which may be all of them."""
    return "all" if sparsity is None else level(sparsity)


def frequency_table(results: Results) -> Table:
    """List for every head and MLP how many subnetworks of each sparsity keep it."""
    cores = results.analysis.get("core", ())
    levels = sorted({core["sparsity"] for core in cores if core["sparsity"] is not None})
    rows: dict[tuple, dict[str, Any]] = {}
    for core in cores:
        model = {key: core[key] for key in MODEL}
        for part in ("frequencies", "mlp_frequencies"):
            for unit, kept in core[part].items():
                row = rows.setdefault((*model.values(), unit), model | {"unit": name(unit)})
                row[f"kept_{_key(core['sparsity'])}"] = kept
                row[f"of_{_key(core['sparsity'])}"] = core["n_subnetworks"]
    for core in cores:
        # The last result of a model is over all its sparsities, or over its only one.
        for unit in core["frequencies"]:
            rows[(*(core[key] for key in MODEL), unit)]["core"] = unit in core["core"]
    counts = [f"{part}_{_key(level)}" for level in levels for part in ("kept", "of")]
    return Table(
        "frequencies",
        "How many subnetworks keep each head and MLP",
        "",
        (*MODEL, "unit", *counts, "core"),
        (
            *MODEL_COLUMNS,
            Column("unit", lambda r: r["unit"], text=True),
            *(Column(f"kept at {level(value)}", _kept_at(value)) for value in levels),
            Column("in the core", lambda r: "yes" if r.get("core") else "", text=True),
        ),
        tuple(rows.values()),
        folded=True,
    )


def whole_cores(results: Results) -> list[Row]:
    """Give each model's core over all its sparsities, or at its only one."""
    last = {tuple(core[key] for key in MODEL): core for core in results.analysis.get("core", ())}
    return list(last.values())


def _key(sparsity: float | None) -> str:
    return "all" if sparsity is None else f"{100 * sparsity:g}pc"


def _kept_at(sparsity: float) -> Callable[[Row], str]:
    kept, of = f"kept_{_key(sparsity)}", f"of_{_key(sparsity)}"
    return lambda row: f"{row[kept]} of {row[of]}" if kept in row else NOTHING
