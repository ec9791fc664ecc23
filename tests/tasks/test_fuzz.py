"""Whatever is in a file, it is read or refused in one line.

``HCORE_FUZZ=10000 python -m pytest tests/tasks/test_fuzz.py`` tries so many examples a test.
"""

from __future__ import annotations

import gzip
import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from own_files import TASK, make_files
from written import HANS_ROWS, ROWS, content, write

import heuristic_core as hc
from heuristic_core.errors import InputError
from heuristic_core.study.config import load_study
from heuristic_core.tasks.readers import read_hans, read_nli
from heuristic_core.tasks.sources import EXTENSIONS

N = int(os.environ.get("HCORE_FUZZ", "60"))
fuzzed = settings(max_examples=N)
# The formats; the others are these under another name, or packed.
FORMATS = (".jsonl", ".csv", ".tsv", ".parquet", ".jsonl.gz", ".csv.gz")


def read_or_refuse(extension: str, data: bytes, hans: bool = False) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), f"data{extension}", data)
        refusal = None
        try:
            examples = read_hans(path) if hans else read_nli(path)
        except InputError as error:
            refusal = str(error)
        if refusal is not None:
            assert refusal.isprintable()
            assert str(path) in refusal
            assert len(refusal) < 1000
            return
        assert len(examples) > 0
        assert examples.table[["text", "text_pair"]].map(str.strip).ne("").all(axis=None)
        assert examples.digest


@st.composite
def mutated(draw: st.DrawFn, data: bytes) -> bytes:
    """Cut, change, insert, repeat and swap bytes of a file."""
    changed = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(len(changed) - 1, 0)))
        length = draw(st.integers(0, 16))
        match draw(st.sampled_from(["cut", "change", "insert", "repeat", "remove", "bit"])):
            case "cut":
                del changed[place:]
            case "change":
                piece = draw(st.binary(max_size=length))
                changed[place : place + len(piece)] = piece
            case "insert":
                changed[place:place] = draw(st.binary(max_size=length))
            case "repeat":
                changed[place:place] = changed[place : place + length] * draw(st.integers(1, 8))
            case "remove":
                del changed[place : place + length]
            case "bit" if changed:
                changed[place] ^= 1 << draw(st.integers(0, 7))
    return bytes(changed)


@fuzzed
@given(st.sampled_from(EXTENSIONS), st.binary(max_size=200))
def test_any_bytes(extension, data):
    read_or_refuse(extension, data)


@fuzzed
@given(st.sampled_from((".jsonl", ".csv", ".tsv")), st.text(max_size=100), st.booleans())
def test_any_text_after_good_rows(extension, text, compress):
    data = content(ROWS, extension) + text.encode("utf-8", "surrogatepass")
    read_or_refuse(extension + ".gz" * compress, gzip.compress(data) if compress else data)


@pytest.mark.parametrize("extension", FORMATS)
@fuzzed
@given(st.data())
def test_any_change_of_a_good_file(extension, data):
    read_or_refuse(extension, data.draw(mutated(content(ROWS, extension))))


@pytest.mark.parametrize("extension", [".csv", ".parquet", ".jsonl"])
@fuzzed
@given(st.data())
def test_any_change_of_hans(extension, data):
    rows = [row | {"split": "validation"} for row in HANS_ROWS]
    read_or_refuse(extension, data.draw(mutated(content(rows, extension))), hans=True)


@fuzzed
@given(st.data())
def test_any_change_inside_a_gzip_file(data):
    inside = data.draw(mutated(content(ROWS, ".jsonl")))
    read_or_refuse(".jsonl.gz", gzip.compress(inside))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=4,
)


@fuzzed
@given(st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(ROWS[0], JSON)), max_size=3))
def test_any_json_values(rows):
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    read_or_refuse(".jsonl", data)


# Task files


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_files(tmp_path_factory.mktemp("own"))


def load_or_refuse(folder: Path, content: bytes) -> None:
    path = folder / "fuzzed.toml"
    path.write_bytes(content)
    refusal = None
    try:
        task = hc.load_task(path)
    except InputError as error:
        refusal = str(error)
    if refusal is not None:
        assert "fuzzed.toml" in refusal
        assert refusal.isprintable()
        return
    assert min(len(part) for part in (task.train, task.search)) > 0
    assert all(len(suite.examples) for suite in task.suites)
    assert task.digests


@fuzzed
@given(st.binary(max_size=200))
def test_any_bytes_as_a_task_file(folder, data):
    load_or_refuse(folder, data)


@fuzzed
@given(mutated(TASK.encode()))
def test_any_change_of_a_task_file(folder, data):
    load_or_refuse(folder, data)


# What stands to the right of an equals sign.
VALUES = st.sampled_from(
    ["1", "0", "-1", "0.5", "inf", "nan", "true", '""', '"no"', '"yes"', '"kind"', '"answer"', "[]",
     '["no"]', "[1, true]", "[[]]", "{}", '{ no = "yes" }', '{ kind = "easy" }', '{ "" = "" }',
     "1979-05-27", '"train.csv"', '"../x.csv"', '"hard.parquet"', '"id"', '"a/b"', '"\\u0000"',
     '"adversarial"', '{ easy = "friendly" }', "99999999999999999999", '{ a = { b = [1] } }']
)  # fmt: skip


@fuzzed
@given(st.data())
def test_any_value_of_any_key(folder, data):
    lines = TASK.splitlines()
    places = [i for i, line in enumerate(lines) if "=" in line]
    for place in data.draw(st.lists(st.sampled_from(places), min_size=1, max_size=3)):
        key = lines[place].split("=")[0]
        lines[place] = f"{key}= {data.draw(VALUES)}"
    load_or_refuse(folder, "\n".join(lines).encode())


KEYS = st.sampled_from(
    ["name", "labels", "columns", "label_map", "overlap", "train", "search", "file", "hub", "split",
     "config", "keep", "drop", "drop_incomplete", "size", "share", "per_case", "role", "counts_as",
     "kinds", "kinds_by_label", "groups", "suites", "text", "case", "odd"]
)  # fmt: skip


@fuzzed
@given(st.data())
def test_any_key_anywhere(folder, data):
    lines = TASK.splitlines()
    for _ in range(data.draw(st.integers(1, 2))):
        place = data.draw(st.integers(0, len(lines)))
        value = data.draw(VALUES)
        if "hub" not in (key := data.draw(KEYS)):  # the hub is not asked
            lines.insert(place, f"{key} = {value}")
    load_or_refuse(folder, "\n".join(lines).encode())


STUDY = """
name = "mine"
[model]
source = "minilm"
[finetune]
steps = 10
checkpoints = [0, 10]
learning_rate = 1e-4
[search]
sparsities = [0.5]
[analysis.grid]
seeds = [1]
"""


@fuzzed
@given(mutated(STUDY.encode()))
def test_any_change_of_a_study_file(folder, data):
    path = folder / "study.toml"
    path.write_bytes(data)
    refusal = ""
    try:
        load_study(path)
    except InputError as error:
        refusal = str(error)
    assert refusal.isprintable()
