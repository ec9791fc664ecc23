"""Progress where there is no terminal: lines with the share done and the time left."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from command import SMALL, hcore
from heuristic_core import progress
from heuristic_core.study.watch import Watch, watching


@pytest.fixture
def often(monkeypatch):
    """A line whenever something is reported."""
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)


def _console() -> Console:
    return Console(file=io.StringIO(), width=200)


def test_time_left_follows_from_the_share():
    assert progress.share_and_left(0.25, 60) == "25% done, about 3.0 min left"
    assert progress.share_and_left(0.5, 10) == "50% done, about 10.0 s left"


def test_lines_are_few(monkeypatch):
    now = iter(float(i) for i in range(1000))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(now))
    lines: list[str] = []
    report = progress.as_lines("work", lines.append)
    for done in range(1, 101):
        report(done, 100)
    report(100, 100)
    assert lines == [
        *(f"work: {n}% done, about {left} left" for n, left in (
            (20, "80.0 s"), (40, "60.0 s"), (60, "40.0 s"), (80, "20.0 s"),
        )),
        "work: done in 1.7 min",
    ]  # fmt: skip


def test_cells_say_how_far_they_are(often):
    console = _console()
    with Watch(console).running({"cell-0": 100.0, "cell-1": 100.0}, 0) as shown:
        for name in ("cell-0", "cell-1"):
            shown.start(name, name)
            shown.report(name, 0.5)
            shown.finish(name, 1.0, None)
    lines = console.file.getvalue().splitlines()
    assert re.fullmatch(
        r"\[1/2\] cell-0  50% done, about .* left \(of all: 25% done, about .* left\)", lines[1]
    )
    assert re.fullmatch(r"\[1/2\] cell-0  .* s; of all 50% done, about .* left", lines[2])
    assert re.fullmatch(r"\[2/2\] cell-1  [\d.]+ s", lines[-1])


def test_work_of_a_name_is_told(often):
    console = _console()
    with watching(console) as bar:
        report = bar("seed 1")
        report(1, 4)
        report(4, 4)
    first, last = console.file.getvalue().splitlines()
    assert re.fullmatch(r"seed 1: 25% done, about .* left", first)
    assert last.startswith("seed 1: done in ")


@pytest.mark.slow
def test_every_long_command_says_how_long_it_takes(often, tiny_folder, tmp_path):
    quick = ["--method", "learned", "--set", "ramp_steps=3", "--set", "hold_steps=0"]
    said = {
        "run": hcore(
            "run", "smoke", "--set", f"model.source={tiny_folder}", *SMALL, "--until", "search",
            cwd=tmp_path,
        ).stderr,
        "finetune": hcore("finetune", tiny_folder, "--out", "f", "--steps", 3, cwd=tmp_path).stderr,
        "prune": hcore("prune", tiny_folder, "--out", "p", *quick, cwd=tmp_path).stderr,
        "evaluate": hcore("evaluate", tiny_folder, "--without", "L0H1", cwd=tmp_path).stderr,
        "check": hcore("check", tiny_folder, cwd=tmp_path, code=0).stderr,
    }  # fmt: skip
    for command, text in said.items():
        assert re.search(r"\d+% done, about [\d.]+ (s|min|h) left", text), (command, text)
