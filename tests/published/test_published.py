from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from heuristic_core.analysis.effective_size import effective_size
from heuristic_core.analysis.evidence import Evidence
from heuristic_core.analysis.spread import spread
from heuristic_core.errors import InputError
from heuristic_core.published.reader import FINAL_STEP, FOLLOWED, Run, read_published
from heuristic_core.published.report import published_report
from heuristic_core.tables import EVALUATIONS
from published_by_hand import lists, real_folder, run, write
from real_data import REPOSITORY


def sizes_by_data(grid):
    """The effective sizes over checkpoints, and the answers, by kind of data."""
    answers = {
        answer.subject["data"]: answer for answer in effective_size(Evidence({"grid": grid}))
    }
    return {data: pd.DataFrame(a.rows["effective-size"]) for data, a in answers.items()}, answers


def values(sizes):
    return [size.value for size in sizes["size"]]


def test_tables_by_hand(tmp_path):
    published = read_published(write(tmp_path))
    table = published.at_50
    assert set(table["checkpoint"]) == {FINAL_STEP}
    assert sorted(table["seed"].unique()) == [-1, 42, 43]
    rows = table.set_index(["case", "seed"])
    matched = rows.loc[("matched", 42)]
    assert (matched["n"], matched["correct"], matched["role"]) == (9815, 8048, "id")
    swap = rows.loc[("ln_subject/object_swap", -1)]
    assert (swap["correct"], swap["case_kind"], swap["kind"]) == (900, "adversarial", "full")
    assert swap["sparsity"] == 0
    assert rows.loc[("ce_adverb", 43)]["case_kind"] == "friendly"
    assert rows.loc[("sn_NP/Z", 43)]["correct"] == 50
    assert table["kl"].isna().all()
    EVALUATIONS.conform(table)
    assert list(table) == EVALUATIONS.names
    assert published.realised["realised"].tolist() == pytest.approx([0.48, 0.51, 0.68, 0.71])
    assert set(published.at_70["sparsity"]) == {0.0, 0.7}
    # The full model stands with both seeds and is taken once.
    curve = published.by_sparsity
    assert (curve["kind"] == "full").sum() == 2
    assert len(curve) == 2 + 2 * 2 * 2


def test_failed_and_absent_runs_are_counted_and_left_out(tmp_path):
    published = read_published(write(tmp_path))
    assert published.failed == (Run(42, 6500, 0.5),)
    assert published.absent == (Run(43, 6500, 0.5),)
    grid = published.grid
    assert (grid["correct"] >= 0).all()
    assert len(grid) == 2 * 2 + 2 * 6
    as_written = published.grid_as_written
    assert len(as_written) == len(grid) + 2
    assert (as_written["correct"] / as_written["n"]).min() == -1
    sizes, _ = sizes_by_data(grid)
    # Of 88 and 20 % only 88 is within three points of 90.
    assert values(sizes["adversarial"])[1] == pytest.approx((95 + 100) / 2)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("mnli-sp50.json", [], "the file holds no names"),
        ("mnli-sp50.json", {"seed": ["original"]}, "no list 'sparsity'"),
        ("mnli-sp50.json", lists() | {"mnli-matched": [0.8]}, "as long as `seed`"),
        ("mnli-sp50.json", lists() | {"seed": ["42", "43", "44"]}, "no model `original`"),
        ("mnli-sp70.json", lists() | {"qqp": [0.8, 0.8, 0.8]}, "unknown case 'qqp'"),
        ("mnli-sp70.json", lists() | {"mnli-matched": [0.8, 80, 0.8]}, "80 as 'mnli-matched'"),
        ("mnli-sp70.json", lists() | {"mnli-matched": [0.8, None, 0.8]}, "None as"),
        ("mnli-acc_over_ft.json", {"last": run(0.1, 0.1)}, "'last' where a whole number"),
        ("mnli-acc_over_ft.json", {"500": 0.8}, "a run holds no names"),
        ("mnli-acc_over_ft.json", {"500": run(float("nan"), 0.1)}, "nan as"),
        ("mnli-acc_vs_sparsity.json", {"42": {"100": run(0.1, 0.1)}}, "a sparsity of 100 %"),
        ("mnli-sparsity-grid-acc.json", {"42": {"500": []}}, "42, 500 holds no names"),
        ("mnli-sparsity-grid-acc.json", {}, "the file holds no names"),
    ],
)
def test_other_shapes_are_refused(tmp_path, name, content, says):
    with pytest.raises(InputError, match=says) as error:
        read_published(write(tmp_path, **{name: content}))
    assert str(error.value).startswith(str(tmp_path / name))
    assert "\n" not in str(error.value)


def test_missing_files_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"lacks mnli-sp50\.json; give the folder"):
        read_published(tmp_path)


def test_a_page_can_be_made_of_few_runs(tmp_path):
    page = published_report(write(tmp_path))
    assert "| 42 | 6,500 | 50% |" in page
    assert "nan" not in page


def test_the_papers_effective_sizes():
    """Ten checkpoints, by the authors' rule; section 6."""
    sizes, answers = sizes_by_data(read_published(real_folder()).grid)
    expected = {
        "in-domain": [50, 51.7, 50, 48.3, 50, 48.3, 50, 48.3, 45, 48.3],
        "adversarial": [30, 30, 96.7, 93.3, 93.3, 83.3, 93.3, 73.3, 78.3, 76.7],
        "mixed": [30, 35, 85, 83.3, 88.3, 76.7, 90, 73.3, 78.3, 76.7],
    }
    assert set(sizes) == set(expected)
    for data, numbers in expected.items():
        assert list(sizes[data]["checkpoint"]) == list(range(500, 55_000, 6000))
        assert [round(value, 1) for value in values(sizes[data])] == numbers
        assert list(sizes[data]["n_seeds"]) == [3] * 10
    assert answers["mixed"].verdict.decision == "contradicted"
    assert answers["adversarial"].verdict.decision == "not decided by these data"


def test_failed_runs_change_no_effective_size():
    published = read_published(real_folder())
    assert len(published.failed) == 6
    assert published.absent == ()
    assert len(published.grid_as_written) - len(published.grid) == 6 * 6
    (one, _), (other, _) = map(sizes_by_data, (published.grid, published.grid_as_written))
    assert one.keys() == other.keys()
    for data, sizes in one.items():
        assert values(sizes) == values(other[data])


def test_the_papers_ranges():
    """Sections 4 and 5: what twelve subnetworks at 50 % and 70 % reach."""
    published = read_published(real_folder())
    (at_50,) = spread(Evidence({"evaluations": published.at_50}, margin_points=3.3))
    cases = {row["case"]: row for row in at_50.rows["cases"]}
    percent = {
        name: tuple(round(100 * cases[name][end], 1) for end in ("lowest", "highest"))
        for name in FOLLOWED
    }
    assert percent["ln_subject/object_swap"] == (2.2, 36.1)
    assert percent["cn_embedded_under_if"] == (4.1, 50.2)
    assert cases["ln_subject/object_swap"]["full"] == 0.867
    assert at_50.verdict.decision == "supported"
    rows = published.at_50
    accuracy = (100 * rows["correct"] / rows["n"]).groupby([rows["case"], rows["seed"]]).first()
    lost = [accuracy[case][-1] - accuracy[case].drop(-1) for case in ("matched", "mismatched")]
    assert round(min(x.min() for x in lost), 1) == 1.4
    assert round(max(x.max() for x in lost), 1) == 3.3
    (at_70,) = spread(Evidence({"evaluations": published.at_70}))
    assert next(row["matching"] for row in at_70.rows["by-sparsity"] if "matching" in row) == 0
    adversarial = [row["adversarial"] for row in at_70.rows["subnetwork-accuracies"]]
    assert np.mean(adversarial) < 0.02
    low, high = published.realised.query("sparsity == 0.5")["realised"].agg(["min", "max"])
    assert (low, high) == (0.4551, 0.5321)


def test_published_counts_are_whole():
    """Accuracies of the trees are exact multiples of one example, so the numbers are right."""
    folder = real_folder()
    sizes = {"validation_matched": 9815, "validation_mismatched": 9832}
    for cases in json.loads((folder / "mnli-acc_over_ft.json").read_text()).values():
        for case, accuracy in cases.items():
            count = accuracy * sizes.get(case, 1000)
            assert count == pytest.approx(round(count), abs=0.01)


def test_the_page_holds_what_the_code_gives():
    page = (REPOSITORY / "docs" / "published.md").read_text(encoding="utf-8")
    assert published_report(real_folder()) in page
