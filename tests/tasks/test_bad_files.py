"""What users' files may hold: each is read, or refused in one line that names file and remedy."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

import heuristic_core as hc
from command import hcore, mistake
from heuristic_core.errors import InputError
from heuristic_core.tasks import limits, packing
from heuristic_core.tasks.reading import LONGEST_TEXT, read_examples

LABELS = ("no", "yes")
TASK = """
labels = ["no", "yes"]
columns = { text = "text", label = "label" }
train = { file = "good.csv" }
[[suites]]
name = "test"
role = "id"
file = "%s"
columns = { case = "kind" }
"""


def csv(*rows: tuple[str, str, str]) -> bytes:
    return pd.DataFrame(rows, columns=["text", "label", "kind"]).to_csv(index=False).encode()


def jsonl(*rows: dict) -> bytes:
    plain = {"text": "a", "label": "yes", "kind": "k"}
    return "".join(json.dumps(plain | row) + "\n" for row in rows).encode()


def parquet(**columns: list) -> bytes:
    buffer = io.BytesIO()
    plain = {"text": ["a", "b"], "label": ["yes", "no"], "kind": ["k", "k"]}
    pa.parquet.write_table(pa.table(plain | columns), buffer)
    return buffer.getvalue()


def twice_named() -> bytes:
    buffer = io.BytesIO()
    columns = [pa.array(["a"]), pa.array(["b"]), pa.array(["yes"]), pa.array(["k"])]
    table = pa.Table.from_arrays(columns, names=["text", "text", "label", "kind"])
    pa.parquet.write_table(table, buffer)
    return buffer.getvalue()


ROW = ("A fine day.", "yes", "k")
GOOD = csv(ROW)
BAD_TEXT = "\x1b[31m<script>alert(1)</script>"

REFUSED = {
    "NaN in parquet": (
        "a.parquet",
        parquet(text=["a", None]),
        "row 2: text is nothing, but must be",
    ),
    "NaN in a column of numbers": (
        "a.parquet",
        parquet(label=[1.0, None]),
        "row 2: label is nothing",
    ),
    "NaN in jsonl": (
        "a.jsonl",
        jsonl({"text": float("nan")}),
        "line 1: text is nothing, but must be",
    ),
    "NaN spelt out": (
        "a.csv",
        csv(ROW, ("x", "nan", "k")),
        "row 2: label is 'nan', but must be one",
    ),
    "empty text": (
        "a.csv",
        csv(ROW, ("", "no", "k")),
        "row 2: text is '', but must be text that is",
    ),
    "blank text": (
        "a.csv",
        csv(ROW, (" \t", "no", "k")),
        r"row 2: text is ' \\t', but must be text",
    ),
    "empty label": ("a.csv", csv(ROW, ("x", "", "k")), "row 2: label is '', but must be one of"),
    "empty case": ("a.csv", csv(ROW, ("x", "no", "")), "row 2: kind is '', but must be a name of"),
    "utf-16": ("a.csv", GOOD.decode().encode("utf-16"), "is not UTF-8 but UTF-16; convert"),
    "utf-16 without a mark": ("a.csv", GOOD.decode().encode("utf-16-le"), "is not UTF-8; convert"),
    "utf-16 jsonl": (
        "a.jsonl",
        jsonl({}).decode().encode("utf-16-le"),
        "line 1, is not UTF-8; conv",
    ),
    "utf-32": ("a.tsv", GOOD.decode().encode("utf-32"), "is not UTF-8 but UTF-32; convert"),
    "latin-1": ("a.csv", csv(("É", "no", "k")).decode().encode("latin-1"), "is not UTF-8; convert"),
    "column twice": (
        "a.csv",
        b"text,text,label,kind\na,b,yes,k\n",
        "two columns called 'text'; rename",
    ),
    "column twice in tsv": (
        "a.tsv",
        b"text\tlabel\tlabel\tkind\na\tyes\tno\tk\n",
        "columns called 'label'",
    ),
    "column twice in parquet": (
        "a.parquet",
        twice_named(),
        "has two columns called 'text'; rename or",
    ),
    "key twice": (
        "a.jsonl",
        b'{"text": "a", "text": "b"}\n',
        "line 1, has two values of 'text'; remove",
    ),
    "huge field": (
        "a.csv",
        csv(ROW, ("x" * (LONGEST_TEXT + 1), "no", "k")),
        f"row 2: text has {LONGEST_TEXT + 1} characters, but {LONGEST_TEXT} at most; is a quot",
    ),
    "lost quotation mark": ("a.csv", b'text,label,kind\n"a,yes,k\nb,no,k\n', "is no valid table"),
    "numbers for texts": ("a.parquet", parquet(text=[1, 2]), "row 1: text is 1 .*but must be text"),
    "mixed types": ("a.jsonl", jsonl({}, {"text": 5}), "line 2: text is 5, but must be text"),
    "true for a text": ("a.jsonl", jsonl({"text": True}), "line 1: text is True, but must be text"),
    "true for a label": (
        "a.jsonl",
        jsonl({"label": True}),
        "line 1: label is True, but must be one",
    ),
    "true in csv": (
        "a.csv",
        csv(ROW, ("x", "True", "k")),
        "row 2: label is 'True', but must be one of .*; for true and false give a label_map",
    ),
    "spaces around a name": (
        "a.csv",
        b"text, label,kind\na,yes,k\n",
        "has no column 'label', but one called ' label'; remove the spaces",
    ),
    "semicolons": (
        "a.csv",
        b"text;label;kind\na;yes;k\n",
        "no column 'text', but a single one called 'text;label;kind'; save it with commas",
    ),
    "text of no width": (
        "a.csv",
        csv(ROW, ("\u200b\ufeff", "no", "k")),
        "row 2: text is .*, but must be text that is not empty",
    ),
    "a zero byte in a text": (
        "a.parquet",
        parquet(text=["a", "b\0c"]),
        r"row 2: text is 'b\\x00c', but must be text .* without zero bytes",
    ),
    "nested lists": (
        "a.parquet",
        parquet(text=[["a"], ["b"]]),
        r"row 1: text is \['a'\] .*must be text",
    ),
    "nested labels": ("a.parquet", parquet(label=[{"x": 1}, {"x": 2}]), "row 1: label is {'x': 1}"),
    "nested cases": (
        "a.jsonl",
        jsonl({"kind": ["k"]}),
        r"line 1: kind is \['k'\], but must be a name",
    ),
    "bytes": ("a.parquet", parquet(text=[b"a", b"b"]), "row 1: text is b'a' .*but must be text"),
    "escapes in a label": (
        "a.csv",
        csv(("x", BAD_TEXT, "k")),
        r"label is '\\x1b\[31m<script>alert",
    ),
    "escapes in a case": ("a.csv", csv(("x", "no", BAD_TEXT)), r"kind is '\\x1b\[31m<script>alert"),
    "line break in a case": (
        "a.csv",
        csv(("x", "no", "a\nb")),
        r"kind is 'a\\nb', but must be a name",
    ),
    "right to left in a case": (
        "a.csv",
        csv(("x", "no", "a\u202eb")),
        r"kind is 'a\\u202eb', but must",
    ),
    "endless case": (
        "a.csv",
        csv(("x", "no", "k" * 101)),
        "row 1: kind is 'kkk.* up to 100 printable",
    ),
    "escapes in a column": (
        "a.csv",
        b"te\x1b[31mxt,label,kind\na,yes,k\n",
        "has no column 'text'; is it",
    ),
    "half a character": (
        "a.jsonl",
        jsonl({"text": "\ud800"}),
        "line 1: text is .*but must be text",
    ),
    "pickle": ("a.parquet", pickle.dumps({"text": "a"}), "no intact parquet file .*fetch it again"),
    "pickle in csv": ("a.csv", pickle.dumps([1, 2]), "is not UTF-8; convert|has no column"),
    "zip in csv": ("a.csv", b"PK\x03\x04\xff\xfe", "is a zip archive or a workbook"),
    "html": ("a.csv", b"<!DOCTYPE html>\n<html>\n</html>\n", "is a web page, not the data"),
    "html in jsonl": (
        "a.jsonl",
        b"<!DOCTYPE html>\n",
        "is a web page, not the data",
    ),
    "git lfs": (
        "a.parquet",
        b"version https://git-lfs.github.com/spec/v1\n",
        "is a pointer of Git LFS",
    ),
    "csv in gz's name": ("a.csv.gz", GOOD, "is no intact gzip file .*fetch it again"),
    "gz in csv's name": ("a.csv", gzip.compress(GOOD), "is packed by gzip"),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("HCORE_DATA", raising=False)
    rows = [(f"Day {i}.", LABELS[i % 2], "k") for i in range(20)]
    (tmp_path / "good.csv").write_bytes(csv(*rows))
    return tmp_path


def task_on(folder: Path, name: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(TASK % name, encoding="utf-8")
    return path


@pytest.mark.parametrize(("name", "content", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(folder, name, content, message):
    (folder / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        hc.load_task(task_on(folder, name))
    text = str(caught.value)
    assert text.isprintable()
    assert text.count(name) == 1
    assert "mine.toml, suite test: " in text
    assert len(text) < 500 + 2 * len(str(folder))


ACCEPTED = {
    "byte order mark": ("a.csv", b"\xef\xbb\xbf" + GOOD),
    "byte order mark in jsonl": ("a.jsonl", b"\xef\xbb\xbf" + jsonl({"text": ROW[0]})),
    "windows line ends": ("a.csv", GOOD.replace(b"\n", b"\r\n")),
    "spaces around a label": ("a.csv", csv((ROW[0], " YES ", "k"))),
    "another column twice": ("a.jsonl", jsonl({"text": ROW[0], "more": [{"x": 1}]})),
    "numbers for cases": ("a.jsonl", jsonl({"text": ROW[0], "kind": 3})),
    "a long text": ("a.csv", csv(("x" * LONGEST_TEXT, "yes", "k"))),
    "escapes in a text": ("a.csv", csv((BAD_TEXT, "yes", "k"))),
}


@pytest.mark.parametrize(("name", "content"), ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(folder, name, content):
    (folder / name).write_bytes(content)
    examples = hc.load_task(task_on(folder, name)).suite("test").examples
    assert examples.table["label"].tolist() == ["yes"]
    assert examples.table["case"].tolist() == ["3" if name and b'"kind": 3' in content else "k"]


def test_a_dictionary_column_and_dots_in_names(folder):
    (folder / "a.parquet").write_bytes(
        parquet(**{"text.b": ["1", "2"], "a.text": [{"text": 1}] * 2})
    )
    assert len(hc.load_task(task_on(folder, "a.parquet")).suite("test").examples) == 2


def test_escapes_never_reach_the_terminal(folder):
    (folder / "a.csv").write_bytes(csv((BAD_TEXT, "yes", "k")))
    shown = hcore("tasks", task_on(folder, "a.csv"), cwd=folder).stdout
    assert "<script>alert(1)</script>" in shown
    assert "\x1b" not in shown
    (folder / "a.csv").write_bytes(csv((BAD_TEXT, BAD_TEXT, "k")))
    assert "\x1b" not in mistake("tasks", "mine.toml", cwd=folder)


def test_links_are_followed_if_they_lead_to_a_file(folder):
    (folder / "real.csv").write_bytes(GOOD)
    (folder / "link.csv").symlink_to("real.csv")
    assert len(hc.load_task(task_on(folder, "link.csv")).suite("test").examples) == 1
    (folder / "broken.csv").symlink_to("nowhere.csv")
    (folder / "circle.csv").symlink_to("circle.csv")
    for name in ("broken.csv", "circle.csv"):
        with pytest.raises(InputError, match=rf"suite test: there is no {name} beside the task"):
            hc.load_task(task_on(folder, name))


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a.jsonl.gz"])
def test_what_is_no_file(folder, name):
    (folder / name).mkdir()
    with pytest.raises(InputError, match=rf"{name} is a folder without data files; give"):
        hc.load_task(task_on(folder, name))
    (folder / name).rmdir()
    os.mkfifo(folder / name)
    with pytest.raises(InputError, match=rf"{name} is not a regular file; give a data file"):
        hc.load_task(task_on(folder, name))


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a.jsonl.gz"])
def test_unreadable_files(folder, name, monkeypatch):
    (folder / name).write_bytes(GOOD)
    (folder / name).chmod(0)
    if os.access(folder / name, os.R_OK):  # root may read everything
        monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != name)
    with pytest.raises(InputError, match=rf"{name} is not readable; change its permissions"):
        hc.load_task(task_on(folder, name))


def test_an_error_of_the_disk_is_told(folder, monkeypatch):
    (folder / "a.csv").write_bytes(GOOD)

    def broken(self, *args, **kwargs):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "open", broken)
    with pytest.raises(InputError, match=r"cannot read .*a\.csv: Input/output error"):
        read_examples(folder / "a.csv", text="text", label="label", labels=LABELS)


def packed(text: str) -> bytes:
    return gzip.compress(text.encode())


def alike(texts: Iterable[str]) -> bytes:
    rows = list(texts)
    return parquet(text=rows, label=["yes"] * len(rows), kind=["k"] * len(rows))


LINE = '{"text": "A good film.", "label": "yes", "kind": "k"}\n'
LARGE = {
    "many bytes, packed": ("a.jsonl.gz", packed(LINE * 1000)),
    "many bytes in one line": ("a.jsonl.gz", packed('{"text": "' + "x" * 50_000)),
    "many bytes of a table": ("a.csv.gz", packed("text,label,kind\n" + "good,yes,k\n" * 3000)),
    "many bytes, not packed": ("a.csv", csv(*[("long " * 1000, "yes", "k")] * 9)),
    "many bytes of parquet": ("a.parquet", alike(f"{i} long " * 500 for i in range(9))),
    "many rows": ("a.jsonl", jsonl(*[{"text": "x"}] * 101)),
    "many rows of a table": ("a.csv", csv(*[ROW] * 101)),
    "many rows of parquet": ("a.parquet", alike(["x"] * 101)),
}


@pytest.mark.parametrize(("name", "content"), LARGE.values(), ids=LARGE)
def test_too_large(folder, name, content, monkeypatch):
    monkeypatch.setattr(limits, "MOST_ROWS", 100)
    monkeypatch.setattr(limits, "MOST_BYTES", 20_000)
    (folder / name).write_bytes(content)
    with pytest.raises(InputError, match=rf"{name} has more than 100 rows or unpacks to more than"):
        hc.load_task(task_on(folder, name))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl.gz", packed(LINE * 100)),
        ("a.csv", csv(*[ROW] * 100)),
        ("a.parquet", alike([ROW[0]] * 100)),
    ],
)
def test_as_large_as_may_be(folder, name, content, monkeypatch):
    monkeypatch.setattr(limits, "MOST_ROWS", 100)
    monkeypatch.setattr(limits, "MOST_BYTES", 20_000)
    (folder / name).write_bytes(content)
    assert len(hc.load_task(task_on(folder, name)).suite("test").examples) == 100


def test_a_packed_file_is_not_unpacked_further_than_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MOST_BYTES", 1_000_000)
    given = []
    monkeypatch.setattr(packing._Counted, "readinto", counting(packing._Counted.readinto, given))
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b"x" * 50_000_000))
    with pytest.raises(InputError, match="unpacks to more than 1000000 bytes"):
        read_examples(tmp_path / "a.jsonl.gz", text="text", label="label", labels=LABELS)
    assert sum(given) <= 1_000_000


def counting(readinto, given):
    def counted(self, buffer):
        given.append(readinto(self, buffer) or 0)
        return given[-1]

    return counted
