from __future__ import annotations

import contextlib
import json
from collections.abc import Callable

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from small import small

from heuristic_core.analysis.conclusions import Conclusions
from heuristic_core.analysis.questions import QUESTIONS, analyze
from heuristic_core.analysis.validation import check_tables
from heuristic_core.errors import InputError
from heuristic_core.storage import plain

TABLES = small()
Tables = dict[str, pd.DataFrame]


def records(conclusions: Conclusions) -> list[dict]:
    """The verdicts as dictionaries; everything has to be fit for JSON."""
    every = {name: frame.to_dict("records") for name, frame in conclusions.tables.items()}
    verdicts = conclusions.verdicts.to_dict("records")
    json.dumps(plain([verdicts, every]), allow_nan=False)
    return verdicts


def set_to(column: str, value: object, row: int = 0) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(table: pd.DataFrame) -> pd.DataFrame:
        values = table[column].astype(object).tolist()
        values[row] = value
        return table.assign(**{column: pd.Series(values, table.index, dtype=object)})

    return change


def without(**values: object) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Drop the rows that have all these values."""

    def change(table: pd.DataFrame) -> pd.DataFrame:
        wrong = np.logical_and.reduce([table[k] == v for k, v in values.items()])
        assert wrong.any()
        return table[~wrong]

    return change


def test_every_analysis_has_something_to_say_of_whole_tables():
    answered = {row["question"] for row in records(analyze(TABLES))}
    # There is one fine-tuning, and no group of the study's own.
    assert {q.key for q in QUESTIONS} - answered == {"core_overlap", "group_removal"}
    for name, table in check_tables(TABLES).items():
        if name in TABLES:
            pd.testing.assert_frame_equal(table, TABLES[name].reset_index(drop=True))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seed": -1}, "seed is -1, but must be a whole number from 0"),
        ({"seed": 1.0}, "seed is 1.0, but must be a whole number"),
        ({"seed": True}, "seed is True"),
        ({"margin_points": float("nan")}, "margin_points is nan; give a finite number"),
        ({"margin_points": float("inf")}, "margin_points is inf"),
        ({"margin_points": 0.0}, "margin_points is 0.0"),
        ({"margin_points": "3"}, "margin_points is '3'; give a finite number"),
    ],
)
def test_settings(settings, message):
    with pytest.raises(InputError, match=message):
        analyze(TABLES, **settings)


WRONG: dict[str, tuple[str, Callable[[pd.DataFrame], object], str]] = {
    "no table": ("grid", lambda t: None, "the table grid is no pandas DataFrame"),
    "no column": (
        "removal",
        lambda t: t.drop(columns="kl"),
        "removal lacks the column kl; docs/refe",
    ),
    "a column twice": ("grid", lambda t: t[[*t, "n"]], "the table grid has the column n twice"),
    "a text for a number": (
        "grid",
        set_to("n", "many"),
        "'many' as n in row 0, .* whole numbers on",
    ),
    "half an example": ("grid", set_to("n", 1.5), "holds 1.5 as n in row 0"),
    "NaN for a number": (
        "evaluations",
        set_to("correct", np.nan, 3),
        "holds nan as correct in row 3",
    ),
    "a number for a text": ("evaluations", set_to("case", 3), "3 as case .* takes texts only"),
    "a missing text": ("attention", set_to("pattern", None), "None as pattern"),
    "a text for a truth": (
        "subnetworks",
        set_to("kept", "no"),
        "'no' as kept .* true and false only",
    ),
    "no examples": ("disjoint", set_to("n", 0), "0 as n in row 0, but n is at least 1"),
    "too many right": (
        "evaluations",
        set_to("correct", 101, 2),
        "101 as correct .* at most n; correct",
    ),
    "a worst group that is half known": (
        "evaluations",
        set_to("worst_n", 1, 2),
        "as worst_n in row 2, but worst_n is missing where",
    ),
    "fewer than none right": ("removal", set_to("correct", -1), "-1 as correct"),
    "a sparsity of 1": ("subnetworks", set_to("sparsity", 1.0), "1.0 as sparsity"),
    "a sparsity of NaN": ("grid", set_to("sparsity", np.nan, 20), "nan as sparsity in row 20"),
    "a kl of NaN": ("evaluations", set_to("kl", np.nan), "nan as kl"),
    "a change of NaN": ("removal", set_to("margin_change", np.nan, 9), "nan as margin_change"),
    "a score without end": (
        "attention",
        set_to("score", np.inf),
        "inf as score .* at most",
    ),
    "an error below 0": ("dependency", set_to("excess_se", -0.1), "-0.1 as excess_se"),
    "an area above 1": ("discrimination", set_to("auc", 1.1), "1.1 as auc .* within 0 and 1"),
    "a step below 0": ("attention", set_to("checkpoint", -1), "-1 as checkpoint"),
    "another role": ("removal", set_to("role", "test"), "'test' as role .* is one of id, ood"),
    "another kind": ("grid", set_to("case_kind", "easy", 2), "'easy' as case_kind"),
    "another system": ("evaluations", set_to("kind", "part"), "'part' as kind"),
    "a full model in a search": ("subnetworks", set_to("kind", "full"), "'full' as kind"),
    "another path": ("dependency", set_to("path", "long"), "'long' as path .* direct, total"),
    "another weighting": ("attention", set_to("weighting", "norm"), "'norm' as weighting"),
    "in-domain and adversarial": (
        "grid",
        set_to("case_kind", "adversarial"),
        "id where the role is",
    ),
    "of two kinds": ("grid", set_to("case_kind", "friendly", 1), "same in all rows of a case"),
    "a full model with a seed": ("grid", set_to("seed", 3), "3 as seed .* is -1 for a full model"),
    "a row twice": (
        "grid",
        lambda t: pd.concat([t, t[:1]]),
        "grid has two rows of one finetune_seed",
    ),
    "a unit twice": (
        "subnetworks",
        lambda t: pd.concat([t, t[:1]]),
        "sparsity, seed, unit .the sec",
    ),
    "no unit": ("attention", set_to("unit", "head 3"), "'head 3' as unit .* such as L4H0 or L4MLP"),
    "no sender": ("dependency", set_to("sender", "L0"), "'L0' as sender"),
    "a unit of another layer": (
        "subnetworks",
        set_to("layer", 7),
        "7 as layer .* that of the unit",
    ),
    "an MLP with a head": ("subnetworks", set_to("head", 0, 4), "0 as head .* -1 for an MLP"),
    "a single of two": ("removal", set_to("removed", "L0H0+L0H1", 5), "as many units as its group"),
    "a unit lost": (
        "subnetworks",
        without(unit="L1H3", seed=2),
        "unit L1H3 in some subnetworks and",
    ),
    "a unit of the grid lost": (
        "grid_subnetworks",
        without(unit="L1H3"),
        "table grid_subnetworks has",
    ),
    "a unit lost where subnetworks repel each other": (
        "repelled",
        without(unit="L1H3", seed=2),
        "table repelled has the unit L1H3",
    ),
    "no in-domain rows": (
        "evaluations",
        without(role="id", seed=2),
        "be id in some rows of every mod",
    ),
    "a case that the full model lacks": (
        "evaluations",
        without(kind="full", case="aprep"),
        "'aprep' a",
    ),
    "no full model": ("removal", without(group="none"), "row of the full model .group none."),
    "a removal in fewer cases": (
        "removal",
        without(removed="L0H1", case="a1"),
        "'L0H1' as removed",
    ),
    "a removal without areas": (
        "removal_discrimination",
        without(removed="L0H1"),
        "the table removal ",
    ),
}


@pytest.mark.parametrize(("name", "change", "message"), WRONG.values(), ids=WRONG)
def test_what_analyses_cannot_use_is_refused(name, change, message):
    with pytest.raises(InputError, match=message) as error:
        analyze(TABLES | {name: change(TABLES[name])})
    assert "the table " in str(error.value)


def test_unknown_tables_are_refused_with_the_nearest():
    with pytest.raises(InputError, match=r"unknown table of measurements 'remval'; .* 'removal'"):
        analyze(TABLES | {"remval": TABLES["removal"]})


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("evaluations", without(kind="full")),
        ("evaluations", without(kind="subnetwork")),
        ("evaluations", without(role="ood")),
        ("subnetworks", without(seed=2)),
        ("discrimination", without(kind="full")),
        ("grid", without(checkpoint=100)),
        ("disjoint", without(forbidden=0.0)),
        ("removal", without(group="control")),
        ("removal", without(group="core")),
        ("removal", without(group="single")),
        ("attention", set_to("score", np.nan)),
        ("dependency", lambda t: t.assign(margin_change=np.nan, margin_excess=np.nan)),
        *((name, lambda t: t[:0]) for name in TABLES),
    ],
)
def test_less_is_enough_for_some(name, change):
    records(analyze(TABLES | {name: change(TABLES[name])}))


ODD = st.sampled_from(
    [
        *(None, "", "x", "L0H0", "L9MLP", True, -1, 0, 1, 2, 7, 0.5, 1.5, -0.1, 1e300, 2**70),
        *(np.nan, np.inf, -np.inf, pd.NA, [], "id", "adversarial", "full", "core", "none"),
    ]
)


@st.composite
def damaged(draw) -> Tables:
    tables = dict(TABLES)
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(sorted(tables)))
        table = tables[name]
        if not len(table) or not len(table.columns):
            continue
        columns = st.sampled_from(list(table.columns))
        rows = st.integers(0, len(table) - 1)
        match draw(
            st.sampled_from(["cell", "cell", "cell", "column", "value", "rows", "row", "twice"])
        ):
            case "column":
                table = table.drop(columns=draw(columns))
            case "value":  # a system, a case, a unit
                column = draw(columns)
                value = table[column].iloc[draw(rows)]
                table = table[table[column] != value]
            case "rows":
                start, stop = sorted((draw(rows), draw(rows)))
                table = table.drop(index=table.index[start:stop])
            case "row":
                row = draw(rows)
                table = pd.concat([table.iloc[:row], table.iloc[row + 1 :]])
            case "twice":
                table = pd.concat([table, table.iloc[[draw(rows)]]])
            case _:
                column = draw(columns)
                values = table[column].astype(object).tolist()
                values[draw(rows)] = draw(ODD)
                table = table.assign(**{column: pd.Series(values, table.index, dtype=object)})
        tables[name] = table
    return tables


def analyzed_or_refused(tables):
    with contextlib.suppress(InputError):
        records(analyze(tables))


@settings(max_examples=25)
@given(damaged())
def test_damaged_tables_end_in_one_line_or_in_results(tables):
    analyzed_or_refused(tables)


@pytest.mark.slow
@settings(max_examples=1000)
@given(damaged())
def test_many_damaged_tables_end_in_one_line_or_in_results(tables):
    analyzed_or_refused(tables)


ATTENTION_QUESTIONS = ("attention_patterns", "repeated_tokens")


def test_a_core_that_may_be_chance_is_none_to_look_at():
    # One search alone shares all its heads with itself, which makes no core.
    one = TABLES | {"subnetworks": TABLES["subnetworks"].query("seed == 1")}
    whole, alone = (
        [row for row in records(analyze(tables)) if row["question"] in ATTENTION_QUESTIONS]
        for tables in (TABLES, one)
    )
    assert len(whole) == len(alone) > 0
    for with_core, without_core in zip(whole, alone, strict=True):
        assert with_core["reason"] != without_core["reason"]
        assert without_core["decision"] == "not decided by these data"
        assert without_core["reason"] == "this fine-tuning has no supported core"
