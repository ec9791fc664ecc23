"""A text table comes back as it was, or is refused with the key that says how it was written."""

from __future__ import annotations

import csv
import io
import os
import tempfile
import warnings
from collections import Counter
from pathlib import Path

import datasets
import pandas as pd
import pytest
from dialects import HEADER, Written, rows, written
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import heuristic_core as hc
from heuristic_core.errors import InputError
from heuristic_core.tasks.delimited import TableFormat
from heuristic_core.tasks.reading import read_examples

LABELS = ("no", "yes")


def read(path: Path, **how) -> list[dict[str, str]]:
    format_given = TableFormat(**how) if how else None
    columns = {"text": "text", "text_pair": "text_pair", "label": "label"}
    examples = read_examples(path, labels=LABELS, how=format_given, **columns)
    return examples.table[HEADER].to_dict("records")


def outcome(table: list[dict[str, str]], file: Written) -> str:
    """Read a file that was written from a table; tell what became of it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"data{file.extension}"
        path.write_bytes(file.data)
        try:
            got = read(path)
        except InputError:
            return "refused"
    if got == table:
        return "equal"
    if file.bare and any(mark in str(table) for mark in ("\\n", "\\r", "\\t", ",")):
        return "lost"  # the writer put in separators and line ends of texts as they stand
    if file.bare and file.extension == ".csv":
        # A .csv in which a text happens to be quoted as the format wants it.
        usual = pd.read_csv(io.BytesIO(file.data), dtype=str, keep_default_na=False)
        if usual.to_dict("records") == got:
            return "as pandas reads it"
    raise AssertionError(f"{file}\n{table}\n{got}")


def fuzz(n: int) -> Counter:
    polars = pytest.importorskip("polars")
    datasets.disable_progress_bars()
    seen: Counter = Counter()

    @settings(max_examples=n, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def every_table_comes_back_or_is_refused(data):
        table = data.draw(rows)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            file = data.draw(written(table, polars))
        seen["not written" if file is None else outcome(table, file)] += 1

    every_table_comes_back_or_is_refused()
    return seen


def test_tables_of_any_dialect():
    seen = fuzz(int(os.environ.get("HCORE_FUZZ", "150")))
    assert seen["equal"] > seen["refused"] > 0


@pytest.mark.slow
def test_ten_thousand_tables_of_any_dialect():
    seen = fuzz(10_000)
    assert seen["equal"] > seen["refused"] > 0
    assert seen["lost"] + seen["as pandas reads it"] < seen["equal"] / 10


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


SAID = [f'She said "{word}" to me.' for word in ("yes", "no", "well")]
# name: (extension, content, texts, or the refusal)
EXAMPLES = {
    "pandas-quoted tsv": (".tsv", "\n".join(f"{quoted(t)}\tyes" for t in SAID), SAID),
    "too few quoted texts to be sure": (".tsv", f"{quoted(SAID[0])}\tyes", "quotes = "),
    "one is enough in csv": (".csv", f"{quoted(SAID[0])},yes", SAID[:1]),
    "stray marks of MNLI": (
        ".tsv",
        '"They sit," he said.\tyes\n"Oh."\tno\n5" of ""rain""\tno',
        ['"They sit," he said.', '"Oh."', '5" of ""rain""'],
    ),
    "tab inside a quoted text": (".tsv", '"One\ttwo."\tyes\nthree\tno', ["One\ttwo.", "three"]),
    "line break inside": (".tsv", '"One\n\ntwo."\tyes\nthree\tno', ["One\n\ntwo.", "three"]),
    "needless marks in csv": (
        ".csv",
        '"One",yes\ntwo,no',
        "row 1 has quotation marks that nothing",
    ),
    "needless marks beside a comma": (".csv", '"One",yes\n"two, three",no', ["One", "two, three"]),
    "marks in all texts of a tsv": (
        ".tsv",
        '"One"\tyes\n"two"\tno',
        "row 1 may be quoted, or have",
    ),
    "marks that are not doubled": (".csv", '"so "good" it is",yes', "is not doubled, or one is"),
    "backslashes before marks": (".csv", 'so \\"good\\",yes', "a backslash may belong to a text"),
    "backslashes before separators": (".csv", 'so\\, \\"good\\",yes', ['so, "good"']),
    "doubled backslashes beside a bare mark": (
        ".tsv",
        '"a\\\\b\tno',
        "a backslash may belong to a",
    ),
    "backslashes of paths": (".csv", "C:\\new\\\\x,yes", ["C:\\new\\\\x"]),
    "single quotation marks": (".csv", "'it''s',yes\nso,no", "row 1 may be quoted with '"),
    "apostrophes": (".tsv", "it's\tyes\n'so'\tno", ["it's", "'so'"]),
    "an inch": (".csv", '5" pipe,yes\n"a, b",no', ['5" pipe', "a, b"]),
    "CR LF": (".csv", "one,yes\r\ntwo,no\r", ["one", "two"]),
    "CR LF with LF inside": (".csv", '"one\nmore",yes\r\ntwo,no\r', ["one\nmore", "two"]),
    "both line ends": (".csv", "one,yes\r\ntwo,no", "some lines end in CR LF and others in LF"),
    "rows that quoting would join": (".csv", '",yes\n",no', "row 1 may be quoted, or"),
    "a lone CR": (".csv", "one\rmore,yes", ["one\rmore"]),
    "other line ends of Unicode": (".tsv", "a\u2028b\x85c\x0cd\tyes", ["a\u2028b\x85c\x0cd"]),
    "words for nothing": (".csv", "NA,yes\nnull,no\nNone,no", ["NA", "null", "None"]),
    "a row that is too long": (".tsv", "a\tyes\tno", "row 1 has 3 fields for 2 columns"),
    "a row that is too short": (".tsv", "a\tyes\nb", "row 2: label is ''"),
}


def table_file(folder: Path, extension: str, content: str) -> Path:
    path = folder / f"data{extension}"
    separator = "," if extension == ".csv" else "\t"
    end = "\r\n" if content.endswith("\r") else "\n"
    path.write_text(f"text{separator}label{end}{content}\n", encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize(("extension", "content", "expected"), EXAMPLES.values(), ids=EXAMPLES)
def test_examples(tmp_path, extension, content, expected):
    path = table_file(tmp_path, extension, content)
    if isinstance(expected, str):
        with pytest.raises(InputError) as caught:
            read_examples(path, text="text", label="label", labels=LABELS)
        assert expected in str(caught.value)
        return
    examples = read_examples(path, text="text", label="label", labels=LABELS)
    assert examples.table["text"].tolist() == expected


def test_two_marks_that_may_quote(tmp_path):
    """A text of one mark, beside one that the other mark quotes: both readings are even."""
    path = tmp_path / "data.tsv"
    path.write_text("text\ttext_pair\tlabel\n\"\t'\"\t'\tno\n", encoding="utf-8")
    with pytest.raises(InputError, match="row 1 may be quoted with '"):
        read(path)
    assert read(path, quotes="doubled", quote_mark="'") == [
        {"text": '"', "text_pair": '"\t', "label": "no"}
    ]


KEYS = {
    "doubled": ({"quotes": "doubled"}, '"One",yes\ntwo,no', ["One", "two"]),
    "none": ({"quotes": "none"}, '"One",yes\ntwo,no', ['"One"', "two"]),
    "backslash": ({"quotes": "backslash"}, 'so \\"good\\",yes\na\\tb,no', ['so "good"', "a\tb"]),
    "escaped": ({"quotes": "escaped"}, '"a\\,\\tb,yes\nc,no', ['"a,\tb', "c"]),
    "other mark": ({"quotes": "doubled", "quote_mark": "'"}, "'it''s',yes\nso,no", ["it's", "so"]),
}


@pytest.mark.parametrize(("how", "content", "texts"), KEYS.values(), ids=KEYS)
def test_a_key_says_how_a_table_was_written(tmp_path, how, content, texts):
    path = table_file(tmp_path, ".csv", content)
    given = TableFormat(**how)
    examples = read_examples(path, text="text", label="label", labels=LABELS, how=given)
    assert examples.table["text"].tolist() == texts


TASK = """
labels = ["no", "yes"]
columns = { text = "text", label = "label" }
format = { %s }
[[suites]]
name = "test"
role = "id"
file = "data.csv"
"""


@pytest.mark.parametrize(
    ("keys", "content"),
    [
        ('separator = ";"', "text;label\nÉté, oui;yes\n".encode()),
        (
            'encoding = "cp1252"',
            "text,label\nÉté, oui,yes\n".replace("é, ", "é; ").encode("cp1252"),
        ),
        ('encoding = "utf-16"', "text,label\nÉté; oui,yes\n".encode("utf-16")),
        ('header = ["text", "label"]', "Été; oui,yes\n".encode()),
    ],
)
def test_keys_of_a_task_file(tmp_path, keys, content):
    (tmp_path / "data.csv").write_bytes(content)
    (tmp_path / "mine.toml").write_text(TASK % keys, encoding="utf-8")
    (text,) = hc.load_task(tmp_path / "mine.toml").suites[0].examples.table["text"]
    assert text.replace(",", ";") == "Été; oui"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ('separator = ";;"', "format.separator"),
        ("separator = '\"'", "must differ"),
        ('quote_mark = "x"', "quote_mark needs quotes"),
        ('quotes = "all"', "format.quotes"),
        ('encoding = "no-such"', "unknown encoding 'no-such'"),
        ('quotes = "none", header = ["text"]', "row 1 has 2 fields for 1 columns"),
        ("header = []", "format.header"),
        ('quotes = "backslash"', "is no valid table with quotes = "),
    ],
)
def test_wrong_keys(tmp_path, keys, message):
    (tmp_path / "data.csv").write_text('"a"b,yes\n', encoding="utf-8")
    (tmp_path / "mine.toml").write_text(TASK % keys, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        hc.load_task(tmp_path / "mine.toml")


def test_a_first_example_is_no_header(tmp_path):
    rows = [("gj04", i % 2, "*", f"The film was seen {i} times.") for i in range(6)]
    path = tmp_path / "cola.tsv"
    pd.DataFrame(rows).to_csv(path, sep="\t", index=False, header=False, quoting=csv.QUOTE_NONE)
    options = {"labels": ("bad", "good")}
    with pytest.raises(InputError, match=r"no line of names: give them with format = \{ header"):
        read_examples(path, text="sentence", label="label", **options)
    with pytest.raises(InputError, match="names the column of labels and is also a value in it"):
        read_examples(path, text="The film was seen 0 times.", label="0", **options)
    how = TableFormat(header=("source", "label", "mark", "sentence"))
    examples = read_examples(path, text="sentence", label="label", how=how, **options)
    assert examples.table["text"].tolist() == [row[3] for row in rows]
    assert examples.table["label"].tolist() == ["bad", "good"] * 3
