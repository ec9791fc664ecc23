from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from heuristic_core.analysis.separation import separation
from heuristic_core.errors import InputError
from heuristic_core.measure.accuracy import score
from heuristic_core.measure.discrimination import discriminate
from heuristic_core.measure.predictions import predictions
from heuristic_core.tasks import load_task

LABELS = ("entailment", "neutral", "contradiction")


@pytest.fixture(scope="module")
def suites():
    return load_task("hans-grammar", per_case=5).suites


def logits_of(suite, seed=0):
    return np.random.default_rng(seed).normal(size=(len(suite.examples), 3)).astype(np.float32)


def bits(row):
    return np.unpackbits(np.frombuffer(row["correct"], np.uint8))[: row["n"]]


def test_packed_answers_add_up_to_the_evaluation(suites):
    for suite in suites:
        logits = logits_of(suite)
        packed = predictions(suite, LABELS, logits)
        by_case = score(suite, LABELS, logits, logits).set_index("case")
        for row in packed.to_dict("records"):
            assert bits(row).sum() == by_case.loc[row["case"], "correct"]
            assert row["n"] == by_case.loc[row["case"], "n"]
            assert len(row["correct"]) == -(-row["n"] // 8)
        assert list(dict.fromkeys(packed["case"])) == list(suite.cases)


def test_the_order_is_the_suite_s(suites):
    (suite,) = (suite for suite in suites if suite.role == "ood")
    logits = logits_of(suite)
    predicted = suite.class_map(LABELS)[logits.argmax(1)]
    right = predicted == suite.examples.label_ids
    cases = suite.examples.table["case"].to_numpy()
    for row in predictions(suite, LABELS, logits).to_dict("records"):
        assert np.array_equal(bits(row), right[cases == row["case"]])


def test_scores_give_the_areas(suites):
    (suite,) = (suite for suite in suites if suite.role == "ood")
    logits = logits_of(suite, 1)
    packed = predictions(suite, LABELS, logits).set_index(["case", "label"])
    assert packed["case_group"].to_dict() == {
        (case, label): suite.group(case) for case, label in packed.index
    }
    for row in discriminate(suite, LABELS, logits).to_dict("records"):
        (label,) = {label for case, label in packed.index if case == row["case"]}
        friendly = [
            case
            for case, of in packed.index
            if of == label
            and suite.kind(case) == "friendly"
            and suite.group(case) == row["case_group"]
        ]
        unpacked = {
            case: np.frombuffer(packed.loc[(case, label), "scores"], "<f2").astype(float)
            for case in (row["case"], *friendly)
        }
        others = np.concatenate([unpacked[case] for case in friendly])
        assert len(others) == row["n_friendly"]
        assert separation(unpacked[row["case"]], others).auc == pytest.approx(row["auc"], abs=5e-3)


def test_cases_without_counterparts_have_no_scores(suites):
    (suite,) = (suite for suite in suites if suite.role == "id")
    packed = predictions(suite, LABELS, logits_of(suite))
    assert packed["scores"].isna().all()
    assert (packed[["label", "case_group"]] == "").all(axis=None)


def test_saturated_scores_stay_finite(suites):
    (suite,) = (suite for suite in suites if suite.role == "ood")
    packed = predictions(suite, LABELS, 1e6 * logits_of(suite))
    scores = np.concatenate([np.frombuffer(x, "<f2") for x in packed["scores"].dropna()])
    assert np.isfinite(scores).all()


def test_other_labels_are_refused(suites):
    with pytest.raises(InputError, match="label"):
        predictions(suites[0], ("yes", "no"), np.zeros((len(suites[0].examples), 2)))
    assert isinstance(predictions(suites[0], LABELS, logits_of(suites[0])), pd.DataFrame)
