"""Tables as further analyses measure them, made from numbers alone around a planted core."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from heuristic_core.tables import SYSTEM_NAMES, TABLES

CORE = ("L1H3", "L2H5", "L3H7", "L4H0")
N_LAYERS, N_HEADS = 6, 12
#: Cases of the further analyses: name, suite, role, kind.
CASES = (
    ("id", "id", "id", "id"),
    ("ln_passive", "hans-grammar", "ood", "adversarial"),
    ("sn_NP/S", "hans-grammar", "ood", "adversarial"),
    ("le_passive", "hans-grammar", "ood", "friendly"),
)
PATTERNS = ("repeated", "same", "previous", "next", "self", "cls", "first", "sep", "punctuation")
GRID = (0.2, 0.35, 0.5, 0.6, 0.7, 0.8)
#: Added heads that depend on a core head: sender, receiver, what it reads, excess.
EDGES = (("L1H3", "L3H1", "v", 0.4), ("L1H3", "L5H2", "q", 0.2), ("L2H5", "L5H2", "k", 0.3))
HELPFUL = "L0H6"
_FULL = {"kind": "full", "method": "", "sparsity": 0.0, "seed": -1}


def units() -> list[str]:
    """Return all units, layer by layer."""
    return [
        f"L{layer}{part}"
        for layer in range(N_LAYERS)
        for part in (*(f"H{head}" for head in range(N_HEADS)), "MLP")
    ]


def measured(
    checkpoints: Sequence[int], subnetworks: pd.DataFrame, rename: dict[str, str]
) -> dict[str, pd.DataFrame]:
    """Make every table of ``tables.MEASURED``.

    Args:
        checkpoints: The checkpoints; the grid is at those after 0, all else at the last.
        subnetworks: Rows as in ``tables.SUBNETWORKS`` of the main searches.
        rename: From names of cases and patterns to those to be used instead.
    """
    last = max(checkpoints)
    trained = [step for step in checkpoints if step > 0]
    made = {
        "discrimination": _discrimination(trained, subnetworks),
        "grid": _grid(trained, last),
        "grid_subnetworks": _grid_subnetworks(trained, last),
        "disjoint": _disjoint(last),
        "removal": _removal(last),
        "removal_discrimination": _removal_areas(last),
        "attention": _attention(sorted({0, last})),
        "dependency": _dependency(last),
    }
    tables = {name: TABLES[name].frame(rows) for name, rows in made.items()}
    columns = ("case", "pattern", "suite")
    return {
        name: table.replace({column: rename for column in columns if column in table})
        for name, table in tables.items()
    }


def _model(step: int) -> dict[str, int]:
    return {"finetune_seed": 1, "checkpoint": step}


def _case(case: tuple[str, str, str, str]) -> dict[str, str]:
    return dict(zip(("case", "suite", "role", "case_kind"), case, strict=True))


def _accuracy(kind: str, trained: float, sparsity: float) -> float:
    falls = {"id": 0.05, "adversarial": 0.9, "friendly": 0.1}[kind]
    learned = {"id": 0.97, "adversarial": 0.1 + 0.75 * trained, "friendly": 0.95}[kind]
    return float(np.clip(learned - falls * max(0.0, sparsity - 0.3), 0, 1))


def _grid(steps: Sequence[int], last: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(1)
    systems = [_FULL] + [
        {"kind": "subnetwork", "method": "learned", "sparsity": sparsity, "seed": seed}
        for sparsity in GRID
        for seed in (1, 2, 3)
    ]
    rows = []
    for step, system, case in itertools.product(steps, systems, CASES):
        share = _accuracy(case[3], step / last, system["sparsity"])
        share += rng.normal(0, 0.01) * (system["seed"] > 0)
        rows.append(
            _model(step)
            | system
            | _case(case)
            | {"n": 200, "correct": round(200 * float(np.clip(share, 0, 1))), "kl": 0.1}
            | {"margin": 1.0}
        )
    return rows


def _grid_subnetworks(steps: Sequence[int], last: int) -> list[dict[str, Any]]:
    """The core's heads enter one after the other; by the last checkpoint all are kept."""
    rng = np.random.default_rng(2)
    rows = []
    for step, sparsity, seed in itertools.product(steps, GRID, (1, 2, 3)):
        labels = units()
        entered = CORE[: 1 + round((len(CORE) - 1) * step / last)]
        liking = rng.normal(0, 1, len(labels))
        liking += [9 * (u in entered) - 9 * (u in CORE and u not in entered) for u in labels]
        kept = set(np.argsort(-liking)[: round((1 - sparsity) * len(labels))].tolist())
        rows += [
            _model(step)
            | {"kind": "subnetwork", "method": "learned", "sparsity": sparsity, "seed": seed}
            | {"unit": unit, "layer": int(unit[1]), "kept": i in kept, "soft": 0.5}
            | {"head": -1 if "MLP" in unit else int(unit.split("H")[1])}
            for i, unit in enumerate(labels)
        ]
    return rows


def _disjoint(last: int) -> list[dict[str, Any]]:
    rows = []
    for seed, (forbidden, heads) in itertools.product(
        (1, 2, 3, 4), ((0.0, 30), (0.5, 28), (1.0, 25), (1.0, 0))
    ):
        for case in CASES:
            share = _accuracy(case[3], 1.0, 0.5) - 0.01 * forbidden * seed - 0.3 * (heads == 0)
            rows.append(
                _model(last)
                | {"kind": "subnetwork", "method": "learned", "sparsity": 0.5, "seed": seed}
                | _case(case)
                | {"n": 200, "correct": round(200 * max(0.0, share)), "kl": 0.1, "margin": 1.0}
                | {"forbidden": forbidden, "other_heads": 30, "heads": heads}
                | {"shared_heads": 30 if not forbidden else round((1 - forbidden) * heads)}
                | {"units": heads + 6}
            )
    return rows


def removals() -> list[tuple[str, int, tuple[str, ...]]]:
    """List the removals: group, draw and units."""
    rng = np.random.default_rng(3)
    listed: list[tuple[str, int, tuple[str, ...]]] = [("none", -1, ())]
    listed += [("single", -1, (unit,)) for unit in units()]
    listed += [("pair", -1, pair) for pair in itertools.combinations(CORE, 2)]
    listed.append(("core", -1, CORE))
    layers = [int(unit[1]) for unit in CORE]
    for draw in range(20):
        heads = []
        for layer in layers:
            own = [f"L{layer}H{head}" for head in range(N_HEADS)]
            heads.append(str(rng.choice([unit for unit in own if unit not in CORE])))
        listed.append(("control", draw, tuple(heads)))
    listed.append(("mine", -1, CORE[:2]))
    return listed


def harm(unit: str) -> float:
    """Return by how many nats the adversarial margin falls without a unit."""
    index = units().index(unit)
    small = 0.02 * np.sin(index)
    return float(small + 0.8 * (unit in CORE) - 0.4 * (unit == HELPFUL) + 1.5 * ("MLP" in unit))


def _removed(last: int) -> list[dict[str, Any]]:
    return [
        _model(step)
        | {"readout": readout, "group": group, "draw": draw, "removed": "+".join(removed)}
        for step, readout in ((last, "model"), (0, "probe"))
        for group, draw, removed in removals()
    ]


def _removal(last: int) -> list[dict[str, Any]]:
    rows = []
    for removal, case in itertools.product(_removed(last), CASES):
        removed = removal["removed"].split("+") if removal["removed"] else []
        share = {"id": 0.1, "adversarial": 1.0, "friendly": 0.2}[case[3]]
        share *= 1.0 if removal["readout"] == "model" else 0.1
        together = 0.3 if len(removed) > 1 and set(removed) <= set(CORE) else 0.0
        change = -share * (sum(map(harm, removed)) + together)
        rows.append(
            removal
            | _case(case)
            | {"label": {"id": "", "adversarial": "no", "friendly": "yes"}[case[3]]}
            | {"n": 200, "correct": round(200 / (1 + np.exp(-2 - change))), "kl": abs(change)}
            | {"margin": 2 + change, "margin_change": change}
            | {"margin_change_se": 0.02 if removed else 0.0, "pooled_change": 0.1}
            | {"interaction": -share * together if len(removed) > 1 else np.nan}
            | {"interaction_se": 0.02 if len(removed) > 1 else np.nan}
        )
    return rows


def _removal_areas(last: int) -> list[dict[str, Any]]:
    rows = []
    for removal, case in itertools.product(_removed(last), CASES[1:3]):
        removed = removal["removed"].split("+") if removal["removed"] else []
        together = 0.3 if len(removed) > 1 and set(removed) <= set(CORE) else 0.0
        change = -0.1 * (sum(map(harm, removed)) + together)
        change *= 1.0 if removal["readout"] == "model" else 0.1
        rows.append(
            removal
            | {"suite": case[1], "case": case[0], "case_group": "lexical_overlap", "n": 200}
            | {"n_friendly": 200, "auc": 0.8 + change, "d_prime": 1.0, "bias": 0.1}
            | {"auc_change": change, "auc_change_se": 0.002 if removed else 0.0}
            | {"auc_change_common_se": 0.001 if removed else 0.0}
            | {"auc_interaction": -0.1 * together if len(removed) > 1 else np.nan}
            | {"auc_interaction_se": 0.002 if len(removed) > 1 else np.nan}
            | {"auc_interaction_common_se": 0.001 if len(removed) > 1 else np.nan}
        )
    return rows


def _discrimination(trained: list[int], subnetworks: pd.DataFrame) -> list[dict[str, Any]]:
    systems = subnetworks[SYSTEM_NAMES].drop_duplicates().to_dict("records")
    rows = []
    for system in [*(_model(step) | _FULL for step in trained), *systems]:
        for i, case in enumerate(CASES[1:3]):
            tilt = 0.0 if system["seed"] < 0 else 0.04 * (system["seed"] - 4)
            if system["checkpoint"] < trained[-1]:
                tilt = -0.25
            rows.append(
                system
                | {"suite": case[1], "case": case[0], "case_group": "lexical_overlap", "n": 200}
                | {"n_friendly": 200, "auc": 0.75 + tilt * (1, -0.5)[i], "auc_se": 0.02}
                | {"d_prime": 1.0, "bias": 20 * tilt}
            )
    return rows


def _attention(steps: Sequence[int]) -> list[dict[str, Any]]:
    rows = []
    for step, unit, pattern in itertools.product(steps, units(), PATTERNS):
        if "MLP" in unit:
            continue
        liked = PATTERNS[CORE.index(unit) // 2 * 2] if unit in CORE else "cls"
        score = 6.0 if pattern == liked else 0.8
        score = 0.9 if step == 0 and unit == CORE[1] and pattern == "repeated" else score
        rows.append(
            _model(step)
            | {"suite": "hans-grammar", "unit": unit, "layer": int(unit[1])}
            | {"head": int(unit.split("H")[1]), "pattern": pattern, "weighting": "attention"}
            | {"n": 100, "attention": 0.1 * score, "chance": 0.1, "score": score}
            | {"score_se": 0.1, "wins": float(pattern == liked)}
        )
    return rows


def _dependency(last: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(5)
    senders = dict.fromkeys(CORE[:3], "core")
    senders |= {f"{unit[:2]}H{head}": "control" for unit in CORE[:3] for head in (9, 10, 11)}
    receivers = ("L2H1", "L3H1", "L4H6", "L5H2")
    planted = {edge[:3]: edge[3] for edge in EDGES}
    rows = []
    for sender, receiver, reads, path in itertools.product(
        senders, receivers, "qkv", ("direct", "total")
    ):
        if int(receiver[1]) <= int(sender[1]):
            continue
        excess = planted.get((sender, receiver, reads), 0.0) * (path == "direct")
        excess += float(rng.normal(0, 0.001))
        rows.append(
            _model(last)
            | {"sender": sender, "receiver": receiver, "sender_group": senders[sender]}
            | {"receiver_group": "added", "reads": reads, "path": path, "n": 80}
            | {"change": 0.1 + excess, "change_se": 0.01, "excess": excess, "excess_se": 0.01}
            | {"margin_change": -excess / 10, "margin_change_se": 0.001}
            | {"margin_excess": abs(excess) / 10, "margin_excess_se": 0.001}
        )
    return rows
