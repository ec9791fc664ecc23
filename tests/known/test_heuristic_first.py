"""Comparing words prevails over comparing places: a heuristic that can be removed."""

from __future__ import annotations

from dataclasses import replace

import heuristic_core as hc
from heuristic_core.analysis.core_removal import core_removal
from heuristic_core.analysis.helpful_removal import ONE_KIND, helpful_removal
from known.models import DEEP, HEURISTIC_FIRST, SHALLOW, UNSATURATED
from known.pipeline import ALL_RIGHT, NO_ORDER, by_unit, counts, helping, removal_evidence
from known.wiring import build

CIRCUIT = HEURISTIC_FIRST


def test_accuracy_without(accuracies_without):
    assert accuracies_without(()) == accuracies_without(DEEP) == NO_ORDER
    assert all(accuracies_without((head,)) == ALL_RIGHT for head in SHALLOW)


def test_the_heuristic_is_what_helps_when_removed(model, data, toy_task):
    (answer,) = helpful_removal(removal_evidence(model, toy_task, data, SHALLOW))
    assert answer.verdict.decision == "supported"
    assert helping(answer) == set(SHALLOW)
    for row in answer.rows["unit-removal-outcomes"][:2]:
        assert row["unit"] in SHALLOW
        assert row["auc"].value == 0.5
        # Friendly answers are saturated: the other way gives them as well.
        assert row["outcome"] == ONE_KIND
        assert abs(row["friendly"].value) < 1e-3


def test_the_model_does_better_without_the_heuristic(tmp_path, toy_task):
    """In layers of four heads, one group in 16 is the core; that could be chance."""
    model = build(replace(HEURISTIC_FIRST, n_heads=8), tmp_path)
    evidence = removal_evidence(model, toy_task, hc.prepare(model, toy_task), SHALLOW)
    (answer,) = core_removal(evidence)
    assert answer.verdict.decision == "contradicted"


def test_label_bias_is_no_help(tmp_path, toy_task):
    """Where answers are not saturated, the heuristic only moves all that have the same words."""
    model = build(UNSATURATED, tmp_path)
    evidence = removal_evidence(model, toy_task, hc.prepare(model, toy_task), SHALLOW)
    (answer,) = helpful_removal(evidence)
    rows = by_unit(answer, "unit-removal-outcomes")
    for head in SHALLOW:
        assert rows[head]["outcome"] == "biases to the adversarial label"
        assert rows[head]["adversarial"].low > 1
        assert rows[head]["friendly"].high < -1
        assert rows[head]["auc"].value == 0
    assert not helping(answer)
    assert counts(answer)["biases to the friendly label"] == 0
    assert answer.verdict.decision != "supported"
