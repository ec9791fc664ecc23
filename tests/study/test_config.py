from __future__ import annotations

import pytest

from heuristic_core.errors import InputError
from heuristic_core.study.config import builtin_studies, check_study, load_study


def test_every_study_that_comes_along_is_sound():
    assert {"quickstart", "smoke"} <= set(builtin_studies())
    for name in builtin_studies():
        assert load_study(name).name == name


def test_the_quickstart_is_what_it_promises():
    config = load_study()
    assert config.name == "quickstart"
    assert config.pruned_checkpoints == [max(config.checkpoints)]
    assert 0 in config.checkpoints
    assert len(config.search.seeds) >= 8
    assert {0.5, 0.7} <= set(config.search.sparsities)
    assert config.task.options["per_case"] >= 50


def test_settings_are_changed_one_by_one():
    config = load_study(
        "smoke", ["search.seeds=[4, 5]", "model.source=some/folder", "task.options.per_case=2"]
    )
    assert config.search.seeds == [4, 5]
    assert config.model.source == "some/folder"
    assert config.task.options["per_case"] == 2


def test_a_study_without_fine_tuning_has_one_checkpoint():
    config = check_study({"name": "mine", "model": {"source": "x"}})
    assert config.checkpoints == config.pruned_checkpoints == [0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("serch.seeds=[1]", "unknown study key 'serch'; did you mean 'search'"),
        ("search.seed=[1]", "unknown study key 'search.seed'; did you mean 'search.seeds'"),
        ("search.sparsities=[1.0]", r"search.sparsities.0: sparsity 1.0 is outside \[0, 1\)"),
        ("search.sparsities=[-0.5]", r"outside \[0, 1\)"),
        ("search.sparsities=[0.5, 0.5]", r"search\.sparsities: 0.5 is given twice"),
        ("search.seeds=[1, 1]", r"search\.seeds: 1 is given twice"),
        ("search.units=some", "search.units: must be 'all' or 'heads', not 'some'"),
        ("search.checkpoints=[7]", "search.checkpoints names 7"),
        ("finetune.steps=0", "finetune.steps"),
        ("finetune.checkpoints=[99]", "checkpoint 99 is no step"),
        ("finetune.checkpoints=[0, 0]", r"finetune\.checkpoints: 0 is given twice"),
        ("model.dtype=float8", "model.dtype"),
        ("name=a/b", "study key name"),
        ("analysis.disjoint.sparsity=0.4", "^study: analysis.disjoint.sparsity is 0.4, which"),
        ("search=3", r"search is a table: write \[search\]"),
        ("task.seed=x", "task.seed"),
        ("finetune.steps=true", r"finetune\.steps: must be a whole number, not true"),
        ("finetune.steps=3.0", r"finetune\.steps: must be a whole number, not 3.0"),
        ("finetune.learning_rate=inf", r"finetune\.learning_rate: .*finite number"),
        ("finetune.learning_rate=nan", r"finetune\.learning_rate: .*finite number"),
        ("finetune.learning_rate=true", r"finetune\.learning_rate: .*must be a number"),
        ("evaluation.precision=1", r"evaluation\.precision: .*float32"),
        ("evaluation=true", r"evaluation is a table: write \[evaluation\]"),
        ("finetune.precision=half", r"finetune\.precision: .*float32"),
        ("search.seeds=[true]", r"search\.seeds\.0: .*must be a whole number"),
        ("search.sparsities=[nan]", r"search\.sparsities\.0: .*finite number"),
        ("analysis.margin_points=inf", r"analysis\.margin_points: .*finite number"),
        ("analysis.removal.groups.pair=['L0H1']", "'pair' cannot name a group"),
        ("analysis.removal.groups.a=['L0X1']", "group 'a': 'L0X1' is no unit"),
        ("analysis.removal.groups.a=[]", "group 'a' is empty"),
        ("analysis.removal.groups.a=['L0H1', 'L0H1']", "group 'a' names L0H1 twice"),
        ("analysis.removal.groups.a=['L0H1', 7]", r"removal\.groups\.a\.1: .*must be a text"),
        ("model.source=7", r"model\.source: .*must be a text"),
        ("seeds", "not of the form key=value"),
        ("name.x=1", "name is no table"),
        ("=1", "not of the form key=value"),
    ],
)
def test_settings_that_do_not_fit(change, message):
    with pytest.raises(InputError, match=message):
        load_study("smoke", [change])


def test_weights_that_are_narrow_already_are_evaluated_as_they_are():
    with pytest.raises(InputError, match=r"evaluation\.precision is for weights in float32"):
        load_study("smoke", ["evaluation.precision=bfloat16", "model.dtype=float16"])


def test_files_that_are_no_study(tmp_path):
    with pytest.raises(InputError, match="did you mean 'quickstart'"):
        load_study("quickstrat")
    with pytest.raises(InputError, match="is missing"):
        load_study(tmp_path / "none.toml")
    with pytest.raises(InputError, match="is a folder"):
        load_study(tmp_path)
    file = tmp_path / "study.toml"
    file.write_text("name = ")
    with pytest.raises(InputError, match="no valid TOML"):
        load_study(file)
    file.write_bytes(b"name = '\xff'")
    with pytest.raises(InputError, match="cannot read"):
        load_study(file)
    file.write_text("")
    with pytest.raises(InputError, match="study key name: is missing"):
        load_study(file)


def test_an_analysis_can_be_left_out_and_a_grid_needs_kept_checkpoints():
    config = load_study("smoke", ["analysis.grid=false", "analysis.removal.controls=3"])
    assert config.analysis.grid is None
    assert config.grid_checkpoints == []
    assert config.analysis.removal.controls == 3
    assert check_study(config.model_dump(mode="json")) == config
    assert load_study("smoke").grid_checkpoints == [15, 30]
    assert load_study("smoke", ['analysis.grid.checkpoints="all"']).grid_checkpoints == [0, 15, 30]
    with pytest.raises(InputError, match=r"analysis\.grid\.checkpoints names 7"):
        load_study("smoke", ["analysis.grid.checkpoints=[7]"])
    with pytest.raises(InputError, match=r"analysis\.grid\.sparsity"):
        load_study("smoke", ["analysis.grid.sparsity=0.5"])
    with pytest.raises(InputError, match=r"analysis\.disjoint is a table"):
        load_study("smoke", ["analysis.disjoint=3"])
