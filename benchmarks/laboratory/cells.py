"""All planted effects."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from . import (
    plant_grid,
    plant_heads,
    plant_order,
    plant_reading,
    plant_removals,
    plant_sets,
    plant_subnetworks,
)
from .planted import Planted
from .world import World

_PARTS: tuple[Callable[[World], Iterator[Planted]], ...] = (
    plant_subnetworks.planted,
    plant_grid.planted,
    plant_heads.planted,
    plant_order.planted,
    plant_reading.planted,
    plant_removals.planted,
    plant_sets.planted,
)


def all_planted(world: World) -> dict[str, Planted]:
    """Return all planted effects by their names.

    Args:
        world: What is not planted.
    """
    return {planted.name: planted for part in _PARTS for planted in part(world)}
