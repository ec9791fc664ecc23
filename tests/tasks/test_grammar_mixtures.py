"""Easy non-entailments and mixtures with hard ones: exact counts, true labels."""

from __future__ import annotations

import re
from collections import Counter

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heuristic_core.errors import InputError
from heuristic_core.tasks.grammar import (
    ENTAILED,
    NOT_ENTAILED,
    SPLITS,
    allocate,
    easy_non_entailments,
    parse,
    training_mix,
)
from heuristic_core.tasks.grammar.lexicon import CLASSES

# Content words by spelling: kind, name and form.
LEXEMES = {
    spelling: (c.kind, lexeme.name, form)
    for c in CLASSES.values()
    if c.kind != "F"
    for lexeme in c.lexemes
    for form, spelling in lexeme.forms
}


def content(sentence: str) -> list[str]:
    return [w for w in re.findall(r"ice cream|\w+", sentence.lower()) if w in LEXEMES]


def new_words(premise: str, hypothesis: str) -> list[str]:
    """Give the hypothesis's words of which no form occurs in the premise."""
    known = {LEXEMES[w][:2] for w in content(premise)}
    return [w for w in content(hypothesis) if LEXEMES[w][:2] not in known]


def spread(counts: Counter[str]) -> int:
    return max(counts.values()) - min(counts.values())


@pytest.mark.parametrize("split", SPLITS)
def test_easy_pairs_have_one_new_word_of_the_split_that_breaks_an_entailed_pair(
    split: str,
) -> None:
    table = easy_non_entailments(300, seed=5, split=split)
    assert len(table) == 300
    assert not table.duplicated(["premise", "hypothesis"]).any()
    assert set(table["label"]) == {"non-entailment"}
    vocabulary = {x.name for c in CLASSES.values() for x in c.by_split[split]}
    for row in table.itertuples():
        (new,) = new_words(row.premise, row.hypothesis)
        assert LEXEMES[new][1] in vocabulary
        assert parse(row.premise, row.hypothesis) == ()
        # With some word of the premise, of the same kind, in its place the pair is entailed.
        restored = {
            name
            for old in {*content(row.premise), "saw"}
            for name in parse(
                row.premise, re.sub(rf"\b{new}\b", old, row.hypothesis, flags=re.IGNORECASE)
            )
        }
        assert row.subcase.removeprefix("easy_") in restored, row


@pytest.mark.parametrize("n", [1, 15, 30, 44, 100])
def test_easy_pairs_are_balanced_over_constructions_and_kinds_of_word(n: int) -> None:
    table = easy_non_entailments(n, seed=0, split="search")
    assert len(table) == n
    counts = Counter(dict.fromkeys((f"easy_{name}" for name in ENTAILED), 0))
    counts.update(table["subcase"])
    assert len(counts) == 15
    assert spread(counts) <= 1
    kinds = Counter({"N": 0, "V": 0})
    kinds.update(LEXEMES[new_words(r.premise, r.hypothesis)[0]][0] for r in table.itertuples())
    assert set(kinds) == {"N", "V"}
    assert spread(kinds) <= 1


def test_easy_pairs_can_be_made_from_chosen_constructions() -> None:
    table = easy_non_entailments(10, seed=0, split="test", subcases=["le_passive"])
    assert set(table["subcase"]) == {"easy_le_passive"}
    assert set(table["heuristic"]) == {"lexical_overlap"}


def test_allocation_follows_the_largest_remainders() -> None:
    assert allocate(10, [1, 1, 1]) == [4, 3, 3]
    assert allocate(100, [0.29, 0.71]) == [29, 71]
    assert allocate(7, [0.5, 0.3, 0.2]) == [4, 2, 1]
    assert allocate(0, [1, 2]) == [0, 0]
    assert allocate(5, [0, 1]) == [0, 5]


@given(
    total=st.integers(0, 10**6),
    weights=st.lists(st.floats(0, 1e3), min_size=1, max_size=30).filter(lambda w: sum(w) > 1e-6),
)
def test_allocation_is_whole_complete_and_close(total: int, weights: list[float]) -> None:
    counts = allocate(total, weights)
    assert sum(counts) == total
    for count, weight in zip(counts, weights, strict=True):
        assert count >= 0
        assert abs(count - total * weight / sum(weights)) <= 1 + 1e-6


@pytest.mark.parametrize(("total", "weights"), [(-1, [1]), (1, []), (1, [0, 0]), (1, [2, -1])])
def test_impossible_allocations_are_refused(total: int, weights: list[float]) -> None:
    with pytest.raises(InputError, match="divided"):
        allocate(total, weights)


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(0, 400),
    seed=st.integers(0, 100),
    split=st.sampled_from(SPLITS),
    weights=st.dictionaries(st.sampled_from(NOT_ENTAILED), st.floats(0, 1), max_size=6),
)
def test_mixtures_have_exact_counts_and_true_labels(
    n: int, seed: int, split: str, weights: dict[str, float]
) -> None:
    hard = {name: weight / max(1.0, sum(weights.values())) for name, weight in weights.items()}
    table = training_mix(n, seed=seed, split=split, hard=hard)
    assert len(table) == n
    assert not table.duplicated(["premise", "hypothesis"]).any()
    labels = Counter(table["label"])
    assert labels["entailment"] == n - n // 2
    subcases = Counter(table["subcase"])
    for name, share in hard.items():
        assert abs(subcases[name] - share * (n // 2)) < 1 + 1e-6
    assert not set(subcases) & (set(NOT_ENTAILED) - set(hard))
    entailed = [subcases[name] for name in ENTAILED]
    assert max(entailed) - min(entailed) <= 1
    for row in table.itertuples():
        found = parse(row.premise, row.hypothesis)
        assert found == (() if row.subcase.startswith("easy_") else (row.subcase,))


def test_shares_can_differ_between_hard_constructions() -> None:
    shares = {"ln_preposition": 0.5, "cn_adverb": 0.1, "sn_NP/S": 0.0}
    table = training_mix(1200, seed=0, split="train", hard=shares)
    counts = Counter(table["subcase"])
    assert [counts[name] for name in shares] == [300, 60, 0]
    assert sum(count for name, count in counts.items() if name.startswith("easy_")) == 240


def test_mixtures_can_be_of_chosen_entailed_constructions() -> None:
    chosen = ["ce_adverb", "se_adjective"]
    table = training_mix(100, seed=0, split="train", entailed_subcases=chosen)
    assert Counter(table["subcase"]) == {
        "ce_adverb": 25,
        "se_adjective": 25,
        "easy_ce_adverb": 25,
        "easy_se_adjective": 25,
    }


def test_mixtures_are_deterministic_and_shuffled() -> None:
    one, again, other = (
        training_mix(200, seed=seed, split="train", hard={"ln_passive": 0.2}) for seed in (0, 0, 1)
    )
    pd.testing.assert_frame_equal(one, again)
    assert not one.equals(other)
    first_half = Counter(one["label"].head(100))
    assert 30 < first_half["entailment"] < 70


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"hard": {"ln_passive": 1.1}}, "ln_passive must lie between 0 and 1"),
        ({"hard": {"ln_passive": -0.1}}, "between 0 and 1"),
        ({"hard": {"ln_passive": float("nan")}}, "between 0 and 1"),
        ({"hard": {"ln_passive": 0.6, "cn_adverb": 0.6}}, "sum to 1.2"),
        ({"hard": {"ln_passiv": 0.1}}, "did you mean 'ln_passive'"),
        ({"hard": {"le_passive": 0.1}}, "hard construction"),
        ({"entailed_subcases": ["ln_passive"]}, "entailed construction"),
        ({"entailed_subcases": []}, "at least one"),
        ({"split": "dev"}, "split"),
        ({"n": -2}, "negative"),
        ({"seed": -2}, "negative"),
        ({"n": 10**6, "entailed_subcases": ["le_passive"]}, "but the grammar has"),
    ],
)
def test_bad_mixtures_are_explained(arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        training_mix(**{"n": 20, "seed": 0, "split": "train", **arguments})
