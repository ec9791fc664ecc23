from __future__ import annotations

import pytest

import before_finetuning
import heuristic_core as hc
from heuristic_core.errors import InputError
from heuristic_core.measure.probe import probe_removals
from heuristic_core.measure.removal_sets import Removal
from heuristic_core.storage import read_json
from heuristic_core.study.analyses import analyze_run, open_finished
from heuristic_core.study.analysis_plan import sampled
from heuristic_core.study.run import RunOptions, run_study
from heuristic_core.units import Unit
from tiny_studies import decisions, quiet, study

NOTHING_ELSE = {"grid": False, "disjoint": False, "dependency": False, "attention": False}


@pytest.fixture(scope="module")
def made(tiny_folder, tmp_path_factory):
    """A tiny run of one subnetwork, whose heads are the core to remove."""
    folder = tmp_path_factory.mktemp("run") / "tiny"
    search = {"sparsities": [0.7], "seeds": [1], "options": {"ramp_steps": 2, "hold_steps": 0}}
    removal = {"controls": 2, "pairs": 2}
    config = study(
        tiny_folder,
        search=search,
        finetune={"steps": 2, "checkpoints": [0, 2], "batch_size": 8},
        analysis={"id_size": 10, "per_case": 2, "removal": removal} | NOTHING_ELSE,
    )
    options = RunOptions(folder, device="cpu", command="hcore run")
    run_study(config, options, quiet())
    analyze_run(folder, options, quiet())
    return folder


def test_the_core_is_removed_from_encoders_of_random_weights(made, tmp_path):
    """As by hand, with a probe on such an encoder."""
    before_finetuning.main(made, draws=2, out=tmp_path)
    written = read_json(tmp_path / "before_finetuning.json")
    found = written["encoders"]
    assert list(found) == ["pretrained", "random 1", "random 2"]
    (own,) = found["pretrained"]
    assert own["decision"] in decisions(made, "core_removal")
    measures = [
        {row["measure"]: row["core"] for row in found[name][0]["measures"]} for name in found
    ]
    assert measures[1] != measures[2] != measures[0]

    opened = open_finished(made, None)
    model = before_finetuning.random_encoder(hc.load_run(made).model(2, device="cpu"), 2)
    suites = sampled(opened.config, opened.task)
    removed = probe_removals(
        model,
        opened.task.search,
        suites,
        [Removal("core", tuple(map(Unit.parse, written["core"])))],
        hc.prepare(model, opened.task).values,
    ).removal
    core = removed[(removed["group"] == "core") & (removed["role"] == "id")]
    expected = (core["margin_change"] * core["n"]).sum() / core["n"].sum()
    assert measures[2]["in-domain margin"] == pytest.approx(expected, abs=1e-5)
    page = (tmp_path / "before_finetuning.md").read_text(encoding="utf-8")
    assert page.count("| random 2 |") == len(measures[2])


def test_a_run_without_a_core_or_a_probe_is_refused(made, tiny_folder, tmp_path):
    options = RunOptions(tmp_path / "run", device="cpu", command="hcore run")
    config = study(tiny_folder, analysis={"removal": {"probe": False}} | NOTHING_ELSE)
    run_study(config, options, quiet())
    analyze_run(tmp_path / "run", options, quiet())
    with pytest.raises(InputError, match="has no probe before fine-tuning"):
        before_finetuning.main(tmp_path / "run", out=tmp_path)
