from __future__ import annotations

import gzip
import json
import tempfile
from pathlib import Path

import datasets
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from written import HANS_ROWS, ROWS, content, write

from heuristic_core.errors import InputError
from heuristic_core.tasks.hans import HANS_KINDS
from heuristic_core.tasks.labels import HANS_LABELS, NLI_LABELS, PARAPHRASE_LABELS, label_names
from heuristic_core.tasks.readers import close_punctuation, read_hans, read_nli
from heuristic_core.tasks.reading import read_examples
from heuristic_core.tasks.sources import EXTENSIONS
from heuristic_core.tasks.task import Examples
from real_data import real_file


def columns(examples: Examples) -> dict[str, list]:
    return examples.table.to_dict("list")


# What is read


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_every_format_gives_the_same_examples(tmp_path, extension):
    examples = read_nli(write(tmp_path, f"data{extension}", ROWS))
    assert columns(examples) == {
        "text": [row["premise"] for row in ROWS],
        "text_pair": [row["hypothesis"] for row in ROWS],
        "label": ["entailment", "neutral", "contradiction"],
        "case": ["all"] * 3,
    }
    assert examples.labels == NLI_LABELS
    assert examples.is_pair


def test_the_formats_have_one_digest(tmp_path):
    read = [read_nli(write(tmp_path, f"data{e}", ROWS)).digest for e in EXTENSIONS]
    assert set(read) == {"e3aff0d6bc3fbe317c10bfa033d39cb5bde76f7c120eb601d4ce5b1961ad6574"}


def test_official_columns_and_genre(tmp_path):
    rows = [
        {
            "annotator_labels": ["neutral"],
            "genre": genre,
            "gold_label": label,
            "sentence1": "a b",
            "sentence2": "b",
        }
        for genre, label in [("slate", "neutral"), ("fiction", "-"), ("fiction", "entailment")]
    ]
    notes: list[str] = []
    examples = read_nli(write(tmp_path, "m.jsonl", rows), case_column="genre", notes=notes)
    assert columns(examples)["case"] == ["slate", "fiction"]
    assert columns(examples)["label"] == ["neutral", "entailment"]
    (note,) = notes
    assert "1 rows without a gold label dropped" in note


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([0, 1, 2], list(NLI_LABELS)),
        (["0", " 1 ", "2"], list(NLI_LABELS)),
        ([0.0, 1.0, -1.0], ["entailment", "neutral", "-"]),
        (["Entailment", "NEUTRAL", "-"], ["entailment", "neutral", "-"]),
        ([-1, "-1", None], ["-", "-", None]),
        ([3, "", True], [None] * 3),
        ([0.5, float("nan"), ["entailment"]], [None] * 3),
        (["0.0", "1.0", "-1.0", "0.5"], ["entailment", "neutral", "-", None]),
    ],
)
def test_label_values(values, names):
    assert label_names(values, NLI_LABELS) == names


def test_names_that_are_numbers_are_no_class_numbers():
    stars = ("1", "2", "3", "4", "5")
    assert label_names([0, "1", 2, "5.0", 5.0], stars) == [None, "1", "2", "5", "5"]
    assert label_names([1, 0], ("0", "1")) == ["1", "0"]


def test_truths_and_numbers_are_read_alike_in_every_format():
    assert label_names([True, "False"], ("false", "true")) == ["true", "false"]
    assert label_names([1.0, "0.0", 0], ("a", "b"), {"0.0": "x", "1": "y"}) == ["y", "x", "x"]


def test_labels_that_differ_in_case_alone_are_told_apart():
    values = ["No", "no", "NO", "yes", "YES", 1]
    assert label_names(values, ("no", "No", "yes")) == ["No", "no", None, "yes", "yes", "No"]
    assert label_names(["N", "n"], ("a", "b"), {"N": "a", "n": "b"}) == ["a", "b"]


def test_own_columns_and_labels(tmp_path):
    path = write(tmp_path, "q.csv", [{"q1": "a", "q2": "b", "same": 1}])
    examples = read_examples(
        path, text="q1", text_pair=["missing", "q2"], label="same", labels=PARAPHRASE_LABELS
    )
    assert columns(examples)["label"] == ["duplicate"]
    assert columns(examples)["text_pair"] == ["b"]


def test_a_byte_order_mark_and_blank_lines_are_no_content(tmp_path):
    data = b"\xef\xbb\xbf" + content(ROWS, ".jsonl").replace(b"\n", b"\r\n\n")
    assert len(read_nli(write(tmp_path, "data.jsonl", data))) == 3
    data = b"\xef\xbb\xbf" + content(ROWS, ".csv")
    assert len(read_nli(write(tmp_path, "data.csv", data))) == 3


def test_files_with_a_split_column_are_filtered(tmp_path):
    rows = [row | {"split": split} for row, split in zip(ROWS, "aab", strict=True)]
    path = write(tmp_path, "data.csv", rows)
    assert len(read_nli(path, "a")) == 2
    assert len(read_nli(path)) == 3
    with pytest.raises(InputError, match=r"unknown split of .*data\.csv: 'c'; known: a, b"):
        read_nli(path, "c")
    path = write(tmp_path, "data.jsonl", [ROWS[0] | {"split": "\x1b[31m\n" + "x" * 500}])
    with pytest.raises(InputError, match="unknown split of") as caught:
        read_nli(path, "train")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200 + len(str(path))


@pytest.mark.parametrize("extension", [".txt", ".jsonl", ".parquet"])
def test_hans(tmp_path, extension):
    path = write(tmp_path, f"heuristics_evaluation_set{extension}", HANS_ROWS)
    notes: list[str] = []
    examples = read_hans(path, notes=notes)
    assert columns(examples) == {
        "text": ["The doctor, who danced, saw the actor.", "Suddenly the doctor danced."],
        "text_pair": ["The actor saw the doctor.", "The doctor danced."],
        "label": ["non-entailment", "entailment"],
        "case": ["ln_subject/object_swap", "ce_adverb"],
    }
    assert examples.labels == HANS_LABELS
    assert len(notes) == 1
    raw = read_hans(path, tidy=False)
    assert columns(raw)["text"] == [row["sentence1"] for row in HANS_ROWS]


def test_tidied_text_stays_tidied():
    tidy = close_punctuation("Since the man , who ran , slept .")
    assert tidy == "Since the man, who ran, slept." == close_punctuation(tidy)


# What is refused

GOOD = content(ROWS, ".jsonl")
CSV = content(ROWS, ".csv")


def line(**changes) -> bytes:
    return json.dumps(ROWS[0] | changes).encode() + b"\n"


REFUSED = {
    "empty": ("a.jsonl", b"", "is empty"),
    "empty parquet": ("a.parquet", b"", "is empty"),
    "only blank lines": ("a.jsonl", b"\n \n", "has no examples"),
    "blank csv": ("a.csv", b"\n\n", "is empty"),
    "only a header": ("a.csv", b"premise,hypothesis,label\n", "has no examples"),
    "empty gz": ("a.jsonl.gz", gzip.compress(b""), "has no examples"),
    "no gz": ("a.jsonl.gz", GOOD, "is no intact gzip file"),
    "truncated gz": ("a.jsonl.gz", gzip.compress(GOOD)[:-20], "truncated or damaged gzip"),
    "damaged gz": ("a.jsonl.gz", gzip.compress(GOOD)[:15] + b"\xff" * 40, "damaged gzip"),
    "truncated jsonl": ("a.jsonl", GOOD[:-20], "line 3, is no valid JSON"),
    "deep json": ("a.jsonl", GOOD + b"[" * 100_000, "line 4, is no valid JSON"),
    "no object": ("a.jsonl", GOOD + b"[1, 2]\n", "line 4, is no JSON object"),
    "truncated parquet": ("a.parquet", content(ROWS, ".parquet")[:-30], "no intact parquet"),
    "no parquet": ("a.parquet", GOOD, "no intact parquet file"),
    "truncated csv": ("a.csv", CSV[: CSV.index(b"twice")], "is no valid table"),
    "cut row": ("a.tsv", content(ROWS, ".tsv")[:-14], "row 3: label is '', but must be one of"),
    "long row": ("a.csv", CSV + b"a,b,c,d\n", "is no valid table"),
    "long rows": ("a.csv", b"premise,hypothesis,label\na,b,c,d\n", "not separated by commas"),
    "wrong separator": ("a.tsv", CSV, "has no column 'sentence1' or 'premise'"),
    "latin-1": ("a.jsonl", GOOD.decode().encode("latin-1", "replace"), "line 3, is not UTF-8"),
    "latin-1 csv": ("a.csv", CSV.decode().encode("latin-1", "replace"), "is not UTF-8"),
    "utf-16": ("a.csv", CSV.decode().encode("utf-16"), "is not UTF-8"),
    "missing column": (
        "a.jsonl",
        b'{"premises": "a", "hypothesis": "b", "label": "neutral"}\n',
        r"has no column 'sentence1' or 'premise'; is it 'premises'\? name that column, or "
        "rename it; columns there: premises, hypothesis, label",
    ),
    "no near column": ("a.csv", b"x\ny\n", "rename the column that holds it; columns there: x"),
    "unknown label": (
        "a.jsonl",
        GOOD + line(label="maybe\n\x1b[31m") + line(label=7),
        "line 4: label is .maybe.* .and in 1 other lines., but must be one of .'entailment'",
    ),
    "no label": ("a.jsonl", GOOD + line(label=None), "line 4: label is nothing"),
    "gold label nowhere": ("a.jsonl", line(label="-"), "has no row with a gold label"),
    "empty text": ("a.jsonl", GOOD + line(premise=" "), "line 4: premise is ' ', but must be text"),
    "missing text": ("a.jsonl", GOOD + b'{"premise": "a", "label": 0}', "line 4: hypothesis is no"),
    "NaN": ("a.jsonl", GOOD + line(hypothesis=float("nan")), "line 4: hypothesis is nothing"),
    "number for text": ("a.jsonl", GOOD + line(premise=5), "line 4: premise is 5, but must be"),
    "half a character": ("a.jsonl", GOOD + line(premise="\ud800"), "line 4: premise is "),
    "row of a csv": ("a.csv", CSV + b",b,neutral\n", "row 4: premise is '', but must be text"),
    "null in parquet": (
        "a.parquet",
        content([*ROWS, ROWS[0] | {"premise": None}], ".parquet"),
        "row 4: premise is nothing",
    ),
    "unknown extension": ("a.xlsx", b"PK", r"unknown extension; .* \.jsonl, \.csv"),
    "pickle": ("a.pkl", b"\x80\x04.", "unknown extension"),
}


@pytest.mark.parametrize(("name", "data", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(tmp_path, name, data, message):
    path = write(tmp_path, name, data)
    with pytest.raises(InputError, match=message) as caught:
        read_nli(path)
    text = str(caught.value)
    assert str(path) in text
    assert text.isprintable()
    assert len(text) < 600 + len(str(path))


@pytest.mark.parametrize(
    "source", ["no/such/file.jsonl", "missing.csv", "/missing", "a\0b.csv", "x" * 5000, "~nobody/x"]
)
def test_missing_files(source):
    with pytest.raises(InputError, match=r"there is no file .*; check the path"):
        read_nli(source)


def test_a_misspelt_file_is_not_looked_for_on_the_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    for source in ("folder/data", "other/data.parquet"):
        with pytest.raises(InputError, match="there is no file"):
            read_nli(source)


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(InputError, match="is a folder without data files; give the data file"):
        read_nli(tmp_path)


def test_hans_needs_its_subcases(tmp_path):
    with pytest.raises(InputError, match=r"line 2: label is 'neutral'.*'non-entailment'"):
        read_hans(write(tmp_path, "h.jsonl", [row | {"subcase": "x"} for row in ROWS]))
    wrong = [HANS_ROWS[0], HANS_ROWS[1] | {"subcase": "ce_adverbs"}]
    with pytest.raises(
        InputError,
        match=r"unknown subcase in .*h\.jsonl, line 2: 'ce_adverbs'; did you mean 'ce_adverb'\?",
    ):
        read_hans(write(tmp_path, "h.jsonl", wrong))
    with pytest.raises(InputError, match="has no column 'subcase'"):
        read_hans(write(tmp_path, "h.csv", ROWS))


# The hub


@pytest.fixture
def hub(monkeypatch):
    """A hub in memory: what each name gives, and what was asked for."""

    class Hub(dict):
        asked: list[tuple]

        def load(self, name, split=None, revision=None):
            self.asked.append((name, split, revision))
            found = self[name]
            if callable(found):
                found = found(revision)
            return found[split] if split else found

    fake = Hub()
    fake.asked = []
    monkeypatch.setattr(datasets, "load_dataset", fake.load)
    return fake


def hub_data(rows: list[dict], labels=NLI_LABELS) -> datasets.Dataset:
    table = datasets.Dataset.from_list(rows)
    return table.cast_column("label", datasets.ClassLabel(names=list(labels)))


def test_hub_class_numbers_become_names(hub):
    rows = [row | {"label": label} for row, label in zip(ROWS, (2, -1, 0), strict=True)]
    hub["some/nli"] = {"train": hub_data(rows)}
    for source in ("some/nli", "hub:some/nli"):
        examples = read_nli(source, "train")
        assert columns(examples)["label"] == ["contradiction", "entailment"]
    assert hub.asked == [("some/nli", "train", None)] * 2


def test_hub_labels_in_another_order_are_not_confused(hub):
    hub["some/nli"] = {"train": hub_data([ROWS[0] | {"label": 0}], labels=NLI_LABELS[::-1])}
    assert columns(read_nli("some/nli", "train"))["label"] == ["contradiction"]


def test_hub_needs_a_split_where_there_are_several(hub):
    data = hub_data([ROWS[0] | {"label": 0}])
    hub["some/nli"] = datasets.DatasetDict(train=data, test=data)
    with pytest.raises(InputError, match=r"split of hub:some/nli: .* known: train, test"):
        read_nli("some/nli")
    hub["some/nli"] = datasets.DatasetDict(train=data)
    assert len(read_nli("some/nli")) == 1


def test_hub_programs_are_not_run_but_read_converted(hub):
    def program(revision):
        if revision is None:
            raise RuntimeError("Dataset scripts are no longer supported, but found hans.py")
        rows = [
            {"premise": "a .", "hypothesis": "b .", "label": 1, "subcase": "cn_adverb"},
        ]
        return {"validation": hub_data(rows, HANS_LABELS)}

    hub["jhu-cogsci/hans"] = program
    examples = read_hans("jhu-cogsci/hans")
    assert columns(examples)["label"] == ["non-entailment"]
    assert [revision for *_, revision in hub.asked] == [None, "refs/convert/parquet"]


def test_hub_failures_are_input_errors(hub):
    def fail(revision):
        raise RuntimeError("something\nelse\x1b")

    hub["some/nli"] = fail
    hub["some/empty"] = {"train": hub_data([ROWS[0] | {"label": 0}]).select([])}
    for source in ("some/nli", "hub:some/missing"):
        said = f"cannot load hub:.*{source[-4:]}.*check name, configuration, split"
        with pytest.raises(InputError, match=said):
            read_nli(source, "train")
    with pytest.raises(InputError, match="hub:some/empty has no examples"):
        read_nli("some/empty", "train")


@pytest.mark.parametrize(
    "name", ["", "pandas", "text", "./some/nli", "/some/nli", "some/nli/more", "so\x1bme/nli"]
)
def test_only_names_on_the_hub_reach_its_client(hub, name):
    with pytest.raises(
        InputError, match=r"is not a name on the hub; write hub:namespace/name"
    ) as e:
        read_nli(f"hub:{name}", "train")
    assert str(e.value).isprintable()
    assert hub.asked == []


def test_a_local_folder_is_not_called_the_hub(hub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "some" / "nli").mkdir(parents=True)
    with pytest.raises(InputError, match="hub:some/nli is also the name of something in"):
        read_nli("hub:some/nli", "train")
    assert hub.asked == []


def test_offline_is_an_input_error():
    with pytest.raises(InputError, match=r"cannot load hub:no-such/data-set .*download the data"):
        read_nli("no-such/data-set", "train")


@given(st.lists(st.sampled_from(NLI_LABELS), min_size=1), st.sampled_from(EXTENSIONS))
def test_labels_survive_the_round_trip(labels, extension):
    rows = [{"premise": f"p {i}", "hypothesis": "h", "label": x} for i, x in enumerate(labels)]
    with tempfile.TemporaryDirectory() as folder:
        examples = read_nli(write(Path(folder), f"data{extension}", rows))
    assert columns(examples)["label"] == labels


# The real files


def test_real_hans():
    path = real_file("hans.parquet")
    for split in ("train", "validation"):
        examples = read_hans(path, split)
        counts = examples.table.groupby("case", observed=True).size()
        assert dict(counts) == dict.fromkeys(HANS_KINDS, 1000)
        adversarial = examples.table["case"].map(HANS_KINDS) == "adversarial"
        assert ((examples.table["label"] == "non-entailment") == adversarial).all()
        texts = pd.concat([examples.table["text"], examples.table["text_pair"]])
        assert texts.str.fullmatch(r"[A-Z][A-Za-z]*(,? [A-Za-z]+)*\.").all()
    with pytest.raises(InputError, match="known: train, validation"):
        read_hans(path, "test")


@pytest.mark.parametrize(
    ("name", "n"),
    [
        ("mnli_dev_matched", 9814),
        ("mnli_dev_mismatched", 9830),
        ("snli_dev", 9840),
        ("snli_test", 9824),
    ],
)
def test_real_test_sets(name, n):
    examples = read_nli(real_file(f"{name}.jsonl.gz"))
    assert len(examples) == n
    assert examples.table["label"].value_counts(normalize=True).between(0.31, 0.36).all()


def test_real_genres():
    examples = read_nli(real_file("mnli_dev_matched.jsonl.gz"), case_column="genre")
    assert examples.table["case"].nunique() == 5
    with pytest.raises(InputError, match="genre is nothing"):
        read_nli(real_file("mnli_train.jsonl.gz"), case_column="genre")


def test_real_paraphrases():
    columns = {"text": "sentence1", "text_pair": "sentence2", "label": "label"}
    examples = read_examples(real_file("paws_qqp.parquet"), labels=PARAPHRASE_LABELS, **columns)
    assert len(examples) == 12663
