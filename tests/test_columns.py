from __future__ import annotations

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
    Column("name", "its name", "str", choices=("a", "b")),
    Column("n", "how many", "int", low=1),
    Column("step", "when", "int", optional=True, formerly="time"),
    Column("share", "how much", low=0, high=1, interval=True, optional=True),
    Column("done", "whether", "bool"),
    Column("sure", "whether it is sure", "bool", optional=True),
    key=("name",),
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


def test_a_missing_value_that_is_not_optional():
    with pytest.raises(KeyError, match="done"):
        TABLE.frame([{"name": "a", "n": 3}])


rows = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from("ab"), "n": st.integers(1, 2**62), "done": st.booleans()},
        optional={
            "step": st.none() | st.integers(-(2**53), 2**53),
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
        (set_to("n", 0), "holds 0 as n in row 1, but n lies within 1 and inf"),
        (set_to("n", 1.5), "takes whole numbers only"),
        (set_to("n", None), "takes whole numbers only"),
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


def test_infinite_numbers_are_refused():
    table = Table(
        "t",
        "",
        Column("x", "a number"),
    )
    with pytest.raises(InputError, match="is finite"):
        table.check(pd.DataFrame({"x": [np.inf]}))


def test_without_columns():
    assert TABLE.without(["name", "share"]).names == ["n", "step", "done", "sure"]
    assert TABLE.without(["name"]).key == ()


@pytest.mark.parametrize("table", [*TABLES.values(), VERDICTS], ids=lambda table: table.name)
def test_declared_tables(table):
    names = [name for column in table.columns for name in column.names]
    assert len(names) == len(set(names))
    assert set(table.key) <= set(names)
    assert all(column.meaning and not column.meaning.endswith(".") for column in table.columns)
    assert list(table.empty()) == names
