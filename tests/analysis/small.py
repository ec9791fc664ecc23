"""All tables of one small study, made from numbers alone."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
from attention_by_hand import attention, flat
from simulated_removals import heads, simulate, singles

from heuristic_core.tables import DEPENDENCY, DISCRIMINATION, DISJOINT
from sets_by_hand import necessity, repelled, targeted, validity
from tables_by_hand import evaluation, evaluations, found, subnetworks

MODEL = {"finetune_seed": 1, "checkpoint": 300}
CORE = ("L0H0", "L1H1")
N_LAYERS, N_HEADS = 2, 8
SEEDS, SPARSITIES, GRID = (1, 2, 3), (0.5, 0.7), (0.1, 0.3, 0.5, 0.6, 0.7)
CASES = {"in": 95, "aswap": 40, "aprep": 60, "fswap": 90}


def small() -> dict[str, pd.DataFrame]:
    """Give the tables of a study, those of ``tables.MEASURED`` among them."""
    rng = np.random.default_rng(0)
    kept = {
        (seed, sparsity): {*CORE, f"L0H{seed}", f"L1H{seed + 1}", "L0MLP", "L1MLP"}
        for seed in SEEDS
        for sparsity in GRID
    }
    own = {system: units for system, units in kept.items() if system[1] in SPARSITIES}
    full = [_full(step, step // 10) for step in (0, 100, 200, 300)]
    groups = [("pair", -1, "+".join(CORE)), ("core", -1, "+".join(CORE))]
    groups += [("control", i, f"L0H{i + 1}+L1H{(i + 2) % 4}") for i in range(2)]
    named = [*singles(heads(N_LAYERS, N_HEADS)), *groups]
    removal, areas = simulate(rng, named, change=rng.normal(size=(1, len(named), 1)))
    seen = flat(N_LAYERS, N_HEADS)
    seen[0, 0, 0] = 5.0
    return {
        "evaluations": evaluations(*full, *(_found(rng, s, 300) for s in own)),
        "subnetworks": subnetworks(own, N_LAYERS, N_HEADS),
        "discrimination": _discrimination(rng),
        "grid": evaluations(*full[1:], *(_found(rng, s, t) for t in (100, 300) for s in kept)),
        "grid_subnetworks": pd.concat(
            [subnetworks(kept, N_LAYERS, N_HEADS).assign(checkpoint=step) for step in (100, 300)]
        ),
        "disjoint": _disjoint(rng),
        "removal": removal.assign(**MODEL),
        "removal_discrimination": areas.assign(**MODEL),
        "attention": pd.concat([attention(seen, checkpoint=step) for step in (0, 300)]),
        "dependency": _dependency(rng),
        **targeted({aim: [0.6, 0.7] for aim in ("none", "well", "badly", "apart")}),
        "repelled": repelled({0.3: [{"L0H0", "L1H2"}, {"L0H0", "L1H3"}]}),
        "necessity": necessity(set(CORE), set(CORE)),
        **validity([True, False], needed=[{"L0H0"}]),
    }


def _full(step: int, points: int) -> list[dict]:
    return evaluation(
        {case: min(100, n // 2 + points) for case, n in CASES.items()}, checkpoint=step
    )


def _found(rng: np.random.Generator, system: tuple[int, float], step: int, **more) -> list[dict]:
    correct = {case: int(n - rng.integers(0, 20)) for case, n in CASES.items()}
    return evaluation(correct, checkpoint=step, **found(*system), **more)


def _discrimination(rng: np.random.Generator) -> pd.DataFrame:
    systems = [{"kind": "full", "method": "", "sparsity": 0.0, "seed": -1}]
    systems += [found(seed, sparsity) for seed in SEEDS for sparsity in SPARSITIES]
    rows = [
        MODEL
        | system
        | {"suite": "ood", "case": case, "case_group": "overlap", "n": 100, "n_friendly": 100}
        | {
            "auc": float(rng.uniform(0.5, 1)),
            "auc_se": 0.04,
            "d_prime": 1.0,
            "bias": float(rng.normal()),
        }
        for system in systems
        for case in ("aswap", "aprep")
    ]
    return DISCRIMINATION.conform(pd.DataFrame(rows))


def _disjoint(rng: np.random.Generator) -> pd.DataFrame:
    rows = []
    for seed, (forbidden, n_heads) in itertools.product(SEEDS, ((0.0, 4), (0.5, 4), (1.0, 4))):
        shared = round(4 * (1 - forbidden))
        rows += [
            row
            | {"forbidden": forbidden, "other_heads": 4, "heads": n_heads}
            | {"shared_heads": shared, "units": n_heads + 2, "answers": None}
            for row in _found(rng, (seed, 0.5), 300)
        ]
    return DISJOINT.conform(pd.DataFrame(rows))


def _dependency(rng: np.random.Generator) -> pd.DataFrame:
    rows = [
        MODEL
        | {"sender": sender, "receiver": receiver, "reads": reads, "path": path, "n": 20}
        | {"sender_group": "core" if sender == "L0H0" else "control", "receiver_group": "added"}
        | {"change": 0.2, "change_se": 0.05, "excess": float(rng.normal(0, 0.1)), "excess_se": 0.05}
        | {"margin_change": -0.1, "margin_change_se": 0.02}
        | {"margin_excess": float(rng.normal(0, 0.1)), "margin_excess_se": 0.02}
        for sender, receiver, reads, path in itertools.product(
            ("L0H0", "L0H1", "L0H2", "L0H3"), ("L1H2", "L1H3"), "qkv", ("direct", "total")
        )
    ]
    return DEPENDENCY.conform(pd.DataFrame(rows))
