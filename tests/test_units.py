from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heuristic_core.errors import InputError
from heuristic_core.units import Unit, UnitSpace, n_kept


@st.composite
def spaces(draw):
    return UnitSpace(tuple(draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))))


def test_labels_read_and_written():
    assert str(Unit(4, 0)) == "L4H0"
    assert str(Unit(4)) == "L4MLP"
    assert Unit.parse("L4H0") == Unit(4, 0)
    assert Unit.parse("L11MLP") == Unit(11)
    assert Unit(4, 0) != Unit(4, 1)
    assert Unit(4, 0) != Unit(4)


@pytest.mark.parametrize("label", ["", "L4", "4H0", "L4H", "L-1H0", "L4H0 x", "l4h0", "L٤H0"])
def test_other_labels_are_refused(label):
    with pytest.raises(InputError, match="is no unit"):
        Unit.parse(label)


def test_order_is_layer_by_layer_heads_then_mlp():
    space = UnitSpace((2, 1))
    assert [str(u) for u in space] == ["L0H0", "L0H1", "L0MLP", "L1H0", "L1MLP"]
    assert space.offsets == (0, 3)
    assert sorted(space.units) == list(space.units)
    assert space.is_head.tolist() == [True, True, False, True, False]


@given(spaces(), st.data())
def test_masks_and_sets_are_inverse(space, data):
    kept = frozenset(data.draw(st.sets(st.sampled_from(space.units))))
    assert space.from_mask(space.mask(kept)) == kept
    assert space.mask(kept).sum() == len(kept)


@given(spaces())
def test_size_and_index(space):
    assert len(space) == space.n_heads + space.n_layers == len(space.units)
    assert [space.index(unit) for unit in space] == list(range(len(space)))


def test_a_unit_elsewhere_is_refused():
    with pytest.raises(InputError, match=r"no unit L2H0 .* layers 0..1"):
        UnitSpace((2, 2)).index("L2H0")
    with pytest.raises(InputError, match="does not fit"):
        UnitSpace((2, 2)).from_mask(np.ones(3, dtype=bool))


@given(st.integers(1, 500), st.floats(0, 1, exclude_max=True))
def test_number_kept_is_rounded_half_up_in_what_is_dropped(n, sparsity):
    dropped = (Decimal(repr(sparsity)) * n).quantize(Decimal(1), rounding=ROUND_HALF_UP)
    assert n_kept(n, sparsity) == n - dropped


def test_number_kept_takes_a_sparsity_as_it_is_written():
    # 0.58 x 25 is exactly 14.5; its binary product is 14.499999999999998.
    assert n_kept(25, 0.58) == 10
    wrong = [
        (n, percent)
        for n in range(1, 430)
        for percent in range(100)
        if n_kept(n, percent / 100) != n - (percent * n + 50) // 100
    ]
    assert wrong == []


def test_number_kept_of_the_papers_model():
    assert n_kept(156, 0.5) == 78
    assert n_kept(78, 0.7) == 23
    assert n_kept(5, 0.5) == 2


@pytest.mark.parametrize("sparsity", [1.0, -0.1, 1.5, float("nan")])
def test_sparsity_outside_its_range_is_refused(sparsity):
    with pytest.raises(InputError, match=r"outside \[0, 1\)"):
        n_kept(10, sparsity)
