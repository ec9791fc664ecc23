from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import datasets
import pandas as pd
import pytest

import heuristic_core as hc
from heuristic_core.errors import InputError
from heuristic_core.tasks import SUITES, TASKS, HansGrammarOptions, load_suite, load_task
from heuristic_core.tasks.grammar import SUBCASES, parse
from heuristic_core.tasks.hans import HANS_KINDS, hans_suite
from heuristic_core.tasks.labels import HANS_LABELS, NLI_LABELS, NLI_TO_HANS
from heuristic_core.tasks.task import Examples, Task
from real_data import real_file

SMALL = {"train_size": 300, "search_size": 100, "id_size": 100, "per_case": 5}


@pytest.fixture(autouse=True)
def no_data_folder(monkeypatch):
    monkeypatch.delenv("HCORE_DATA", raising=False)


def pairs(examples: Examples) -> set[tuple[str, str]]:
    return set(zip(examples.table["text"], examples.table["text_pair"], strict=True))


def check_disjoint(task: Task) -> None:
    parts = [pairs(task.train), pairs(task.search)]
    tested = set().union(*(pairs(suite.examples) for suite in task.suites))
    for part, whole in zip(parts, (task.train, task.search), strict=True):
        assert len(part) == len(whole)
        assert not part & tested
    assert not parts[0] & parts[1]


# The generated task


def test_hans_grammar():
    task = hc.load_task("hans-grammar", **SMALL)
    assert task.labels == task.train.labels == HANS_LABELS
    assert (len(task.train), len(task.search)) == (300, 100)
    assert [suite.name for suite in task.suites] == ["id", "hans-grammar"]
    in_domain, ood = task.suites
    assert (in_domain.role, in_domain.cases, len(in_domain.examples)) == ("id", ("in-domain",), 100)
    assert (ood.role, ood.cases) == ("ood", tuple(SUBCASES))
    assert ood.examples.table["case"].value_counts().eq(5).all()
    assert dict(ood.kinds) == HANS_KINDS
    assert ood.label_map == NLI_TO_HANS
    check_disjoint(task)


def test_kinds_follow_the_labels():
    ood = load_suite("hans-grammar", per_case=2)
    adversarial = ood.examples.table["case"].map(ood.kind) == "adversarial"
    assert ((ood.examples.table["label"] == "non-entailment") == adversarial).all()
    assert adversarial.mean() == 0.5


def test_cases_are_grouped_by_heuristic():
    suite = load_suite("hans-grammar", per_case=1)
    prefix = {"lexical_overlap": "l", "subsequence": "s", "constituent": "c"}
    assert all(case[0] == prefix[suite.group(case)] for case in suite.cases)
    assert len(suite.groups) == 30


def test_digests_are_stable():
    one, two = (load_task("hans-grammar", **SMALL).digests for _ in range(2))
    other = load_task("hans-grammar", seed=1, **SMALL).digests
    assert one == two
    assert all(one[name] != other[name] for name in one)


def test_the_suite_alone_is_the_tasks():
    task = load_task("hans-grammar", seed=3, **SMALL)
    alone = load_suite("hans-grammar", seed=3, per_case=5)
    assert alone.examples.digest == task.suite("hans-grammar").examples.digest


def test_sizes_do_not_change_other_parts():
    one = load_task("hans-grammar", **SMALL).digests
    two = load_task("hans-grammar", **SMALL | {"train_size": 50}).digests
    assert {name for name in one if one[name] != two[name]} == {"train"}
    two = load_task("hans-grammar", **SMALL | {"hard": {"cn_adverb": 0.5}}).digests
    assert {name for name in one if one[name] != two[name]} == {"train"}
    two = load_task("hans-grammar", **SMALL | {"search_hard": {"cn_adverb": 0.5}}).digests
    assert {name for name in one if one[name] != two[name]} == {"search"}


def hard_pairs(examples: Examples) -> set[str]:
    """The adversarial constructions that are among the examples, recognised by the grammar."""
    found = {name for pair in pairs(examples) for name in parse(*pair)}
    return {name for name in found if HANS_KINDS[name] == "adversarial"}


@pytest.mark.parametrize(
    ("options", "hard"),
    [
        ({}, set(HansGrammarOptions().hard)),
        ({"hard": {}}, set()),
        ({"hard": {"sn_NP/S": 1}}, {"sn_NP/S"}),
        ({"hard": {"cn_adverb": 0.5, "sn_NP/Z": 0.5}}, {"cn_adverb", "sn_NP/Z"}),
    ],
)
def test_hard_pairs_are_where_they_should_be(options, hard):
    task = load_task("hans-grammar", **SMALL | options)
    assert hard_pairs(task.train) == hard
    assert hard_pairs(task.search) == set()
    assert hard_pairs(task.suite("id").examples) == set()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train_sise": 3}, "option of task hans-grammar: 'train_sise'; did you mean 'train_size'"),
        ({"train_size": 0}, "option of task hans-grammar: train_size: must be at least"),
        ({"train_size": "many"}, "option of task hans-grammar: train_size: must be a whole number"),
        ({"hard": "much"}, "option of task hans-grammar: hard: "),
        ({"hard": {"cn_adverb": 2}}, "between 0 and 1"),
        ({"hard": {"ln_pasive": 0.1}}, "'ln_pasive'; did you mean 'ln_passive'"),
        ({"hard": {"le_passive": 0.1}}, "unknown hard construction 'le_passive'"),
        ({"per_case": 10**9}, "the grammar has"),
        ({"seed": -1}, "seed is -1, but must be a whole number from 0"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(InputError, match=message):
        load_task("hans-grammar", **SMALL | options)


def test_every_option_has_help():
    for entry in TASKS.values():
        assert entry.description
        assert entry.data
        assert all(field.description for field in entry.options.model_fields.values())


def test_unknown_names():
    with pytest.raises(InputError, match=r"unknown task 'hans-gramar'; did you mean 'hans-grammar"):
        load_task("hans-gramar")
    with pytest.raises(InputError, match="unknown suite 'hands'; did you mean 'hans'"):
        load_suite("hands")
    with pytest.raises(InputError, match="unknown HANS subcase 'ln_swap'"):
        hans_suite(Examples.build(["a"], ["b"], ["entailment"], "ln_swap", HANS_LABELS))


@pytest.mark.parametrize("name", ["hans", "hans-grammar"])
def test_wrong_numbers_per_case(name):
    with pytest.raises(InputError, match="per_case is 0"):
        load_suite(name, per_case=0)


def test_all_of_a_generated_suite_is_as_much_as_hans_has():
    cases = load_suite("hans-grammar", per_case=None).examples.table["case"]
    assert cases.value_counts().to_dict() == dict.fromkeys(SUBCASES, 1000)


def test_tasks_come_without_the_slow_libraries():
    code = (
        "import sys, heuristic_core.tasks as t\n"
        "t.load_task('hans-grammar', train_size=9, search_size=9, id_size=9, per_case=1)\n"
        "print({'torch', 'transformers', 'datasets'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ)
    )
    assert (done.stdout.strip(), done.returncode) == ("set()", 0), done.stderr


# Published data, here in miniature


def nli_rows(name: str, n: int, official: bool) -> list[dict]:
    keys = (
        ("sentence1", "sentence2", "gold_label") if official else ("premise", "hypothesis", "label")
    )
    return [
        dict(zip(keys, (f"{name} {i} .", "h", NLI_LABELS[i % 3]), strict=True)) for i in range(n)
    ]


def write_jsonl(path: Path, rows: list[dict]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture
def folder(tmp_path):
    """A data folder of small files under the shorter names."""
    train = nli_rows("train", 60, official=False)
    extra = [train[0], nli_rows("matched", 4, official=False)[3]]  # a repetition, a test pair
    write_jsonl(tmp_path / "mnli_train.jsonl", train + extra)
    write_jsonl(tmp_path / "mnli_dev_matched.jsonl", nli_rows("matched", 12, official=False))
    write_jsonl(tmp_path / "mnli_dev_mismatched.jsonl", nli_rows("mismatched", 12, official=False))
    hans = [
        {
            "premise": f"{name} {i} .",
            "hypothesis": "h .",
            "label": subcase.label,
            "subcase": name,
            "split": split,
        }
        for name, subcase in SUBCASES.items()
        for split in ("train", "validation")
        for i in range(4)
    ]
    pd.DataFrame(hans).to_parquet(tmp_path / "hans.parquet")
    return tmp_path


SMALL_NLI = {"train_size": 30, "search_size": 20, "id_size": 5, "per_case": 3}


def test_mnli_and_hans(folder):
    task = load_task("mnli+hans", data=folder, **SMALL_NLI)
    assert task.labels == task.train.labels == NLI_LABELS
    assert (len(task.train), len(task.search)) == (30, 20)
    assert [(s.name, s.role) for s in task.suites] == [("mnli", "id"), ("hans", "ood")]
    mnli, hans = task.suites
    assert mnli.examples.table["case"].value_counts().to_dict() == {"matched": 5, "mismatched": 5}
    assert mnli.examples.table["text"].str.endswith(" .").all()
    assert hans.examples.table["case"].value_counts().to_dict() == dict.fromkeys(SUBCASES, 3)
    assert not hans.examples.table["text"].str.endswith(" .").any()
    assert hans.class_map(task.labels).tolist() == [0, 1, 1]
    check_disjoint(task)
    assert "mnli_train: read from mnli_train.jsonl" in task.notes
    assert "1 of 62 training examples dropped that are repeated" in task.notes
    assert "1 of 62 training examples dropped that are test examples too (mnli 1)" in task.notes
    assert (
        "of 60 training examples 20 drawn to learn masks on, 30 of the others to fine-tune on"
        in task.notes
    )
    assert "mnli: 10 of 24 examples drawn" in task.notes
    assert "hans: 90 of 120 examples drawn" in task.notes
    assert not any(str(folder) in note for note in task.notes)


def test_test_sets_can_be_had_whole(folder):
    whole = load_task("mnli+hans", data=folder, **SMALL_NLI | {"id_size": None, "per_case": None})
    assert [len(suite.examples) for suite in whole.suites] == [24, 120]
    assert not any("drawn" in note and ":" in note for note in whole.notes)


def test_train_size_does_not_change_the_search(folder):
    one = load_task("mnli+hans", data=folder, **SMALL_NLI)
    everything = load_task("mnli+hans", data=folder, **SMALL_NLI | {"train_size": None})
    assert len(everything.train) == 40
    assert pairs(one.train) < pairs(everything.train)
    differ = {name for name in one.digests if one.digests[name] != everything.digests[name]}
    assert differ == {"train"}
    again = load_task("mnli+hans", data=folder, **SMALL_NLI)
    assert again.digests == one.digests


def test_the_environment_names_the_folder(folder, monkeypatch):
    given = load_task("mnli+hans", data=str(folder), **SMALL_NLI)
    monkeypatch.setenv("HCORE_DATA", str(folder))
    assert load_task("mnli+hans", **SMALL_NLI).digests == given.digests


@pytest.mark.parametrize("name", ["hans", "mnli"])
def test_suites_alone_are_the_tasks(folder, name):
    task = load_task("mnli+hans", data=folder, **SMALL_NLI | {"id_size": 3})
    alone = load_suite(name, data=folder, per_case=3)
    assert alone.examples.digest == task.suite(name).examples.digest
    assert alone.kinds == task.suite(name).kinds
    assert (
        len(load_suite(name, data=folder, per_case=None).examples)
        == {"hans": 120, "mnli": 24}[name]
    )


def test_official_names_and_forms(folder, tmp_path):
    for name in ("train", "dev_matched", "dev_mismatched"):
        (tmp_path / f"mnli_{name}.jsonl").unlink()
        rows = nli_rows(name, 40, official=True)
        write_jsonl(tmp_path / f"multinli_1.0_{name}.jsonl", rows)
    table = pd.read_parquet(tmp_path / "hans.parquet").query("split == 'validation'")
    (tmp_path / "hans.parquet").unlink()
    names = {"premise": "sentence1", "hypothesis": "sentence2", "label": "gold_label"}
    official = table.rename(columns=names).drop(columns="split")
    official.to_csv(tmp_path / "heuristics_evaluation_set.txt", sep="\t", index=False)
    task = load_task("mnli+hans", data=tmp_path, **SMALL_NLI | {"train_size": None})
    assert len(task.train) == 20
    assert len(task.suite("hans").examples) == 90


def test_a_missing_file_is_read_from_the_hub(folder, monkeypatch):
    (folder / "mnli_dev_matched.jsonl").unlink()
    asked = []

    def load_dataset(name, split=None):
        asked.append((name, split))
        return datasets.Dataset.from_list(nli_rows("matched", 6, official=False))

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    task = load_task("mnli+hans", data=folder, **SMALL_NLI)
    assert asked == [("nyu-mll/multi_nli", "validation_matched")]
    note = "mnli_dev_matched: read from hub:nyu-mll/multi_nli, split validation_matched"
    assert note in task.notes


def test_no_file_and_no_hub_says_what_to_do(folder):
    with pytest.raises(
        InputError,
        match=r"there is no snli_test or snli_1\.0_test \(\.jsonl, \.csv, \.tsv, \.txt, \.json, "
        r"each also with \.gz, .*, or a folder\) in .*, and cannot load hub:stanfordnlp/snli",
    ):
        load_task("snli+hans", data=folder)
    with pytest.raises(InputError, match=r"no --data and no HCORE_DATA"):
        load_suite("hans")


def test_wrong_folders(folder, monkeypatch):
    with pytest.raises(InputError, match=r"data folder .*missing is missing; give the folder"):
        load_suite("hans", data=folder / "missing")
    monkeypatch.setenv("HCORE_DATA", str(folder / "hans.parquet"))
    with pytest.raises(InputError, match=r"data folder .*hans\.parquet is a file"):
        load_suite("hans")


def test_too_many_search_pairs(folder):
    with pytest.raises(InputError, match="search_size 60 leaves nothing of the 60 training"):
        load_task("mnli+hans", data=folder, **SMALL_NLI | {"search_size": 60})


# The real files


def real_folder(*names: str) -> Path:
    (folder,) = {real_file(name).parent for name in names}
    return folder


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("mnli", ("mnli_train", "mnli_dev_matched", "mnli_dev_mismatched")),
        ("snli", ("snli_train", "snli_test")),
    ],
)
def test_real_tasks(name, files):
    data = real_folder("hans.parquet", *(f"{file}.jsonl.gz" for file in files))
    task = load_task(f"{name}+hans", data=data, train_size=5000, search_size=1000, per_case=20)
    assert (len(task.train), len(task.search)) == (5000, 1000)
    assert len(task.suite("hans").examples) == 600
    check_disjoint(task)
    for part in (task.train, task.search):
        assert part.table["label"].value_counts(normalize=True).between(0.29, 0.38).all()


def test_every_task_and_suite_is_known():
    assert set(TASKS) == {"hans-grammar", "mnli+hans", "snli+hans", "qqp+paws"}
    assert set(SUITES) == {"hans", "hans-grammar", "mnli", "snli", "qqp", "paws", "paws-all"}
