from __future__ import annotations

import pytest

import verdicts
from laboratory.page import beyond


def covered(question, column, effect, coverage):
    place = {"question": question, "column": column, "effect": effect, "design": "6 seeds"}
    return place | {"coverage": coverage, "n": 1000, "on_a_grid": False, "at_an_end": False}


def test_what_covers_too_seldom_or_too_often_is_listed_with_the_reason_if_known():
    rows = [
        covered("overlap", "verdict", "heads at random within layers", 0.994),
        covered("overlap", "verdict", "heads at random within layers", 0.986),
        covered("overlap", "verdict", "a core is kept", 0.994),
        covered("spread", "spread, span", "subnetworks are alike", 0.9),
        covered("spread", "spread, span", "subnetworks are alike", 0.95),
        covered("overlap", "verdict", "heads at random within layers", 0.5) | {"on_a_grid": True},
    ]
    alike, spread, explained = beyond([], rows)
    assert alike.endswith("covers in 99.4% of 1,000")
    assert "`spread`: spread, span" in spread
    assert "2 designs: covers in 98.6% to 99.4%, as searches have nothing in common" in explained
    # Too seldom is never explained.
    seldom = covered("overlap", "verdict", "heads at random within layers", 0.9)
    assert beyond([], [seldom])[0].endswith("covers in 90.0% of 1,000")
    wrong = {"question": "core", "where": "", "effect": "x", "design": "y", "n": 1000, "bar": 0.9}
    assert len(beyond([wrong | {"wrong": 0.07, "right": 0.8}], [])) == 2
    assert not beyond([wrong | {"wrong": 0.065, "right": 0.9}], [])


@pytest.mark.parametrize(
    ("shares", "rows", "times"),
    [
        ({"wrong": 0.06}, [covered("spread", "spread, span", "any", 0.94)], [1]),
        ({"wrong": 0.07}, [], [1, 4]),
        ({"wrong": 0.06}, [covered("spread", "spread, span", "any", 0.92)], [1, 4]),
        ({"wrong": 0.06}, [covered("overlap", "verdict", "heads at random", 0.994)], [1]),
    ],
)
def test_what_is_beyond_a_bar_is_drawn_again(monkeypatch, shares, rows, times):
    asked = []

    def drawn(world, planted, n_studies, pool, first=0):
        asked.append((n_studies, first > 0))
        return {"shares": [shares], "coverage": rows}

    monkeypatch.setattr(verdicts, "drawn", drawn)
    verdicts.result(None, None, 1000, None)
    assert asked == [(1000 * n, n > 1) for n in times]
