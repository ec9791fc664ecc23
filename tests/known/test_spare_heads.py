"""Two heads compare places and two gather: one of each is enough, so only pairs are missed."""

from __future__ import annotations

import pytest

from heuristic_core.analysis.additivity import additivity
from heuristic_core.analysis.core_removal import core_removal
from heuristic_core.analysis.helpful_removal import helpful_removal
from heuristic_core.analysis.single_removal import single_removal
from known.models import SPARE_COPIES, SPARE_GATHERERS, SPARE_HEADS
from known.pipeline import (
    ALL_RIGHT,
    ALWAYS_NON_ENTAILMENT,
    counts,
    removal_evidence,
    without_auroc,
)

CIRCUIT = SPARE_HEADS
CORE = SPARE_COPIES + SPARE_GATHERERS


@pytest.fixture(scope="module")
def evidence(model, data, toy_task):
    """What removals do."""
    return removal_evidence(model, toy_task, data, CORE)


@pytest.mark.parametrize(
    ("removed", "expected"),
    [
        ((), ALL_RIGHT),
        ((SPARE_COPIES[0], SPARE_GATHERERS[1]), ALL_RIGHT),
        (SPARE_COPIES, ALWAYS_NON_ENTAILMENT),
        (SPARE_GATHERERS, ALWAYS_NON_ENTAILMENT),
    ],
)
def test_accuracy_without(accuracies_without, removed, expected):
    assert accuracies_without(removed) == expected


def test_no_head_is_missed_alone(model, evidence):
    (answer,) = single_removal(evidence)
    assert all(row["p"] == 1 for row in answer.rows["removals"])
    assert answer.verdict.decision == "not decided by these data"
    (answer,) = helpful_removal(evidence)
    assert counts(answer)["no clear change"] == len(model.space)


def test_heads_that_replace_each_other_are_super_additive(evidence):
    spare = {" ".join(SPARE_COPIES), " ".join(SPARE_GATHERERS)}
    (answer,) = additivity(evidence)
    assert answer.verdict.decision == "supported"
    pairs = [row for row in answer.rows["additivity"] if row["kind"] == "pair"]
    assert {pair["units"] for pair in pairs[:2]} == spare
    assert {pair["units"] for pair in pairs if pair["together"] != "not clear"} == spare
    assert {pair["together"] for pair in pairs[:2]} == {"more than the sum"}
    assert all(pair["p"] == 1 for pair in pairs[2:])
    # Label bias could move margins.
    (answer,) = additivity(without_auroc(evidence))
    pairs = [row for row in answer.rows["additivity"] if row["kind"] == "pair"]
    clear = {pair["units"]: pair["together"] for pair in pairs if pair["together"] != "not clear"}
    assert clear == dict.fromkeys(spare, "more than the sum")
    assert answer.verdict.decision == "not decided by these data"


def test_the_model_rests_on_all_of_them(evidence):
    (answer,) = core_removal(evidence)
    assert answer.verdict.decision == "supported"
    auroc = answer.rows["core-removal"][0]
    assert auroc["n_controls"] == 20
    assert (auroc["core"].value, auroc["controls"], auroc["percentile"]) == (-0.5, 0, 0)
    assert "as no matched group does" in answer.verdict.reason
    (answer,) = single_removal(evidence)
    alone = answer.rows["core-heads"][0]
    assert alone["measure"] == "balanced margin"
    assert alone["p"] == 1
