"""How often an effect is found, and how much more data would find it."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy import stats

from heuristic_core.analysis.effect import Effect
from heuristic_core.analysis.intervals import student
from heuristic_core.analysis.power import (
    ErrorSource,
    by_examples,
    by_interval,
    found,
    least_number,
    outlook,
    too_few_planned,
)

#: Simulated studies, whose shares have a standard error of half a point.
STUDIES = 10_000


def simulated(effect: float, n_seeds: int, seed_sd: float, example_sd: float) -> float:
    """Draw studies, and count those whose t-test with Welch's freedom finds the effect."""
    rng = np.random.default_rng(0)
    seeds = effect + seed_sd * rng.standard_normal((STUDIES, n_seeds))
    values = seeds.mean(1) + example_sd * rng.standard_normal(STUDIES)
    over = seeds.var(1, ddof=1) / n_seeds
    variance = over + example_sd**2
    freedom = variance**2 / (over**2 / (n_seeds - 1))
    return float(np.mean(values / variance**0.5 > stats.t.isf(0.025, freedom)))


@pytest.mark.parametrize("n", [3, 5, 12])
@pytest.mark.parametrize("effect", [0.0, 10.0, 20.0])
def test_one_source_is_found_as_often_as_by_a_t_test(n, effect):
    source = ErrorSource("search seeds", 11.0**2 / n, n)
    assert found(effect, source) == pytest.approx(simulated(effect, n, 11.0, 0.0), abs=0.02)


def test_two_sources_are_found_as_often_as_in_simulated_studies():
    sources = ErrorSource("seeds", 11.0**2 / 4, 4), ErrorSource("examples", 5.0**2, 1000)
    assert found(20.0, *sources) == pytest.approx(simulated(20.0, 4, 11.0, 5.0), abs=0.03)


def test_what_has_no_error_is_found_and_a_single_one_is_not():
    assert found(1.0) == found(1.0, ErrorSource("seeds", 0.0, 3)) == 1.0
    assert found(1.0, ErrorSource("seeds", 1e-6, 1)) == 0.0


def test_the_advice_is_the_least_number_that_is_enough():
    n, variance = 3, 11.0**2 / 3
    text = outlook("a fall of 20", 20.0, ErrorSource("search seeds", variance, n))
    needed = int(re.match(r"with (\d+) search seeds instead of 3, a fall of 20 would", text)[1])

    def power(seeds):
        return found(20.0, ErrorSource("search seeds", 11.0**2 / seeds, seeds))

    assert power(needed) >= 0.8 > power(needed - 1)
    assert text.endswith(f"now in {power(3):.0%}")


def test_the_cheapest_source_is_named():
    seeds = ErrorSource("search seeds", 1.0, 3)
    examples = ErrorSource("examples", 0.01, 100, counted=False)
    assert "search seeds instead of 3" in outlook("it", 2.0, seeds, examples)
    few = ErrorSource("examples", 1.0, 100, counted=False)
    text = outlook("it", 2.0, ErrorSource("search seeds", 0.001, 3), few)
    # Normal: 2.8 standard errors are needed and 2 are there.
    assert re.match(r"with 2(\.0)? times as many examples, it", text)


def test_both_are_named_where_neither_is_enough():
    seeds = ErrorSource("search seeds", 1.0, 3)
    examples = ErrorSource("examples", 1.0, 100, counted=False)
    text = outlook("it", 2.0, seeds, examples)
    assert re.match(r"with \d+ search seeds instead of 3 and [\d.]+ times as many examples", text)


def test_what_is_out_of_reach_is_said_so():
    text = outlook("it", 1e-3, ErrorSource("search seeds", 1.0, 3))
    assert "not in 80% with 64 times the data" in text


def test_what_would_have_been_found_is_said_so():
    text = outlook("it", 3.0, ErrorSource("examples", 0.25, 1000))
    assert text == "it would have been found in 100% of such studies"


def test_an_equivalence_test_is_passed_as_often_as_in_simulated_studies():
    n, sd, margin = 6, 2.0, 3.0
    rng = np.random.default_rng(0)
    values = sd * rng.standard_normal((STUDIES, n))
    half = stats.t.isf(0.025, n - 1) * values.std(1, ddof=1) / n**0.5
    passed = float(np.mean(np.abs(values.mean(1)) + half <= margin))
    source = ErrorSource("pairs", sd**2 / n, n)
    text = outlook("a match", margin, source, both_sides=True)
    said = int(re.search(r"in (\d+)%(?: of such studies)?$", text)[1])
    assert said == pytest.approx(100 * passed, abs=4)


def test_an_error_is_read_off_an_interval():
    values = np.array([1.0, 2.0, 4.0])
    source = by_interval("pairs", student(values), 3)
    assert (source.variance, source.n) == (pytest.approx(values.var(ddof=1) / 3), 3)
    assert found(100.0, by_interval("pairs", student(values[:1]), 1)) == 0.0


def test_an_error_over_examples_is_that_of_the_effect():
    source = by_examples(Effect(1.0, (0.5, 0.25), (9.0, 19.0)))
    assert (source.variance, source.n, source.counted) == (0.75, 10.0, False)


def test_a_number_is_tried_from_the_present_one_on():
    assert least_number("it", "sets", 3, lambda n: n >= 3) == "it would have been found"
    assert least_number("it", "sets", 3, lambda n: n >= 5) == (
        "with 5 sets instead of 3, it would be found"
    )
    assert least_number("it", "sets", 3, lambda n: False) == (
        "it would not be found with 64 sets either"
    )


def test_a_plan_is_held_against_what_a_verdict_takes():
    assert too_few_planned(3, 3, "searches") == ""
    assert too_few_planned(1, 3, "searches") == "it takes 3 searches, and 1 is planned"


def test_fewer_than_a_verdict_takes_find_nothing():
    """However small the error is, and how much it takes is said."""
    source = ErrorSource("search seeds", 1e-6, 2, least=3)
    assert found(1.0, source) == 0.0
    assert outlook("it", 1.0, source).startswith("with 3 search seeds instead of 2, it would be")
    assert found(1.0, ErrorSource("search seeds", 1e-6, 3, least=3)) > 0.99


def test_of_a_single_one_the_error_is_unknown_in_whatever_unit():
    source = by_interval("search seeds", student(np.array([1.0])), 1)
    assert source.unknown
    assert found(1.0, source) == 0.0
    assert outlook("it", 1.0, source) == "1 cannot tell how much search seeds differ: it takes 2"
