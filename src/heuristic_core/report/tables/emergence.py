"""Tables of when the core's heads come to be shared."""

from __future__ import annotations

from collections.abc import Callable
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
from ..wording import NOTHING, level, name, number, scientific

_ID = ("finetune_seed", "method", "sparsity")


def member_table(results: Results) -> Table:
    """List for each core head how many subnetworks of each checkpoint keep it."""
    rows: list[dict[str, Any]] = []
    steps: dict[int, None] = {}
    for found in results.analysis.get("emergence", ()):
        for member in found["members"]:
            row = {key: found[key] for key in _ID} | {"unit": name(member["unit"])}
            for at, kept in zip(found["checkpoints"], member["kept"], strict=True):
                steps[at["checkpoint"]] = None
                row[f"kept_{at['checkpoint']}"] = kept
                row[f"of_{at['checkpoint']}"] = at["n_subnetworks"]
            rows.append(row | {key: member[key] for key in ("in_most_from", "in_all_from")})
    ordered = sorted(steps)
    counts = [f"{part}_{step}" for step in ordered for part in ("kept", "of")]
    return Table(
        "emergence-heads",
        "When each core head comes to be kept",
        "How many of a checkpoint's subnetworks keep the head, and from which step on most (four "
        "of five) or all do.",
        (*_ID, "unit", *counts, "in_most_from", "in_all_from"),
        (
            MODEL_COLUMNS[0],
            MODEL_COLUMNS[2],
            Column("sparsity", lambda r: level(r["sparsity"]), only_if_varied=True),
            Column("head", lambda r: r["unit"], text=True),
            *(Column(f"step {step}", _kept_at(step)) for step in ordered),
            Column("most from", lambda r: _step(r["in_most_from"])),
            Column("all from", lambda r: _step(r["in_all_from"])),
        ),
        tuple(rows),
        folded=True,
    )


def _kept_at(step: int) -> Callable[[Row], str]:
    kept, of = f"kept_{step}", f"of_{step}"
    return lambda row: f"{row[kept]} of {row[of]}" if kept in row else NOTHING


def _step(step: int | None) -> str:
    return NOTHING if step is None else str(step)


def checkpoint_core_table(results: Results) -> Table:
    """List how much of the final core the subnetworks of each checkpoint keep."""
    rows = [
        {key: found[key] for key in _ID}
        | {
            "checkpoint": at["checkpoint"],
            "n": at["n_subnetworks"],
            "final_size": len(found["core"]),
            "size": len(at["core"]),
            "shared": at["shared"],
            "expected": at["in_layers"]["expected"],
            "p_value": at["in_layers"]["p_value"],
            "share_by_chance": at["share_by_chance"]["expected"],
            "share_p_value": at["share_by_chance"]["p_value"],
        }
        | estimated("share", at["share"])
        for found in results.analysis.get("emergence", ())
        for at in found["checkpoints"]
    ]
    return Table(
        "emergence",
        "The final core at earlier checkpoints",
        "Share kept: of the final core by one subnetwork, mean [95 % interval], beside what it "
        "would be if every subnetwork kept as many heads in each layer at random, and p of at "
        "least as much. Shared by all: heads of the final core that all subnetworks of the "
        "checkpoint keep.",
        (
            *_ID,
            "checkpoint",
            "n",
            "final_size",
            "size",
            "shared",
            "expected",
            "p_value",
            *estimate_fields("share"),
            "share_by_chance",
            "share_p_value",
        ),
        (
            MODEL_COLUMNS[0],
            MODEL_COLUMNS[2],
            Column("sparsity", lambda r: level(r["sparsity"]), only_if_varied=True),
            Column("step", lambda r: str(r["checkpoint"])),
            Column("n", lambda r: str(r["n"])),
            estimate_column("share kept %", "share", 0, 100),
            Column("by chance %", lambda r: number(100 * r["share_by_chance"], 0)),
            Column("p", lambda r: scientific(r["share_p_value"])),
            Column("shared by all", lambda r: f"{r['shared']} of {r['final_size']}"),
            Column("by chance", lambda r: scientific(r["expected"])),
        ),
        tuple(rows),
    )
