from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from heuristic_core.analysis.effective_size import effective_size
from heuristic_core.analysis.evidence import Evidence
from heuristic_core.analysis.spread import spread
from heuristic_core.errors import InputError
from heuristic_core.published.paper_tasks import PAPER_TASKS
from heuristic_core.published.reader import Run, read_published
from heuristic_core.published.report import published_report
from heuristic_core.tables import EVALUATIONS
from published_by_hand import (
    CONTENT,
    FAILED_PAIRS,
    QQP,
    lists,
    pairs,
    qqp_lists,
    real_folder,
    run,
    write,
)
from real_data import REPOSITORY


def sizes_by_data(grid):
    """The effective sizes over checkpoints, and the answers, by kind of data."""
    answers = {
        answer.subject["data"]: answer for answer in effective_size(Evidence({"grid": grid}))
    }
    return {data: pd.DataFrame(a.rows["effective-size"]) for data, a in answers.items()}, answers


def read_mnli(folder):
    return read_published(folder)["mnli"]


def values(sizes):
    return [size.value for size in sizes["size"]]


def test_tables_by_hand(tmp_path):
    published = read_mnli(write(tmp_path))
    table = published.twelve[0.5]
    assert set(table["checkpoint"]) == {61_360}
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
    assert set(published.twelve[0.7]["sparsity"]) == {0.0, 0.7}
    # The full model stands with both seeds and is taken once.
    curve = published.by_sparsity
    assert (curve["kind"] == "full").sum() == 2
    assert len(curve) == 2 + 2 * 2 * 2


def test_failed_and_absent_runs_are_counted_and_left_out(tmp_path):
    published = read_mnli(write(tmp_path))
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
        ("mnli-sp50.json", lists() | {"seed": ["original", "42", "42"]}, "a seed twice"),
        ("mnli-acc_over_ft.json", {"500": run(0.7, -1.0)}, "-1.0 as 'lexical_overlap_ln"),
        ("mnli-acc_over_ft.json", {"9" * 10: run(0.7, 0.1)}, "where a whole number should be"),
        ("mnli-acc_over_ft.json", {"500": {"constituent_ce_adverb": 1.0}}, "without in-domain"),
        (
            "mnli-acc_over_ft.json",
            {"500": run(0.7, 0.1), "900": {"validation_matched": 0.8}},
            "differ in their cases",
        ),
        ("qqp-sp30.json", qqp_lists() | {"paws-qqp_1": [0.9] * 3}, "unknown case 'paws-qqp_1'"),
        ("qqp-sp30.json", qqp_lists() | {"paws-qqp_0": [0.9] * 3}, "-1826 right answers"),
        ("qqp-sp60.json", qqp_lists() | {"paws-qqp": [0.9] * 3}, "9223 right answers to the 3967"),
        ("qqp-acc_over_ft.json", {"500": FAILED_PAIRS}, "-1.0 as 'qqp'"),
        ("qqp-acc_over_ft.json", {"500": {"qqp": 0.8, "paws-qqp": 0.3}}, "without 'paws-qqp_0'"),
        ("qqp-acc_vs_sparsity.json", {"42": {"5": {"qqp": 0.8}}}, "a run without 'paws-qqp'"),
        ("qqp-acc_vs_sparsity.json", {"42": {"5": {"paws-qqp_0": 0.1}}}, "without 'paws-qqp'"),
        ("qqp-sparsity-grid-acc.json", {"42": {"500": {"5": 0.9}}}, "a run holds no names"),
        ("qqp-sparsity-grid-acc.json", {"42": {"500": {"5": pairs(-0.5, 0, 0)}}}, "-0.5 as 'qqp'"),
    ],
)
def test_other_shapes_are_refused(tmp_path, name, content, says):
    with pytest.raises(InputError, match=says) as error:
        read_published(write(tmp_path, **{name: content}))
    assert str(error.value).startswith(str(tmp_path / name))
    assert "\n" not in str(error.value)


def test_a_folder_without_any_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"has none of the authors' 10 JSON files") as error:
        read_published(tmp_path)
    assert "\n" not in str(error.value)


def test_pairs_by_hand(tmp_path):
    """The friendly pairs of PAWS are all pairs without the adversarial ones, in counts."""
    published = read_published(write(tmp_path, QQP))["qqp"]
    table = published.twelve[0.3]
    rows = table.set_index(["case", "seed"]).sort_index()
    for seed, in_domain, adversarial, friendly in [
        (-1, 36_387, 2_174, 6_000 - 2_174),
        (42, 36_000, 1_500, 5_000 - 1_500),
        (43, 35_800, 900, 4_800 - 900),
    ]:
        counts = (in_domain, adversarial, friendly)
        cases = ("qqp", "paws_not_duplicate", "paws_duplicate")
        assert tuple(rows.loc[(case, seed), "correct"] for case in cases) == counts
    about = table.drop_duplicates("case").set_index("case")[["n", "role", "case_kind"]]
    assert {case: tuple(row) for case, row in about.iterrows()} == {
        "qqp": (40_430, "id", "id"),
        "paws_not_duplicate": (8_696, "ood", "adversarial"),
        "paws_duplicate": (3_967, "ood", "friendly"),
    }
    assert set(table["checkpoint"]) == {40_000}
    assert list(published.twelve) == [0.3, 0.6]
    assert set(published.by_sparsity["sparsity"]) == {0.0, 0.05, 0.3}
    assert published.realised["realised"].tolist() == pytest.approx([0.29, 0.305, 0.59, 0.605])


def test_failed_searches_on_pairs_lack_the_adversarial_ones(tmp_path):
    published = read_published(write(tmp_path, QQP))["qqp"]
    assert published.failed == (Run(42, 2000, 0.65),)
    assert published.absent == ()
    assert (published.grid["correct"] >= 0).all()
    more = published.grid_as_written[published.grid_as_written["correct"] < 0]
    assert (more["correct"] == -more["n"]).all()
    assert set(more["case"]) == {"qqp", "paws_not_duplicate", "paws_duplicate"}
    assert len(published.grid_as_written) - len(published.grid) == 3
    # One step of the full model has no searches.
    full = published.grid[published.grid["kind"] == "full"]
    assert set(full["checkpoint"]) == {500, 1000, 2000}


@pytest.mark.parametrize("failed", [{"qqp": -1}, {"paws-qqp": -1.0, "qqp": 0.8}, pairs(0.8, -1, 0)])
def test_a_search_has_failed_if_any_accuracy_says_so(tmp_path, failed):
    grid = {"42": {"500": {"5": pairs(0.8, 0.3, 0.1), "10": failed}}}
    published = read_published(write(tmp_path, {"qqp-sparsity-grid-acc.json": grid}))["qqp"]
    assert published.failed == (Run(42, 500, 0.1),)
    assert set(published.grid["sparsity"]) == {0.05}


def test_effective_sizes_on_pairs(tmp_path):
    published = read_published(write(tmp_path, QQP))["qqp"]
    sizes, _ = sizes_by_data(published.grid)
    assert set(sizes) == {"in-domain", "adversarial", "balanced", "mixed"}
    for some in sizes.values():
        assert list(some["checkpoint"]) == [500, 2000]
    # At step 500 the sparsest is good enough. At step 2,000 it is in no search: one failed.
    assert values(sizes["adversarial"]) == pytest.approx([35, 95])


@pytest.mark.parametrize("name", CONTENT)
def test_each_file_may_be_missing(tmp_path, name):
    task, _, end = name.removesuffix(".json").partition("-")
    files = {other: content for other, content in CONTENT.items() if other.startswith(task)}
    page = published_report(write(tmp_path, files, **{name: None}))
    assert "nan" not in page
    (line,) = [line for line in page.splitlines() if line.startswith(f"- `{name}`")]
    is_twelve, is_grid = end[2:].isdigit(), end in ("acc_over_ft", "sparsity-grid-acc")
    if is_twelve:
        assert f"at {end[2:]}%: *Do subnetworks that agree in-domain differ" in line
        assert f"- {end[2:]} %, " not in page
    elif is_grid:
        assert line.endswith(": *Does the model's effective size fall as it generalises?*")
    else:
        assert line.endswith(": *Does accuracy fall smoothly with sparsity?*")
        # What is left of the table is the grid.
        assert ", step 61,360" not in page
        assert ", step 40,000" not in page
    # Sparser subnetworks are compared with denser ones.
    assert ("generalise worse than at" in page) == (not is_twelve)
    assert ("### Effective size" in page) == (not is_grid)
    assert ("### Failed runs" in page) == (end != "sparsity-grid-acc")
    assert page.count("Files that are missing") == 2


@pytest.mark.parametrize("name", CONTENT)
def test_each_file_may_be_the_only_one(tmp_path, name):
    page = published_report(write(tmp_path, {name: CONTENT[name]}))
    assert f"- `{name}`" not in page
    assert len([line for line in page.splitlines() if line.startswith("- `")]) == 9
    assert "nan" not in page


def test_a_page_can_be_made_of_few_runs(tmp_path):
    page = published_report(write(tmp_path))
    assert "| 42 | 6,500 | 50% |" in page
    assert "nan" not in page


def test_the_papers_effective_sizes():
    """Ten checkpoints, by the authors' rule; section 6."""
    sizes, answers = sizes_by_data(read_mnli(real_folder()).grid)
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
    published = read_mnli(real_folder())
    assert len(published.failed) == 6
    assert published.absent == ()
    assert len(published.grid_as_written) - len(published.grid) == 6 * 6
    (one, _), (other, _) = map(sizes_by_data, (published.grid, published.grid_as_written))
    assert one.keys() == other.keys()
    for data, sizes in one.items():
        assert values(sizes) == values(other[data])


def test_the_papers_ranges():
    """Sections 4 and 5: what twelve subnetworks at 50 % and 70 % reach."""
    published = read_mnli(real_folder())
    (at_50,) = spread(Evidence({"evaluations": published.twelve[0.5]}, margin_points=3.3))
    cases = {row["case"]: row for row in at_50.rows["cases"]}
    percent = {
        name: tuple(round(100 * cases[name][end], 1) for end in ("lowest", "highest"))
        for name in published.task.followed
    }
    assert percent["ln_subject/object_swap"] == (2.2, 36.1)
    assert percent["cn_embedded_under_if"] == (4.1, 50.2)
    assert cases["ln_subject/object_swap"]["full"] == 0.867
    assert at_50.verdict.decision == "supported"
    rows = published.twelve[0.5]
    accuracy = (100 * rows["correct"] / rows["n"]).groupby([rows["case"], rows["seed"]]).first()
    lost = [accuracy[case][-1] - accuracy[case].drop(-1) for case in ("matched", "mismatched")]
    assert round(min(x.min() for x in lost), 1) == 1.4
    assert round(max(x.max() for x in lost), 1) == 3.3
    (at_70,) = spread(Evidence({"evaluations": published.twelve[0.7]}))
    assert next(row["matching"] for row in at_70.rows["by-sparsity"] if "matching" in row) == 0
    adversarial = [row["adversarial"] for row in at_70.rows["subnetwork-accuracies"]]
    assert np.mean(adversarial) < 0.02
    low, high = published.realised.query("sparsity == 0.5")["realised"].agg(["min", "max"])
    assert (low, high) == (0.4551, 0.5321)


def test_the_papers_numbers_on_pairs():
    """Sections 4 and 5: what twelve subnetworks at 30 % and 60 % reach."""
    published = read_published(real_folder())["qqp"]
    percent = {}
    for level, table in published.twelve.items():
        accuracy = 100 * table["correct"] / table["n"]
        of_cases = accuracy.groupby([table["kind"], table["case"]])
        percent[level] = of_cases.agg(["min", "mean", "max"]).round(1)
    assert percent[0.3].loc[("full", "qqp"), "mean"] == 91.2
    assert percent[0.3].loc[("full", "paws_not_duplicate"), "mean"] == 14.8
    low, _, high = percent[0.3].loc[("subnetwork", "paws_not_duplicate")]
    assert (low, high) == (3.1, 12.2)
    # The paper prints 86.6.
    assert percent[0.6].loc[("subnetwork", "qqp"), "mean"] == 86.5


def accuracies(node):
    """All accuracies of a file by case."""
    if isinstance(node.get("seed"), list):
        for case in node.keys() - {"seed", "sparsity"}:
            yield from ((case, value) for value in node[case])
        return
    for name, value in node.items():
        if isinstance(value, dict):
            yield from accuracies(value)
        elif value != -1:
            yield name, value


@pytest.mark.parametrize("task", PAPER_TASKS, ids=lambda task: task.name)
def test_published_accuracies_are_shares_of_these_sizes(task):
    """To the precision that they are written with, so the numbers of examples are right."""
    for name in task.files:
        path = real_folder() / name
        for case, accuracy in accuracies(json.loads(path.read_text())) if path.is_file() else ():
            n = task.sizes[task.written[case]]
            digits = 4 if name.startswith("mnli-sp") and "grid" not in name else 7
            assert accuracy == pytest.approx(round(accuracy * n) / n, abs=0.5 * 10**-digits + 1e-9)


def test_one_file_repeats_runs_of_another():
    """At 60 % of QQP the searches of three seeds are the same runs; at 30 % they are others."""
    published = read_published(real_folder())["qqp"]
    by = ["seed", "case"]
    for level, same in ((0.6, True), (0.3, False)):
        tables = [
            table[(table["sparsity"] == level) & table["seed"].isin([42, 43, 44])]
            for table in (published.twelve[level], published.by_sparsity)
        ]
        one, other = (table.set_index(by)["correct"].sort_index() for table in tables)
        assert one.index.equals(other.index)
        assert (one == other).all() == same


def test_the_page_holds_what_the_code_gives():
    page = (REPOSITORY / "docs" / "results" / "published.md").read_text(encoding="utf-8")
    assert published_report(real_folder()) in page
