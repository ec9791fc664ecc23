"""How many cells the contract has: every property on every family it applies to."""

from __future__ import annotations

import importlib
from pathlib import Path

from family_matrix import CELLS, DECODERS, GROUPED, LAST_MAPS, NAMES

from heuristic_core.models.families import FAMILIES
from real_tokenizers import MAKE
from tiny_families import TINY


def test_the_cells_are_counted():
    for file in Path(__file__).parent.glob("test_contract_*.py"):
        importlib.import_module(file.stem)
    print(f"\n{len(NAMES)} families, {len(CELLS)} properties, {sum(CELLS.values())} cells")
    assert len(NAMES) == 26
    assert len(CELLS) == 41
    assert sum(CELLS.values()) == 1440


def test_every_family_is_in_the_tests_tables():
    assert set(TINY) == set(LAST_MAPS) == set(MAKE) == set(FAMILIES)
    assert set(GROUPED) < set(DECODERS) < set(NAMES)
