"""Data as they lie around: saved by `datasets`, shards, patterns, packed files, JSON, archives."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from pathlib import Path

import datasets
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from written import content

import heuristic_core as hc
from heuristic_core.errors import InputError
from heuristic_core.tasks import NLI_LABELS, read_nli
from heuristic_core.tasks.reading import read_examples

datasets.disable_progress_bars()
ROWS = [{"text": f"Day {i} was fine.", "label": i % 2} for i in range(12)]
TEXTS = [row["text"] for row in ROWS]
LABELS = ("no", "yes")
TASK = """
labels = ["no", "yes"]
columns = { text = "text", label = "label" }
[[suites]]
name = "test"
role = "id"
file = "%s"
%s
"""


def texts(source: Path | str, **more) -> list[str]:
    examples = read_examples(source, text="text", label="label", labels=LABELS, **more)
    assert examples.table["label"].tolist() == [
        LABELS[int(text.split()[1]) % 2] for text in examples.table["text"]
    ]
    return examples.table["text"].tolist()


def frame(rows: list[dict] = ROWS) -> pd.DataFrame:
    return pd.DataFrame(rows)


def refused(message: str, source: Path, **more) -> None:
    with pytest.raises(InputError, match=message) as caught:
        texts(source, **more)
    assert str(caught.value).isprintable()


# What datasets saved


def test_saved_to_disk(tmp_path):
    whole = datasets.Dataset.from_list(ROWS)
    whole.save_to_disk(tmp_path / "one", num_shards=3)
    assert texts(tmp_path / "one") == TEXTS
    assert texts(sorted((tmp_path / "one").glob("*.arrow"))[0]) == TEXTS[:4]
    parts = datasets.DatasetDict(train=whole.select(range(8)), test=whole.select(range(8, 12)))
    parts.save_to_disk(tmp_path / "both")
    assert texts(tmp_path / "both", split="test") == TEXTS[8:]
    assert texts(tmp_path / "both" / "train") == TEXTS[:8]
    refused(
        r"both holds the splits train, test; name one, with split = .* or as", tmp_path / "both"
    )
    refused("unknown split of .*both: 'dev'; known: train, test", tmp_path / "both", split="dev")
    (tmp_path / "one" / "data-00001-of-00003.arrow").unlink()
    refused("one lacks the file data-00001-of-00003.arrow; copy all of it", tmp_path / "one")


def test_a_split_of_a_task_file(tmp_path):
    whole = datasets.Dataset.from_list(ROWS)
    datasets.DatasetDict(train=whole, test=whole.select(range(4))).save_to_disk(tmp_path / "both")
    path = tmp_path / "mine.toml"
    path.write_text(TASK % ("both", 'split = "test"'), encoding="utf-8")
    assert hc.load_task(path).suites[0].examples.table["text"].tolist() == TEXTS[:4]
    frame().assign(split=["a"] * 9 + ["b"] * 3).to_csv(tmp_path / "data.csv", index=False)
    path.write_text(TASK % ("data.csv", 'split = "b"'), encoding="utf-8")
    assert hc.load_task(path).suites[0].examples.table["text"].tolist() == TEXTS[9:]
    frame().to_csv(tmp_path / "data.csv", index=False)
    with pytest.raises(InputError, match="has no splits, neither in files nor in a column split"):
        hc.load_task(path)


def test_arrow_files_of_polars_and_pandas(tmp_path):
    frame().to_feather(tmp_path / "a.feather")
    assert texts(tmp_path / "a.feather") == TEXTS
    polars = pytest.importorskip("polars")
    polars.DataFrame(ROWS).write_ipc(tmp_path / "b.arrow", compression="zstd")
    polars.DataFrame(ROWS).write_ipc_stream(tmp_path / "c.arrow")
    assert texts(tmp_path / "b.arrow") == texts(tmp_path / "c.arrow") == TEXTS


@pytest.mark.parametrize("cut", [3, 40, 200, -30])
def test_damaged_arrow_files(tmp_path, cut):
    frame().to_feather(tmp_path / "whole.feather")
    (tmp_path / "a.arrow").write_bytes((tmp_path / "whole.feather").read_bytes()[:cut])
    refused("a.arrow is no intact Arrow file .*fetch it again", tmp_path / "a.arrow")


# Several files


def test_shards_in_a_folder_and_by_a_pattern(tmp_path):
    for i in (0, 1, 2):
        part = frame(ROWS[4 * i : 4 * i + 4])
        part.to_parquet(tmp_path / f"train-0000{i}-of-00003.parquet")
    assert texts(tmp_path) == TEXTS
    assert texts(tmp_path / "train-*.parquet") == TEXTS
    path = tmp_path / "mine.toml"
    path.write_text(TASK % ("train-*.parquet", ""), encoding="utf-8")
    assert hc.load_task(path).suites[0].examples.table["text"].tolist() == TEXTS
    (tmp_path / "README.md").write_text("# Data")
    assert texts(tmp_path) == TEXTS
    bad = frame(ROWS[:1]).assign(text="")
    bad.to_parquet(tmp_path / "train-00001-of-00003.parquet")
    refused("row 1 of train-00001-of-00003.parquet: text is ''", tmp_path)
    (tmp_path / "train-00001-of-00003.parquet").unlink()
    refused("lacks part 1 of 3; fetch all parts", tmp_path)
    refused("no file matches .*dev-", tmp_path / "dev-*.parquet")


def test_parts_are_in_the_order_of_their_numbers(tmp_path):
    for i, row in enumerate(ROWS):
        frame([row]).to_csv(tmp_path / f"part-{i}.csv", index=False)
    assert texts(tmp_path) == texts(tmp_path / "part-*.csv") == TEXTS


def test_a_folder_of_several_tables_is_not_guessed(tmp_path):
    frame(ROWS[:8]).to_csv(tmp_path / "train.tsv", index=False, sep="\t")
    frame(ROWS[8:]).to_csv(tmp_path / "dev.tsv", index=False, sep="\t")
    refused(r"a folder of several tables \(dev.tsv, train.tsv\); name the data file", tmp_path)
    assert texts(tmp_path, split="dev") == TEXTS[8:]
    refused("of which 0 are of the split 'test'", tmp_path, split="test")
    other = frame(ROWS[:2]).rename(columns={"text": "sentence"})
    other.to_csv(tmp_path / "more.csv", index=False)
    refused("has other columns or classes than", tmp_path / "*.[tc]sv")


def test_a_copy_of_a_data_set_from_the_hub(tmp_path):
    (tmp_path / "data").mkdir()
    frame(ROWS[:8]).to_parquet(tmp_path / "data" / "train-00000-of-00001.parquet")
    frame(ROWS[8:]).to_parquet(tmp_path / "data" / "validation-00000-of-00001.parquet")
    (tmp_path / "README.md").write_text("---\n")
    assert texts(tmp_path, split="validation") == TEXTS[8:]
    refused("is a folder of several tables", tmp_path)
    cache = tmp_path / "datasets--a--b"
    (cache / "snapshots").mkdir(parents=True)
    refused("is a folder of the hub's cache; name the one in its snapshots", cache)


def test_folders_named_by_a_value_are_not_read(tmp_path):
    (tmp_path / "label=1").mkdir()
    frame()[["text"]].to_parquet(tmp_path / "label=1" / "part-0.parquet")
    refused(r"without data files \(folders there: label=1\)", tmp_path)


# Packed files


def test_archives(tmp_path):
    table = content(ROWS, ".csv")
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        archive.writestr("__MACOSX/._train.csv", b"\0")
        archive.writestr("folder/train.csv", table)
    assert texts(tmp_path / "data.zip") == TEXTS
    with zipfile.ZipFile(tmp_path / "data.zip", "a") as archive:
        archive.writestr("folder/dev.csv", table)
    refused(r"holds 2 files \(folder/train.csv, folder/dev.csv\); unpack it", tmp_path / "data.zip")
    (tmp_path / "bad.csv.zip").write_bytes(b"PK\x03\x04 and no more")
    refused("is no intact zip file", tmp_path / "bad.csv.zip")
    for packing, kind in (("bz2", "bzip2"), ("xz", "xz"), ("zst", "Zstandard")):
        path = tmp_path / f"data.csv.{packing}"
        path.write_bytes(table)
        refused(f"no intact {kind} file|damaged {kind} file", path)
        path.write_bytes(content(ROWS, f".csv.{packing}")[:-9])
        refused(f"{kind} file|no valid table|no examples", path)
    (tmp_path / "a.parquet.gz").write_bytes(content(ROWS, ".csv.gz"))
    refused("is packed, and holds no text; unpack it", tmp_path / "a.parquet.gz")


# JSON


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_forms_of_json(tmp_path, indent, name):
    forms = {
        "rows": ROWS,
        "lists": {"text": TEXTS, "label": [row["label"] for row in ROWS]},
        "pandas": json.loads(frame().to_json()),
        "table": json.loads(frame().to_json(orient="table")),
    }
    for form in forms.values():
        (tmp_path / name).write_text(json.dumps(form, indent=indent), encoding="utf-8")
        assert texts(tmp_path / name) == TEXTS


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("orient", ["split", "index", "records", "table", "columns"])
def test_every_form_of_json_that_pandas_writes(tmp_path, orient, indent):
    path = tmp_path / "a.json"
    frame().to_json(path, orient=orient, indent=indent)
    assert texts(path) == TEXTS


@pytest.mark.parametrize("indent", [None, 2])
def test_lists_of_rows_in_json(tmp_path, indent):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"data": ROWS}, indent=indent))
    assert texts(path) == TEXTS
    path.write_text(json.dumps({"train": ROWS, "test": ROWS[:2]}, indent=indent))
    refused(r"several lists of rows \(train, test\); save the one that is meant", path)
    path.write_text(json.dumps({"columns": ["text", "label"], "data": [["a"]]}, indent=indent))
    refused("rows of other lengths than columns", path)


def test_json_that_is_no_table(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"version": 1, "data": ROWS}, indent=1))
    refused(r"is one JSON value \(version, data\); give one .* a line, a list of", path)
    path.write_text(json.dumps([1, 2]))
    refused("row 1, is no JSON object", path)
    path.write_text("[\n" + json.dumps(ROWS[0]) + ",\n{]\n")
    refused("line 3, is no valid JSON", path)
    path.write_text('[{"text": "a", "text": "b", "label": 1}]')
    refused("has two values of 'text'", path)


# Class names that a file carries

NAMES = ["entailment", "contradiction", "neutral"]  # the order of SuperGLUE's CB
PAIRS = [{"premise": f"Text {i}.", "hypothesis": "So.", "label": NAMES[i % 3]} for i in range(9)]


def with_classes(names: list[str] = NAMES) -> datasets.Dataset:
    rows = [row | {"label": NAMES.index(row["label"])} for row in PAIRS]
    rows.append(rows[0] | {"label": -1})
    value = datasets.Value("string")
    features = {"premise": value, "hypothesis": value, "label": datasets.ClassLabel(names=names)}
    return datasets.Dataset.from_list(rows, features=datasets.Features(features))


@pytest.mark.parametrize("form", ["parquet", "arrow", "folder"])
def test_a_file_names_its_classes(tmp_path, form):
    data = with_classes()
    path = tmp_path / f"data.{form}"
    if form == "parquet":
        data.to_parquet(path)
    else:
        data.save_to_disk(path)
        path = next(path.glob("*.arrow")) if form == "arrow" else path
    notes: list[str] = []
    examples = read_nli(path, notes=notes)
    assert examples.labels == NLI_LABELS  # another order
    assert examples.table["label"].tolist() == [row["label"] for row in PAIRS]
    assert "1 rows without a gold label dropped" in notes[0]


def pairs(path: Path, **more) -> list[str]:
    options = {"text": "premise", "text_pair": "hypothesis", "label": "label"}
    return read_examples(path, labels=NLI_LABELS, **options, **more).table["label"].tolist()


def test_a_label_map_must_agree_with_the_names_of_a_file(tmp_path):
    path = tmp_path / "data.parquet"
    with_classes().to_parquet(path)
    right = dict(zip("012", NAMES, strict=True))
    assert pairs(path, label_map=right) == [row["label"] for row in PAIRS]
    wrong = dict(zip("012", NLI_LABELS, strict=True))
    with pytest.raises(InputError, match="itself names class 1 of label 'contradiction', but the"):
        pairs(path, label_map=wrong)
    with_classes(["LABEL_0", "LABEL_1", "LABEL_2"]).to_parquet(path)
    with pytest.raises(InputError, match="label is 'LABEL_0'"):
        pairs(path)
    assert pairs(path, label_map=right) == [row["label"] for row in PAIRS]


def test_damaged_names_of_classes(tmp_path):
    table = pa.table({"premise": ["a"], "hypothesis": ["b"], "label": [3]})
    path = tmp_path / "data.parquet"
    features = {"label": {"_type": "ClassLabel", "names": NAMES}}
    for metadata, message in (
        ({"info": {"features": features}}, "label is 3, but the file names 3 classes"),
        ({"info": {"features": {"label": {"_type": "ClassLabel"}}}}, "metadata are damaged"),
        ([], "metadata are damaged"),
    ):
        kept = table.replace_schema_metadata({"huggingface": json.dumps(metadata)})
        pa.parquet.write_table(kept, path)
        with pytest.raises(InputError, match=message):
            pairs(path)


# Archives' own folders


def glue(folder: Path, name: str, n: int) -> None:
    """Write MNLI as GLUE does, with a bare quotation mark."""
    folder.mkdir(exist_ok=True)
    head = "index\tpromptID\tpairID\tgenre\tsentence1\tsentence2\tlabel1\tgold_label\n"
    rows = [
        f'{i}\t1\t1n\tslate\t"{name} {i}\tSo "it" is.\tneutral\t{NLI_LABELS[i % 3]}\n'
        for i in range(n)
    ]
    (folder / f"{name}.tsv").write_text(head + "".join(rows), encoding="utf-8")


def test_the_folder_of_glue(tmp_path):
    for name in ("train", "dev_matched", "dev_mismatched"):
        glue(tmp_path / "MNLI", name, 6)
    for data in (tmp_path, tmp_path / "MNLI"):
        suite = hc.load_suite("mnli", data=data, per_case=None)
        assert suite.examples.table["text"].tolist() == [
            f'"dev_{kind} {i}' for kind in ("matched", "mismatched") for i in range(6)
        ]
        assert suite.examples.table["text_pair"].eq('So "it" is.').all()
        assert suite.examples.table["label"].tolist() == [*NLI_LABELS] * 4


def test_a_train_file_alone_is_not_taken_for_mnli(tmp_path):
    glue(tmp_path, "train", 6)
    with pytest.raises(
        InputError, match=r"there is no mnli_dev_matched or multinli_1\.0_dev_matched"
    ):
        hc.load_suite("mnli", data=tmp_path)


def test_folders_of_splits(tmp_path):
    rows = [{"premise": "a b", "hypothesis": "b", "label": i % 3} for i in range(6)]
    data = datasets.Dataset.from_list(rows)
    splits = {"validation_matched": data, "validation_mismatched": data.select(range(3))}
    datasets.DatasetDict(**splits).save_to_disk(tmp_path / "mnli")
    suite = hc.load_suite("mnli", data=tmp_path, per_case=None)
    assert suite.examples.table["case"].value_counts().to_dict() == {"matched": 6, "mismatched": 3}
    shutil.rmtree(tmp_path / "mnli")
    data.save_to_disk(tmp_path / "mnli")
    with pytest.raises(InputError, match="mnli has no split validation_matched; name it mnli_dev"):
        hc.load_suite("mnli", data=tmp_path)


# Python literals


def test_bytes_as_text_are_undone(tmp_path):
    said = ["Do n't cats like it ?", 'He said "no" .', 'Été, it\'s "so" \\ here']
    buffer = io.StringIO()
    buffer.write("id\ttext\tlabel\n")
    for i, text in enumerate(said):
        buffer.write(f"{i}\t{text.encode()!s}\t{i % 2}\n")
    path = tmp_path / "paws.tsv"
    path.write_text(buffer.getvalue(), encoding="utf-8")
    notes: list[str] = []
    examples = read_examples(path, text="text", label="label", labels=LABELS, notes=notes)
    assert examples.table["text"].tolist() == said
    assert notes == [
        "paws.tsv, text: all texts were Python literals such as b'...', which were undone"
    ]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["b'a'", "b"], "1 of 2 texts are Python literals such as b'...', but not all are"),
        ([r"b'\xff'"] * 2, "or some are not UTF-8"),
        (["b''", "b'a'"], "text is '', but must be text"),
        (["['a', 'b']", "['c']"], "every text is a Python list or tuple, such as"),
        (["'a'", "'it'"], "every text is a Python text in quotes"),
        (["{'a': 'b'}"] * 2, "every text is a Python dictionary"),
    ],
)
def test_literals_that_are_refused(tmp_path, values, message):
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"text": v, "label": 1}) + "\n" for v in values))
    with pytest.raises(InputError, match=message):
        read_examples(path, text="text", label="label", labels=LABELS)


def test_texts_that_only_look_like_literals_stay(tmp_path):
    values = ["'Tis so", "'so' he said", "[1] a note", "b' is a letter"]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"text": v, "label": 1}) + "\n" for v in values))
    examples = read_examples(path, text="text", label="label", labels=LABELS)
    assert examples.table["text"].tolist() == values


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("Tom &amp; Jerry", "HTML entities"),
        ("caf\\u00e9", "escapes"),
        ("caf\ufffd", "could not be decoded"),
        ("cafÃ© â€œhiâ€\x9d", "UTF-8 that was read as another"),
    ],
)
def test_what_was_not_decoded_is_noted(tmp_path, text, what):
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"text": t, "label": 0}) + "\n" for t in (text, "A & B")))
    notes: list[str] = []
    read = read_examples(path, text="text", label="label", labels=LABELS, notes=notes)
    assert read.table["text"].tolist() == [text, "A & B"]
    assert len(notes) == 1
    assert what in notes[0]
    assert "1 of 2 texts" in notes[0]


def test_texts_that_json_wrote_are_refused(tmp_path):
    path = tmp_path / "a.jsonl"
    lines = [json.dumps({"text": json.dumps(t), "label": 0}) for t in ("A\nb.", 'So "it" is.')]
    path.write_text("\n".join(lines))
    refused("every text is in quotes with escapes", path)
    path.write_text(json.dumps({"text": '"To be."', "label": 0}))
    assert read_examples(path, text="text", label="label", labels=LABELS).table["text"][0] == (
        '"To be."'
    )
