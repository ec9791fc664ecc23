"""Constituent: the hypothesis is a whole clause of the premise."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import product

from .phrases import (
    SLEEP,
    WAKE,
    A,
    B,
    C,
    D,
    Frame,
    Phrase,
    V,
    W,
    clauses,
    np,
    subcase,
    verb,
    word,
)

FIRST = tuple(clauses(A, SLEEP, V, B))
SECOND = tuple(clauses(C, WAKE, W, D))


def _after_adverb(adverbs: str) -> Iterator[Frame]:
    for clause in FIRST:
        yield Frame((word(adverbs), *clause), clause)


def _coordinated(conjunction: str) -> Iterator[Frame]:
    for first, second in product(FIRST, SECOND):
        premise: Phrase = (*first, ",", conjunction, *second)
        yield Frame(premise, first)
        yield Frame(premise, second)


def _subordinate(subordinators: str) -> Iterator[Frame]:
    for first, second in product(FIRST, SECOND):
        yield Frame((word(subordinators), *first, ",", *second), first)


def _main(subordinators: str) -> Iterator[Frame]:
    for first, second in product(FIRST, SECOND):
        yield Frame((word(subordinators), *first, ",", *second), second)


def _complement(verbs: str) -> Iterator[Frame]:
    for clause in FIRST:
        yield Frame((*np(C), verb(verbs), "that", *clause), clause)


_entailed = partial(subcase, "constituent", "entailment")
_not_entailed = partial(subcase, "constituent", "non-entailment")

SUBCASES = (
    _entailed("ce_adverb", "asserting adverb", _after_adverb("asserting_adverb")),
    _entailed("ce_after_since_clause", "main clause, asserted", _main("asserts_main")),
    _entailed("ce_conjunction", 'clause joined by "and"', _coordinated("and")),
    _entailed(
        "ce_embedded_under_since",
        "subordinate clause, asserted",
        _subordinate("asserts_subordinate"),
    ),
    _entailed("ce_embedded_under_verb", "complement of a factive verb", _complement("factive")),
    _not_entailed("cn_adverb", "hedging adverb", _after_adverb("hedging_adverb")),
    _not_entailed("cn_after_if_clause", "main clause, left open", _main("opens_main")),
    _not_entailed("cn_disjunction", 'clause joined by "or"', _coordinated("or")),
    _not_entailed(
        "cn_embedded_under_if", "subordinate clause, left open", _subordinate("opens_subordinate")
    ),
    _not_entailed(
        "cn_embedded_under_verb", "complement of a non-factive verb", _complement("nonfactive")
    ),
)
