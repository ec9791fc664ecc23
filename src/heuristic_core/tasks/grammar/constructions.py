"""All 30 constructions by their names in HANS."""

from __future__ import annotations

from . import constituent, lexical_overlap, subsequence
from .phrases import Subcase

SUBCASES: dict[str, Subcase] = {
    subcase.name: subcase
    for heuristic in (lexical_overlap, subsequence, constituent)
    for subcase in heuristic.SUBCASES
}
ENTAILED = tuple(name for name, s in SUBCASES.items() if s.label == "entailment")
NOT_ENTAILED = tuple(name for name, s in SUBCASES.items() if s.label == "non-entailment")
