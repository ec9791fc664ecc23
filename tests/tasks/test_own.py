from __future__ import annotations

import json
from pathlib import Path

import datasets
import pandas as pd
import pytest
from own_files import changed, make_files, rows

import heuristic_core as hc
from command import hcore, mistake
from heuristic_core.errors import InputError
from heuristic_core.measure.discrimination import matches
from heuristic_core.tasks import describe
from heuristic_core.tasks.task import Examples
from real_data import REPOSITORY, real_file


@pytest.fixture(autouse=True)
def no_data_folder(monkeypatch):
    monkeypatch.delenv("HCORE_DATA", raising=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_files(tmp_path)


def texts(examples: Examples) -> list[str]:
    return examples.table["text"].tolist()


def test_what_a_task_file_says_is_what_is_loaded(folder):
    task = hc.load_task(folder / "mine.toml")
    assert (task.name, task.labels) == ("mine", ("no", "yes"))
    assert (len(task.search), len(task.train)) == (5, 35)
    assert not set(texts(task.search)) & set(texts(task.train))
    assert task.train.table["label"].isin(["no", "yes"]).all()
    plain, hard = task.suites
    assert (plain.name, plain.role, plain.cases) == ("plain", "id", ("plain",))
    assert len(plain.examples) == 8
    assert (hard.role, hard.cases) == ("ood", ("turned", "easy", "other"))
    assert [hard.kind(case) for case in hard.cases] == ["adversarial", "friendly", "adversarial"]
    assert [hard.group(case) for case in hard.cases] == ["order", "order", "all"]
    assert hard.examples.table["case"].value_counts().to_dict() == {
        "turned": 4, "easy": 4, "other": 4
    }  # fmt: skip
    assert task.notes == (
        "suite plain: 8 examples read from test.jsonl",
        "suite plain: test.jsonl: 8 of 12 rows kept by their values",
        "suite hard: 20 examples read from hard.parquet",
        "train: 42 examples read from train.csv",
        "1 of 42 training examples dropped that are test examples too (plain 1)",
        "1 of 42 training examples dropped that are repeated",
        "of 40 training examples 5 drawn to learn masks on, 35 of the others to fine-tune on",
        "suite hard: 12 of 20 examples drawn",
    )


def test_the_seed_says_what_is_drawn(folder):
    one, two, other = (hc.load_task(folder / "mine.toml", seed=seed).digests for seed in (0, 0, 1))
    assert one == two
    assert {name for name in one if one[name] != other[name]} == {"train", "search", "suite/hard"}


def test_every_format_gives_the_same_data(folder):
    hard = pd.read_parquet(folder / "hard.parquet")
    hard.to_csv(folder / "hard.csv.gz", index=False)
    hard.to_csv(folder / "hard.tsv", index=False, sep="\t")
    hard.to_json(folder / "hard.jsonl", orient="records", lines=True)
    digests = {
        hc.load_task(changed(folder, ("hard.parquet", f"hard.{e}"))).digests["suite/hard"]
        for e in ("parquet", "csv.gz", "tsv", "jsonl")
    }
    assert len(digests) == 1


def test_a_file_is_looked_for_in_the_working_folder_then_in_the_data_folder(folder, monkeypatch):
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    with pytest.raises(
        InputError, match=r"no task file mine\.toml \(looked for from .* folder\); "
    ):
        hc.load_task("mine.toml")
    given = hc.load_task("mine.toml", data=folder).digests
    monkeypatch.setenv("HCORE_DATA", str(folder))
    assert hc.load_task("mine.toml").digests == given
    with pytest.raises(InputError, match=r"none\.toml \(looked .*, then in the data folder\)"):
        hc.load_task("none.toml")


def test_data_lie_beside_the_task_file_or_in_the_data_folder(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("data")
    (folder / "train.csv").rename(other / "train.csv")
    task = hc.load_task(folder / "mine.toml", data=other)
    assert len(task.train) == 35
    assert not any(str(other) in note or str(folder) in note for note in task.notes)


def test_search_data_of_their_own(folder):
    own = ("size = 5", 'file = "train.csv"\nkeep = { answer = 1 }\nsize = 5')
    task = hc.load_task(changed(folder, own))
    assert len(task.search) == 5
    assert set(task.search.table["label"]) == {"yes"}
    assert len(task.train) == 35
    assert not set(texts(task.search)) & set(texts(task.train))
    assert "5 of 40 training examples dropped that are search examples too" in task.notes


def test_several_sources_are_trained_on(folder):
    alone = hc.load_task(folder / "mine.toml")
    twice = alone.train.table.iloc[0]
    extra = [*rows("new", 9), {"question": twice["text"], "passage": twice["text_pair"]}]
    pd.DataFrame(extra).assign(answer=1).to_csv(folder / "extra.csv", index=False)

    def loaded(first="", second=""):
        more = f'[[train]]\nfile = "train.csv"\n{first}[[train]]\nfile = "extra.csv"\n{second}'
        return hc.load_task(changed(folder, ('[train]\nfile = "train.csv"\n', more)))

    task = loaded()
    # Masks are learned on what is held out of the first; what both hold is trained on once.
    assert task.search.digest == alone.search.digest
    assert texts(task.train) == [*texts(alone.train), *(f"new {i}?" for i in range(9))]
    assert task.notes.count("1 of 45 training examples dropped that are repeated") == 1
    some = loaded("size = 3\n", "size = 2\n")
    assert len(some.train) == 5
    assert {"train 1: 3 of 35 examples drawn", "train 2: 2 of 10 examples drawn"} <= {*some.notes}


@pytest.mark.parametrize(("search", "n"), [("share = 0.25", 10), ("", 4)])
def test_a_share_is_held_out(folder, search, n):
    task = hc.load_task(changed(folder, ("size = 5", search)))
    assert (len(task.search), len(task.train)) == (n, 40 - n)


def test_overlap_by_texts_or_not_at_all(folder):
    changes = ("[columns]", 'overlap = "keep"\n[columns]'), ("size = 5", "size = 10")
    assert len(hc.load_task(changed(folder, *changes)).train) == 32
    by_text = ("[columns]", 'overlap = "texts"\n[columns]')
    task = hc.load_task(changed(folder, by_text))
    # "It is 0." to "It is 19." are passages of the tests.
    assert len(task.train) == 40 - 20 - 5
    assert task.remarks[0] == (
        "22 of 42 training examples dropped that have a text in common with test examples "
        "(plain 10, hard 12)"
    )


def test_caps(folder):
    capped = changed(
        folder,
        ('file = "train.csv"', 'file = "train.csv"\nsize = 7'),
        ("per_case = 4", "size = 6"),
    )
    task = hc.load_task(capped)
    assert (len(task.train), len(task.search), len(task.suite("hard").examples)) == (7, 5, 6)
    assert task.digests["search"] == hc.load_task(folder / "mine.toml").digests["search"]
    capped = changed(
        folder,
        ('file = "train.csv"', 'file = "train.csv"\ncolumns = { case = "answer" }\nper_case = 3'),
    )
    assert hc.load_task(capped).train.table["label"].value_counts().to_dict() == {"no": 3, "yes": 3}


def test_cases_divided_by_label(folder):
    kinds = 'kinds = { turned = "adversarial", easy = "friendly" }\n'
    groups = 'groups = { turned = "order", easy = "order" }\n'
    by_label = 'kinds_by_label = { no = "adversarial", yes = "friendly" }\n'
    hard = hc.load_task(changed(folder, (kinds, by_label), (groups, ""))).suite("hard")
    assert set(hard.cases) == {
        f"{c}/{x}" for c in ("turned", "easy", "other") for x in ("no", "yes")
    }
    assert hard.kind("easy/no") == "adversarial"
    assert hard.kind("easy/yes") == "friendly"
    assert hard.group("turned/no") == hard.group("turned/yes") == "turned"
    table = hard.examples.table
    assert (table["case"].str.split("/").str[1] == table["label"]).all()


def test_one_case_divided_by_label(folder):
    """A case may be adversarial with one label and friendly with another; others are whole."""
    before = 'kinds = { turned = "adversarial", easy = "friendly" }\n'
    after = 'kind = "shift"\nkinds.turned = { no = "adversarial", yes = "friendly" }\n'
    groups = 'groups = { turned = "order", easy = "order" }\n'
    hard = hc.load_task(changed(folder, (before, after), (groups, ""))).suite("hard")
    kinds = {case: (hard.kind(case), hard.group(case)) for case in hard.cases}
    assert kinds == {
        "turned/no": ("adversarial", "turned"),
        "turned/yes": ("friendly", "turned"),
        "easy": ("shift", "all"),
        "other": ("shift", "all"),
    }
    assert hard.examples.table["case"].value_counts().to_dict() == dict.fromkeys(kinds, 4)
    (match,) = matches(hard)
    assert (match.case, match.group, match.label) == ("turned/no", "turned", 0)
    assert len(match.adversarial) == len(match.friendly) == 4
    named = hc.load_task(changed(folder, (before, after))).suite("hard")
    assert [named.group(case) for case in named.cases] == ["order", "order", "order", "all"]


def test_splits_are_cases_and_numbers_are_divided(folder):
    for split in ("one", "two"):
        table = pd.DataFrame(rows(split, 6)).assign(answer=[0.0, 0.2, 0.49, 0.5, 0.9, 1.0])
        table.to_parquet(folder / f"{split}-00000-of-00001.parquet")
    (folder / "parts").mkdir()
    for path in folder.glob("*-of-*.parquet"):
        path.rename(folder / "parts" / path.name)
    more = """
[[suites]]
name = "shares"
role = "ood"
kind = "shift"
file = "parts"
splits = ["one", "two"]
label_from = 0.5
"""
    path = changed(folder, ("per_case = 4\n", "per_case = 4\n" + more))
    shares = hc.load_task(path).suite("shares")
    assert shares.cases == ("one", "two")
    assert shares.examples.table["label"].tolist() == 2 * ["no", "no", "no", "yes", "yes", "yes"]
    assert {shares.kind(case) for case in shares.cases} == {"shift"}


def test_labels_are_mapped(folder):
    table = pd.read_csv(folder / "train.csv")
    table["answer"] = table["answer"].map({0: "False", 1: "True"})
    table.to_csv(folder / "words.csv", index=False)
    mapped = (
        'file = "train.csv"',
        'file = "words.csv"\nlabel_map = { false = "no", TRUE = "yes" }',
    )
    task = hc.load_task(changed(folder, mapped))
    plain = hc.load_task(folder / "mine.toml")
    assert task.digests == plain.digests
    numbers = ("[columns]", 'label_map = { 0 = "yes", 1 = "no" }\n[columns]')
    turned = hc.load_task(changed(folder, numbers))
    assert (turned.train.table["label"] != plain.train.table["label"]).all()


def test_a_suite_with_labels_of_its_own(folder):
    three = (
        ('["no", "yes"]', '["no", "yes", "both"]'),
        ("per_case = 4", 'labels = ["wrong", "right"]\n'
         'counts_as = { no = "wrong", both = "wrong", yes = "right" }'),
    )  # fmt: skip
    task = hc.load_task(changed(folder, *three))
    hard = task.suite("hard")
    assert set(hard.examples.table["label"]) == {"wrong", "right"}
    assert hard.class_map(task.labels).tolist() == [0, 1, 0]
    assert "train: no example has the label both" in task.notes


def test_incomplete_rows_can_be_left_out(folder):
    table = pd.read_csv(folder / "train.csv")
    table.loc[3, "passage"] = None
    table.to_csv(folder / "gaps.csv", index=False)
    with pytest.raises(InputError, match=r"gaps\.csv, row 4: passage is '', but must be text"):
        hc.load_task(changed(folder, ("train.csv", "gaps.csv")))
    dropping = ('file = "train.csv"', 'file = "gaps.csv"\ndrop_incomplete = true')
    task = hc.load_task(changed(folder, dropping))
    assert "train: gaps.csv: 1 incomplete rows dropped" in task.notes


def test_data_from_the_hub(folder, monkeypatch):
    asked = []

    def load_dataset(*name, split=None):
        asked.append((*name, split))
        return datasets.Dataset.from_list(rows("hub", 30))

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    source = 'hub = "some/questions"\nconfig = "small"\nsplit = "train"'
    task = hc.load_task(changed(folder, ('file = "train.csv"', source)))
    assert asked == [("some/questions", "small", "train")]
    assert len(task.train) == 25
    assert "train: 30 examples read from hub:some/questions" in task.notes


def test_hcore_tasks_shows_what_was_read(folder):
    table = pd.read_csv(folder / "train.csv")
    table.loc[0, "question"] = "[red]Red[/red]? \x1b[31m <b>bold</b>"
    table.to_csv(folder / "train.csv", index=False)
    shown = hcore("tasks", "mine.toml", cwd=folder).stdout
    for words in ("pairs of texts", "adversarial", "friendly", "order", "no 2, yes 2"):
        assert words in shown
    assert "Note: 1 of 42 training examples dropped that are test examples too" in shown
    assert "\x1b[31m" not in shown
    as_json = json.loads(hcore("tasks", "mine.toml", "--json", cwd=folder).stdout)
    assert as_json == json.loads(json.dumps(describe(hc.load_task(folder / "mine.toml"))))
    assert as_json["cases"][-1]["n"] == 4
    texts = [t for some in as_json["examples"].values() for row in some for t in row["texts"]]
    assert all(text.isprintable() for text in texts)
    changed(folder, ('"friendly"', '"freindly"'))
    assert "kinds.easy" in mistake("tasks", "changed.toml", cwd=folder)
    assert "hans-grammar" in hcore("tasks", "hans-grammar", cwd=folder).stdout


def test_a_task_file_can_say_what_mnli_and_hans_are():
    data = real_file("hans.parquet").parent
    real_file("mnli_train.jsonl.gz")
    task = hc.load_task(REPOSITORY / "examples" / "mnli_and_hans.toml", data=data)
    same = hc.load_task("mnli+hans", data=data, train_size=5000, search_size=1000, per_case=20)
    ours, theirs = task.suite("hans"), same.suite("hans")
    assert {(c.split("/non")[0].split("/ent")[0], ours.kind(c)) for c in ours.cases} == {
        (c, theirs.kind(c)) for c in theirs.cases
    }
    assert len(ours.examples) == len(theirs.examples) == 600
    assert ours.class_map(task.labels).tolist() == theirs.class_map(same.labels).tolist()
    assert task.digests["search"] == same.digests["search"]
