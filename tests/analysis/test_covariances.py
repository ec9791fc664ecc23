from __future__ import annotations

import numpy as np
import pytest
from simulated_scores import by_example

from heuristic_core.analysis.covariances import full_covariances, subnetwork_covariances
from heuristic_core.analysis.evidence import Evidence
from heuristic_core.analysis.predictions import unpacked_scores

SHAPE = (1, 1, 3, 2, 2)


def drawn(n=30, n_friendly=50):
    rng = np.random.default_rng(0)
    return by_example(
        rng,
        np.full(SHAPE, 0.8),
        np.zeros((1,) * 5),
        n=n,
        n_friendly=n_friendly,
        alike=0.7,
        sparsities=(0.5, 0.7),
    )


def delong(tables, case, one, other):
    """The covariance of two AUROCs from all pairs of examples."""
    rows = tables["predictions"].set_index(["case", "sparsity", "seed"])
    parts = []
    for system in (one, other):
        own, friendly = (unpacked_scores(rows.loc[[(x, *system)]])[0] for x in (case, "f"))
        apart = own[:, None] - friendly
        wins = (apart > 1e-3) + 0.5 * (np.abs(apart) <= 1e-3)
        parts.append((wins.mean(1), wins.mean(0)))
    return [np.cov(x, y)[0, 1] / len(x) for x, y in zip(*parts, strict=True)]


def test_covariances_of_aurocs_from_all_pairs():
    tables = drawn()
    (found,) = subnetwork_covariances(Evidence(tables)).values()
    one, other = (0.5, 0), (0.7, 2)
    by_case = {case: delong(tables, case, one, other) for case in ("a0", "a1")}
    for case, (own, friendly) in by_case.items():
        of_case = found.by_case["ood", case]
        assert of_case.among([one, other])[0, 1] == pytest.approx(own + friendly)
        measured = tables["discrimination"].set_index(["case", "sparsity", "seed"])
        expected = measured.loc[(case, *one), "auc_se"] ** 2
        assert of_case.among([one])[0, 0] == pytest.approx(expected, rel=0.02)
    r = found.alike(("ood", "a0"), [one, other])
    assert r is not None
    assert (r[0, 0], r[0, 1] > 0.3) == (1, True)
    assert found.alike(("ood", "a0"), [one, (0.9, 0)]) is None


def test_cases_share_their_friendly_examples():
    """The error of the mean over two cases, from draws of new examples."""
    rng = np.random.default_rng(1)
    means, known = [], []
    for _ in range(150):
        tables = by_example(
            rng, np.full((1, 1, 1, 1, 2), 0.8), np.zeros((1,) * 5), n=60, n_friendly=30
        )
        means.append(tables["discrimination"]["auc"].mean())
        (found,) = subnetwork_covariances(Evidence(tables)).values()
        known.append(found.of_mean.values[0, 0])
    assert np.mean(known) ** 0.5 == pytest.approx(np.std(means), rel=0.15)


def test_checkpoints_of_a_full_model():
    tables = by_example(
        np.random.default_rng(2),
        np.full((1, 3, 1, 1, 1), 0.8),
        np.zeros((1,) * 5),
        checkpoints=(100, 200, 300),
        sparsities=(0.0,),
        alike=0.8,
    )
    found = full_covariances(Evidence(tables))
    assert list(found) == [(0,)]
    r = found[(0,)].alike(("ood", "a0"), [100, 200, 300])
    assert r is not None
    assert (r > 0.5).all()


def test_what_is_not_known_for_all_is_not_used():
    tables = drawn()
    assert (
        subnetwork_covariances(Evidence({**tables, "predictions": tables["predictions"][1:]})) == {}
    )
    without = tables["predictions"].assign(scores=None)
    assert subnetwork_covariances(Evidence({**tables, "predictions": without})) == {}
    fewer = tables["discrimination"].assign(n_friendly=49)
    assert subnetwork_covariances(Evidence({**tables, "discrimination": fewer})) == {}
