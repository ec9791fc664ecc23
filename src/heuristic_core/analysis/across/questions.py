"""All questions on several runs, in the order in which they are reported."""

from __future__ import annotations

from . import core_of_all, core_pairs, removal_pairs, spread_pairs, verdicts

ACROSS = (
    core_pairs.OF_MODELS,
    core_pairs.OF_SEARCHES,
    core_of_all.QUESTION,
    removal_pairs.QUESTION,
    spread_pairs.QUESTION,
    verdicts.QUESTION,
)
