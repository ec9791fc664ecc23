"""Checkpoints of another program: a study of them is that of the program's own fine-tuning."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from studies import SMALL, quiet

from command import hcore, mistake
from heuristic_core.study.analyses import analyze_run
from heuristic_core.study.config import check_study, load_study
from heuristic_core.study.results import read_results
from heuristic_core.study.run import RunOptions, run_study
from tiny import LABELS, save_tiny

STEPS = (0, 2, 4)
TASK = {
    "name": "hans-grammar",
    "options": {"train_size": 64, "search_size": 32, "id_size": 20, "per_case": 2},
}
SEARCH = {
    "sparsities": [0.5],
    "seeds": [1, 2],
    "options": {"ramp_steps": 4, "hold_steps": 1, "batch_size": 8},
}
REST = {"task": TASK, "search": SEARCH, "analysis": SMALL}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folder with a pretrained model, a study that fine-tunes it with two seeds, and its run."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "raw").mkdir()
    save_tiny(folder / "raw", classifier=False)
    finetune = {"steps": 4, "checkpoints": list(STEPS), "seeds": [1, 2], "batch_size": 8}
    model = {"source": str(folder / "raw")}
    config = check_study({"name": "tuned", "model": model, "finetune": finetune, **REST})
    run(config, folder / "tuned")
    for seed in (1, 2):
        (cell,) = folder.glob(f"tuned/cells/finetune-f{seed}-*")
        for step in STEPS:
            shutil.copytree(cell / f"step-{step:06d}", folder / f"own-{seed}/checkpoint-{step}")
    return folder


def run(config, folder: Path) -> None:
    run_study(config, RunOptions(folder, device="cpu"), quiet())
    assert analyze_run(folder, RunOptions(folder, device="cpu"), quiet())[1] == ""


def study_file(folder: Path, model: str, name: str = "own") -> Path:
    path = folder / f"{name}.toml"
    rest = {key: value for key, value in REST.items() if key != "analysis"}
    text = f'name = "{name}"\n{model}\n'
    for table, keys in (rest | {"analysis": SMALL}).items():
        text += f"[{table}]\n" + "".join(f"{k} = {toml(v)}\n" for k, v in keys.items())
    path.write_text(text)
    return path


def toml(value) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + " }"
    return json.dumps(value)


SEEDS = """
[model]
source = "raw"
[model.seeds.1]
checkpoints = { 2 = "own-1/checkpoint-2", 4 = "own-1/checkpoint-4" }
[model.seeds.2.checkpoints]
2 = "own-2/checkpoint-2"
4 = "own-2/checkpoint-4"
"""


def test_the_same_numbers_as_the_programs_own_fine_tuning(made, tmp_path):
    """Step 0 is the pretrained model without a head: it gets the one that fine-tuning began with."""
    config = load_study(study_file(made, SEEDS))
    run(config, made / "given")
    own, given = (read_results(made / name) for name in ("tuned", "given"))
    assert len(given.measured["finetuning"]) == 0
    for name, table in own.measured.items():
        if name != "finetuning":
            assert len(table) or name == "dependency", name
            pd.testing.assert_frame_equal(table, given.measured[name], check_exact=True)
    for name in ("removal", "attention", "grid"):
        assert set(own.measured[name]["finetune_seed"]) == {1, 2}
