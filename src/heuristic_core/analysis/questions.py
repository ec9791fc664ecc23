"""All questions, in the order in which the paper asks them, and what answers them together."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from . import (
    additivity,
    attention_patterns,
    coexistence,
    core,
    core_overlap,
    core_removal,
    dependency,
    discrimination,
    disjoint,
    effective_size,
    emergence,
    faithfulness,
    generalisation_range,
    group_removal,
    helpful_removal,
    label_bias,
    learning_order,
    necessity,
    overlap,
    ranks,
    repeated_tokens,
    repulsion,
    single_removal,
    smoothness,
    sparser,
    spread,
    validity,
)
from .conclusions import Conclusions, conclude
from .evidence import Evidence
from .validation import check_settings, check_tables

QUESTIONS = tuple(
    module.QUESTION
    for module in (
        spread,
        discrimination,
        ranks,
        faithfulness,
        sparser,
        smoothness,
        core,
        overlap,
        disjoint,
        effective_size,
        learning_order,
        emergence,
        attention_patterns,
        repeated_tokens,
        single_removal,
        additivity,
        core_removal,
        group_removal,
        core_overlap,
        helpful_removal,
        label_bias,
        dependency,
        generalisation_range,
        coexistence,
        repulsion,
        necessity,
        validity,
    )
)


def analyze(
    tables: Mapping[str, pd.DataFrame], *, margin_points: float = 3.0, seed: int = 0
) -> Conclusions:
    """Answer every question that the tables of a study can answer.

    Args:
        tables: Rows by the names of the tables in ``tables.TABLES``; one that is absent answers
            nothing.
        margin_points: Points of in-domain accuracy within which a subnetwork matches the model.
        seed: Seed of bootstrap draws and permutations.

    Returns:
        The verdicts, and the rows of the questions' tables.

    Raises:
        InputError: If a table lacks something or holds what it cannot, or if a setting does not
            fit.
    """
    check_settings(margin_points, seed)
    evidence = Evidence(check_tables(tables), margin_points=margin_points, seed=seed)
    return conclude(evidence, QUESTIONS)
