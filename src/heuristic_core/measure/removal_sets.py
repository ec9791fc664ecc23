"""Sets of units to remove: single units, pairs, and random controls of a core."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..units import Unit, UnitSpace

#: Draws for each requested control, as a draw may repeat an earlier group.
_PATIENCE = 100


@dataclass(frozen=True)
class Removal:
    """A set of units to remove together.

    Args:
        group: ``single``, ``pair``, ``core``, ``control``, or a name that the user chose.
        units: The units, at least one.
        draw: The number of a control; -1 for all other sets.
    """

    group: str
    units: tuple[Unit, ...]
    draw: int = -1


def singles(space: UnitSpace) -> tuple[Removal, ...]:
    """List the removals of single units."""
    return tuple(Removal("single", (unit,)) for unit in space)


def pairs(units: Iterable[Unit]) -> tuple[Removal, ...]:
    """List the removals of all pairs of some units."""
    return tuple(Removal("pair", pair) for pair in itertools.combinations(units, 2))


def matched_controls(
    space: UnitSpace, core: Iterable[Unit], n_draws: int, seed: int
) -> tuple[tuple[Removal, ...], int]:
    """Draw random groups of heads outside a core, with as many heads per layer as the core.

    Args:
        space: The model's units.
        core: The core; its MLPs are not matched.
        n_draws: Number of groups.
        seed: Seed of the draw.

    Returns:
        Distinct groups, fewer than requested if there are not enough; and how many heads of each
        group come from another layer because the core's layer has too few other heads.
    """
    heads = frozenset(unit for unit in core if unit.is_head)
    others = [unit for unit in space if unit.is_head and unit not in heads]
    if not heads or len(others) < len(heads):
        return (), 0
    wanted = [sum(unit.layer == layer for unit in heads) for layer in range(space.n_layers)]
    layers = [[u for u in others if u.layer == layer] for layer in range(space.n_layers)]
    n_elsewhere = sum(max(0, n - len(own)) for n, own in zip(wanted, layers, strict=True))
    rng = np.random.default_rng(seed)
    drawn: dict[tuple[Unit, ...], None] = {}
    for _ in range(_PATIENCE * n_draws):
        if len(drawn) == n_draws:
            break
        group: list[Unit] = []
        for n, own in zip(wanted, layers, strict=True):
            group += _draw(own, min(n, len(own)), rng)
        group += _draw([unit for unit in others if unit not in group], n_elsewhere, rng)
        drawn[tuple(sorted(group))] = None
    return tuple(Removal("control", units, i) for i, units in enumerate(drawn)), n_elsewhere


def _draw(units: Sequence[Unit], n: int, rng: np.random.Generator) -> list[Unit]:
    return [units[i] for i in rng.choice(len(units), size=n, replace=False)] if n else []
