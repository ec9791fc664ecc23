from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heuristic_core.errors import InputError
from heuristic_core.subnetwork import Subnetwork
from heuristic_core.units import Unit, UnitSpace

SPACE = UnitSpace((3, 3))
kept_sets = st.sets(st.sampled_from(SPACE.units)).map(frozenset)


def sub(*labels: str, **more) -> Subnetwork:
    return Subnetwork(SPACE, frozenset(Unit.parse(label) for label in labels), **more)


def test_sparsities_count_heads_and_all_units_apart():
    s = sub("L0H0", "L1H2", "L1MLP")
    assert s.sparsity == pytest.approx(5 / 8)
    assert s.head_sparsity == pytest.approx(4 / 6)
    assert {str(u) for u in s.heads} == {"L0H0", "L1H2"}
    assert {str(u) for u in s.mlps} == {"L1MLP"}
    assert "L0H0" in s
    assert Unit(0, 1) not in s


@given(kept_sets, kept_sets)
def test_set_operations_are_those_of_the_kept_units(a, b):
    x, y = Subnetwork(SPACE, a), Subnetwork(SPACE, b)
    assert (x & y).kept == a & b
    assert (x | y).kept == a | b
    assert (x - y).kept == a - b
    assert x.complement().kept | a == frozenset(SPACE)
    assert x.complement().complement() == x
    assert (x == y) == (a == b)
    assert x.units_jaccard(y) == y.units_jaccard(x)
    assert x.heads_jaccard(x) == x.units_jaccard(x) == 1.0


def test_equality_asks_for_units_and_ablation_only():
    assert sub("L0H0", provenance={"seed": 1}) == sub("L0H0", provenance={"seed": 2})
    assert sub("L0H0") != sub("L0H0", ablation="zero")
    assert len({sub("L0H0"), sub("L0H0")}) == 1
    assert sub("L0H0") != "L0H0"


def test_other_spaces_and_ablations_do_not_mix():
    with pytest.raises(InputError, match="different units"):
        sub("L0H0") & Subnetwork(UnitSpace((3,)), frozenset())
    with pytest.raises(InputError, match="ablation kinds"):
        sub("L0H0") & sub("L0H0", ablation="zero")


def test_saved_and_loaded_whole(tmp_path):
    soft = np.linspace(0, 1, len(SPACE))
    values = {"L0.heads": np.ones((3, 2), np.float32), "L0.mlp": np.zeros(4, np.float32)}
    before = sub("L0H0", "L1MLP", soft=soft, values=values, provenance={"seed": 3, "task": "x"})
    after = Subnetwork.load(before.save(tmp_path / "new" / "folder"))
    assert after == before
    assert after.provenance == before.provenance
    np.testing.assert_array_equal(after.soft, soft)
    assert set(after.values) == set(values)
    np.testing.assert_array_equal(after.values["L0.heads"], values["L0.heads"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "not in the format"),
        ({"kept": ["L0H0", "L0H0"]}, "listed twice"),
        ({"kept": ["L9H0"]}, "no unit L9H0"),
        ({"kept": 3}, "damaged"),
        ({"ablation": "median"}, "ablation kind"),
        ({"heads_per_layer": []}, "at least one layer"),
        ({"heads_per_layer": None}, "damaged"),
    ],
)
def test_damaged_files_are_refused(tmp_path, change, message):
    sub("L0H0").save(tmp_path)
    file = tmp_path / "subnetwork.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(InputError, match=message):
        Subnetwork.load(tmp_path)


def test_missing_and_foreign_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="no subnetwork in"):
        Subnetwork.load(tmp_path)
    sub("L0H0").save(tmp_path)
    (tmp_path / "subnetwork.safetensors").write_bytes(b"\x80\x04K\x01.")
    with pytest.raises(InputError, match="no intact safetensors"):
        Subnetwork.load(tmp_path)
    (tmp_path / "subnetwork.json").write_text("{")
    with pytest.raises(InputError, match="no valid JSON"):
        Subnetwork.load(tmp_path)
