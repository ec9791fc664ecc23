"""Problems for search methods and their parts, made directly, and settings that make them fast."""

from __future__ import annotations

from heuristic_core.search.problem import Problem

#: Settings that make every method fast; a method without an entry would fail the tests.
QUICK = {
    "learned": {"ramp_steps": 12, "hold_steps": 3, "batch_size": 8},
    "paper": {"ramp_steps": 12, "hold_steps": 3, "batch_size": 8, "accumulate": 1},
    "subset": {"steps": 6, "batch_size": 8},
    "two_sided": {"steps": 4, "batch_size": 8},
    "fisher": {"batch_size": 16},
    "gradient": {"batch_size": 16},
    "gim": {"batch_size": 16},
    "integrated": {"steps": 10, "batch_size": 16},
    "greedy": {"examples": 32, "batch_size": 64},
    "magnitude": {"batch_size": 16},
    "random": {"layer_matched": True},
}


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
