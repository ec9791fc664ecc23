"""Which units to remove together: each alone, in pairs, and groups to hold a core against."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..units import Unit, UnitSpace

#: How often drawing controls may come upon groups it already has, for each that is asked for.
_PATIENCE = 100


@dataclass(frozen=True)
class Removal:
    """Units to be removed together, and what for.

    Args:
        group: ``single``, ``pair``, ``core``, ``control``, or a name of the user's own.
        units: The units, at least one.
        draw: The number of a control; -1 for all others.
    """

    group: str
    units: tuple[Unit, ...]
    draw: int = -1


def singles(space: UnitSpace) -> tuple[Removal, ...]:
    """Remove every unit of a model alone."""
    return tuple(Removal("single", (unit,)) for unit in space)


def pairs(units: Iterable[Unit]) -> tuple[Removal, ...]:
    """Remove every two of some units together."""
    return tuple(Removal("pair", pair) for pair in itertools.combinations(units, 2))


def matched_controls(
    space: UnitSpace, core: Iterable[Unit], n_draws: int, seed: int
) -> tuple[tuple[Removal, ...], int]:
    """Draw random groups of heads outside a core, as many in each layer as the core has.

    Args:
        space: The model's units.
        core: The core; its MLPs are not matched.
        n_draws: Groups to draw.
        seed: Where they come from.

    Returns:
        Different groups, fewer than asked for where there are not so many; and how many heads of
        each come from another layer than the core's, which has too few others.
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
