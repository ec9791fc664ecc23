"""What is concluded from measurements: one question of the paper a file, pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from ..tables import EVALUATION
from .additivity import additivity
from .core import core, whole_cores
from .core_overlap import core_overlap
from .core_removal import core_removal
from .curves import curves
from .dependency import dependency
from .discrimination import discrimination
from .disjoint import disjoint
from .emergence import emergence, rises
from .groups import groups
from .intervals import SUPPORTED
from .overlap import overlap
from .patterns import patterns
from .ranks import ranks
from .removal import removal
from .repeated import repeated
from .roles import roles
from .sides import sides
from .size import effective_size
from .smoothness import smoothness
from .sparser import sparser
from .spread import spread
from .told_apart import told_apart_by_model
from .validation import check_settings, check_tables

__all__ = ["analyze"]


def analyze(
    evaluations: pd.DataFrame,
    subnetworks: pd.DataFrame,
    measured: Mapping[str, pd.DataFrame] | None = None,
    *,
    margin_points: float = 3.0,
    seed: int = 0,
) -> dict[str, Any]:
    """Answer every question that the tables of a study can answer.

    Args:
        evaluations: Rows as in ``tables.EVALUATION``.
        subnetworks: Rows as in ``tables.SUBNETWORKS``.
        measured: What else was measured, by the names in ``tables.MEASURED``; a table that is
            absent answers nothing.
        margin_points: Points of ID accuracy within which a subnetwork matches the model.
        seed: Seed of bootstrap draws and shuffles.

    Returns:
        For each analysis, by name, a list of results as plain dictionaries, each with its verdict.

    Raises:
        InputError: If a table lacks something or holds what it cannot, or if a setting does not
            fit.
    """
    check_settings(margin_points, seed)
    given = check_tables(evaluations, subnetworks, measured or {})
    evaluations, subnetworks = given["evaluations"], given["subnetworks"]
    cores = core(subnetworks)
    shared = whole_cores(cores)
    # Of a fine-tuning's last checkpoint, if it is one: what is shared by chance is no core.
    last = {c.finetune_seed: c.core if c.verdict.decision == SUPPORTED else () for c in shared}
    apart = given["discrimination"]
    told_apart = told_apart_by_model(given["removal_discrimination"], apart)
    over_time = curves(evaluations, apart)
    # Held against the full model and the ordinary subnetworks on the same sample of examples.
    searched, grid = given["disjoint"], given["grid"]
    again = searched[searched["forbidden"] > 0]
    ordinary = searched[searched["forbidden"] == 0]
    same_sample = pd.concat([grid[grid["kind"] == "full"], ordinary[list(EVALUATION)]])
    answers: dict[str, Sequence[Any]] = {
        "spread": spread(evaluations, margin_points, apart),
        "discrimination": discrimination(apart, evaluations),
        "ranks": ranks(evaluations, seed, apart),
        "sparser": sparser(evaluations, apart if len(apart) else None),
        "smoothness": smoothness(given["grid"]),
        "size": effective_size(given["grid"], margin_points, seed),
        "core": cores,
        "overlap": overlap(subnetworks, seed),
        "disjoint": disjoint(again, same_sample, margin_points),
        "core_overlap": core_overlap(cores),
        "emergence": emergence(subnetworks, given["grid_subnetworks"], rises(over_time)),
        "removal": removal(given["removal"], told_apart, seed=seed),
        "additivity": additivity(given["removal"], told_apart),
        "core_removal": core_removal(given["removal"], told_apart, seed=seed),
        "groups": groups(given["removal"], told_apart),
        "roles": roles(given["removal"], given["removal_discrimination"]),
        "sides": sides(given["removal"]),
        "patterns": patterns(given["attention"], last, seed),
        "repeated": repeated(given["attention"], last),
        "dependency": dependency(given["dependency"], seed),
        "curves": over_time,
    }
    return {name: [asdict(result) for result in results] for name, results in answers.items()}
