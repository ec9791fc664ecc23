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
    Subcase,
    V,
    W,
    clauses,
    np,
    verb,
    word,
)

FIRST = tuple(clauses(A, SLEEP, V, B))
SECOND = tuple(clauses(C, WAKE, W, D))


def _after_adverb(adverbs: str) -> Iterator[Frame]:
    for said in FIRST:
        yield Frame((word(adverbs), *said), said)


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
    for said in FIRST:
        yield Frame((*np(C), verb(verbs), "that", *said), said)


_entailed = partial(Subcase, heuristic="constituent", label="entailment")
_not_entailed = partial(Subcase, heuristic="constituent", label="non-entailment")

SUBCASES = (
    _entailed(
        "ce_adverb", title="asserting adverb", frames=tuple(_after_adverb("asserting_adverb"))
    ),
    _entailed(
        "ce_after_since_clause",
        title="main clause, asserted",
        frames=tuple(_main("asserts_main")),
    ),
    _entailed("ce_conjunction", title='clause joined by "and"', frames=tuple(_coordinated("and"))),
    _entailed(
        "ce_embedded_under_since",
        title="subordinate clause, asserted",
        frames=tuple(_subordinate("asserts_subordinate")),
    ),
    _entailed(
        "ce_embedded_under_verb",
        title="complement of a factive verb",
        frames=tuple(_complement("factive")),
    ),
    _not_entailed(
        "cn_adverb", title="hedging adverb", frames=tuple(_after_adverb("hedging_adverb"))
    ),
    _not_entailed(
        "cn_after_if_clause", title="main clause, left open", frames=tuple(_main("opens_main"))
    ),
    _not_entailed(
        "cn_disjunction", title='clause joined by "or"', frames=tuple(_coordinated("or"))
    ),
    _not_entailed(
        "cn_embedded_under_if",
        title="subordinate clause, left open",
        frames=tuple(_subordinate("opens_subordinate")),
    ),
    _not_entailed(
        "cn_embedded_under_verb",
        title="complement of a non-factive verb",
        frames=tuple(_complement("nonfactive")),
    ),
)
