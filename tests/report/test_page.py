"""The page, its figures and its tables on disk."""

from __future__ import annotations

import copy
import io
import re
from dataclasses import asdict, replace

import pandas as pd
import pytest

from heuristic_core.analysis import analyze
from heuristic_core.analysis.sparser import sparser
from heuristic_core.report import write_report
from heuristic_core.report.story import story
from report.page import Page, write
from report.synthetic import CORE, MANIFEST, synthetic


@pytest.fixture(scope="module")
def results():
    return synthetic()


@pytest.fixture(scope="module")
def folder(results, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "report"
    assert write_report(results, folder) == folder / "report.html"
    return folder


@pytest.fixture(scope="module")
def page(folder):
    return Page((folder / "report.html").read_text(encoding="utf-8"))


def test_nothing_is_fetched_from_outside(page, folder):
    assert not {"link", "script", "iframe", "img", "object", "base"} & set(page.tags)
    addresses = [v for k, v in page.attributes if k in {"src", "href", "xlink:href", "srcset"}]
    assert addresses
    assert all(address.startswith("#") for address in addresses)
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "@import" not in text
    assert all(found.startswith("#") for found in re.findall(r"url\(([^)]*)", text))


def test_ids_are_unique_and_links_within_the_page_lead_somewhere(page):
    ids = [value for key, value in page.attributes if key == "id"]
    assert len(ids) == len(set(ids))
    targets = [v[1:] for k, v in page.attributes if k in {"href", "xlink:href"}]
    labels = [i for k, v in page.attributes if k == "aria-labelledby" for i in v.split()]
    assert set(targets + labels) <= set(ids)


def test_every_figure_has_a_title_and_a_description(page):
    assert page.tags.count("svg") == page.tags.count("figure") == 6
    assert page.tags.count("desc") == 6


def test_the_same_results_give_the_same_bytes(results, folder, tmp_path):
    write_report(results, tmp_path)
    written = sorted(p.relative_to(folder) for p in folder.rglob("*") if p.is_file())
    names = {path.stem for path in written if path.suffix == ".csv"}
    assert {"by-sparsity", "subnetworks", "cases", "core", "frequencies", "full-model"} < names
    assert [sum(path.suffix == end for path in written) for end in (".html", ".svg")] == [1, 6]
    for path in written:
        assert (tmp_path / path).read_bytes() == (folder / path).read_bytes()


def test_verdicts_core_and_provenance_are_on_the_page(results, page):
    for entries in results.analysis.values():
        for entry in entries:
            assert entry["verdict"]["reason"] in page.text
    core = results.analysis["core"][-1]["core"]
    assert set(CORE) <= set(core)
    assert ", ".join(core) in page.text
    for words in (
        "0 examples were truncated",
        "search: 8 cells, 6.1 min in all, median 45.5 s; the model was run on 16,000 examples",
        "torch: 2.6.0",
        "b2" * 32,
        "What this cannot tell",
        "adversarial and friendly means correlate with r = −0.74 over 8 subnetworks: those better",
    ):
        assert words in page.text
    assert not re.search(r"\b(nan|None|inf)\b", page.text)


def test_the_story_tells_the_numbers(page):
    assert (
        "The model minilm (6 layers of 12 attention heads) was fine-tuned on the task hans-grammar "
        "for 300 steps and tested at 4 checkpoints. Inside the model of step 300, searches with 8 "
        "different seeds looked"
    ) in page.text
    assert "15 adversarial, where a shallow heuristic gives the wrong answer, and 15" in page.text
    assert "The full model is right on 98 % in-domain, 25 % on adversarial cases" in page.text


def test_the_story_of_one_case_and_no_friendly_ones(results):
    found = results.evaluations
    told = story(
        replace(results, evaluations=found[found["case"].isin(["in-domain", "ln_passive"])])
    )
    assert (
        "1 out-of-domain case of 50 examples: adversarial, where a shallow heuristic gives the "
        "wrong answer. Without friendly cases a lean to one label cannot be told from "
    ) in told
    assert "Without friendly cases" not in story(results)


def test_tables_hold_full_values(results, folder):
    table = pd.read_csv(folder / "tables" / "subnetworks.csv")
    assert len(table) == 16
    half = table[(table["seed"] == 1) & (table["sparsity"] == 0.5)].iloc[0]
    rows = results.evaluations
    mine = rows[(rows["seed"] == 1) & (rows["sparsity"] == 0.5)]
    accuracy = (mine["correct"] / mine["n"]).groupby(mine["case_kind"]).mean()
    for ours, theirs in (("id", "id"), ("adversarial",) * 2, ("friendly",) * 2):
        assert half[ours] == pytest.approx(accuracy[theirs])
    # 39 of 78 units stay; the six MLPs are liked, so 33 of 72 heads do.
    assert half["unit_sparsity"] == pytest.approx(0.5)
    assert (half["heads_kept"], half["mlps_kept"]) == (33, 6)
    assert half["head_sparsity"] == pytest.approx(39 / 72)
    assert half["kl"] == pytest.approx(0.045)
    frequencies = pd.read_csv(folder / "tables" / "frequencies.csv").set_index("unit")
    assert frequencies.loc["L4H0", "kept_50pc"] == 8
    assert frequencies.loc["L4H0", "core"]
    assert list(frequencies.loc["L5MLP", ["kept_70pc", "of_70pc"]]) == [8, 8]
    curve = pd.read_csv(io.StringIO((folder / "tables" / "full-model.csv").read_text()))
    assert curve["checkpoint"].tolist() == [0, 50, 100, 300]
    assert curve["id"].tolist() == pytest.approx([0.5, 0.92, 0.975, 0.985])


def test_names_are_text_and_nothing_else(tmp_path):
    evil = "<script>alert(1)</script>"
    results = synthetic(
        name=evil,
        seeds=(1, 2),
        per_case=10,
        rename={
            "ln_passive": evil,
            "ln_preposition": '$x^2$ id="x" \x1b[31m-->',
            "sn_NP/S": "漢字",
        },
        manifest=copy.deepcopy(MANIFEST) | {"notes": [evil], "versions": {evil: evil}},
    )
    page = write(results, tmp_path)
    assert "script" not in page.tags
    assert evil in page.text
    for path in tmp_path.rglob("*.*"):
        assert "\x1b" not in path.read_text(encoding="utf-8")
        if path.suffix == ".svg":
            Page(path.read_text(encoding="utf-8"))
            assert evil not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "shape",
    [
        {"seeds": ()},
        {"checkpoints": (300,), "seeds": (1, 2), "sparsities": (0.5,)},
        {"checkpoints": (0,), "seeds": (1, 2, 3)},
        {"ood": False, "seeds": (1, 2)},
        {"ood": False, "seeds": (), "checkpoints": (0,)},
        {"seeds": (1,), "sparsities": (0.5,)},
        {"seeds": (1, 2), "sparsities": (0.0, 0.125)},
        {"manifest": {}, "seeds": (1, 2), "sparsities": (0.5,)},
    ],
    ids=str,
)
def test_what_is_not_there_is_left_out(shape, tmp_path):
    results = synthetic(**shape)
    page = write(results, tmp_path)
    assert page.text.count("What this cannot tell") == len(
        [v for v in results.analysis.values() if v]
    )
    for path in (tmp_path / "figures").glob("*.svg"):
        assert "nan" not in re.sub(r"<text.*?</text>", "", path.read_text(), flags=re.DOTALL)


def test_several_models_are_told_apart(tmp_path):
    one = synthetic(seeds=(1, 2), sparsities=(0.5,), checkpoints=(0, 300))
    tables = {
        key: pd.concat(
            [getattr(one, key), getattr(one, key).assign(finetune_seed=2)], ignore_index=True
        )
        for key in ("evaluations", "subnetworks", "finetuning")
    }
    analysis = analyze(tables["evaluations"], tables["subnetworks"])
    page = write(replace(one, analysis=analysis, **tables), tmp_path)
    assert "fine-tuning 2, step 300" in page.text
    ids = [value for key, value in page.attributes if key == "id"]
    assert len(ids) == len(set(ids))


def test_sparser_subnetworks_without_in_domain_cases(tmp_path):
    whole = synthetic(seeds=(1, 2, 3, 4))
    (found,) = sparser(whole.evaluations[whole.evaluations["role"] == "ood"])
    assert found.in_domain_points is None
    page = write(replace(whole, analysis=whole.analysis | {"sparser": [asdict(found)]}), tmp_path)
    assert found.verdict.reason in page.text
