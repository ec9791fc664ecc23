"""Every suite of the shelf, read from a stand-in of its data set: same columns, same codes."""

from __future__ import annotations

import json
from pathlib import Path

import datasets
import pytest

from command import hcore, mistake
from heuristic_core.errors import InputError
from heuristic_core.measure.accuracy import evaluate
from heuristic_core.models.loading import load_model
from heuristic_core.tasks import load_suite, shelf_entries, suite_names
from heuristic_core.tasks.task import Suite
from tiny import save_tiny

NLI = ["entailment", "neutral", "contradiction"]
PAIR = [
    ("The doctor and the lawyer slept.", "The doctor slept."),
    ("The actor ran.", "The lawyer danced."),
    ("The doctor near the actor shouted.", "The actor shouted."),
]
CLASSES = datasets.ClassLabel(names=NLI)
TEXT = datasets.Value("string")


def pairs(first="premise", second="hypothesis", label="label", classes=CLASSES, codes=(0, 1, 2)):
    """Make columns of pairs with a row for each code, and one without a gold label where -1 is."""
    rows = [PAIR[i % 3] for i in range(len(codes))]
    columns = {first: [a for a, _ in rows], second: [b for _, b in rows], label: list(codes)}
    return columns, {first: TEXT, second: TEXT, label: classes}


def reviews(label="label", classes=None, codes=(0, 1)):
    columns = {"text": ["The actor slept.", "The actor danced."] * (len(codes) // 2)}
    names = datasets.ClassLabel(names=["neg", "pos"]) if classes is None else classes
    return columns | {label: list(codes)}, {"text": TEXT, label: names}


def with_category():
    columns, features = pairs("sentence1", "sentence2")
    more = {"category": ["colours"] * 3, "gold_label": NLI, "pairID": [1, 2, 3]}
    types = {"category": TEXT, "gold_label": TEXT, "pairID": datasets.Value("int32")}
    return columns | more, features | types


def two(*names: str):
    return pairs(classes=datasets.ClassLabel(names=list(names)), codes=(0, 1))


#: By suite what its data set holds: columns and their types; the same in every split.
FIXTURES = {
    **dict.fromkeys(("anli-r1", "anli-r2", "anli-r3"), pairs()),
    "wanli": pairs(label="gold", classes=TEXT, codes=NLI),
    "snli-hard": pairs(),
    "robust-nli": pairs(),
    "robust-nli-is-sd": two("non-entailment", "entailment"),
    "robust-nli-li-ts": two("non-contradiction", "contradiction"),
    "nli-stress": pairs("sentence1", "sentence2"),
    "breaking-nli": with_category(),
    "conj-nli": pairs(codes=(0, 1, 2, -1)),
    "snli-counterfactual": pairs(classes=TEXT, codes=NLI),
    "mnli-anti-biased": pairs(),
    "paws-wiki": pairs(
        "sentence1", "sentence2", classes=datasets.ClassLabel(names=["0", "1"]), codes=(0, 1)
    ),
    "imdb": reviews(),
    "rotten-tomatoes": reviews(),
    "civil-comments": reviews("toxicity", datasets.Value("float32"), (0.0, 0.5, 0.4, 1.0)),
}


def data_set(name: str) -> datasets.Dataset:
    columns, features = FIXTURES[name]
    return datasets.Dataset.from_dict(columns, features=datasets.Features(features))


@pytest.fixture(autouse=True)
def hub(monkeypatch):
    """Answer the hub's client from the stand-ins, where hub id, configuration and split exist."""
    monkeypatch.delenv("HCORE_DATA", raising=False)
    asked = []

    def load_dataset(name, config=None, *, split, revision=None):
        asked.append((name, config, split))
        named = next(e for e in shelf_entries().values() if (e.hub, e.config) == (name, config)
                     and split in (e.splits or [e.split]))  # fmt: skip
        return data_set(named.name)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    return asked


@pytest.fixture(scope="module")
def three(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("three")
    save_tiny(folder, labels=tuple(NLI))
    return folder


@pytest.fixture(scope="module")
def two_classes(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("two")
    save_tiny(folder, labels=("entailment", "not_entailment"))
    return folder


def test_the_shelf_is_whole():
    assert set(FIXTURES) == set(shelf_entries())
    assert len(shelf_entries()) == 17
    assert set(shelf_entries()) < set(suite_names())
    licences = {entry.licence for entry in shelf_entries().values()}
    assert licences == {"cc-by-nc-4.0", "cc-by-4.0", "cc0-1.0", "other", "unknown", "not stated"}


@pytest.mark.parametrize("name", FIXTURES)
def test_a_suite_of_the_shelf(hub, name):
    entry = shelf_entries()[name]
    suite = load_suite(name, per_case=None)
    splits = entry.splits or [entry.split]
    assert hub == [(entry.hub, entry.config, split) for split in splits]
    assert (suite.name, suite.role) == (name, "ood")
    assert suite.examples.labels == tuple(entry.labels)
    # Every code is read as its label: the stand-ins hold each once, in the order of the codes.
    read = suite.examples.table["label"].tolist()
    names = {"imdb": ["negative", "positive"], "civil-comments": ["non-toxic", "toxic"] * 2}
    names["rotten-tomatoes"], names["paws-wiki"] = names["imdb"], ["not_duplicate", "duplicate"]
    names["robust-nli-is-sd"] = ["non-entailment", "entailment"]
    names["robust-nli-li-ts"] = ["non-contradiction", "contradiction"]
    assert read == names.get(name, NLI) * len(splits)
    assert suite.examples.is_pair == ("text_pair" in entry.columns.model_dump(exclude_none=True))
    again = load_suite(name, per_case=1)
    assert again.examples.table["case"].value_counts().eq(1).all()
    assert again.kinds == suite.kinds


def test_kinds_follow_the_table():
    stress = load_suite("nli-stress", per_case=None)
    kinds = {case: stress.kind(case) for case in stress.cases}
    assert kinds["negation/entailment"] == "adversarial"
    assert kinds["negation/contradiction"] == "friendly"
    assert kinds["word_overlap/entailment"] == "friendly"
    assert (kinds["antonym"], kinds["spelling_error"]) == ("adversarial", "shift")
    assert stress.group("negation/neutral") == "negation"
    assert {load_suite("imdb").kind(c) for c in load_suite("imdb").cases} == {"shift"}
    assert set(load_suite("robust-nli").cases) == set(shelf_entries()["robust-nli"].splits)


def cases_of(folder: Path, suite: Suite) -> int:
    return len(evaluate(load_model(folder, device="cpu"), suite))


@pytest.mark.parametrize("name", [n for n in FIXTURES if "entailment" in shelf_entries()[n].labels])
def test_models_of_two_and_three_classes(three, two_classes, name):
    suite = load_suite(name, per_case=None)
    assert cases_of(three, suite) == cases_of(two_classes, suite) == len(suite.cases)


def test_labels_that_do_not_fit(three, two_classes):
    assert cases_of(three, load_suite("robust-nli-li-ts")) == 1
    for folder, name in ((two_classes, "robust-nli-li-ts"), (three, "imdb")):
        with pytest.raises(InputError, match=f"no counterpart among suite '{name}'"):
            cases_of(folder, load_suite(name))


def test_local_copies(hub, tmp_path):
    one = data_set("anli-r1")
    whole = datasets.DatasetDict({"dev_r1": one, "test_r1": one.select([0])})
    whole.save_to_disk(tmp_path / "saved")
    assert len(load_suite("anli-r1", copy=tmp_path / "saved").examples) == 1
    one.to_parquet(tmp_path / "test.parquet")
    assert len(load_suite("anli-r1", copy=tmp_path / "test.parquet").examples) == 3
    one.to_json(tmp_path / "anli-r2.jsonl")
    assert len(load_suite("anli-r2", data=tmp_path).examples) == 3
    # Several splits are never read from a file that does not tell them apart.
    with pytest.raises(InputError, match="has no splits"):
        load_suite("robust-nli", copy=tmp_path / "test.parquet")
    with pytest.raises(InputError, match="copy of hub:facebook/anli"):
        load_suite("anli-r1", copy=tmp_path / "none")
    assert not hub


@pytest.mark.parametrize("broken", ["no label column", "other codes"])
def test_a_data_set_that_has_changed(monkeypatch, broken):
    one = data_set("wanli")
    rows = ["yes", "no", "no"]
    changed = one.remove_columns("gold")
    changed = changed if broken == "no label column" else changed.add_column("gold", rows)
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: changed)
    with pytest.raises(InputError, match=r"has no column 'gold'|gold is 'yes'"):
        load_suite("wanli")


def test_several_suites_in_one_command(three, tmp_path):
    data_set("anli-r1").to_parquet(tmp_path / "mine.parquet")
    done = hcore(
        "evaluate", three, "--suite", "anli-r1=mine.parquet", "--suite", "robust-nli",
        "--suite", "wanli", "--json", cwd=tmp_path,
    )  # fmt: skip
    rows = json.loads(done.stdout)["cases"]
    assert list(dict.fromkeys(row["suite"] for row in rows)) == ["anli-r1", "robust-nli", "wanli"]
    assert len(rows) == 10
    twice = mistake("evaluate", three, "--suite", "wanli", "--suite", "wanli", cwd=tmp_path)
    assert "the suite wanli twice" in twice
    line = mistake("evaluate", three, "--suite", "wnali", cwd=tmp_path)
    assert "did you mean 'wanli'?" in line


def test_the_list_of_suites(tmp_path):
    listed = hcore("suites", cwd=tmp_path).stdout
    for name, entry in shelf_entries().items():
        assert name in listed
        assert entry.licence in listed
    as_json = json.loads(hcore("suites", "--json", cwd=tmp_path).stdout)["suites"]
    assert [row["name"] for row in as_json] == list(suite_names())
    assert as_json[-1]["sources"] == shelf_entries()["civil-comments"].sources
