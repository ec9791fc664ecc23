from __future__ import annotations

from pathlib import Path

import pytest
from own_files import changed, make_files

import heuristic_core as hc
from heuristic_core.errors import InputError


@pytest.fixture(autouse=True)
def no_data_folder(monkeypatch):
    monkeypatch.delenv("HCORE_DATA", raising=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_files(tmp_path)


REFUSED = {
    "unknown key": (
        ("[search]", "[serch]"),
        r"unknown key of the file in .*: 'serch'; did you mean",
    ),
    "unknown key inside": (
        ("per_case = 4", "percase = 4"),
        r"suites\[2\] .* did you mean 'per_case'",
    ),
    "unknown column key": (('text = "q', 'texts = "q'), r"key of columns in .*did you mean 'text'"),
    "no labels": (('labels = ["no", "yes"]', ""), r"labels: is missing \(The labels, in the order"),
    "one label": (('["no", "yes"]', '["no"]'), "labels: must have 2 items or more"),
    "labels alike": (('["no", "yes"]', '["no", "No"]'), "labels must differ"),
    "odd label": (
        ('["no", "yes"]', '["no", "\\u001b[31m"]'),
        r"labels\[2\]: must be 1 to 100 print",
    ),
    "no gold label": (('["no", "yes"]', '["no", "-"]'), r"labels\[2\]: must be .*not '-'"),
    "true for a number": (
        ("size = 5", "size = true"),
        r"search\.size: must be a whole number",
    ),
    "no size": (("size = 5", "size = 0"), r"search\.size: must be at least 1, not 0"),
    "size and share": (("size = 5", "size = 5\nshare = 0.1"), "search: give share, or size, or"),
    "size and per_case": (("per_case = 4", "per_case = 4\nsize = 3"), "give size or per_case"),
    "keep of nothing": (
        ("size = 5", "keep = { x = 1 }"),
        "search: keep needs a file or hub of its",
    ),
    "too much held out": (("size = 5", "size = 40"), r"search: size 40 leaves nothing of the 40"),
    "role": (
        ('"ood"', '"odd"'),
        r"suites\[2\]\.role: must be 'id' or 'ood', not 'odd' \(In domain",
    ),
    "no in-domain suite": (('"id"', '"ood"'), "no suite has the role id; add one"),
    "suites alike": (('"hard"', '"plain"'), "suites must have different names"),
    "suite name": (('"hard"', '"a/b"'), r"suites\[2\]\.name: must be letters, digits"),
    "kind": (('"friendly"', '"freindly"'), r"kinds\.easy: must be 'adversarial' or '"),
    "case in kinds": (('easy = "friendly" }', 'eesy = "friendly" }'), "did you mean 'easy'"),
    "case in groups": (
        ('easy = "order"', 'eesy = "order"'),
        "case in groups of suite hard .*'eesy'",
    ),
    "kinds of id": (
        ("keep = {", 'kinds = { a = "friendly" }\nkeep = {'),
        "cases of an id suite are",
    ),
    "kinds twice": (("per_case = 4", 'kinds_by_label = { no = "friendly" }'), "not both"),
    "label map": (
        ("[train]", '[label_map]\n0 = "maybe"\n[train]'),
        "names 'maybe', which is none of",
    ),
    "unmapped": (
        ("[train]", '[label_map]\n0 = "no"\n[train]'),
        r"line 2: answer is 1 .* one of \['0'\]",
    ),
    "missing column": (('"question"', '"qestion"'), "has no column 'qestion'; is it 'question'"),
    "no column named": (('label = "answer"', ""), "no column of the label is named; write label ="),
    "missing case": (('case = "kind"', 'case = "sort"'), r"hard\.parquet has no column 'sort'"),
    "filter column": (("part =", "parts ="), "has no column 'parts'; is it 'part'"),
    "filter value": (('["a", "b"]', '["a", "z"]'), "value of part in .*: 'z'; known: a, b, c"),
    "filter of nothing": (('["a", "b"]', "[]"), "write one value or a list of values"),
    "filter of tables": (('["a", "b"]', "{ a = 1 }"), "write one value or a list of values"),
    "all dropped": (
        ("keep = {", "drop = { answer = [0, 1] }\nkeep = {"),
        "no row of .* is left by",
    ),
    "missing file": (
        ("train.csv", "tain.csv"),
        "train: there is no tain.csv beside the task file; put",
    ),
    "absolute": (
        ("train.csv", "/etc/passwd.csv"),
        r"train\[1\]\.file: must name a file beside",
    ),
    "outside": (("train.csv", "../train.csv"), r"train\[1\]\.file: must name a file beside"),
    "home": (("train.csv", "~/train.csv"), r"train\[1\]\.file: must name a file beside"),
    "windows": (("train.csv", "C:\\\\train.csv"), r"train\[1\]\.file: must name a file beside"),
    "extension": (
        ("train.csv", "mine.toml"),
        r"mine\.toml has an unknown extension; name the file",
    ),
    "file and hub": (
        ('file = "train.csv"', 'file = "x.csv"\nhub = "a/b"'),
        "give file or hub, not",
    ),
    "neither": (('file = "train.csv"', ""), r"train\[1\]: has neither file nor hub; name one"),
    "hub name": (('file = "train.csv"', 'hub = "pandas"'), r"train\[1\]\.hub: must be namespace"),
    "split of a file": (
        ("size = 5", 'file = "train.csv"\nsplit = "x"'),
        "train.csv has no splits, neither in files nor in a column split; leave split out",
    ),
    "configuration of a file": (
        ("size = 5", 'file = "train.csv"\nconfig = "x"'),
        "config is for hub; leave it out",
    ),
    "own labels": (("per_case = 4", 'labels = ["0", "1"]'), "label 'no' is none of .*counts_as"),
    "counts as": (
        ("per_case = 4", 'counts_as = { no = "x" }'),
        "counts_as of suite hard names 'x'",
    ),
    "counts from": (
        ("per_case = 4", 'counts_as = { x = "no" }'),
        "counts_as of suite hard names 'x'",
    ),
    "pairs and texts": (
        (
            'text_pair = "passage"\nlabel = "answer"\n\n[train]\nfile = "train.csv"',
            'label = "answer"\n\n[train]\nfile = "train.csv"\ncolumns = { text_pair = "passage" }',
        ),
        "has single texts, but train has pairs; name text_pair for both",
    ),
    "no table": (
        ("[search]\nsize = 5", "[[search]]\nsize = 5"),
        "search: must be a table",
    ),
    "half a kind for labels of a case": (
        ('turned = "adversarial", easy', 'turned = { no = "friendly" }, easy'),
        "kinds of case turned of suite hard must give a kind for each of no, yes",
    ),
    "kind of id": (("keep = {", 'kind = "shift"\nkeep = {'), "neither adversarial nor friendly"),
    "splits and cases": (("per_case = 4", 'splits = ["a", "b"]'), "leave split and columns.case"),
    "map and division": (
        ("per_case = 4", 'label_from = 1\nlabel_map = { a = "no" }'),
        "label_map or label_from",
    ),
    "half a kind for labels": (
        (
            'kinds = { turned = "adversarial", easy = "friendly" }\ngroups = { turned = "order", '
            'easy = "order" }',
            'kinds_by_label = { no = "friendly" }',
        ),
        "kinds_by_label of suite hard must give a kind for each of no, yes",
    ),
}


@pytest.mark.parametrize(("change", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(folder, change, message):
    path = changed(folder, change)
    with pytest.raises(InputError, match=message) as caught:
        hc.load_task(path)
    text = str(caught.value)
    assert "changed.toml" in text
    assert text.isprintable()
    assert len(text) < 900 + 3 * len(str(path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"labels = ", r"is no valid TOML: Invalid value \(at"),
        (b"labels = " + b"[" * 50_000, "is no valid TOML"),
        (b"size = " + b"9" * 5000, "is no valid TOML"),
        (b"labels = '\xff'", "it is not UTF-8; convert it"),
        (b"", "is missing"),
        ("labels = ['a', 'b']".encode("utf-16"), "it is not UTF-8; convert it"),
    ],
    ids=["half", "deep", "long", "latin-1", "empty", "utf-16"],
)
def test_files_that_are_no_task(tmp_path, content, message):
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        hc.load_task(path)
    assert str(caught.value).isprintable()
    assert "mine.toml" in str(caught.value)


def test_a_folder_and_options_are_told(folder):
    with pytest.raises(InputError, match="is a folder; give a TOML file"):
        hc.load_task(folder)
    with pytest.raises(InputError, match="task files have no options, but train_size was given"):
        hc.load_task(folder / "mine.toml", train_size=3)
