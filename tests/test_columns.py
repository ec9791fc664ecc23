from __future__ import annotations

import math

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given

from heuristic_core.analysis.intervals import Estimate
from heuristic_core.columns import Column, Table
from heuristic_core.errors import InputError
from heuristic_core.storage import read_table, write_table
from heuristic_core.tables import TABLES, VERDICTS

TABLE = Table(
    "things",
    "One thing.",
    Column("name", "its name", "str", choices=("a", "b"), key=True),
    Column("n", "how many", "int", low=1),
    Column("step", "when", "int", optional=True, formerly="time"),
    Column("share", "how much", low=0, high=1, interval=True, optional=True),
    Column("done", "whether", "bool"),
    Column("sure", "whether it is sure", "bool", optional=True),
)
ROW = {"name": "a", "n": 3, "done": True}


def test_rows_become_columns_with_their_types():
    frame = TABLE.frame([ROW | {"share": Estimate(0.5, 0.4, 0.6), "step": 7}, ROW])
    assert list(frame) == [
        *("name", "n", "step", "share", "share_low", "share_high", "done", "sure")
    ]
    assert frame.loc[0, ["share", "share_low", "share_high"]].tolist() == [0.5, 0.4, 0.6]
    assert frame.loc[1, ["share", "share_low", "share_high"]].isna().all()
    assert frame["step"].tolist() == [7, pd.NA]
    assert str(frame["step"].dtype) == "Int64"
    assert str(frame["done"].dtype) == "bool"
    assert frame["sure"].isna().all()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"name": "a", "n": 3}, "a row of the table things lacks the column done"),
        (ROW | {"n": 1.7}, "takes whole numbers only"),
        (ROW | {"done": "False"}, "takes true and false only"),
        (ROW | {"done": None}, "done may not be missing"),
        (ROW | {"name": None}, "name may not be missing"),
        (ROW | {"name": "c"}, "name is one of a, b"),
        (
            ROW | {"shares": 0.5},
            "did you mean .share.",
        ),
    ],
)
def test_rows_that_are_refused(row, message):
    with pytest.raises(InputError, match=message):
        TABLE.frame([ROW, row])


@pytest.mark.parametrize(
    ("column", "bounds"),
    [
        (Column("n", "a count", "int"), (0, math.inf)),
        (Column("seed", "a seed", "int", low=-1), (-1, math.inf)),
        (Column("share", "a share", form="percent"), (0, 1)),
        (Column("p", "a probability", form="probability"), (0, 1)),
        (Column("x", "an expectation", form="expectation"), (0, math.inf)),
        (Column("x", "a number"), (-math.inf, math.inf)),
        (Column("x", "a change", form="percent", low=-1, high=2), (-1, 2)),
    ],
)
def test_bounds_follow_from_what_a_column_holds(column, bounds):
    assert column.bounds == bounds


rows = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from("ab"), "n": st.integers(1, 2**62), "done": st.booleans()},
        optional={
            "step": st.none() | st.integers(0, 2**53),
            "sure": st.none() | st.booleans(),
            "share": st.none()
            | st.builds(Estimate, *[st.floats(0, 1) | st.just(float("nan"))] * 3),
        },
    )
)


@given(rows=rows)
def test_what_is_written_is_read_back(tmp_path_factory, rows):
    frame = TABLE.frame(rows)
    path = tmp_path_factory.mktemp("columns") / "things.parquet"
    write_table(path, frame)
    pd.testing.assert_frame_equal(TABLE.conform(read_table(path)), frame)
    checked = Table(TABLE.name, TABLE.about, *TABLE.columns).check(read_table(path))
    pd.testing.assert_frame_equal(checked, frame)


def test_tables_of_earlier_versions_are_read():
    old = TABLE.frame([ROW | {"step": 4}]).rename(columns={"step": "time"})
    assert TABLE.conform(old)["step"].tolist() == [4]
    assert TABLE.check(old)["step"].tolist() == [4]


def set_to(column, value):
    frame = TABLE.frame([ROW, ROW | {"name": "b"}]).astype(object)
    frame.loc[1, column] = value
    return frame


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (None, "the table things is no pandas DataFrame"),
        (TABLE.frame([ROW]).drop(columns="share_low"), "things lacks the column share_low"),
        (set_to("name", "c"), "holds 'c' as name in row 1, but name is one of a, b"),
        (set_to("name", 3), "takes texts only"),
        (set_to("n", 0), "holds 0 as n in row 1, but n is at least 1"),
        (set_to("n", 1.5), "takes whole numbers only"),
        (set_to("n", None), "n may not be missing"),
        (set_to("done", float("nan")), "done may not be missing"),
        (set_to("name", None), "name may not be missing"),
        (set_to("n", True), "takes whole numbers only"),
        (set_to("step", "x"), "takes whole numbers only"),
        (set_to("share", 1.1), "share lies within 0 and 1"),
        (set_to("share_high", 1.1), "share_high lies within 0 and 1"),
        (set_to("done", 1), "takes true and false only"),
    ],
)
def test_what_is_refused(frame, message):
    with pytest.raises(InputError, match=message):
        TABLE.check(frame)


def test_a_key_names_one_row():
    TABLE.check_key(TABLE.frame([ROW]))
    with pytest.raises(InputError, match="two rows of one name"):
        TABLE.check_key(TABLE.frame([ROW, ROW]))


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e51])
def test_numbers_too_large_to_reckon_with_are_refused(value):
    table = Table("t", "", Column("x", "a number"))
    with pytest.raises(InputError, match="x is at most 1e\\+50 in size"):
        table.check(pd.DataFrame({"x": [value]}))


def test_without_columns():
    assert TABLE.without(["name", "share"]).names == ["n", "step", "done", "sure"]
    assert TABLE.without(["name"]).key == []


@pytest.mark.parametrize("table", [*TABLES.values(), VERDICTS], ids=lambda table: table.name)
def test_declared_tables(table):
    names = [name for column in table.columns for name in column.names]
    assert len(names) == len(set(names))
    assert set(table.key) <= set(names)
    assert all(column.meaning and not column.meaning.endswith(".") for column in table.columns)
    assert list(table.empty()) == names
