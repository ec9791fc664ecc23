from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import softmax

from heuristic_core.errors import InputError
from heuristic_core.measure.probe import choose_penalty, fit_probe, probe_removals
from heuristic_core.measure.removal import removals, without
from heuristic_core.measure.removal_sets import Removal, singles
from heuristic_core.measure.rerun import features_of
from heuristic_core.models.means import mean_values
from heuristic_core.tasks.task import Suite
from tiny import LABELS, some_pairs


def blobs(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    labels = rng.integers(0, 3, n)
    centres = np.array([[0, 0, 0, 5], [3, 0, 0, 5], [0, 3, 0, 5]])
    return centres[labels] + rng.normal(size=(n, 4)) * [1, 1, 10, 0], labels


def test_the_probe_is_the_optimum():
    """At the optimum the mean error of each class and feature balances the penalty."""
    features, labels = blobs(200, np.random.default_rng(0))
    probe = fit_probe(features, labels, ("a", "b", "c"), penalty=2.0)
    p = softmax(features @ probe.weight.T + probe.bias, axis=1)
    error = p - np.eye(3)[labels]
    scale = features.std(0)
    scaled = (features - features.mean(0)) / np.where(scale > 0, scale, 1)
    assert np.abs(error.sum(0)).max() < 1e-4
    assert np.abs(error.T @ scaled + 2.0 * probe.weight * scale).max() < 1e-4
    assert (probe.weight[:, 3] == 0).all()  # the last feature never changes
    assert ((features @ probe.weight.T + probe.bias).argmax(1) == labels).mean() > 0.8


def test_the_probe_repeats_and_does_not_depend_on_scale():
    features, labels = blobs(60, np.random.default_rng(1))
    one, again = (fit_probe(features, labels, ("a", "b", "c")) for _ in range(2))
    np.testing.assert_array_equal(one.weight, again.weight)
    other = fit_probe(1000 * features + 7, labels, ("a", "b", "c"))
    np.testing.assert_allclose(
        other(torch.from_numpy(1000 * features + 7)).numpy(),
        one(torch.from_numpy(features)).numpy(),
        atol=1e-4,
    )


def test_a_heavier_penalty_gives_smaller_weights():
    features, labels = blobs(60, np.random.default_rng(2))
    norms = [
        np.linalg.norm(fit_probe(features, labels, ("a", "b", "c"), penalty=p).weight)
        for p in (0.1, 1.0, 10.0, 1e6)
    ]
    assert norms == sorted(norms, reverse=True)
    assert norms[-1] < 1e-3


def test_the_penalty_fits_how_much_there_is_to_learn():
    rng = np.random.default_rng(3)
    features, labels = blobs(300, rng)
    assert choose_penalty(features, labels, ("a", "b", "c")) < 100
    assert choose_penalty(features, rng.permutation(labels), ("a", "b", "c")) >= 100
    assert choose_penalty(features[:5], labels[:5], ("a", "b", "c")) == 1000


def test_what_cannot_be_fitted():
    with pytest.raises(InputError, match="at least one training example"):
        fit_probe(np.zeros((0, 2)), np.zeros(0, dtype=int), LABELS)
    with pytest.raises(InputError, match="must be above 0"):
        fit_probe(np.zeros((1, 2)), np.zeros(1, dtype=int), LABELS, penalty=0.0)


def test_features_are_what_the_classifier_reads(tiny, pairs):
    features = features_of(tiny, tiny.encode(pairs), batch_size=5)
    with torch.inference_mode():
        logits = tiny.hf.classifier(torch.from_numpy(features).float())
    torch.testing.assert_close(logits, tiny.logits(tiny.encode(pairs)), atol=1e-5, rtol=1e-5)


@pytest.fixture
def exact(tiny):
    tiny.hf.double()
    return tiny


def test_removals_are_answered_by_the_probe(exact, pairs):
    train, suite = pairs, Suite(name="id", role="id", examples=some_pairs(20, seed=9))
    values = mean_values(exact, exact.encode(train))
    core = Removal("core", exact.space.units[1:3])
    sets = [*singles(exact.space), core]
    result = probe_removals(exact, train, [suite], sets, values, penalty=0.5)
    probe = fit_probe(
        features_of(exact, exact.encode(train)), train.label_ids, train.labels, penalty=0.5
    )
    encoded = exact.encode(suite.examples)
    right = suite.examples.label_ids
    for units, group in [((), "none"), (core.units, "core")]:
        with without(exact, *units, means=values):
            logits = probe(torch.from_numpy(features_of(exact, encoded))).numpy()
        rows = result.removal[result.removal["group"] == group]
        score = np.where(right == 1, 1, -1) * (logits[:, 1] - logits[:, 0])
        assert (rows["n"] @ rows["margin"]) / len(right) == pytest.approx(score.mean(), abs=1e-10)
        assert rows["correct"].sum() == (logits.argmax(1) == right).sum()
        if group == "none":
            assert result.accuracy == pytest.approx((logits.argmax(1) == right).mean())
    assert set(result.removal["readout"]) == {"probe"}
    assert result.train_accuracy > 0.6
    # What the last layer reads changes as much, whoever answers.
    own, _ = removals(exact, [suite], sets, values)
    np.testing.assert_allclose(result.removal["pooled_change"], own["pooled_change"])
    assert np.abs(result.removal["margin"] - own["margin"]).max() > 0.1


def test_the_models_own_last_layer_plays_no_part(tiny, pairs):
    suite = Suite(name="ood", role="ood", examples=some_pairs(12, seed=9))
    values = mean_values(tiny, tiny.encode(pairs))
    sets = [Removal("single", tiny.space.units[:1])]
    before = probe_removals(tiny, pairs, [suite], sets, values)
    assert before.penalty == choose_penalty(
        features_of(tiny, tiny.encode(pairs)), pairs.label_ids, pairs.labels
    )
    with torch.no_grad():
        tiny.hf.classifier.weight.normal_()
    after = probe_removals(tiny, pairs, [suite], sets, values)
    assert before.removal.equals(after.removal)
    assert before.accuracy is None
