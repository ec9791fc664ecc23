"""Simulated tables of removals. The studies of one table differ in their fine-tuning seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import norm

from heuristic_core.analysis.evidence import Evidence
from heuristic_core.analysis.question import Answer
from heuristic_core.analysis.separation import placements
from heuristic_core.measure.discrimination import packed
from heuristic_core.tables import DISCRIMINATION, REMOVAL, REMOVAL_DISCRIMINATION, UNDECIDED

KINDS = {"i": "id", "a": "adversarial", "f": "friendly"}
LABELS = {"i": "", "a": "no", "f": "yes"}
CASES = ("i1", "a1", "a2", "f1", "f2")
#: Group, draw, units.
Named = tuple[str, int, str]
NONE: Named = ("none", -1, "")


def heads(n_layers: int, n_heads: int) -> list[str]:
    """Labels of all heads."""
    return [f"L{i}H{j}" for i in range(n_layers) for j in range(n_heads)]


def singles(units: Sequence[str]) -> list[Named]:
    """Each unit alone."""
    return [("single", -1, unit) for unit in units]


def simulate(
    rng: np.random.Generator,
    removals: Sequence[Named],
    *,
    n_studies: int = 1,
    change: np.ndarray | float = 0.0,
    interaction: np.ndarray | float = 0.0,
    auroc: np.ndarray | float = 0.0,
    auroc_interaction: np.ndarray | float = 0.0,
    n: int = 30,
    noise: float = 0.5,
    auroc_noise: float = 0.1,
    cases: Sequence[str] = CASES,
    full_margin: float = 2.0,
    full_auc: float = 0.8,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Simulate the tables of removals and of AUROC, with normal noise over examples.

    Changes have the shape (study, removal, case), or broadcast to it; those of AUROC have the shape
    (study, removal, 1).
    """
    named = [NONE, *removals]
    shape = (n_studies, len(named), len(cases))
    study, removal, case = np.indices(shape).reshape(3, -1)

    def sampled(mean, sd: float, shape=shape) -> tuple[np.ndarray, np.ndarray]:
        """Means of n normal numbers, and standard errors as estimated from such samples."""
        full = np.zeros(shape)
        full[:, 1:] = mean
        error = sd * np.sqrt(rng.chisquare(n - 1, shape) / (n - 1) / n)
        return full + rng.normal(size=shape) * sd / n**0.5, error

    def columns(study, removal) -> dict:
        group, draw, units = (np.array([x[i] for x in named], dtype=object) for i in range(3))
        return {
            "finetune_seed": study,
            "checkpoint": 100,
            "readout": "model",
            "group": group[removal],
            "draw": draw[removal],
            "removed": units[removal],
        }

    changes, errors = sampled(change, noise)
    interactions, interaction_errors = sampled(interaction, noise)
    is_none = removal == 0
    several = np.array(["+" in x[2] for x in named])[removal]
    names = np.array(cases)[case]
    table = pd.DataFrame(
        columns(study, removal)
        | {
            "suite": np.where(np.char.startswith(names, "i"), "id", "ood"),
            "role": np.where(np.char.startswith(names, "i"), "id", "ood"),
            "case": names,
            "case_kind": [KINDS[name[0]] for name in names],
            "label": [LABELS[name[0]] for name in names],
            "n": n,
            "correct": n // 2,
            "kl": 0.1,
            "margin": full_margin + np.where(is_none, 0, changes.ravel()),
            # As if the full model's margins were known, so that changes alone have errors.
            "margin_se": np.where(is_none, 0, errors.ravel()),
            "margin_change": np.where(is_none, 0, changes.ravel()),
            "margin_change_se": np.where(is_none, 0, errors.ravel()),
            "interaction": np.where(several, interactions.ravel(), np.nan),
            "interaction_se": np.where(several, interaction_errors.ravel(), np.nan),
            "pooled_change": 0.1,
        }
    )
    hard = [name for name in cases if name[0] == "a"]
    shape = (n_studies, len(named), len(hard))
    study, removal, case = np.indices(shape).reshape(3, -1)
    own, own_errors = sampled(auroc, auroc_noise, shape)
    common, common_errors = sampled(0.0, auroc_noise, (n_studies, len(named), 1))
    aurocs = np.where(removal == 0, 0, (own + common).ravel())
    beyond, beyond_errors = sampled(auroc_interaction, auroc_noise, shape)
    several = np.array(["+" in x[2] for x in named])[removal]
    separation = pd.DataFrame(
        columns(study, removal)
        | {
            "suite": "ood",
            "case": np.array(hard)[case],
            "case_group": "all",
            "n": n,
            "n_friendly": n,
            "auc": full_auc + aurocs,
            "d_prime": 1.0,
            "bias": 0.0,
            "auc_change": aurocs,
            "auc_change_se": own_errors.ravel(),
            "auc_change_common_se": np.broadcast_to(common_errors, shape).ravel(),
            "auc_interaction": np.where(several, beyond.ravel(), np.nan),
            "auc_interaction_se": np.where(several, beyond_errors.ravel(), np.nan),
            "auc_interaction_common_se": np.where(several, 0.0, np.nan),
        }
    )
    return REMOVAL.conform(table), REMOVAL_DISCRIMINATION.conform(separation)


#: The paper's adversarial accuracies on HANS's subject and object swapped, without three heads of
#: the core one by one, and without all of them. Friendly examples are answered as well as those of
#: the authors' PAWS: 95 %.
FULL, ALONE, TOGETHER, FRIENDLY = 0.867, (0.703, 0.686, 0.454), 0.036, 0.95


def probits() -> tuple[np.ndarray, float]:
    """What each of the three heads takes from the scores, and what all take beyond the sum."""
    alone = norm.ppf(FULL) - norm.ppf(ALONE)
    return alone, float(norm.ppf(FULL) - norm.ppf(TOGETHER) - alone.sum())


def of_scores(
    rng: np.random.Generator,
    removals: Sequence[Named],
    *,
    loss: np.ndarray,
    lean: np.ndarray | float = 0.0,
    shrink: np.ndarray | float = 0.0,
    adversarial: float = FULL,
    friendly: float = FRIENDLY,
    saturation: float = np.inf,
    n: tuple[int, int, int] = (80, 300, 100),
    noise: float = 0.2,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Simulate the tables from the scores of examples, by the model of signal detection.

    A score is normal with a standard deviation of 1, and its mean says how often it is right. Log-
    odds are twice the score.

    Args:
        rng: Source of noise.
        removals: The removals; those of several units include each of them alone.
        loss: What each removal takes from the scores of adversarial examples; (study, removal).
        lean: What it takes from the scores of all OOD examples, for the adversarial label.
        shrink: The share by which it brings all log-odds nearer to 0.
        adversarial: Accuracy of the full model.
        friendly: That on friendly examples.
        saturation: No log-odds are beyond this.
        n: Adversarial, friendly and in-domain examples.
        noise: How much the effect of a loss of 1 differs from example to example.
    """
    named = [NONE, *removals]
    single = {name[2]: i for i, name in enumerate(named) if name[0] == "single"}
    parts = [[single[unit] for unit in name[2].split("+")] for name in named[1:]]
    means = (norm.ppf(adversarial), -norm.ppf(friendly), 1.5)
    rows: list[dict] = []
    aurocs: list[dict] = []
    loss, lean, shrink = (
        np.pad(np.broadcast_to(x, np.shape(loss)), ((0, 0), (1, 0))) for x in (loss, lean, shrink)
    )
    for study in range(len(loss)):
        scores = []
        for kind, size in enumerate(n):
            moved = (loss[study] if kind == 0 else 0) + (lean[study] if kind < 2 else 0)
            own = rng.normal(size=(len(named), size))
            spread = noise * np.abs(np.broadcast_to(moved, len(named)))[:, None] ** 0.5
            varied = (rng.normal(size=size) + spread * own) / (1 + spread**2) ** 0.5
            latent = 2 * (means[kind] - np.broadcast_to(moved, len(named))[:, None] + varied)
            if np.isfinite(saturation):
                latent = saturation * np.tanh(latent / saturation)
            scores.append(latent * (1 - shrink[study])[:, None])
        placed = [placements(a, f) for a, f in zip(*scores[:2], strict=True)]
        sides = [np.array(side) for side in zip(*placed, strict=True)]
        for i, (group, draw, removed) in enumerate(named):
            units = parts[i - 1] if i and len(parts[i - 1]) > 1 else []
            names = {"finetune_seed": study, "checkpoint": 100, "readout": "model"}
            names |= {"group": group, "draw": draw, "removed": removed}
            for case, of_kind, sign in zip(("a1", "f1", "i1"), scores, (1, -1, 1), strict=True):
                rows.append(names | _margins(case, sign * of_kind, i, units))
            kept = {"scores": packed(scores[0][i]), "friendly_scores": packed(scores[1][i])}
            aurocs.append(names | _aurocs(sides, i, units) | kept)
    return REMOVAL.conform(pd.DataFrame(rows)), REMOVAL_DISCRIMINATION.conform(pd.DataFrame(aurocs))


def _changes(values: np.ndarray, i: int, units: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Changes and interactions of each example; no numbers if there are not several units."""
    change = values[i] - values[0]
    alone = (values[list(units)] - values[0]).sum(0) if units else np.nan
    return change, change - alone


def _sem(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / len(values) ** 0.5)


def _margins(case: str, margins: np.ndarray, i: int, units: Sequence[int]) -> dict:
    change, beyond = _changes(margins, i, units)
    role = "id" if case[0] == "i" else "ood"
    names = {"suite": role, "role": role, "case": case, "case_kind": KINDS[case[0]]}
    names |= {"label": LABELS[case[0]], "n": len(change), "kl": 0.1, "pooled_change": 0.1}
    return names | {
        "correct": int((margins[i] > 0).sum()),
        "margin": margins[i].mean(),
        "margin_se": _sem(margins[i]),
        "margin_change": change.mean(),
        "margin_change_se": _sem(change),
        "interaction": beyond.mean(),
        "interaction_se": _sem(beyond),
    }


def _aurocs(sides: Sequence[np.ndarray], i: int, units: Sequence[int]) -> dict:
    (change, beyond), (common, common_beyond) = (_changes(side, i, units) for side in sides)
    names = {"suite": "ood", "case": "a1", "case_group": "all", "d_prime": 1.0, "bias": 0.0}
    return names | {
        "n": len(change),
        "n_friendly": len(common),
        "auc": sides[0][i].mean(),
        "auc_change": change.mean(),
        "auc_change_se": _sem(change),
        "auc_change_common_se": _sem(common),
        "auc_interaction": beyond.mean(),
        "auc_interaction_se": _sem(beyond),
        "auc_interaction_common_se": _sem(common_beyond),
    }


def evidence(table: pd.DataFrame, aurocs: pd.DataFrame | None = None, seed: int = 0) -> Evidence:
    """What was measured: margins, and AUROC if given."""
    tables = {"removal": table}
    if aurocs is not None:
        tables["removal_discrimination"] = aurocs
    return Evidence(tables, seed=seed)


def full_aurocs(**aurocs: float) -> pd.DataFrame:
    """The full model's AUROC by case, on many examples."""
    case = {"finetune_seed": 0, "checkpoint": 100, "kind": "full", "method": "", "sparsity": 0.0}
    case |= {"seed": -1, "suite": "ood", "case_group": "all", "n": 900, "n_friendly": 900}
    case |= {"auc_se": 0.01, "d_prime": 1.0, "bias": 0.0}
    return DISCRIMINATION.frame([case | {"case": name, "auc": auc} for name, auc in aurocs.items()])


def decisions(answers: Sequence[Answer]) -> list[str]:
    """The decisions of some answers."""
    return [answer.verdict.decision for answer in answers]


def share_decided(answers: Sequence[Answer]) -> float:
    """Share of answers that decide."""
    return float(np.mean([decision != UNDECIDED for decision in decisions(answers)]))
