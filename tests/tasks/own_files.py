"""A task file with its data files, for tests that change it."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

TASK = """
labels = ["no", "yes"]

[columns]
text = "question"
text_pair = "passage"
label = "answer"

[train]
file = "train.csv"

[search]
size = 5

[[suites]]
name = "plain"
role = "id"
file = "test.jsonl"
keep = { part = ["a", "b"] }

[[suites]]
name = "hard"
role = "ood"
file = "hard.parquet"
columns = { case = "kind" }
kinds = { turned = "adversarial", easy = "friendly" }
groups = { turned = "order", easy = "order" }
per_case = 4
"""


def rows(name: str, n: int, **more: list) -> list[dict]:
    return [
        {"question": f"{name} {i}?", "passage": f"It is {i}.", "answer": i % 2}
        | {key: values[i % len(values)] for key, values in more.items()}
        for i in range(n)
    ]


def make_files(tmp_path: Path) -> Path:
    """Write a task file and its data; give their folder."""
    train = [*rows("train", 40), *rows("train", 1), *rows("plain", 1)]
    pd.DataFrame(train).to_csv(tmp_path / "train.csv", index=False)
    lines = [json.dumps(row) + "\n" for row in rows("plain", 12, part=["a", "b", "c"])]
    (tmp_path / "test.jsonl").write_text("".join(lines), encoding="utf-8")
    hard = rows("hard", 20, kind=["turned", "turned", "easy", "easy", "other"])
    pd.DataFrame(hard).to_parquet(tmp_path / "hard.parquet")
    (tmp_path / "mine.toml").write_text(TASK, encoding="utf-8")
    return tmp_path


def changed(folder: Path, *changes: tuple[str, str]) -> Path:
    """Write the task file with some of its text replaced."""
    text = TASK
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = folder / "changed.toml"
    path.write_text(text, encoding="utf-8")
    return path
