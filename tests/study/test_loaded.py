"""A finished run in Python, from its folder and from an archive."""

from __future__ import annotations

import json
import shutil
import zipfile

import pandas as pd
import pytest

import heuristic_core as hc
from heuristic_core.study.archive import opened, write_archive
from tiny_studies import study


@pytest.fixture(scope="module")
def folder(tiny_folder, tmp_path_factory):
    """The folder of a finished tiny run of two fine-tunings."""
    place = tmp_path_factory.mktemp("loaded") / "tiny"
    config = study(
        tiny_folder,
        finetune={"steps": 2, "checkpoints": [0, 2], "seeds": [1, 2], "batch_size": 8},
        search={
            "sparsities": [0.5],
            "seeds": [1, 2],
            "options": {"ramp_steps": 2, "hold_steps": 0, "batch_size": 8},
        },
    )
    hc.run(config, out=place, quiet=True)
    return place


@pytest.fixture(scope="module")
def run(folder):
    return hc.load_run(folder)


@pytest.fixture(scope="module")
def archive(folder, tmp_path_factory):
    return write_archive(folder, tmp_path_factory.mktemp("archive") / "tiny.hcore.zip")


def test_tables_are_those_of_the_folder(run, folder):
    for path in (folder / "tables").glob("*.parquet"):
        pd.testing.assert_frame_equal(
            pd.DataFrame(run.tables[path.stem]), pd.read_parquet(path), check_dtype=False
        )
    stored = pd.read_parquet(folder / "conclusions/verdicts.parquet")
    assert run.verdicts["reason"].tolist() == stored["reason"].tolist()
    assert run.tables.subnetwork_accuracies.equals(run.tables["subnetwork-accuracies"])
    for name in ("verdicts", *run.tables):
        described = run.describe(name)
        frame = run.verdicts if name == "verdicts" else run.tables[name]
        assert described["column"].tolist() == list(frame)
        assert described["meaning"].str.len().min() > 0
    with pytest.raises(hc.InputError, match="unknown table 'evaluation'; did you mean 'evaluatio"):
        run.describe("evaluation")
    changed = run.tables["evaluations"]
    changed["n"] = 0
    assert run.tables["evaluations"]["n"].min() > 0


def test_models_are_those_that_the_run_measured(run):
    task = hc.load_task(run.config["task"]["name"], seed=0, **run.config["task"]["options"])
    rows = run.tables.evaluations
    for seed, step in ((1, 0), (2, 2)):
        model = run.model(step, finetune_seed=seed, device="cpu")
        full = rows[(rows["finetune_seed"] == seed) & (rows["checkpoint"] == step)]
        full = full[full["kind"] == "full"].reset_index(drop=True)
        found = hc.evaluate(model, task)
        assert found["correct"].tolist() == full["correct"].tolist()
        assert found["margin"].tolist() == pytest.approx(full["margin"].tolist(), abs=1e-5)
    (sub,) = run.subnetworks(finetune_seed=2, seed=1)
    mine = rows[(rows["finetune_seed"] == 2) & (rows["seed"] == 1)].reset_index(drop=True)
    found = hc.evaluate(model, task, subnetwork=sub)
    assert found["kl"].tolist() == pytest.approx(mine["kl"].tolist(), abs=1e-5)


def test_subnetworks_and_cores_are_those_of_the_tables(run, archive):
    packed = hc.load_run(archive)
    assert len(run.subnetworks()) == len(packed.subnetworks(sparsity=0.5)) == 4
    assert run.subnetworks() == packed.subnetworks()
    one, other = run.subnetworks(finetune_seed=1)
    core = run.core(finetune_seed=1)
    assert set(core.heads) == {str(unit) for unit in (one & other).heads}
    assert core.heads == packed.core(finetune_seed=1, sparsity=0.5).heads
    with pytest.raises(hc.InputError, match=r"sparsity 0\.7; there are: 0\.5"):
        run.subnetworks(sparsity=0.7)
    with pytest.raises(hc.InputError, match="give finetune_seed=1 or 2"):
        run.core()
    with pytest.raises(hc.InputError, match="give finetune_seed=1 or 2"):
        run.model()
    with pytest.raises(hc.InputError, match="no models of checkpoint 1; there are: 0, 2"):
        run.model(1, finetune_seed=1)
    with pytest.raises(hc.InputError, match="is an archive, which has no weights"):
        packed.model(2, finetune_seed=1)
    with pytest.raises(hc.InputError, match="L0"):
        packed.subnetworks()[0].compact(run.model(2, finetune_seed=1))


def test_figures_are_saved(run, tmp_path):
    files = run.save_figures(tmp_path, format="svg")
    assert len(files) == len(run.figures.drawings) > 1
    assert sorted(tmp_path.iterdir()) == sorted(files)
    drawing = run.figures.drawings[0]
    page = run.path / "report" / "figures" / f"{drawing.name}.svg"
    assert page.read_text(encoding="utf-8") == drawing.svg


def test_an_archive_is_the_same_bytes_and_holds_no_weights(folder, archive, tmp_path):
    assert write_archive(folder, tmp_path / "again.zip").read_bytes() == archive.read_bytes()
    with zipfile.ZipFile(archive) as file:
        names = file.namelist()
    assert {name.split("/")[0] for name in names} == {
        "study.json",
        "manifest.json",
        "tables",
        "conclusions",
    }
    assert not [name for name in names if "safetensors" in name]
    with opened(archive) as place:
        assert sorted(p.relative_to(place).as_posix() for p in place.rglob("*.*")) == sorted(names)


def test_a_run_whose_cells_are_gone_says_so(folder, tmp_path):
    bare = shutil.copytree(folder, tmp_path / "bare", ignore=shutil.ignore_patterns("cells"))
    run = hc.load_run(bare)
    assert len(run.subnetworks()) == 4
    with pytest.raises(hc.InputError, match="holds no weights any more"):
        run.model(2, finetune_seed=1)
    with pytest.raises(hc.InputError, match="is no run folder"):
        hc.load_run(tmp_path)


def test_a_run_is_started_from_python(folder, capsys):
    again = hc.run(_config(folder), out=folder)
    assert again.name == "tiny"
    assert "nothing to compute" in capsys.readouterr().err


def _config(folder):

    return json.loads((folder / "study.json").read_text())
