"""Subsequence: the hypothesis is a contiguous stretch of the premise."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from .lexicon import UNDERSTOOD_OBJECT
from .phrases import (
    SLEEP,
    A,
    B,
    C,
    Frame,
    Phrase,
    Slot,
    V,
    W,
    clause,
    clauses,
    coordinate,
    np,
    object_gap,
    participle,
    plural,
    pp,
    predicates,
    subcase,
    subject_gap,
    verb,
    word,
)

ACTIVE = clause(np(A), V, np(B))
PLACE = Slot("location", 1, "sg")


def _noun_phrase_or_clause() -> Iterator[Frame]:
    believe = verb("np_or_clause")
    for believed in clauses(B, SLEEP, V, C):
        yield Frame((*np(A), believe, *believed), clause(np(A), believe, np(B)))


def _noun_phrase_or_nothing() -> Iterator[Frame]:
    # Without a comma the main clause's subject looks like the first verb's object.
    fight = verb("np_or_nothing")
    for main in clauses(B, SLEEP, V, C):
        premise = (word("asserts_subordinate"), *clause(np(A), fight), *main)
        yield Frame(premise, clause(np(A), fight, np(B)))


def _last_noun_of_subject(modifier: Phrase) -> Iterator[Frame]:
    """Take B, the last noun of a subject whose head is A, as the subject."""
    for predicate in predicates(SLEEP, W, C):
        yield Frame((*np(A, *modifier), *predicate), (*np(B), *predicate))


def _prepositional_phrase_on_subject() -> Iterator[Frame]:
    return _last_noun_of_subject(pp(B))


def _relative_clause_on_subject() -> Iterator[Frame]:
    return _last_noun_of_subject(subject_gap(V, np(B)))


def _past_participle() -> Iterator[Frame]:
    pay = verb("participle_like_past")
    inside = pp(PLACE, preposition="in")
    paid = np(A, participle(pay), *inside)
    hypothesis = (*np(A), pay, *inside)
    for predicate in predicates(SLEEP, V, B):
        yield Frame((*paid, *predicate), hypothesis)
    yield Frame(clause(np(B), V, paid), hypothesis)


def _near_conjunct_kept() -> Iterator[Frame]:
    for predicate in predicates(SLEEP, V, C):
        yield Frame((*coordinate(np(A), np(B)), *predicate), (*np(B), *predicate))
    yield Frame(clause(np(A), V, coordinate(np(B), np(C))), ACTIVE)


def _adjective() -> Iterator[Frame]:
    for predicate in predicates(SLEEP, V, B):
        bare = (plural(A), *predicate)
        yield Frame((word("adjective"), *bare), bare)


def _understood_object() -> Iterator[Frame]:
    for verb_class, object_class in UNDERSTOOD_OBJECT.items():
        eat = verb(verb_class)
        thing = B if object_class == "person" else Slot(object_class, 1, "sg")
        yield Frame(clause(np(A), eat, np(thing)), clause(np(A), eat))


def _relative_clause_on_object() -> Iterator[Frame]:
    for modifier in (subject_gap(SLEEP), subject_gap(W, np(C)), object_gap(np(C), W)):
        yield Frame((*ACTIVE, *modifier), ACTIVE)


def _prepositional_phrase_on_object() -> Iterator[Frame]:
    yield Frame((*ACTIVE, *pp(C)), ACTIVE)


_entailed = partial(subcase, "subsequence", "entailment")
_not_entailed = partial(subcase, "subsequence", "non-entailment")

SUBCASES = (
    _entailed(
        "se_PP_on_obj", "prepositional phrase on the object", _prepositional_phrase_on_object()
    ),
    _entailed("se_adjective", "adjective left out", _adjective()),
    _entailed("se_conjunction", "near conjunct", _near_conjunct_kept()),
    _entailed(
        "se_relative_clause_on_obj", "relative clause on the object", _relative_clause_on_object()
    ),
    _entailed("se_understood_object", "understood object", _understood_object()),
    _not_entailed("sn_NP/S", "clause read as noun phrase (NP/S)", _noun_phrase_or_clause()),
    _not_entailed("sn_NP/Z", "next subject read as object (NP/Z)", _noun_phrase_or_nothing()),
    _not_entailed(
        "sn_PP_on_subject",
        "prepositional phrase on the subject",
        _prepositional_phrase_on_subject(),
    ),
    _not_entailed("sn_past_participle", "participle read as past tense", _past_participle()),
    _not_entailed(
        "sn_relative_clause_on_subject",
        "relative clause on the subject",
        _relative_clause_on_subject(),
    ),
)
