"""The grammar generates the constructions of the real HANS: it recognises HANS's own pairs."""

from __future__ import annotations

import pandas as pd
import pytest

from heuristic_core.tasks.grammar import SUBCASES, parse
from real_data import real_file

SAMPLE = 200


@pytest.fixture(scope="module")
def hans() -> pd.DataFrame:
    table = pd.read_parquet(real_file("hans.parquet"))
    return table[table["split"] == "validation"]


def recognised(pairs: pd.DataFrame) -> pd.DataFrame:
    """Give per subcase the share parsed as itself, and as a subcase of the other label."""
    rows = []
    for pair in pairs.itertuples():
        found = parse(pair.premise, pair.hypothesis)
        other = any(SUBCASES[name].label != pair.label for name in found)
        rows.append((pair.subcase, pair.subcase in found, other))
    table = pd.DataFrame(rows, columns=["subcase", "own", "other_label"])
    return table.groupby("subcase").mean()


def assert_recognised(pairs: pd.DataFrame) -> None:
    shares = recognised(pairs)
    assert set(shares.index) == set(SUBCASES)
    assert shares["own"].min() >= 0.98, shares[shares["own"] < 0.98]
    assert shares["other_label"].max() <= 0.02, shares[shares["other_label"] > 0.02]


def test_names_heuristics_and_labels_are_those_of_hans(hans: pd.DataFrame) -> None:
    real = hans[["subcase", "heuristic", "label"]].drop_duplicates()
    ours = {(s.name, s.heuristic, s.label) for s in SUBCASES.values()}
    assert set(real.itertuples(index=False, name=None)) == ours


def test_a_sample_of_hans_is_recognised(hans: pd.DataFrame) -> None:
    assert_recognised(hans.groupby("subcase").sample(SAMPLE, random_state=0))


@pytest.mark.slow
def test_all_of_hans_is_recognised(hans: pd.DataFrame) -> None:
    assert_recognised(hans)
