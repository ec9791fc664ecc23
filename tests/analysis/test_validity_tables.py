"""The question on tests of validity: decisions and tables on cards whose answer is known."""

from __future__ import annotations

import pytest

from heuristic_core.analysis import validity
from heuristic_core.analysis.conclusions import conclude
from heuristic_core.analysis.evidence import Evidence
from sets_by_hand import validity as cards

SUPPORTED, CONTRADICTED, OPEN = "supported", "contradicted", "not decided by these data"


def concluded(tables):
    conclusions = conclude(Evidence(tables), [validity.QUESTION])
    (row,) = conclusions.verdicts.to_dict("records")
    return row, conclusions.tables


@pytest.mark.parametrize(
    ("passed", "decision"),
    [
        ([True] * 4, SUPPORTED),
        ([True] * 6 + [False] * 5, OPEN),
        ([False] * 4, CONTRADICTED),
        # Wilson's interval of three of three reaches below one half.
        ([True] * 3, OPEN),
        ([True], OPEN),
    ],
)
def test_most_subnetworks_have_to_beat_both_kinds_of_random_sets(passed, decision):
    row, _ = concluded(cards(passed))
    assert row["decision"] == decision
    assert row["effect"] == sum(passed) / len(passed)
    assert f"{sum(passed)} of {len(passed)} are closer" in row["reason"]
    # Nine of eleven is the least 80 % of which Wilson's interval is above one half.
    more = f"with 11 subnetworks instead of {len(passed)}, " if len(passed) < 11 else ""
    assert row["power"].startswith(f"{more}a share of 80" if decision == OPEN else "")


def test_without_sufficiency_nothing_is_decided():
    row, _ = concluded(cards([True] * 4, tests=("stability",)))
    assert row["decision"] == OPEN
    assert "sufficiency was not tested" in row["reason"]


def test_tables_count_what_the_cards_say():
    _, tables = concluded(cards([True, False, True], needed=[{"L0H0", "L1H1"}, {"L0H0"}, set()]))
    tests = tables["validity-tests"].set_index(["test", "drawn"])
    assert tests["passed"].to_dict() == {
        ("necessity", "anywhere"): 3,
        ("necessity", "in layers"): 3,
        ("sufficiency", "anywhere"): 3,
        ("sufficiency", "in layers"): 2,
    }
    assert tests["value"].tolist() == pytest.approx([0.2] * 4)
    assert tests.loc[("sufficiency", "in layers"), "p"] == 0.4
    one, two, three = tables["validity-cards"].to_dict("records")
    assert (one["passed"], one["failed"]) == ("sufficiency, necessity", "")
    assert (two["passed"], two["failed"], two["p"]) == ("necessity", "sufficiency", 0.4)
    assert [card["needed"] for card in (one, two, three)] == [2, 1, 0]
    assert [card["kept"] for card in (one, two, three)] == [4, 4, 4]
    units = tables["validity-units"].set_index("unit")
    assert units.loc["L0H0", ["n", "needed"]].tolist() == [3, 2]
    assert units.loc["L0H0", "cost"] == pytest.approx(0.1)
    assert units.loc["L1H1", ["n", "needed"]].tolist() == [1, 1]
    assert units.index[0] in ("L0H0", "L1H1")  # the costliest first
    transfer = tables["validity-transfer"].set_index("case")
    assert transfer["kl"].tolist() == pytest.approx([0.2] * 4)
    assert transfer["kl_most"].tolist() == pytest.approx([0.3] * 4)
    assert transfer["difference_least"].tolist() == pytest.approx([-30.0] * 4)
