"""Tables of what subnetworks and cores have in common, and of disjoint subnetworks."""

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
from ..wording import NOTHING, known, level, name, number, scientific, share


def overlap_table(results: Results) -> Table:
    """List how many heads two subnetworks of one sparsity share, beside what chance would give."""
    rows = [
        {key: found[key] for key in MODEL}
        | {"sparsity": at["sparsity"], "n": at["n"]}
        | estimated("heads_jaccard", at["heads_jaccard"])
        | estimated("units_jaccard", at["units_jaccard"])
        | _chance("anywhere", at["anywhere"])
        | _chance("in_layers", at["in_layers"])
        | {f"least_{key}": at["least"][key] for key in ("jaccard", "expected", "shared_heads")}
        | {"least_seeds": "{} {}".format(*at["least"]["seeds"])}
        for found in results.analysis.get("overlap", ())
        for at in found["levels"]
    ]
    nulls = [f"{null}{part}" for null in ("anywhere", "in_layers") for part in ("", "_p")]
    least = [f"least_{key}" for key in ("seeds", "shared_heads", "jaccard", "expected")]
    return Table(
        "overlap",
        "Heads that two subnetworks share",
        "Jaccard: shared heads over the heads in either, mean over pairs [95 % interval]. By "
        "chance: its mean, and p of at least as much, if each subnetwork kept its number of heads "
        "anywhere, or its number in every layer. Least: the pair that shares the fewest heads, and "
        "what the least would be by chance within layers.",
        (
            *MODEL,
            "sparsity",
            "n",
            *estimate_fields("heads_jaccard", "units_jaccard"),
            *nulls,
            *least,
        ),
        (
            *MODEL_COLUMNS,
            Column("sparsity", lambda r: level(r["sparsity"])),
            Column("n", lambda r: str(r["n"])),
            estimate_column("Jaccard", "heads_jaccard", 2),
            Column("anywhere", lambda r: number(r["anywhere"], 2)),
            Column("p", lambda r: scientific(r["anywhere_p"])),
            Column("in layers", lambda r: number(r["in_layers"], 2)),
            Column("p in layers", lambda r: scientific(r["in_layers_p"])),
            Column("least", lambda r: number(r["least_jaccard"], 2)),
            Column("least by chance", lambda r: number(r["least_expected"], 2)),
        ),
        tuple(rows),
    )


def neighbour_table(results: Results) -> Table:
    """List how alike neighbouring sparsities rank heads, beside what chance would give."""
    rows = [
        {key: found[key] for key in MODEL}
        | {key: pair[key] for key in ("denser", "sparser")}
        | estimated("spearman", pair["spearman"])
        | _chance("in_layers", pair["in_layers"])
        | estimated("halves", pair["halves"])
        | _chance("halves_in_layers", pair["halves_in_layers"])
        for found in results.analysis.get("overlap", ())
        for pair in found["neighbours"]
    ]
    return Table(
        "overlap-neighbours",
        "How often heads are kept, at one sparsity against the next",
        "Spearman’s correlation over heads of how many subnetworks keep them [95 % interval], "
        "beside its mean, and p of at least as much, by chance within layers. Between halves: no "
        "search is on both sides.",
        (
            *MODEL,
            "denser",
            "sparser",
            *estimate_fields("spearman"),
            "in_layers",
            "in_layers_p",
            *estimate_fields("halves"),
            "halves_in_layers",
            "halves_in_layers_p",
        ),
        (
            *MODEL_COLUMNS,
            Column("sparsities", lambda r: f"{level(r['denser'])} to {level(r['sparser'])}"),
            estimate_column("Spearman", "spearman", 2),
            Column("by chance", lambda r: number(r["in_layers"], 2)),
            Column("p", lambda r: scientific(r["in_layers_p"])),
            estimate_column("between halves", "halves", 2),
            Column("halves by chance", lambda r: number(r["halves_in_layers"], 2)),
            Column("p of halves", lambda r: scientific(r["halves_in_layers_p"])),
        ),
        tuple(rows),
    )


def core_overlap_table(results: Results) -> Table:
    """List pairs of fine-tunings with what their cores share."""
    rows = [
        {"method": found["method"]}
        | dict(zip(("finetune_seed", "other_seed"), found["finetune_seeds"], strict=True))
        | dict(zip(("checkpoint", "other_checkpoint"), found["checkpoints"], strict=True))
        | dict(zip(("size", "other_size"), map(len, found["cores"]), strict=True))
        | {"n_shared": len(found["shared"]), "jaccard": found["jaccard"]}
        | estimated("share", found["share"])
        | _chance("anywhere", found["anywhere"])
        | _chance("in_layers", found["in_layers"])
        | {"p_value": found["p_value"], "shared": " ".join(map(name, found["shared"]))}
        for found in results.analysis.get("core_overlap", ())
    ]
    nulls = [f"{null}{part}" for null in ("anywhere", "in_layers") for part in ("", "_p")]
    return Table(
        "core-overlap",
        "The cores of different fine-tunings",
        "Share: shared heads over the smaller core [95 % interval]. By chance: heads shared if "
        "both cores were random, with as many heads in each layer. p is the larger of both null "
        "models’, corrected for the number of pairs.",
        (
            "method",
            "finetune_seed",
            "other_seed",
            "checkpoint",
            "other_checkpoint",
            "size",
            "other_size",
            "n_shared",
            "jaccard",
            *estimate_fields("share"),
            *nulls,
            "p_value",
            "shared",
        ),
        (
            MODEL_COLUMNS[2],
            Column("fine-tunings", lambda r: f"{r['finetune_seed']} and {r['other_seed']}"),
            Column("core sizes", lambda r: f"{r['size']} and {r['other_size']}"),
            Column("shared", lambda r: str(r["n_shared"])),
            Column("by chance", lambda r: scientific(r["in_layers"])),
            estimate_column("share %", "share", 0, 100),
            Column("Jaccard", lambda r: number(r["jaccard"], 2)),
            Column("p", lambda r: scientific(r["p_value"])),
            Column("heads", lambda r: r["shared"] or NOTHING, text=True),
        ),
        tuple(rows),
    )


def _chance(field: str, chance: Row | None) -> dict[str, Any]:
    chance = chance or {"expected": None, "p_value": None}
    return {field: chance["expected"], f"{field}_p": chance["p_value"]}


_POINTS = ("in_domain_points", "adversarial_points", "friendly_points", "balanced_points")


def disjoint_table(results: Results) -> Table:
    """List how well subnetworks do that may not use the heads of another one."""
    rows: list[dict[str, Any]] = []
    for found in results.analysis.get("disjoint", ()):
        model = {key: found[key] for key in (*MODEL, "sparsity")}
        rows.append(
            model | {"who": "ordinary"} | estimated("in_domain_points", found["others_points"])
        )
        for at in found["shares"]:
            row = model | {"who": "restricted"}
            row |= {key: at[key] for key in ("forbidden", "n", "heads", "shared_heads")}
            for key in ("kl", "matching", *_POINTS):
                row |= estimated(key, at[key])
            rows.append(row)
        if known(found["without_heads_points"]):
            points = {"value": found["without_heads_points"], "low": None, "high": None}
            rows.append(model | {"who": "no heads"} | estimated("in_domain_points", points))
    return Table(
        "disjoint",
        "Subnetworks that may not use another one’s heads",
        "ID: mean difference to the full model in points [95 % interval]. Match: share of them "
        "within the margin. Adversarial, friendly, balanced: difference to the ordinary "
        "subnetwork whose heads were forbidden, in points. “No heads” is a control: where it "
        "matches too, the task needs no heads.",
        (
            *MODEL,
            "sparsity",
            "who",
            "forbidden",
            "n",
            "heads",
            "shared_heads",
            *estimate_fields("kl", "matching", *_POINTS),
        ),
        (
            *MODEL_COLUMNS,
            Column("sparsity", lambda r: level(r["sparsity"]), only_if_varied=True),
            Column("subnetworks", _who, text=True),
            Column("n", lambda r: str(r.get("n", ""))),
            Column("heads", lambda r: number(r.get("heads"))),
            Column("shared", lambda r: number(r.get("shared_heads"))),
            _maybe("ID", "in_domain_points"),
            Column("match %", lambda r: share(r.get("matching"), 0)),
            _maybe("adversarial", "adversarial_points"),
            _maybe("friendly", "friendly_points"),
            _maybe("balanced", "balanced_points"),
        ),
        tuple(rows),
    )


def _who(row: Row) -> str:
    if row["who"] == "restricted":
        return f"{share(row['forbidden'], 0)} % forbidden"
    return str(row["who"])


def _maybe(title: str, field: str) -> Column:
    shown = estimate_column(title, field)
    return Column(title, lambda row: shown.show(row) if field in row else NOTHING)
