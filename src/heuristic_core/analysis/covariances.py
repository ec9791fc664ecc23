"""How systems' accuracies and AUROCs vary together over the examples that all of them answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from .accuracies import CASE, distinct_subnetworks
from .evidence import Evidence
from .predictions import unpacked, unpacked_scores
from .separation import auc_variance, placements
from .systems import BY_METHOD, BY_MODEL, by_system


@dataclass(frozen=True, eq=False)
class Covariance:
    """AurocCovariances over examples of one number of each system.

    Args:
        systems: The systems' names.
        values: A row and a column per system.
    """

    systems: Sequence[Any]
    values: Float[np.ndarray, "system system"]

    @cached_property
    def _places(self) -> dict[Any, int]:
        return {name: i for i, name in enumerate(self.systems)}

    def among(self, systems: Iterable[Any]) -> Float[np.ndarray, "system system"] | None:
        """Return those of some systems; ``None`` if one is not known.

        Args:
            systems: Their names.
        """
        try:
            at = [self._places[name] for name in systems]
        except KeyError:
            return None
        return self.values[np.ix_(at, at)]


@dataclass(frozen=True, eq=False)
class AurocCovariances:
    """AurocCovariances of systems' AUROCs over examples.

    Args:
        by_case: By suite and adversarial case.
        of_mean: The same of the mean AUROC over all cases, which may share friendly examples.
    """

    by_case: dict[Any, Covariance]
    of_mean: Covariance

    def alike(self, case: Any, systems: Sequence[Any]) -> Float[np.ndarray, "system system"] | None:
        """Compute how systems' AUROCs in one case correlate.

        Args:
            case: The suite and the case.
            systems: The names of the systems, as in ``by_case``.

        Returns:
            Correlations, 0 with a system of which all examples lie alike; ``None`` if a system is
            not known.
        """
        covariance = self.by_case[case].among(systems)
        if covariance is None:
            return None
        error = np.sqrt(np.diag(covariance))
        scale = np.outer(error, error)
        r = np.divide(covariance, scale, out=np.zeros_like(scale), where=scale > 0)
        np.fill_diagonal(r, 1.0)
        return r


def subnetwork_covariances(evidence: Evidence) -> dict[tuple[Any, ...], AurocCovariances]:
    """Compute covariances of the AUROCs of the subnetworks of each model and search method.

    Returns:
        By fine-tuning, checkpoint and method the covariances of systems named by sparsity and
        search seed; nothing where scores of single examples were not kept for all of them.
    """
    rows = distinct_subnetworks(evidence, "predictions")
    return _known(evidence, rows, BY_METHOD, ["sparsity", "seed"])


def full_covariances(evidence: Evidence) -> dict[tuple[Any, ...], AurocCovariances]:
    """Compute covariances of the AUROCs of each full model at its checkpoints.

    Returns:
        By fine-tuning the covariances of systems named by checkpoint; nothing where scores of
        single examples were not kept for all of them.
    """
    rows = evidence["predictions"]
    return _known(evidence, rows[rows["kind"] == "full"], BY_MODEL[:1], ["checkpoint"])


def _known(
    evidence: Evidence, rows: pd.DataFrame, columns: Sequence[str], names: list[str]
) -> dict[tuple[Any, ...], AurocCovariances]:
    measured = evidence["discrimination"].drop_duplicates(["finetune_seed", *CASE])
    of_models = dict(by_system(measured.set_index(CASE), BY_MODEL[:1]))
    found = {
        key: auroc_covariances(some, of_models[key[:1]], names)
        for key, some in by_system(rows, columns)
        if key[:1] in of_models
    }
    return {key: some for key, some in found.items() if some is not None}


def auroc_covariances(
    predictions: pd.DataFrame, cases: pd.DataFrame, names: list[str]
) -> AurocCovariances | None:
    """Compute covariances of systems' AUROCs over examples.

    Args:
        predictions: Rows as in ``tables.PREDICTIONS`` of systems that score the same examples.
        cases: Adversarial cases, by suite and case, with the columns ``n`` and ``n_friendly``.
        names: The columns that name a system.

    Returns:
        The covariances; ``None`` if a system lacks scores of some example of a case, or there are
        fewer than two examples of a kind.

    Source:
        DeLong, DeLong and Clarke-Pearson 1988.
    """
    rows = predictions.dropna(subset="scores").drop_duplicates([*names, *CASE, "label"])
    rows = rows.sort_values(names)
    systems = _named(rows, names)
    own: dict[Any, Any] = {}
    friendly: dict[Any, list[Any]] = {}
    for (suite, case, label), some in rows.groupby([*CASE, "label"]):
        if len(some) != len(systems) or some["n"].nunique() != 1:
            return None
        # Adversarial cases of one group and label have the same counterparts.
        group, scores = (suite, some["case_group"].iloc[0], label), unpacked_scores(some)
        if (suite, case) in cases.index:
            own[suite, case] = group, scores
        else:
            friendly.setdefault(group, []).append(scores)
    counterparts = {group: np.concatenate(some, axis=1) for group, some in friendly.items()}
    by_case: dict[Any, np.ndarray] = {}
    shared: dict[Any, Any] = {}
    alone: Any = 0.0
    for case, n, n_friendly in cases[["n", "n_friendly"]].itertuples(name=None):
        group, scores = own.get(case, (None, None))
        others = counterparts.get(group)
        if others is None or (scores.shape[1], others.shape[1]) != (n, n_friendly):
            return None
        if min(n, n_friendly) < 2:
            return None
        placed = [placements(*both) for both in zip(scores, others, strict=True)]
        of_own, of_friendly = (np.stack(kind) for kind in zip(*placed, strict=True))
        by_case[case] = _of_mean(of_own) + _of_mean(of_friendly)
        alone += _of_mean(of_own)
        shared[group] = shared.get(group, 0.0) + of_friendly
    together = (alone + sum(map(_of_mean, shared.values()))) / len(cases) ** 2
    tables = {case: Covariance(systems, some) for case, some in by_case.items()}
    return AurocCovariances(tables, Covariance(systems, together))


def accuracy_covariances(
    predictions: pd.DataFrame, kinds: Mapping[Any, str], names: list[str]
) -> dict[str, Covariance]:
    """Compute covariances of systems' mean accuracies over examples.

    Args:
        predictions: Rows as in ``tables.PREDICTIONS`` of systems that answer the same examples.
        kinds: The kind of each case, by suite and case.
        names: The columns that name a system.

    Returns:
        By the names of :func:`accuracies.means_by_kind`; nothing if a system lacks a case, or a
        case has fewer than two examples.
    """
    rows = predictions.drop_duplicates([*names, *CASE]).sort_values(names)
    systems = _named(rows, names)
    by_kind: dict[str, list[np.ndarray]] = {}
    for case, some in rows.groupby(CASE):
        if len(some) != len(systems) or some["n"].nunique() != 1 or some["n"].iloc[0] < 2:
            return {}
        kind = "in_domain" if kinds[case] == "id" else kinds[case]
        by_kind.setdefault(kind, []).append(_of_mean(unpacked(some).astype(np.float64)))
    found = {kind: np.sum(some, axis=0) / len(some) ** 2 for kind, some in by_kind.items()}
    if {"adversarial", "friendly"} <= set(found):
        found["balanced"] = (found["adversarial"] + found["friendly"]) / 4
    return {kind: Covariance(systems, some) for kind, some in found.items()}


def measure_covariances(evidence: Evidence) -> dict[tuple[Any, ...], dict[str, Covariance]]:
    """Compute how measures of the subnetworks of a search method vary together over examples.

    Returns:
        By fine-tuning, checkpoint and method, and by measure (``auc`` and those of
        :func:`accuracy_covariances`), covariances of systems named by sparsity and search seed;
        nothing where single predictions were not kept.
    """
    known: dict[Any, dict[str, Covariance]] = {
        key: {"auc": some.of_mean} for key, some in evidence.once(subnetwork_covariances).items()
    }
    cases = evidence["evaluations"].drop_duplicates(CASE).set_index(CASE)["case_kind"].to_dict()
    for key, rows in by_system(distinct_subnetworks(evidence, "predictions"), BY_METHOD):
        accuracies = accuracy_covariances(rows, cases, ["sparsity", "seed"])
        known[key] = accuracies | known.get(key, {})
    return known


def shared(covariance: Covariance | None, systems: Sequence[Any]) -> float | None:
    """Compute the covariance over examples of two systems, on average over pairs of some.

    Args:
        covariance: That of all systems, if it is known.
        systems: Which of them.

    Returns:
        The mean; ``None`` if a system is not known, or there is a single one.
    """
    n = len(systems)
    some = None if covariance is None or n < 2 else covariance.among(systems)
    if some is None:
        return None
    return float(some.sum() - np.trace(some)) / (n * (n - 1))


def shared_difference(
    covariance: Covariance | None, systems: Sequence[Any], others: Sequence[Any]
) -> float | None:
    """Compute the covariance over examples of two differences, on average over pairs of some.

    Args:
        covariance: That of all systems, if it is known.
        systems: What is compared.
        others: What is subtracted from each of them; it may be the same for all.

    Returns:
        The mean; ``None`` if a system is not known, or there is a single difference.
    """
    n = len(systems)
    every = list(dict.fromkeys([*systems, *others]))
    some = None if covariance is None or n < 2 else covariance.among(every)
    if some is None:
        return None
    signs = np.zeros((len(every), n))
    for sign, named in ((1, systems), (-1, others)):
        for i, name in enumerate(named):
            signs[every.index(name), i] += sign
    of_differences = signs.T @ some @ signs
    return float(of_differences.sum() - np.trace(of_differences)) / (n * (n - 1))


def auroc_variances(rows: pd.DataFrame) -> pd.Series:
    """Bound the variance over examples of each search seed's mean AUROC over cases.

    Args:
        rows: Rows as in ``tables.DISCRIMINATION`` of the subnetworks of one sparsity.
    """
    by_formula = auc_variance(rows["auc"], rows["n"], rows["n_friendly"])
    rows = rows.assign(error=np.fmax(by_formula, rows["auc_se"] ** 2) ** 0.5)
    # Cases of one group share friendly examples; at most, their errors are all the same.
    of_groups = rows.groupby(["seed", "suite", "case_group"])["error"].sum() ** 2
    return of_groups.groupby("seed").sum() / rows.groupby("seed").size() ** 2


def _named(rows: pd.DataFrame, names: list[str]) -> list[Any]:
    """Name the systems of sorted rows, by a tuple if several columns name them."""
    named = rows[names].drop_duplicates()
    if len(names) == 1:
        return named[names[0]].tolist()
    return list(named.itertuples(index=False, name=None))


def _of_mean(values: Float[np.ndarray, "system example"]) -> Float[np.ndarray, "system system"]:
    """Compute the covariances of systems' means over examples."""
    return np.atleast_2d(np.cov(values)) / values.shape[1]
