"""Every question of the project on a synthetic study: page, terminal, figures and tables."""

from __future__ import annotations

import copy
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from heuristic_core.analysis.questions import QUESTIONS, analyze
from heuristic_core.report import write_report
from heuristic_core.report.figures import draw
from heuristic_core.report.sections import sections, varied
from heuristic_core.study.results import read_results
from heuristic_core.tables import TABLES
from report.effects_by_hand import BY_HAND, of_subject
from report.made_up import QUESTION
from report.page import Page, read, write
from report.svg import all_rows, hold, rows_of
from report.synthetic import MANIFEST, synthetic
from sets_by_hand import necessity, repelled, targeted

PUBLISHED = Path(__file__).parents[2] / "docs" / "results" / "minilm-mnli-hans" / "augmented"


@pytest.fixture(scope="module")
def drawings(further):
    several = varied(further)
    return {s.question.key: draw(s.question, s.tables, several) for s in sections(further)}


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.key)
def test_every_value_that_is_drawn_is_its_row_s(question, further, drawings):
    tables = dict(further.conclusions.tables)
    mine = drawings.get(question.key, [])
    for number, spec in enumerate(question.figures, start=1):
        key = f"{question.key}-{number}" if len(question.figures) > 1 else question.key
        of_spec = [d for d in mine if d.name == key or d.name.startswith(f"{key}-")]
        drawn = [rows_of(question, spec, tables, drawing) for drawing in of_spec]
        for drawing, rows in zip(of_spec, drawn, strict=True):
            hold(question, spec, drawing, rows)
        wanted = all_rows(spec, tables).index
        numbers = [row for some in drawn for row in some.index]
        assert sorted(numbers) == sorted(wanted)  # each once, and none left out


DRAWN = [question for question in QUESTIONS if question.figures]


@pytest.fixture(scope="module")
def published():
    return read_results(PUBLISHED)


@pytest.mark.parametrize("question", DRAWN, ids=lambda question: question.key)
@pytest.mark.parametrize("study", ["further", "published"])
def test_the_rows_that_are_drawn_lead_to_the_verdict(request, question, study):
    """The effect, computed again from what a figure draws, is the one that decided."""
    conclusions = request.getfixturevalue(study).conclusions
    verdicts = conclusions.verdicts.query("question == @question.key")
    held = 0
    for verdict in verdicts[verdicts["effect"].notna()].to_dict("records"):
        # The first figure that the verdict is drawn in; further ones draw the same rows otherwise.
        spec = question.figures[0]
        judged = verdict["measure"].removesuffix(", nats")
        measures = [f for f in question.figures if f.where.get("measure") == judged]
        spec = measures[0] if measures else spec
        rows = of_subject(conclusions.tables[spec.table], question.subject, verdict)
        if spec.last and verdict["checkpoint"] != verdicts["checkpoint"].max():
            continue
        drawn = all_rows(spec, {spec.table: rows})
        drawn, stated = BY_HAND[question.key](drawn, verdict)
        assert drawn == pytest.approx(stated, abs=1e-9)
        held += 1
    assert held or verdicts["effect"].isna().all()


SETS = [question for question in DRAWN if question.page == "faithful_sets"]


@pytest.fixture(scope="module")
def sets():
    """What is concluded of the set of faithful subnetworks, and how it is drawn."""
    aurocs = {"none": [0.6, 0.7, 0.65], "well": [0.8, 0.9, 0.7], "badly": [0.4, 0.5, 0.6]}
    divergences = {"badly": [0.05, 0.05, 0.3]}
    core = {"L0H0", "L0H1", "L1H1", "L1H2"}
    tables = {
        **targeted(aurocs, divergences),
        "repelled": repelled({0.0: [core, core], 0.3: [core, {"L0H0", "L0H5", "L1H6"}]}),
        "necessity": necessity(core, {"L0H0", "L0H1", "L1H1", "L0H7"}),
    }
    tables |= {name: table.empty() for name, table in TABLES.items() if name not in tables}
    conclusions = analyze(tables)
    results = replace(synthetic(), measured=tables, conclusions=conclusions)
    return conclusions, {s.question.key: draw(s.question, s.tables) for s in sections(results)}


@pytest.mark.parametrize("question", SETS, ids=lambda question: question.key)
def test_drawn_sets_lead_to_their_verdicts(question, sets):
    conclusions, drawings = sets
    (verdict,) = conclusions.verdicts.query("question == @question.key").to_dict("records")
    (spec,) = question.figures
    (drawing,) = drawings[question.key]
    rows = rows_of(question, spec, dict(conclusions.tables), drawing)
    assert len(rows)
    hold(question, spec, drawing, rows)
    drawn, stated = BY_HAND[question.key](rows, verdict)
    assert drawn == pytest.approx(stated, abs=1e-9)


def test_names_are_unique_and_figures_draw_what_there_is():
    assert len({question.key for question in QUESTIONS}) == len(QUESTIONS)
    names = Counter(table.name for question in QUESTIONS for table in question.tables)
    assert set(names.values()) <= {1}
    for question in QUESTIONS:
        tables = {table.name: table for table in question.tables}
        for spec in question.figures:
            assert set(spec.columns.values()) | set(spec.where) <= set(tables[spec.table].names)


def test_everything_is_on_the_page(further, further_folder, drawings):
    page = read(further_folder / "report.html")
    found = sections(further)
    assert page.text.count("What this cannot tell") == sum(bool(s.question.limits) for s in found)
    text = " ".join(page.text.split())  # without the spaces that hold numbers and signs together
    places = [page.text.rindex(section.question.asks) for section in found]
    assert places == sorted(places)
    for section in found:
        for card in section.cards:
            assert " ".join(card.reason.split()) in text
            assert " ".join(card.caveat.split()) in text
    n_drawn = sum(map(len, drawings.values()))
    assert page.figures == len(list(further_folder.glob("figures/*"))) == n_drawn
    ids = [value for key, value in page.attributes if key == "id"]
    assert len(ids) == len(set(ids))
    assert not [
        ref for k, v in page.attributes if k == "href" and (ref := v[1:].split("?")[0]) not in ids
    ]


def test_every_table_with_rows_is_in_a_file(further, further_folder):
    for question in QUESTIONS:
        for table in question.tables:
            rows, path = further.conclusions.tables[table.name], further_folder / "tables"
            csv, tex = (path / f"{table.name}.{ending}" for ending in ("csv", "tex"))
            assert csv.is_file() == (len(rows) > 0)
            assert tex.is_file() == (len(rows) > 0 and bool(table.title))
            if len(rows):
                assert len(pd.read_csv(csv)) == len(rows)
    assert len(pd.read_csv(further_folder / "tables" / "verdicts.csv")) == len(
        further.conclusions.verdicts
    )


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
        {"further": True, "checkpoints": (300,), "seeds": (1,)},
        {"further": True, "seeds": (), "ood": False},
    ],
    ids=str,
)
def test_what_is_not_there_is_left_out(shape, tmp_path):
    results = synthetic(**shape)
    page = write(results, tmp_path)
    found = sections(results)
    assert len(page.text.split("What this cannot tell")) == 1 + len(
        [section for section in found if section.question.limits]
    )
    for path in (tmp_path / "figures").glob("*.svg"):
        assert "nan" not in re.sub(r"<(text|desc).*?</\1>", "", path.read_text(), flags=re.DOTALL)


def test_names_are_text_and_nothing_else(tmp_path):
    evil = "<script>$x^2$</script>\x1b[31m"
    names = {"ln_passive": evil, "hans-grammar": f"{evil}2", "previous": f"{evil}3", "cls": "漢"}
    results = synthetic(
        name=evil,
        further=True,
        seeds=(1, 2),
        per_case=10,
        rename=names | {"ln_preposition": '$x^2$ id="x" -->'},
        manifest=copy.deepcopy(MANIFEST) | {"notes": [evil], "versions": {evil: evil}},
    )
    page = write(results, tmp_path)
    assert page.tags.count("script") == len(page.scripts) == 4  # the page's own
    assert "<script>$x^2$</script>" in page.text
    for path in tmp_path.rglob("*.*"):
        assert "\x1b" not in path.read_text(encoding="utf-8")
        if path.suffix == ".svg":
            assert "script" not in Page(path.read_text(encoding="utf-8")).tags


def test_the_report_names_no_question(further_folder):
    """What is said of a question is said by the question."""
    from pathlib import Path

    import heuristic_core.report as report

    columns = {"core", "label_bias"}  # which have these names too
    keys = {question.key for question in QUESTIONS} - columns
    for path in Path(report.__file__).parent.rglob("*.*"):
        # What the paper found, and how effects compare, is said of each question in one file.
        if path.suffix in (".py", ".j2", ".js") and path.name != "findings.py":
            assert not [key for key in keys if re.search(rf"[\"']{key}[\"']", path.read_text())]


def test_a_question_that_nobody_knows_is_reported_too(further, tmp_path):
    path = write_report(further, tmp_path, (QUESTION,))
    assert "There is nothing to compare" in read(path).text
