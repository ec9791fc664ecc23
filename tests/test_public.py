"""The Python interface: its names, what its objects print, and what a notebook shows of them."""

from __future__ import annotations

import copy
import inspect
import pydoc
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from importlib.metadata import version

import numpy as np
import pandas as pd
import pytest

import heuristic_core as hc
from heuristic_core import notebook
from heuristic_core.analysis.conclusions import Conclusions
from heuristic_core.report import Results
from heuristic_core.report.frames import Tables, Verdicts, framed
from heuristic_core.report.gallery import Figures
from heuristic_core.study.loaded import LoadedRun
from report.synthetic import synthetic
from tiny import LABELS, some_pairs

HOSTILE = "<script>alert(1)</script>\x1b[31m"
LONG = "x" * 4000


@pytest.fixture(scope="module")
def results():
    return synthetic(further=True)


@pytest.fixture(scope="module")
def objects(tiny_loaded, results, tmp_path_factory):
    """One of every public class, with as much in it as a user has."""
    pairs = some_pairs(8)
    suite = hc.Suite(name=LONG, role="ood", examples=pairs)
    inner = hc.Suite(name="id", role="id", examples=pairs)
    task = hc.Task(
        name=LONG, labels=LABELS, train=pairs, search=pairs, suites=(inner, *[suite] * 30)
    )
    values = hc.means(tiny_loaded, pairs)
    subnetwork = hc.removal(tiny_loaded, "L0H1", means=values)
    run = LoadedRun(replace(results, name=LONG), tmp_path_factory.mktemp("run") / LONG[:200])
    return [
        tiny_loaded,
        subnetwork,
        subnetwork.compact(tiny_loaded),
        hc.Unit(0, 1),
        hc.UnitSpace(tuple(range(1, 99))),
        task,
        suite,
        pairs,
        values,
        hc.prepare(tiny_loaded, pairs),
        tiny_loaded.encode(pairs),
        run,
        run.tables,
        run.figures,
        run.figures["core"],
        run.figures.drawings[0],
        run.core(sparsity=0.5),
        run.results,
        run.results.conclusions,
        hc.attention(tiny_loaded, "L1H2", "the judge saw .", "the doctor ran ."),
        subnetwork.validate(tiny_loaded, replace(task, suites=(inner,)), draws=20, compact=False),
        hc.InputError(LONG),
    ]


def test_every_public_object_prints_a_line(objects):
    public = {getattr(hc, name) for name in hc.__all__}
    classes = {one for one in public if inspect.isclass(one)}
    assert classes <= {type(one) for one in objects}
    assert {Results, Conclusions, Tables, Figures} <= {type(one) for one in objects}
    for one in objects:
        if isinstance(one, Exception):
            continue  # its text is its message, which is at most a thousand letters
        assert len(repr(one)) <= 300, type(one)
        assert repr(one).isprintable(), type(one)


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.depth = 0

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.depth += 1

    def handle_endtag(self, tag):
        self.depth -= 1


def _tags(html: str) -> list[str]:
    parser = _Tags()
    parser.feed(html)
    assert parser.depth == 0
    return parser.tags


def test_notebooks_show_grids_and_tables(objects, results):
    shown = {
        type(one).__name__: one._repr_html_() for one in objects if hasattr(one, "_repr_html_")
    }
    assert {"Subnetwork", "Unit", "UnitSpace", "Task", "Suite", "Examples", "LoadedRun"} <= set(
        shown
    )
    assert {"Tables", "Figures", "Core", "Classifier", "Card"} <= set(shown)
    for html in shown.values():
        _tags(html)
    grid = shown["Subnetwork"]
    # Two layers of four heads and an MLP each, of which L0H1 is dropped.
    assert grid.count("title='kept'") == 9
    assert grid.count("title='dropped'") == 1
    verdicts = framed(results.conclusions.verdicts, "", Verdicts)
    assert verdicts._repr_html_().count("<tr>") == 1 + len(verdicts)
    assert type(verdicts.head(2)[["claim"]].copy()) is pd.DataFrame
    assert "<table" in verdicts[["claim"]]._repr_html_()


def test_nothing_from_data_is_markup(results):
    pairs = some_pairs(2)
    table = pairs.table.assign(text=HOSTILE, case=HOSTILE)
    suite = hc.Suite(name=HOSTILE, role="id", examples=replace(pairs, table=table))
    task = hc.Task(name=HOSTILE, labels=LABELS, train=pairs, search=pairs, suites=(suite,))
    verdicts = results.conclusions.verdicts.assign(reason=HOSTILE, claim=HOSTILE)
    changed = replace(results, name=HOSTILE, conclusions=Conclusions(verdicts, {}))
    changed = replace(
        changed, conclusions=replace(changed.conclusions, tables=results.conclusions.tables)
    )
    shown = [
        suite._repr_html_(),
        suite.examples._repr_html_(),
        task._repr_html_(),
        LoadedRun(changed, hc)._repr_html_(),
        framed(verdicts, HOSTILE, Verdicts)._repr_html_(),
        framed(pd.DataFrame({"a": [HOSTILE]}), HOSTILE)._repr_html_(),
        notebook.grid([(HOSTILE, [True], False)], HOSTILE),
    ]
    for html in shown:
        assert "script" not in _tags(html)
        assert "&lt;script&gt;" in html
        assert "\x1b" not in html


def test_names_are_listed_and_imported_when_used():
    assert hc.__all__ == [name for name in dir(hc) if not name.startswith("__")]
    assert sorted(hc.__all__) == hc.__all__ == list(hc._HOMES)
    for name in hc.__all__:
        value = getattr(hc, name)
        assert callable(value)
        assert value.__doc__
        # A module of the same name would hide it once it is imported.
        assert not inspect.ismodule(value)
    text = pydoc.plain(pydoc.render_doc(hc))
    assert all(f" {name}(" in text or f"class {name}" in text for name in hc.__all__)
    assert hc.__version__ == version("heuristic-core")
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        hc.nothing  # noqa: B018


def test_importing_loads_nothing_heavy():
    code = (
        "import sys, heuristic_core as hc; dir(hc); "
        "from heuristic_core import cli; "
        "print([m for m in ('torch', 'pandas', 'scipy', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_attention_of_one_head(tiny_loaded):
    seen = hc.attention(tiny_loaded, "L1H2", "the judge saw .", "the doctor ran .")
    batch = tiny_loaded.tokenizer("the judge saw .", "the doctor ran .", return_tensors="pt")
    assert list(seen.weights.index) == list(seen.weights.columns) == list(seen.tokens)
    assert list(seen.tokens) == tiny_loaded.tokenizer.convert_ids_to_tokens(batch["input_ids"][0])
    other = copy.deepcopy(tiny_loaded.hf).eval()  # transformers leaves hooks on what returns maps
    other.set_attn_implementation("eager")
    maps = other(**batch, output_attentions=True).attentions
    np.testing.assert_allclose(seen.weights, maps[1][0, 2].detach().numpy(), atol=1e-6)
    figure = seen.figure()
    (axes,) = figure.axes
    assert [t.get_text() for t in axes.get_xticklabels()] == list(seen.tokens)
    assert [t.get_text() for t in axes.get_yticklabels()] == list(seen.tokens)
    np.testing.assert_array_equal(axes.images[0].get_array(), seen.array)
    assert seen.figure(size=3.3).get_figwidth() == pytest.approx(3.3, abs=0.05)
    for head, message in (("L9H0", "there is no unit L9H0"), ("L0MLP", "is an MLP layer")):
        with pytest.raises(hc.InputError, match=message):
            hc.attention(tiny_loaded, head, "the judge saw .")


def test_removal_is_what_without_runs(tiny_loaded):
    pairs = some_pairs(8)
    encoded = tiny_loaded.encode(pairs)
    removed = hc.removal(tiny_loaded, "L0H1", "L1MLP", task=pairs)
    with hc.without(tiny_loaded, "L0H1", "L1MLP", task=pairs):
        within = tiny_loaded.logits(encoded)
    with removed.applied(tiny_loaded):
        assert tiny_loaded.logits(encoded).equal(within)


def test_path_patching_is_what_studies_measure(tiny_loaded):
    from heuristic_core.measure.dependency import dependencies

    pairs = some_pairs(8)
    suite = hc.Suite(name="ood", role="ood", examples=pairs)
    values = hc.means(tiny_loaded, pairs)
    table = hc.path_patching(
        tiny_loaded, suite, senders=["L0H1", "L0H2"], receivers=["L1H0"], means=values
    )
    theirs = dependencies(
        tiny_loaded,
        suite,
        senders={"L0H1": "core", "L0H2": "control"},
        receivers={"L1H0": "added"},
        values=values,
        margin_paths=("direct", "total"),
    )
    pd.testing.assert_frame_equal(table, theirs[list(table)])
    assert {"sender", "receiver", "reads", "path", "n", "change", "margin_change"} <= set(table)
    assert not {name for name in table if "group" in name or "excess" in name}
    with pytest.raises(hc.InputError, match="nothing says what replaces the senders' outputs"):
        hc.path_patching(tiny_loaded, suite, senders=["L0H1"], receivers=["L1H0"])
