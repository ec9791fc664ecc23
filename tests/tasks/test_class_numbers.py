"""Class numbers whose names stand beside the data, and numbers that do not seem to count from 0."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from heuristic_core.errors import InputError
from heuristic_core.tasks.reading import read_examples

NAMES = ("positive", "negative")
LABELS = ("negative", "positive")
NUMBERS = [0, 1, 1, 0]
RIGHT = [NAMES[number] for number in NUMBERS]
YAML = """---
license: mit
dataset_info:
{before}features:
{more}- name: text
{more}  dtype: string
{more}- name: label
{more}  dtype:
{more}    class_label:
{more}      names:
{more}        '0': {first}
{more}        '1': {second}
{after}---
# A data set
"""


def card(first: str = "positive", second: str = "negative") -> str:
    found = YAML.format(before="  ", more="  ", first=first, second=second, after="")
    return found


def several(**configurations: tuple[str, str]) -> str:
    entries = []
    for name, (first, second) in configurations.items():
        text = YAML.format(
            before=f"- config_name: {name}\n  ", more="  ", first=first, second=second, after=""
        )
        entries.append(text.split("dataset_info:\n")[1].partition("---")[0])
    return "---\ndataset_info:\n" + "".join(entries) + "---\n"


def write(path: Path, numbers: list = NUMBERS) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame({"text": [f"Day {i}." for i in range(len(numbers))], "label": numbers})
    table.to_parquet(path) if path.suffix == ".parquet" else table.to_csv(path, index=False)
    return path


def read(path: Path, labels: tuple[str, ...] = LABELS, **more) -> list[str]:
    found = read_examples(path, text="text", label="label", labels=labels, **more)
    return found.table["label"].tolist()


@pytest.mark.parametrize("name", ["test.csv", "data/test-00000-of-00001.parquet"])
def test_the_card_of_a_data_set_names_its_classes(tmp_path, name):
    path = write(tmp_path / name)
    assert read(path) != RIGHT
    (tmp_path / "README.md").write_text(card())
    notes: list[str] = []
    assert read(path, notes=notes) == RIGHT
    assert notes == [f"{path.name}: classes of label named as in README.md"]
    assert read(tmp_path, split="test") == RIGHT
    write(path, RIGHT)  # names need no names
    assert read(path) == RIGHT
    write(path, [0.0, 1.0, None, -1.0])
    assert read(path, drop_incomplete=True) == ["positive", "negative"]
    with pytest.raises(InputError, match="itself names class 0 of label 'positive', but the label"):
        read(write(path), label_map={"0": "negative", "1": "positive"})
    with pytest.raises(InputError, match=r"\(by README.md\): label is 2, but the file names 2 cl"):
        read(write(path, [0, 2]))


def test_descriptions_in_json(tmp_path):
    path = write(tmp_path / "test.csv")
    features = {"label": {"names": list(NAMES), "_type": "ClassLabel"}, "text": {"_type": "Value"}}
    (tmp_path / "dataset_infos.json").write_text(json.dumps({"default": {"features": features}}))
    assert read(path) == RIGHT


def test_configurations_that_differ(tmp_path):
    (tmp_path / "README.md").write_text(several(one=NAMES, other=LABELS))
    assert read(write(tmp_path / "one" / "test.csv")) == RIGHT
    assert read(write(tmp_path / "other" / "test.csv")) != RIGHT
    with pytest.raises(InputError, match="the classes of 'label' in several ways, for one, other"):
        read(write(tmp_path / "test.csv"))
    (tmp_path / "README.md").write_text(several(one=NAMES, other=NAMES))
    assert read(tmp_path / "test.csv") == RIGHT


@pytest.mark.parametrize(
    "content", ["# A project\n", "---\n: [\n---\n", "---\ndataset_info: 3\n---\n"]
)
def test_other_files_of_that_name_say_nothing(tmp_path, content):
    (tmp_path / "README.md").write_text(content)
    assert read(write(tmp_path / "test.csv")) == [LABELS[number] for number in NUMBERS]


def test_minus_one_may_be_a_class(tmp_path):
    path = write(tmp_path / "a.csv", [-1, 1, -1, 1])
    said = r'no row has 0 \(\'negative\'\); .*label_map = \{ "-1" = "...", "1" = "..." \}, and'
    with pytest.raises(InputError, match=said):
        read(path)
    mapped = {"-1": "negative", "1": "positive"}
    assert read(path, label_map=mapped) == ["negative", "positive"] * 2
    assert read(path, drop={"label": ["-1"]}) == ["positive"] * 2
    assert read(path, ("-1", "1")) == ["-1", "1"] * 2
    with pytest.raises(InputError, match=r'no row has 2 .*"-1" = "...", "0" = "...", "1" = "..."'):
        read(write(path, [-1, 0, 1]), ("negative", "neutral", "positive"))
    # As SNLI has it, where all classes occur.
    assert read(write(path, [0, -1, 1])) == list(LABELS)


def test_numbers_that_may_count_from_1_are_noted(tmp_path):
    path, labels = write(tmp_path / "a.csv", [1, 2, 3]), ("world", "sports", "trade", "science")
    notes: list[str] = []
    assert read(path, labels, notes=notes) == list(labels[1:])
    assert notes == [
        "a.csv: no row has class number 0 ('world'); if classes are numbered from 1, say so with "
        "label_map"
    ]
    notes.clear()
    read(write(path, [0, 1, 2, 3]), labels, notes=notes)
    assert notes == []
