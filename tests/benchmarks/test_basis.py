"""A result of the laboratory stands as long as what it rests on is the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from laboratory import basis as module
from laboratory import world
from laboratory.cells import all_planted

WORLD = Path(__file__).parents[2] / "benchmarks" / "verdicts.toml"
ONE = ("effective_size", "sparser", "core", "single_removal", "smoothness")


@pytest.fixture
def bases(monkeypatch):
    """A function that returns the basis of an effect of some questions, with one file edited."""

    def found(file="", old="", new="", change=lambda planted: planted):
        read = Path.read_text

        def edited(path, *args, **kwargs):
            text = read(path, *args, **kwargs)
            if path.name == file:
                assert old in text
                return text.replace(old, new)
            return text

        with monkeypatch.context() as patch:
            patch.setattr(Path, "read_text", edited)
            every = all_planted(world.load(WORLD)).values()
            module._Module.of.cache_clear()
            module._code.cache_clear()
            chosen = {key: next(p for p in every if key in p.questions) for key in ONE}
            return {key: module.basis(change(planted)) for key, planted in chosen.items()}

    yield found
    module._Module.of.cache_clear()
    module._code.cache_clear()


@pytest.mark.parametrize(
    ("file", "old", "new", "moved"),
    [
        ("effective_size.py", "Compute mean", "Find the mean", ()),
        ("plant_grid.py", "#:", "#: More.", ()),
        ("single_removal.py", "power=outlook(", "power=1 or outlook(", ()),
        ("power.py", "MOST = ", "MOST = 2 * ", ()),
        ("size_rule.py", "_DRAWS = ", "_DRAWS = 2 * ", ("effective_size",)),
        ("conclusions.py", "return collect(", "return 0 or collect(", ONE),
        ("draws.py", "_ENOUGH_DRAWS = ", "_ENOUGH_DRAWS = 2 * ", ONE),
        ("plant_grid.py", "class Fall:", "class Fall:\n    more = 1", ("smoothness",)),
        ("plant_subnetworks.py", "class Diverging:", "class Diverging:\n    more = 1", ()),
        ("learning_order.py", "return ", "return 0 or ", ()),
    ],
)
def test_code_that_is_reached_counts_and_no_other(bases, file, old, new, moved):
    before, after = bases(), bases(file, old, new)
    assert {key for key in ONE if before[key] != after[key]} == {*moved}


def test_what_is_planted_counts(bases):
    before = bases()
    assert bases() == before
    assert len({*before.values()}) == len(ONE)
    claims = bases(
        change=lambda p: replace(p, claims=(replace(p.claims[0], bar=0.5), *p.claims[1:]))
    )
    studies = bases(change=lambda p: replace(p, at_once=7))
    for changed in (claims, studies):
        assert all(before[key] != changed[key] for key in ONE)
