"""Problems for search methods and their parts, made directly."""

from __future__ import annotations

from heuristic_core.search.problem import Problem


def problem_of(model, data, *, prunable=None, keep=(5,), seed=0) -> Problem:
    """A problem in which all units are prunable unless others are given."""
    prunable = model.space.prunable() if prunable is None else prunable
    return Problem(
        model=model,
        data=data,
        prunable=prunable,
        keep=keep,
        targets=tuple(1 - n / int(prunable.sum()) for n in keep),
        seed=seed,
    )
