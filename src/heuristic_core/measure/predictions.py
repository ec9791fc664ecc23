"""What a system answers to single examples, packed: what paired comparisons of systems need."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pandas as pd

from ..tables import PREDICTIONS, SYSTEM_NAMES
from ..tasks.task import Suite
from .accuracy import Logits, log_odds
from .discrimination import matches, packed


def predictions(suite: Suite, model_labels: tuple[str, ...], logits: Logits) -> pd.DataFrame:
    """Pack what a system answers to the examples of a suite, case by case.

    Args:
        suite: The suite.
        model_labels: The model's label names in the order of its classes.
        logits: The logits of a model or subnetwork on the suite.

    Returns:
        Rows with the columns of ``tables.PREDICTIONS`` that do not name a system. An adversarial
        case has the scores of its own label, a friendly case those of each label of its adversarial
        counterparts, not numbers where an example has that label; a case without counterparts has
        one row without scores.

    Raises:
        InputError: If the model's labels do not fit the suite's.
    """
    class_map = suite.class_map(model_labels)
    cases = suite.examples.table["case"].to_numpy()
    correct = class_map[logits.argmax(1)] == suite.examples.label_ids
    labels: dict[str, set[int]] = defaultdict(set)
    scores: dict[int, np.ndarray] = {}
    compared: dict[int, np.ndarray] = {}
    for match in matches(suite):
        chosen = class_map == match.label
        if chosen.any() and not chosen.all():
            for case in (match.case, *np.unique(cases[match.friendly])):
                labels[str(case)].add(match.label)
            if match.label not in scores:
                scores[match.label] = log_odds(logits, np.broadcast_to(chosen, logits.shape))
                compared[match.label] = np.zeros(len(cases), dtype=bool)
            compared[match.label][match.adversarial] = True
            compared[match.label][match.friendly] = True
    rows = []
    for case in suite.cases:
        of_case = np.flatnonzero(cases == case)
        row = {
            "suite": suite.name,
            "case": case,
            "n": len(of_case),
            "correct": np.packbits(correct[of_case]).tobytes(),
        }
        rows += [
            row
            | {"label": suite.examples.labels[label], "case_group": suite.group(case)}
            | {"scores": packed(np.where(compared[label], scores[label], np.nan)[of_case])}
            for label in sorted(labels[case])
        ] or [row | {"label": "", "case_group": "", "scores": None}]
    return pd.DataFrame(rows, columns=PREDICTIONS.without(SYSTEM_NAMES).names)
