"""Tables on the set of faithful subnetworks, made from numbers alone."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import pandas as pd

from heuristic_core.tables import (
    NECESSITY,
    REPELLED,
    TARGETED,
    TARGETED_CONTRASTS,
    VALIDITY,
    VALIDITY_CASES,
    VALIDITY_UNITS,
)

SYSTEM = {"finetune_seed": 1, "checkpoint": 300, "method": "learned", "sparsity": 0.5}
CASES = {"in": "id", "aswap": "adversarial", "aprep": "adversarial", "fswap": "friendly"}
AIMED = ("aswap",)


def targeted(
    aurocs: Mapping[str, Sequence[float]],
    divergences: Mapping[str, Sequence[float]] | None = None,
    *,
    bound: float = 0.1,
    se: float = 0.01,
) -> dict[str, pd.DataFrame]:
    """Subnetworks by aim: each seed's held-out AUROC, and its divergence, 0.05 if not given."""
    rows = []
    for aim, values in aurocs.items():
        at = (divergences or {}).get(aim, [0.05] * len(values))
        for seed, (auc, divergence) in enumerate(zip(values, at, strict=True), start=1):
            for case, kind in CASES.items():
                row = SYSTEM | {"kind": "subnetwork", "seed": seed, "aim": aim, "suite": "s"}
                row |= {"role": "id" if kind == "id" else "ood", "case": case, "case_kind": kind}
                row |= {"n": 40, "correct": 30, "kl": 0.05, "margin": 1.0, "bound": bound}
                row |= {"auc": auc if kind == "adversarial" else None, "aimed": case in AIMED}
                rows.append(row | {"divergence": divergence})
    contrasts = [
        SYSTEM | {"aim": one, "other_aim": other, "aimed": aimed, "auc_difference": 0.0, "se": se}
        for one, other in (("well", "badly"), ("apart", "badly"), *((aim, "") for aim in aurocs))
        for aimed in (True, False)
    ]
    return {
        "targeted": TARGETED.conform(pd.DataFrame(rows)),
        "targeted_contrasts": TARGETED_CONTRASTS.conform(pd.DataFrame(contrasts)),
    }


def repelled(
    kept: Mapping[float, Sequence[set[str]]],
    divergences: Mapping[float, float] | None = None,
    *,
    n_layers: int = 2,
    n_heads: int = 8,
    bound: float = 0.1,
) -> pd.DataFrame:
    """Subnetworks by weight of the penalty: the heads that each keeps; all keep the MLPs."""
    rows = []
    for weight, several in kept.items():
        for seed, heads in enumerate(several, start=1):
            own = SYSTEM | {"kind": "subnetwork", "seed": seed, "repel": weight, "bound": bound}
            own["divergence"] = (divergences or {}).get(weight, 0.05)
            for layer in range(n_layers):
                for head in (*range(n_heads), -1):
                    name = f"L{layer}MLP" if head < 0 else f"L{layer}H{head}"
                    row = {"unit": name, "layer": layer, "head": head}
                    rows.append(own | row | {"kept": head < 0 or name in heads})
    return REPELLED.conform(pd.DataFrame(rows))


def necessity(
    core: set[str],
    needed: set[str],
    *,
    n_layers: int = 2,
    n_heads: int = 8,
    n_searches: int = 4,
    bound: float = 0.1,
    se: float = 0.01,
) -> pd.DataFrame:
    """All heads; those needed are far beyond the bound without, the others within it."""
    rows = []
    for layer in range(n_layers):
        for head in range(n_heads):
            name = f"L{layer}H{head}"
            divergence = 0.5 if name in needed else 0.05
            row = SYSTEM | {"unit": name, "layer": layer, "head": head, "bound": bound}
            row |= {"times": n_searches if name in core else 1, "n_searches": n_searches}
            row |= {"kept": name in core, "divergence": divergence, "divergence_se": se}
            row |= {"necessity": divergence - 0.05, "se": se, "p": 0.01, "shared": 0.9}
            rows.append(row)
    return NECESSITY.conform(pd.DataFrame(rows))


def validity(
    passed: Sequence[bool],
    needed: Sequence[set[str]] = (),
    tests: Sequence[str] = ("sufficiency", "necessity"),
) -> dict[str, pd.DataFrame]:
    """Cards of subnetworks of four heads: whether each is sufficient, and the heads it needs."""
    cards, units, cases = [], [], []
    for seed, sufficient in enumerate(passed, start=1):
        own = SYSTEM | {"kind": "subnetwork", "seed": seed}
        for test, drawn in itertools.product(tests, ("anywhere", "in layers")):
            # Sets in layers are the harder ones to beat.
            good = sufficient or test != "sufficiency" or drawn == "anywhere"
            p = 0.02 if good else 0.4
            row = {"test": test, "drawn": drawn, "value": 0.1 * seed, "random": 0.5, "none": 0.9}
            row |= {"random_low": 0.4, "random_high": 0.6, "n": 199, "p": p / 4}
            cards.append(own | row | {"p_corrected": p, "passed": good})
        for unit in ("L0H0", "L0H1", "L1H0", f"L1H{seed}"):
            need = seed <= len(needed) and unit in needed[seed - 1]
            row = {"unit": unit, "cost": 0.1 * seed if need else 0.0, "cost_low": 0.0}
            row |= {"cost_high": 1.0, "p": 0.001, "p_corrected": 0.004 if need else 1.0}
            units.append(own | row | {"needed": need})
        for case, kind in CASES.items():
            row = {"suite": "s", "case": case, "case_kind": kind, "n": 40, "kl": 0.1 * seed}
            row |= {"kl_low": 0.0, "kl_high": 1.0, "full_accuracy": 0.8, "accuracy": 0.7}
            row |= {"difference": -10.0 * seed, "difference_low": -90.0, "difference_high": 0.0}
            cases.append(own | row | {"random": None, "p": None, "p_corrected": None})
    return {
        "validity": VALIDITY.conform(pd.DataFrame(cards)),
        "validity_units": VALIDITY_UNITS.conform(pd.DataFrame(units)),
        "validity_cases": VALIDITY_CASES.conform(pd.DataFrame(cases)),
    }
