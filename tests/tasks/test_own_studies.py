"""Studies of a task file."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from own_files import changed, make_files, rows

import heuristic_core as hc
from command import hcore
from heuristic_core.study.config import load_study
from heuristic_core.study.plan import make_plan
from tiny import save_tiny

STUDY = """
name = "mine"
model = { source = "tiny" }
task = { name = "mine.toml" }
finetune = { steps = 2, checkpoints = [0, 2], batch_size = 4 }
search = { seeds = [1, 2], options = { ramp_steps = 2, hold_steps = 0, batch_size = 4 } }
[analysis]
in_run = true
id_size = 8
per_case = 2
grid = { sparsities = [0.3], seeds = [1] }
removal = { controls = 1, pairs = 1 }
"""
ODD_CASES = ["<b>&amp;", r"$\frac", "[red]", "{x}", "a|b/../c", "%s"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("HCORE_DATA", raising=False)
    return make_files(tmp_path)


@pytest.mark.slow
def test_a_whole_study_on_single_texts_and_cases_with_odd_names(folder):
    """Markup of pages, figures, terminals and paths in case names is shown, not followed."""
    single = changed(
        folder,
        ('text_pair = "passage"\n', ""),
        ('{ turned = "adversarial", easy = "friendly" }', "{ '<b>&amp;' = 'friendly' }"),
        ('groups = { turned = "order", easy = "order" }', ""),
    )
    single.rename(folder / "mine.toml")
    table = pd.DataFrame(rows("hard", 24, kind=ODD_CASES))
    table.to_parquet(folder / "hard.parquet")
    (folder / "study.toml").write_text(STUDY, encoding="utf-8")
    (folder / "tiny").mkdir()
    save_tiny(folder / "tiny", labels=("no", "yes"))
    hcore("run", "study.toml", cwd=folder)
    page = (folder / "runs/mine/report/report.html").read_text(encoding="utf-8")
    assert "<b>&amp;<" not in page
    assert "&lt;b&gt;&amp;amp;" in page
    evaluation = pd.read_parquet(folder / "runs/mine/tables/evaluations.parquet")
    assert set(evaluation["case"]) == {"plain", *ODD_CASES}
    attention = pd.read_parquet(folder / "runs/mine/tables/attention.parquet")
    assert "repeated" not in set(attention["pattern"])
    evaluated = hcore("evaluate", "runs/mine", "--case", "a|b/../c", "--json", cwd=folder)
    assert json.loads(evaluated.stdout)["cases"][0]["case"] == "a|b/../c"


def test_changed_data_are_computed_anew(folder, monkeypatch):
    monkeypatch.chdir(folder)
    Path("tiny").mkdir()
    save_tiny(Path("tiny"), labels=("no", "yes"))
    Path("study.toml").write_text(STUDY, encoding="utf-8")
    config = load_study("study.toml")

    def cells() -> dict[str, str]:
        return {cell.key: cell.kind for cell in make_plan(config, hc.load_task("mine.toml")).cells}

    before = cells()
    assert cells() == before
    text = Path("mine.toml").read_text(encoding="utf-8")
    text = text.replace('easy = "friendly"', 'other = "friendly"')
    Path("mine.toml").write_text(text, encoding="utf-8")
    kinds = cells()
    assert {kinds[key] for key in set(kinds) - set(before)} == {"evaluate"}
    table = pd.read_csv("train.csv")
    table.loc[5, "question"] = "Something else?"
    table.to_csv("train.csv", index=False)
    assert not set(cells()) & set(kinds)
