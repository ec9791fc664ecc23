"""The page, its figures and its tables on disk, of a made-up question."""

from __future__ import annotations

import copy
import re
from dataclasses import replace

import pandas as pd
import pytest

from heuristic_core.report import write_report
from heuristic_core.report.story import story
from report.made_up import NOTED, QUESTION, concluded
from report.page import Page, write
from report.synthetic import MANIFEST, synthetic


@pytest.fixture(scope="module")
def results():
    return replace(synthetic(), conclusions=concluded())


@pytest.fixture(scope="module")
def folder(results, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "report"
    assert write_report(results, folder, (QUESTION,)) == folder / "report.html"
    return folder


@pytest.fixture(scope="module")
def page(folder):
    return Page((folder / "report.html").read_text(encoding="utf-8"))


def test_nothing_is_fetched_from_outside(page, folder):
    assert not {"link", "iframe", "img", "object", "base"} & set(page.tags)
    addresses = [v for k, v in page.attributes if k in {"src", "href", "xlink:href", "srcset"}]
    assert addresses
    assert all(address.startswith("#") for address in addresses)
    text = (folder / "report.html").read_text(encoding="utf-8")
    for script in page.scripts:  # of the library; a browser is held to the policy by test_browser
        text = text.replace(script, "")
    assert "@import" not in text
    assert all(found.startswith("#") for found in re.findall(r"url\(([^)]*)", text))
    assert "default-src 'none'" in text


def test_ids_are_unique_and_links_within_the_page_lead_somewhere(page):
    ids = [value for key, value in page.attributes if key == "id"]
    assert len(ids) == len(set(ids))
    targets = [v[1:].split("?")[0] for k, v in page.attributes if k in {"href", "xlink:href"}]
    labels = [i for k, v in page.attributes if k == "aria-labelledby" for i in v.split()]
    assert set(targets + labels) <= set(ids)
    assert QUESTION.key in targets


def test_every_figure_has_a_title_and_a_description(page):
    assert page.figures == page.tags.count("figure") == 40
    assert page.tags.count("desc") == 40
    assert page.text.count("Each mark is a subnetwork.") == 4


def test_the_same_results_give_the_same_bytes(results, folder, tmp_path):
    write_report(results, tmp_path, (QUESTION,))
    written = sorted(p.relative_to(folder) for p in folder.rglob("*") if p.is_file())
    assert {path.name for path in written if path.suffix == ".csv"} == {
        "verdicts.csv", "forms.csv", "strips.csv", "lines.csv", "units.csv", "tokens.csv",
        "edges.csv",
    }  # fmt: skip
    assert {path.name for path in written if path.suffix == ".tex"} == {"forms.tex", "units.tex"}
    assert [sum(path.suffix == end for path in written) for end in (".html", ".svg")] == [1, 40]
    for path in written:
        assert (tmp_path / path).read_bytes() == (folder / path).read_bytes()


def test_verdicts_tables_limits_and_provenance_are_on_the_page(page):
    words = [f"reason {i} with {noted}" for i, noted in enumerate(NOTED)]
    words += [
        "Everything is drawn ± 1 contradicted, 1 undecided",
        "The claim is true".lower(),
        "These data leave it open. 12.5 % sparsity, step 4000",
        "all sparsities together, step 4000",
        "What this cannot tell It says nothing about the world.",
        "Every unit (112 rows)",
        "score: an estimate",
        "0 examples were truncated",
        "search: 8 cells, 6.1 min in all, median 45.5 s; the model was run on 16,000 examples",
        "torch: 2.6.0",
        "b2" * 32,
        "within 3 points of the full model’s",
    ]
    for some in words:
        assert some in page.text
    assert not re.search(r"\b(nan|None|inf)\b", page.text)


def test_figures_beyond_the_first_are_folded(page):
    assert "More figures (36)" in page.text


def test_the_story_tells_what_was_done(page):
    assert (
        "The model minilm (6 layers of 12 attention heads) was fine-tuned on the task hans-grammar "
        "for 300 steps with 1 fine-tuning seed, and tested at 4 checkpoints. Searches with 8 "
        "search seeds looked for subnetworks that imitate the full model in-domain"
    ) in page.text
    assert "15 cases that a shallow heuristic answers wrongly (adversarial) and 15" in page.text


def test_the_story_of_one_case_and_no_friendly_ones(results):
    rows = results.measured["evaluations"]
    few = rows[rows["case"].isin(["in-domain", "ln_passive"])]
    told = story(replace(results, measured={**results.measured, "evaluations": few}))
    assert (
        "1 case that a shallow heuristic answers wrongly (adversarial). Without friendly cases, "
        "label bias cannot be separated from "
    ) in told
    assert "Without friendly cases" not in story(results)


def test_several_models_are_named_apart(results, tmp_path):
    rows = results.measured["evaluations"]
    both = pd.concat([rows, rows.assign(finetune_seed=2)], ignore_index=True)
    named = replace(results, measured={**results.measured, "evaluations": both})
    page = Page(write_report(named, tmp_path, (QUESTION,)).read_text(encoding="utf-8"))
    assert "fine-tuning 1, step 4000" in page.text


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        (
            {"measured": 2, "of": 5},
            "3 of 5 measurements for the further questions have not been made; hcore analyze RUN "
            "makes them",
        ),
        ({"measured": 0, "of": 1}, "1 of 1 measurement for the further questions has"),
        ({"measured": 5, "of": 5}, ""),
        ({"measured": 0, "of": 0}, ""),
        ({"measured": "x"}, ""),
        (None, ""),
    ],
    ids=str,
)
def test_what_has_not_been_measured_is_said(counts, said, tmp_path):
    manifest = copy.deepcopy(MANIFEST) | {"analyses": counts}
    page = write(synthetic(seeds=(), ood=False, manifest=manifest), tmp_path)
    assert said in page.text
    assert ("hcore analyze" in page.text) == bool(said)
