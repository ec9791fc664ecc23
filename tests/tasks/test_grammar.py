"""The grammar of the constructions: what it generates is what it recognises, and well formed."""

from __future__ import annotations

import re
from itertools import combinations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heuristic_core.errors import InputError
from heuristic_core.tasks.grammar import (
    ENTAILED,
    NOT_ENTAILED,
    SPLITS,
    SUBCASES,
    abstract,
    capacity,
    generate,
    parse,
)
from heuristic_core.tasks.grammar.lexicon import CLASSES, UNDERSTOOD_OBJECT


def words(sentence: str) -> list[str]:
    return re.findall(r"\w+", sentence.lower())


def contains(whole: list[str], part: list[str]) -> bool:
    return any(whole[i : i + len(part)] == part for i in range(len(whole)))


@pytest.fixture(scope="module")
def pairs() -> pd.DataFrame:
    """Some pairs of every construction in every split."""
    parts = [
        generate(name, 100, seed=7, split=split).assign(split=split)
        for name in SUBCASES
        for split in SPLITS
    ]
    return pd.concat(parts, ignore_index=True)


def test_there_are_thirty_constructions() -> None:
    assert len(SUBCASES) == 30
    assert len(ENTAILED) == len(NOT_ENTAILED) == 15
    heuristics = [s.heuristic for s in SUBCASES.values()]
    assert {h: heuristics.count(h) for h in heuristics} == {
        "lexical_overlap": 10,
        "subsequence": 10,
        "constituent": 10,
    }
    assert all(name == s.name and s.title for name, s in SUBCASES.items())
    assert all((s.label == "entailment") == (s.name[1] == "e") for s in SUBCASES.values())


@pytest.mark.parametrize("name", SUBCASES)
def test_generated_pairs_parse_as_their_own_construction_only(
    name: str, pairs: pd.DataFrame
) -> None:
    own = pairs[pairs["subcase"] == name]
    assert {parse(p, h) for p, h in zip(own["premise"], own["hypothesis"], strict=True)} == {
        (name,)
    }
    assert set(own["label"]) == {SUBCASES[name].label}
    assert set(own["heuristic"]) == {SUBCASES[name].heuristic}
    assert not own.duplicated(["premise", "hypothesis"]).any()


def test_sentences_are_ordinary_text(pairs: pd.DataFrame) -> None:
    for sentence in [*pairs["premise"], *pairs["hypothesis"]]:
        assert re.fullmatch(r"[A-Z][a-z]*(,? [a-z]+)+\.", sentence), sentence


def test_each_heuristic_holds_on_its_constructions_and_no_narrower_one(
    pairs: pd.DataFrame,
) -> None:
    for row in pairs.itertuples():
        premise, hypothesis = words(row.premise), words(row.hypothesis)
        is_subsequence = contains(premise, hypothesis)
        assert is_subsequence == (row.heuristic != "lexical_overlap"), row
        if row.heuristic == "lexical_overlap":
            extra = set(hypothesis) - set(premise)
            # The passive turns "seen" into "saw".
            assert not extra or (row.subcase.endswith("_passive") and extra == {"saw"}), row


def number_of(noun: str) -> set[str]:
    forms = (form for lexeme in CLASSES["person"].lexemes for form in lexeme.forms)
    return {form for form, spelling in forms if spelling == noun}


def test_be_agrees_with_its_subject(pairs: pd.DataFrame) -> None:
    passives = pairs[pairs["subcase"].isin(["le_passive", "ln_passive"])]
    found = set()
    for premise in passives["premise"]:
        _, noun, be, *_ = words(premise)
        assert number_of(noun) == {{"was": "sg", "were": "pl"}[be]}
        found.add(be)
    assert found == {"was", "were"}


def test_passives_have_participles() -> None:
    premises = generate("ln_passive", 500, seed=0, split="validation")["premise"]
    assert premises.str.contains(" seen by ").any()
    assert not premises.str.contains(" saw ").any()


def test_bare_nouns_are_plural(pairs: pd.DataFrame) -> None:
    for hypothesis in pairs.loc[pairs["subcase"] == "se_adjective", "hypothesis"]:
        assert number_of(words(hypothesis)[0]) == {"pl"}


def test_an_understood_object_fits_its_verb(pairs: pd.DataFrame) -> None:
    fits = {
        (verb.name, spelling)
        for verb_class, object_class in UNDERSTOOD_OBJECT.items()
        for verb in CLASSES[verb_class].lexemes
        for lexeme in CLASSES[object_class].lexemes
        for _, spelling in lexeme.forms
    }
    for premise in pairs.loc[pairs["subcase"] == "se_understood_object", "premise"]:
        _, _, verb, _, *thing = words(premise)
        assert (verb, " ".join(thing)) in fits, premise


def test_no_sentence_is_in_two_splits(pairs: pd.DataFrame) -> None:
    sentences = {
        split: {*part["premise"], *part["hypothesis"]} for split, part in pairs.groupby("split")
    }
    assert not any(sentences[a] & sentences[b] for a, b in combinations(SPLITS, 2))


def test_ordinary_words_do_not_give_the_label_away() -> None:
    for split in SPLITS:
        parts = [generate(name, 400, seed=3, split=split) for name in SUBCASES]
        count: dict[str, list[int]] = {}
        for row in pd.concat(parts).itertuples():
            for word in set(words(row.premise)):
                count.setdefault(word, [0, 0])[row.label == "entailment"] += 1
        for name in ("person", "transitive", "intransitive"):
            for lexeme in CLASSES[name].by_split[split]:
                no, yes = map(
                    sum, zip(*(count[s] for _, s in lexeme.forms if s in count), strict=True)
                )
                assert 0.35 < yes / (yes + no) < 0.65, (split, lexeme.name, yes, no)


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(list(SUBCASES)),
    split=st.sampled_from(SPLITS),
    seed=st.integers(0, 2**63),
    n=st.integers(0, 30),
)
def test_generation_is_deterministic_and_fewer_pairs_begin_more(
    name: str, split: str, seed: int, n: int
) -> None:
    some = generate(name, n, seed=seed, split=split)
    more = generate(name, n + 5, seed=seed, split=split)
    assert len(some) == n
    pd.testing.assert_frame_equal(some, more.head(n))
    assert not more.duplicated().any()
    assert {parse(p, h) for p, h in zip(more["premise"], more["hypothesis"], strict=True)} == {
        (name,)
    }


def test_seeds_and_splits_give_different_pairs() -> None:
    tables = [
        generate("le_passive", 50, seed=seed, split=split) for seed in (0, 1) for split in SPLITS
    ]
    assert len({tuple(t["premise"]) for t in tables}) == len(tables)


def test_the_whole_grammar_of_a_construction_can_be_had() -> None:
    name, split = "se_understood_object", "test"
    people = 2 * 28
    size = people * 5 * (1 + 2 + 1 + 2) + people * (people - 2) * 3
    assert capacity(name, split) == size
    every = generate(name, size, seed=0, split=split)
    assert not every.duplicated(["premise", "hypothesis"]).any()
    with pytest.raises(InputError, match=str(size)):
        generate(name, size + 1, seed=0, split=split)


@pytest.mark.parametrize(
    ("subcase", "n", "seed", "split", "message"),
    [
        ("ln_subject/object_swop", 1, 0, "train", "ln_subject/object_swap"),
        ("ln_passive", 1, 0, "tset", "test"),
        ("ln_passive", -1, 0, "train", "negative"),
        ("ln_passive", 1, -1, "train", "negative"),
    ],
)
def test_bad_requests_are_explained(
    subcase: str, n: int, seed: int, split: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        generate(subcase, n, seed=seed, split=split)


@pytest.mark.parametrize(
    ("premise", "hypothesis", "expected"),
    [
        ("The doctor saw the actors.", "The actors saw the doctor.", ("ln_subject/object_swap",)),
        ("The doctor saw the actors.", "The doctor saw the actors.", ()),
        ("The doctor saw the doctor.", "The doctor saw the doctor.", ()),
        ("The actors were seen by the judge .", "The judge saw the actors .", ("le_passive",)),
        ("The actor were seen by the judge.", "The judge saw the actor.", ()),
        ("The actors were saw by the judge.", "The judge saw the actors.", ()),
        ("The judge knew that the actor ran.", "The actor ran.", ("ce_embedded_under_verb",)),
        ("The judge hoped that the actor ran.", "The actor ran.", ("cn_embedded_under_verb",)),
        ("The judge hoped that the actor ran.", "The actors ran.", ()),
        ("In case the judge ran, the actor slept.", "The actor slept.", ("ce_after_since_clause",)),
        ("In case the judge ran, the actor slept.", "The judge ran.", ("cn_embedded_under_if",)),
        ("When the judge ran, the actor slept.", "The judge ran.", ("ce_embedded_under_since",)),
        ("When the judge paid the actor slept.", "The judge paid the actor.", ("sn_NP/Z",)),
        ("When the judge paid, the actor slept.", "The judge paid the actor.", ()),
        ("Maybe the actor ran.", "The actor ran.", ("cn_adverb",)),
        ("Of course the actor ran.", "The actor ran.", ("ce_adverb",)),
        ("The judge ate the ice cream.", "The judge ate.", ("se_understood_object",)),
        ("The judge ate the award.", "The judge ate.", ()),
        ("The judge met the actor.", "The actor met the judge.", ()),
        ("", "", ()),
    ],
)
def test_parse_knows_what_decides_the_construction(
    premise: str, hypothesis: str, expected: tuple[str, ...]
) -> None:
    assert parse(premise, hypothesis) == expected


def test_a_doubled_article_is_read_as_one() -> None:
    pair = ("The judge saw the actor who ran.", "The judge saw the the actor.")
    assert parse(*pair) == ("se_relative_clause_on_obj",)


def test_abstraction_keeps_function_words_and_numbers_content_words() -> None:
    premise, hypothesis = abstract(
        "The judges in front of the actor hid the king.", "The king hid the judges."
    )
    assert premise == (
        "the",
        "N1.pl.person",
        "in front of",
        "the",
        "N2.sg.person",
        "V1.participle/past.np_or_nothing",
        "the",
        "N3.sg.person",
    )
    assert hypothesis == ("the", premise[7], premise[5], "the", premise[1])
    doctors = abstract("The doctors slept.", "The doctor slept.")
    assert doctors[0][1] == "N1.pl.person"
    assert doctors[1][1] == "N1.sg.person"
