from __future__ import annotations

import gzip
import json
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import pytest

import heuristic_core as hc
from heuristic_core.errors import InputError
from heuristic_core.study.config import load_study
from heuristic_core.tasks import ParaphraseOptions
from heuristic_core.tasks.labels import PARAPHRASE_LABELS
from heuristic_core.tasks.task import Task
from real_data import REPOSITORY, real_file

SMALL = {"search_size": 5, "id_size": 4, "per_case": 3}
SOURCES = ("a_dev", "a_test", "b_train", "b_test")


@pytest.fixture(autouse=True)
def no_data_folder(monkeypatch):
    monkeypatch.delenv("HCORE_DATA", raising=False)


def question(source: str, i: int, label: int) -> dict:
    return {
        "sentence1": f"What is {source} {i}?",
        "sentence2": f"What does {source} {i} mean?",
        "label": label,
        "source": source,
    }


def qqp_rows() -> list[dict]:
    rows = [question(source, i, i % 2) for source in SOURCES for i in range(12)]
    turned = {"sentence1": "what does a_test 3 mean?", "sentence2": "What  is a_test 3?"}
    of_paws = {"sentence1": "Why isn't it?", "sentence2": "Why is it?"}
    rest = {"label": 0, "source": "b_train"}
    return [*rows, turned | rest, of_paws | rest, {"sentence2": "What?"} | rest]


def paws_row(i: int, label: int, end: str = "?") -> dict:
    texts = {"sentence1": f"Why is n't it {end}", "sentence2": f"It why is n't {end}"}
    return {"id": i} | texts | {"label": label}


PAWS = [paws_row(i, label, f"{i} ?") for i, label in enumerate([0, 0, 1, 0, 1, 0])]
PAWS += [paws_row(9, 0)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lines = "".join(json.dumps(row) + "\n" for row in qqp_rows())
    (tmp_path / "qqp_pairs.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    pd.DataFrame(PAWS).to_parquet(tmp_path / "paws_qqp.parquet")
    return tmp_path


def cases(task: Task, suite: str) -> dict[str, int]:
    return dict(task.suite(suite).examples.table["case"].value_counts())


def test_the_papers_task(folder):
    task = hc.load_task("qqp+paws", data=folder, **SMALL)
    assert task.labels == PARAPHRASE_LABELS == ("not_duplicate", "duplicate")
    assert (len(task.train), len(task.search)) == (19, 5)
    assert cases(task, "qqp") == {"a_test": 4, "b_test": 4}
    paws = task.suite("paws")
    assert cases(task, "paws") == {"paws_not_duplicate": 3}
    assert paws.role == "ood"
    assert dict(paws.kinds) == {"paws_not_duplicate": "adversarial"}
    assert set(paws.examples.table["label"]) == {"not_duplicate"}
    assert paws.examples.table["text"].str.startswith("Why isn't it").all()
    assert "qqp_train: read from qqp_pairs.jsonl.gz, sources that end in _train or _dev" in (
        task.notes
    )
    assert task.remarks == (
        "qqp_pairs.jsonl.gz: 1 incomplete rows dropped",
        "1 of 26 training examples dropped that are test examples too (qqp 1)",
        "1 of 25 training examples dropped that have a text in common with test examples (paws 1)",
    )
    assert not any(str(folder) in note for note in task.notes)


def test_no_text_of_the_tests_is_trained_on(folder):
    task = hc.load_task("qqp+paws", data=folder, **SMALL)
    trained = {
        " ".join(sorted(map(str.lower, row)))
        for part in (task.train, task.search)
        for row in part.table[["text", "text_pair"]].itertuples(index=False)
    }
    assert len(trained) == 24
    assert not any("_test" in text or "isn't" in text for text in trained)


def test_friendly_cases_stand_beside_the_adversarial_ones(folder):
    task = hc.load_task("qqp+paws", data=folder, friendly=True, **SMALL)
    suite = task.suite("paws-all")
    assert cases(task, "paws-all") == {"paws_not_duplicate": 3, "paws_duplicate": 2}
    assert {case: suite.kind(case) for case in suite.cases} == {
        "paws_not_duplicate": "adversarial",
        "paws_duplicate": "friendly",
    }
    assert {suite.group(case) for case in suite.cases} == {"paws"}
    paper = hc.load_task("qqp+paws", data=folder, **SMALL)
    assert task.train.digest == paper.train.digest
    adversarial = suite.only(["paws_not_duplicate"]).examples
    assert adversarial.digest == paper.suite("paws").examples.digest


@pytest.mark.parametrize("name", ["qqp", "paws", "paws-all"])
def test_suites_alone_are_the_tasks(folder, name):
    sizes = SMALL | {"id_size": 3}
    task = hc.load_task("qqp+paws", data=folder, friendly=name == "paws-all", **sizes)
    alone = hc.load_suite(name, data=folder, per_case=3)
    assert alone.examples.digest == task.suite(name).examples.digest
    assert alone.kinds == task.suite(name).kinds


def test_tokens_can_be_left_as_they_are(folder):
    task = hc.load_task("qqp+paws", data=folder, detokenise=False, **SMALL)
    assert task.suite("paws").examples.table["text"].str.startswith("Why is n't it").all()


def official(folder: Path) -> None:
    """Write GLUE's and PAWS's own files, a broken line among them."""
    (folder / "QQP").mkdir()
    for name, sources in (("train", ("a_dev", "b_train")), ("dev", ("a_test", "b_test"))):
        rows = [row for row in qqp_rows() if row["source"] in sources and "sentence1" in row]
        lines = ["id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate"]
        lines += [
            f"{i}\t1\t2\t{row['sentence1']}\t{row['sentence2']}\t{row['label']}"
            for i, row in enumerate(rows)
        ]
        lines += ['77\t1\t2\tIs it a "broken', 'line"?\tWhat?\t1']
        (folder / "QQP" / f"{name}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "paws_qqp").mkdir()
    for name, rows in (("train", PAWS[:3]), ("dev_and_test", PAWS[3:])):
        lines = ["id\tsentence1\tsentence2\tlabel"]
        lines += ["\t".join(map(str, row.values())) for row in rows]
        (folder / "paws_qqp" / f"{name}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_official_files_give_the_same_pairs(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("official")
    official(other)
    everything = {"id_size": None, "per_case": None, "search_size": 5}
    ours = hc.load_task("qqp+paws", data=folder, **everything)
    theirs = hc.load_task("qqp+paws", data=other, **everything)
    assert ours.suite("paws").examples.digest == theirs.suite("paws").examples.digest
    columns = ["text", "text_pair", "label"]
    assert set(ours.suite("qqp").examples.table[columns].itertuples(index=False, name=None)) == set(
        theirs.suite("qqp").examples.table[columns].itertuples(index=False, name=None)
    )
    assert cases(theirs, "qqp") == {"qqp": 24}
    assert "train.tsv: 2 incomplete rows dropped" in theirs.notes
    assert len(ours.train) == len(theirs.train)


def test_half_of_paws_is_not_taken_for_all_of_it(tmp_path):
    official(tmp_path)
    (tmp_path / "paws_qqp" / "train.tsv").unlink()
    with pytest.raises(
        InputError, match=r"there is no paws_qqp/train .* see docs/reference/data\.md"
    ):
        hc.load_suite("paws", data=tmp_path)


def test_qqp_has_a_hub_and_paws_has_none(folder, monkeypatch):
    (folder / "qqp_pairs.jsonl.gz").unlink()
    asked = []

    def load_dataset(*name, split=None):
        asked.append((*name, split))
        rows = [
            {"question1": f"{split} {i}?", "question2": f"{split} {i}!", "label": i % 2, "idx": i}
            for i in range(20)
        ]
        table = datasets.Dataset.from_list(rows)
        return table.cast_column("label", datasets.ClassLabel(names=list(PARAPHRASE_LABELS)))

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    task = hc.load_task("qqp+paws", data=folder, **SMALL)
    assert asked == [("nyu-mll/glue", "qqp", "validation"), ("nyu-mll/glue", "qqp", "train")]
    assert len(task.train) == 15
    assert "qqp_train: read from hub:nyu-mll/glue, split train" in task.notes
    (folder / "paws_qqp.parquet").unlink()
    with pytest.raises(InputError, match=r"there is no paws_qqp \(\.jsonl, .* the hub does not"):
        hc.load_task("qqp+paws", data=folder, **SMALL)


def test_sources_must_say_what_they_are_for(folder):
    row = question("elsewhere", 0, 1)
    (folder / "qqp_pairs.jsonl.gz").write_bytes(gzip.compress(json.dumps(row).encode()))
    with pytest.raises(
        InputError, match=r"has no row whose source ends in _test; see docs/reference/"
    ):
        hc.load_suite("qqp", data=folder)


@pytest.mark.parametrize("option", [{"train_size": True}, {"friendly": 1}, {"per_case": "3"}])
def test_options_are_not_bent_into_shape(folder, option):
    with pytest.raises(InputError, match="option of task qqp"):
        hc.load_task("qqp+paws", data=folder, **option)


def test_real_task():
    data = real_file("qqp_pairs.jsonl.gz").parent
    real_file("paws_qqp.parquet")
    task = hc.load_task("qqp+paws", data=data, friendly=True, id_size=None, per_case=None)
    assert cases(task, "paws-all") == {"paws_not_duplicate": 8696, "paws_duplicate": 3967}
    assert cases(task, "qqp") == {"qqp_bimpm_test": 9999, "qqp_olora_test": 7253}
    assert len(task.train) + len(task.search) == 11894 - 1 - 450
    paws = task.suite("paws-all").examples.table
    both = np.array([len(set(a.lower().split()) ^ set(b.lower().split())) for a, b in
                     zip(paws["text"], paws["text_pair"], strict=True)])  # fmt: skip
    assert np.median(both) <= 4  # the same words but for a few


def test_the_example_study_is_sound():
    config = load_study(REPOSITORY / "examples" / "qqp_study.toml")
    assert config.task.name == "qqp+paws"
    assert ParaphraseOptions.model_validate(config.task.options).friendly
