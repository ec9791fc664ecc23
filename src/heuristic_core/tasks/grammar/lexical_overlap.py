"""Lexical overlap: the hypothesis consists of words of the premise, in any order."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from .phrases import (
    SLEEP,
    A,
    B,
    C,
    Frame,
    V,
    W,
    clause,
    coordinate,
    modified,
    np,
    object_gap,
    passive,
    pp,
    role_reversals,
    subcase,
    subject_gap,
)

ACTIVE = clause(np(A), V, np(B))
BOTH = coordinate(np(A), np(B))
SEES_C, C_SEES = subject_gap(W, np(C)), object_gap(np(C), W)


def _swap() -> Iterator[Frame]:
    yield Frame(ACTIVE, clause(np(B), V, np(A)))


def _prepositional_phrase_reversed() -> Iterator[Frame]:
    for _, premise in modified(pp(C)):
        for hypothesis in role_reversals(A, V, B, C):
            yield Frame(premise, hypothesis)


def _relative_clause_reversed() -> Iterator[Frame]:
    for modifier in (SEES_C, C_SEES):
        for _, premise in modified(modifier):
            for hypothesis in role_reversals(A, V, B, C):
                yield Frame(premise, hypothesis)


def _passive_read_as_active() -> Iterator[Frame]:
    yield Frame(passive(A, V, B), ACTIVE)


def _conjuncts_related() -> Iterator[Frame]:
    for premise in (clause(BOTH, V, np(C)), clause(np(C), V, BOTH)):
        yield Frame(premise, clause(np(A), V, np(B)))
        yield Frame(premise, clause(np(B), V, np(A)))


def _relative_clause_said() -> Iterator[Frame]:
    for head, premise in modified(SEES_C):
        yield Frame(premise, clause(np(head), W, np(C)))
    for head, premise in modified(C_SEES):
        yield Frame(premise, clause(np(C), W, np(head)))


def _around_prepositional_phrase() -> Iterator[Frame]:
    yield Frame(clause(np(A, *pp(C)), V, np(B)), ACTIVE)


def _around_relative_clause() -> Iterator[Frame]:
    for modifier in (subject_gap(SLEEP), SEES_C, C_SEES):
        yield Frame(clause(np(A, *modifier), V, np(B)), ACTIVE)


def _far_conjunct_kept() -> Iterator[Frame]:
    # The conjunct next to the verb is left to the subsequence heuristic.
    yield Frame(clause(BOTH, V, np(C)), clause(np(A), V, np(C)))
    yield Frame(clause(np(C), V, BOTH), clause(np(C), V, np(B)))


def _passive_made_active() -> Iterator[Frame]:
    yield Frame(passive(B, V, A), ACTIVE)


_entailed = partial(subcase, "lexical_overlap", "entailment")
_not_entailed = partial(subcase, "lexical_overlap", "non-entailment")


SUBCASES = (
    _entailed(
        "le_around_prepositional_phrase",
        "around a prepositional phrase",
        _around_prepositional_phrase(),
    ),
    _entailed("le_around_relative_clause", "around a relative clause", _around_relative_clause()),
    _entailed("le_conjunction", "far conjunct", _far_conjunct_kept()),
    _entailed("le_passive", "passive to active", _passive_made_active()),
    _entailed("le_relative_clause", "what a relative clause says", _relative_clause_said()),
    _not_entailed("ln_conjunction", "conjuncts related", _conjuncts_related()),
    _not_entailed("ln_passive", "passive read as active", _passive_read_as_active()),
    _not_entailed(
        "ln_preposition", "roles reversed around a preposition", _prepositional_phrase_reversed()
    ),
    _not_entailed(
        "ln_relative_clause", "roles reversed around a relative clause", _relative_clause_reversed()
    ),
    _not_entailed("ln_subject/object_swap", "subject-object swap", _swap()),
)
