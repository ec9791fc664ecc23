from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import heuristic_core as hc
from heuristic_core.analysis.accuracies import sparsest_matching
from heuristic_core.errors import InputError, Remark
from heuristic_core.study.analyses import analyze_run, open_finished, plan_run
from heuristic_core.study.analysis_plan import plan_analyses
from heuristic_core.study.archive import write_archive
from heuristic_core.study.gather import SEARCHED, gather
from heuristic_core.study.plan import make_plan
from heuristic_core.study.results import read_results
from heuristic_core.study.run import RunOptions, load_study_task, run_study
from heuristic_core.study.store import Store
from heuristic_core.tables import MEASURED
from tiny_studies import SMALL, cells, change_kind, decisions, quiet, study

#: Disjoint subnetworks at one sparsity, whatever those of a tiny model are worth.
ONE = SMALL | {"disjoint": {"sparsity": 0.5, "seeds": 2, "forbidden": [0.5, 1.0]}}


def options(folder: Path, **changes) -> RunOptions:
    return RunOptions(folder, device="cpu", command="hcore analyze", **changes)


@pytest.fixture(scope="module")
def run(tiny_folder, tmp_path_factory):
    """A finished run of the tiny study, nothing analysed yet."""
    folder = tmp_path_factory.mktemp("run") / "tiny"
    made = RunOptions(folder, device="cpu", command="hcore run tiny")
    run_study(study(tiny_folder, analysis=ONE), made, quiet())
    return folder


@pytest.fixture(scope="module")
def analyzed(run, tmp_path_factory):
    """The same with all its analyses."""
    folder = tmp_path_factory.mktemp("analyzed") / "tiny"
    shutil.copytree(run, folder)
    assert analyze_run(folder, options(folder), quiet())[1] == ""
    return folder


@pytest.fixture
def copy(analyzed, tmp_path):
    """A copy of the analysed run, to be changed."""
    shutil.copytree(analyzed, tmp_path / "tiny")
    return tmp_path / "tiny"


def test_bfloat16_makes_what_is_evaluated_anew_and_nothing_else(run, tiny_folder):
    found = read_results(run)
    planned = []
    for precision in ("float32", "bfloat16"):
        config = study(tiny_folder, analysis=ONE, evaluation={"precision": precision})
        task = load_study_task(config, None)
        tables = {name: found.measured[name] for name in ("subnetworks", "evaluations")}
        cells_of = plan_analyses(config, task, make_plan(config, task), tables).cells
        planned.append({cell.name: cell.kind for cell in cells_of})
    exact, rounded = planned
    assert len(exact) == len(rounded)
    changed = {kind for name, kind in rounded.items() if name not in exact}
    assert changed == {"evaluate", "disjoint"}
    assert not {kind for name, kind in rounded.items() if name in exact} & changed


def test_analyses_run_the_model_once_and_leave_their_tables(run, analyzed):
    assert read_results(run).manifest["analyses"]["measured"] == 0
    assert read_results(run).measured["grid"].empty
    before, after = cells(run), cells(analyzed)
    assert before.keys() <= after.keys()
    kinds = {name.rsplit("-", 1)[0] for name in after.keys() - before.keys()}
    assert {"removal-f1-s4", "probe-f1", "disjoint-f1-s4-k1", "grid-search-f1-s2-k1"} <= kinds
    assert {"attention-attention-f1-s0", "attention-attention-f1-s4"} <= kinds
    results = read_results(analyzed)
    analyses = results.manifest["analyses"]
    assert analyses["measured"] == analyses["of"] == len(after) - len(before) > 10
    measured = results.measured
    assert set(measured["grid"]["checkpoint"]) == {2, 4}
    assert set(measured["grid_subnetworks"]["sparsity"]) == {0.3, 0.5}
    assert set(measured["disjoint"]["forbidden"]) == {0.0, 0.5, 1.0}
    full = measured["disjoint"][measured["disjoint"]["forbidden"] == 1.0]
    assert (full["shared_heads"] == 0).all()
    assert set(measured["removal"]["readout"]) == {"model", "probe"}
    own = measured["removal"][measured["removal"]["group"] == "mine"]
    assert set(own["removed"]) == {"L0H1+L1MLP"}
    assert own["interaction"].notna().all()
    verdicts = results.conclusions.verdicts.query("question == 'group_removal'")
    groups = verdicts[["group", "readout"]].itertuples(index=False, name=None)
    assert list(groups) == [("mine", "probe"), ("mine", "model")]
    assert set(measured["attention"]["checkpoint"]) == {0, 4}
    assert len(measured["discrimination"]) == 15 * 7
    # Nothing is measured twice.
    analyze_run(analyzed, options(analyzed), quiet())
    assert cells(analyzed) == after


def test_maps_are_kept_of_every_head_and_case(analyzed, tmp_path):
    run = hc.load_run(write_archive(analyzed, tmp_path / "tiny.hcore.zip"))
    maps, examples = run.tables.attention_maps, run.tables.attention_examples
    n_cases = 1 + 30
    assert len(examples) == 2 * n_cases
    assert len(maps) == len(examples) * 8
    assert set(maps["checkpoint"]) == {0, 4}
    assert (examples.groupby(["suite", "case"])["tokens"].nunique() == 1).all()
    task = load_study_task(open_finished(analyzed, None).config, None)
    for step, case, head in ((0, "ln_passive", "L0H3"), (4, "cn_adverb", "L1H1")):
        stored = run.attention_map(head, case, step)
        assert repr(stored) == f"AttentionMap({head}, {len(stored.tokens)} tokens)"
        model = hc.load_run(analyzed).model(step, device="cpu")
        same = [
            seen
            for row in task.suite("hans-grammar").only([case]).examples.table.itertuples()
            if (seen := hc.attention(model, head, row.text, row.text_pair)).tokens == stored.tokens
        ]
        assert np.abs(stored.weights.to_numpy() - same[0].weights.to_numpy()).max() <= 0.5 / 255
    assert run.attention_map("L1H1", "cn_adverb").array.tolist() == stored.array.tolist()
    with pytest.raises(InputError, match=r"no attention maps of case 'passive'; there are: "):
        run.attention_map("L1H1", "passive")
    with pytest.raises(InputError, match=r"no attention maps of unit 'L0MLP'"):
        run.attention_map("L0MLP", "cn_adverb")


def test_maps_may_be_left_out(run, analyzed, tiny_folder):
    config = study(tiny_folder, analysis=ONE | {"attention": {"maps": False}})
    found = open_finished(run, None)
    tables = gather(found.plan.cells, (), found.store, SEARCHED)
    planned = {c.name for c in plan_analyses(config, found.task, found.plan, tables).cells}
    gone = {cell.name for cell in found.analyses.cells} - planned
    assert {name.rsplit("-", 1)[0] for name in gone} == {
        "attention-maps-f1-s0",
        "attention-maps-f1-s4",
    }
    with pytest.raises(InputError, match="keeps no attention maps; `hcore analyze` measures"):
        hc.load_run(run).attention_map("L0H0", "cn_adverb")


def test_groups_of_units_that_the_model_has_not_are_told_first(tiny_folder):
    groups = {"removal": {"groups": {"mine": ["L0H1", "L0H9"]}}}
    config = study(tiny_folder, analysis=groups)
    with pytest.raises(InputError, match="groups: 'mine': there is no unit L0H9 here"):
        make_plan(config, load_study_task(config, None))


def test_the_record_names_the_commands_that_made_the_results(run, analyzed):
    assert read_results(run).command == "hcore run tiny"
    for _ in range(2):
        assert read_results(analyzed).command == "hcore run tiny && hcore analyze"
        analyze_run(analyzed, options(analyzed), quiet(), run_models=False)


def test_the_plan_of_analyses_starts_nothing(run):
    before = sorted(run.rglob("*"))
    found = open_finished(run, None)
    planned = found.analyses.cells
    assert not any(found.store.has(cell) for cell in planned)
    assert all(cell.effort > 0 for cell in planned)
    kinds = {"prepare", "search", "evaluate", "disjoint", "removal", "probe", "attention"}
    kinds.add("attention_maps")
    assert kinds <= {cell.kind for cell in planned}
    assert sorted(run.rglob("*")) == before


@pytest.mark.parametrize(
    ("settings", "margin", "expected"),
    [
        ({}, 99.0, {0.5, 0.7}),
        ({"sparsity": 0.7}, 99.0, {0.7}),
        ({}, 1e-9, {0.5}),
    ],
)
def test_disjoint_subnetworks_are_searched_for_where_others_match(
    run, tiny_folder, settings, margin, expected
):
    disjoint = {"seeds": 2, "forbidden": [0.5, 1.0]} | settings
    config = study(tiny_folder, analysis=SMALL | {"disjoint": disjoint, "margin_points": margin})
    found = open_finished(run, None)
    tables = gather(found.plan.cells, (), found.store, SEARCHED)
    if margin < 1:
        expected = {0.5, sparsest_matching(tables["evaluations"], 1, 4, margin) or 0.5}
    planned = plan_analyses(config, found.task, found.plan, tables).cells
    cells = [cell for cell in planned if cell.kind == "disjoint"]
    assert {cell.system["sparsity"] for cell in cells} == expected
    assert len({cell.label for cell in cells}) == len(cells) == 2 * len(expected)


def test_stopped_analyses_keep_what_is_finished(run, tmp_path, monkeypatch):
    folder = tmp_path / "tiny"
    shutil.copytree(run, folder)

    def stop(*args):
        raise KeyboardInterrupt

    change_kind(monkeypatch, "attention", work=stop)
    with pytest.raises(KeyboardInterrupt):
        analyze_run(folder, options(folder), quiet())
    kept = cells(folder)
    assert any(name.startswith("removal-") for name in kept)
    assert not any(name.startswith("attention-") for name in kept)
    assert not list(folder.glob("cells/.partial-*"))
    # What is finished can be concluded from at once, still without running a model.
    assert "are not measured" in analyze_run(folder, options(folder), quiet(), run_models=False)[1]
    assert cells(folder) == kept
    assert set(read_results(folder).measured["removal"]["readout"]) == {"model"}
    monkeypatch.undo()
    assert analyze_run(folder, options(folder), quiet())[1] == ""
    assert {name: cells(folder)[name] for name in kept} == kept


@pytest.mark.parametrize(
    ("gone", "empty"),
    [
        (("removal", "probe"), {"removal", "removal_discrimination"}),
        (("attention",), {"attention", "attention_maps", "attention_examples"}),
        (
            ("grid", "disjoint", "removal", "probe", "attention", "dependency"),
            {table.name for table in MEASURED},
        ),
    ],
)
def test_conclusions_without_some_or_all_measurements(copy, gone, empty):
    n = sum(len(list(copy.glob(f"cells/{kind}-*"))) for kind in gone)
    for kind in gone:
        for path in copy.glob(f"cells/{kind}-*"):
            shutil.rmtree(path)
    _, said = analyze_run(copy, options(copy), quiet(), run_models=False)
    analyses = read_results(copy).manifest["analyses"]
    assert analyses["of"] - analyses["measured"] == n
    assert said.startswith(f"{n} of the {analyses['of']} cells of the analyses are not measured")
    measured = read_results(copy).measured
    # Telling cases apart is measured in the run's own cells, and a raw model may have no core.
    assert {name for name in empty if len(measured[name])} <= {"discrimination", "predictions"}
    assert decisions(copy, "core")


def test_conclusions_follow_changed_settings(copy, tiny_folder):
    full = read_results(copy)
    analysis = {**ONE, "removal": {"controls": 1, "pairs": 1}, "margin_points": 50.0}
    changed = study(tiny_folder, analysis=analysis)
    # The new settings are in the folder, its tables are still those of the old ones.
    run_study(changed, options(copy, update=True), quiet(), kinds=("search",))
    assert not read_results(copy).measured["removal"].empty
    _, said = analyze_run(copy, options(copy), quiet(), run_models=False)
    assert said.startswith("2 of the ")
    results = read_results(copy)
    assert results.measured["removal"].empty
    assert results.measured["attention"].equals(full.measured["attention"])
    assert results.config["analysis"]["margin_points"] == 50.0
    assert results.manifest["analyses"]["measured"] == full.manifest["analyses"]["of"] - 2
    # Back to the old ones: what was measured with them is still there.
    run_study(study(tiny_folder, analysis=ONE), options(copy, update=True), quiet())
    assert read_results(copy).measured["removal"].equals(full.measured["removal"])


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def lose_a_column(path: Path) -> None:
    table = pd.read_parquet(path)
    table.drop(columns=table.columns[-1]).to_parquet(path)


def hold_words(path: Path) -> None:
    table = pd.read_parquet(path)
    table.assign(**{table.columns[-1]: "many"}).to_parquet(path)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("evaluations", truncate),
        ("removal", truncate),
        ("grid_subnetworks", lose_a_column),
        ("evaluations", hold_words),
        ("discrimination", Path.unlink),
    ],
)
def test_damaged_tables_are_told_and_made_anew(copy, name, damage):
    expected = read_results(copy)
    before = cells(copy)
    damage(copy / "tables" / f"{name}.parquet")
    with pytest.raises(InputError, match=rf"the table {name} of .* with `hcore analyze .*-only`"):
        read_results(copy)
    assert analyze_run(copy, options(copy), quiet(), run_models=False)[1] == ""
    made = read_results(copy)
    assert all(table.equals(made.measured[key]) for key, table in expected.measured.items())
    assert cells(copy) == before


def flip_a_decision(path: Path) -> None:
    table = pd.read_parquet(path)
    table.assign(decision="supported").to_parquet(path)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("verdicts", truncate),
        ("verdicts", flip_a_decision),
        ("cases", hold_words),
        ("core", Path.unlink),
    ],
)
def test_damaged_conclusions_are_drawn_and_written_again(copy, tiny_folder, name, damage):
    expected = read_results(copy).conclusions
    path = copy / "conclusions" / f"{name}.parquet"
    damage(path)
    damaged = path.read_bytes() if path.exists() else b""
    assert read_results(copy).conclusions.verdicts.equals(expected.verdicts)
    run_study(study(tiny_folder, analysis=ONE), options(copy), quiet())
    assert path.read_bytes() != damaged
    written = pd.read_parquet(path)
    tables = {"verdicts": expected.verdicts, **expected.tables}
    pd.testing.assert_frame_equal(written, tables[name], check_dtype=False)


def test_what_earlier_versions_left_is_swept(copy):
    old = [
        copy / "conclusions" / "old.parquet",
        *(copy / "report" / "tables" / f"old.{ending}" for ending in ("csv", "tex")),
        copy / "report" / "figures" / "old.svg",
    ]
    own = copy / "report" / "figures" / "notes.txt"
    for path in (*old, own):
        path.write_text("old")
    analyze_run(copy, options(copy), quiet(), run_models=False)
    assert not [path for path in old if path.exists()]
    assert own.exists()


def test_conclusions_need_neither_cells_nor_data(copy):
    expected = read_results(copy).conclusions.verdicts
    shutil.rmtree(copy / "cells")
    shutil.rmtree(copy / "conclusions")
    results, remark = analyze_run(copy, options(copy), quiet(), run_models=False)
    assert results.conclusions.verdicts.equals(expected)
    assert remark == f"concluded from the run's tables alone: {copy} holds no cells"
    assert (copy / "conclusions" / "verdicts.parquet").is_file()
    with pytest.raises(InputError, match="is not finished"):
        analyze_run(copy, options(copy), quiet())


@pytest.mark.parametrize("name", sorted(table.name for table in MEASURED))
def test_every_table_is_missed(copy, name):
    (copy / "tables" / f"{name}.parquet").unlink()
    with pytest.raises(InputError, match=rf"the table {name} of .* cannot be used \(cannot read"):
        read_results(copy)


@pytest.mark.parametrize(
    ("kind", "file", "damage", "run_models"),
    [
        ("removal", "facts.json", Path.unlink, True),
        ("removal", "facts.json", lambda path: path.write_text("[]"), False),
        ("probe", "table.parquet", Path.unlink, False),
        ("removal", "discrimination.parquet", lose_a_column, False),
        ("attention", "table.parquet", truncate, True),
        ("disjoint", "record.json", lambda path: path.write_text("{}"), False),
        ("grid-search", "sparsity-0.3/subnetwork.json", Path.unlink, False),
    ],
)
def test_damaged_cells_are_told_and_nothing_is_lost(copy, kind, file, damage, run_models):
    (path, *_) = sorted(copy.glob(f"cells/{kind}-*/{file}"))
    cell = copy / "cells" / path.relative_to(copy / "cells").parts[0]
    kept = {name: time for name, time in cells(copy).items() if name != cell.name}
    (copy / "manifest.json").unlink()  # else the results stand, and nobody looks at the cell
    damage(path)
    if run_models:
        with pytest.warns(Remark, match=f"the cell {cell.name} is damaged and computed again"):
            assert not analyze_run(copy, options(copy), quiet())[1]
        assert cell.is_dir()
    else:
        with pytest.raises(InputError, match=f"{cell.name} is damaged .*sets it aside") as error:
            analyze_run(copy, options(copy), quiet(), run_models=False)
        assert "\n" not in str(error.value)
        shutil.rmtree(cell)
        assert analyze_run(copy, options(copy), quiet(), run_models=False)[1]
    assert kept.items() <= cells(copy).items()


def test_analyses_of_an_unfinished_run_are_refused(tiny_folder, tmp_path):
    folder = tmp_path / "tiny"
    run_study(study(tiny_folder), options(folder), quiet(), kinds=("finetune",))
    kept = cells(folder)
    for run_models in (True, False):
        with pytest.raises(InputError, match="is not finished"):
            analyze_run(folder, options(folder), quiet(), run_models=run_models)
    with pytest.raises(InputError, match="is not finished"):
        open_finished(folder, None)
    assert cells(folder) == kept


@pytest.mark.parametrize(
    ("sparsities", "expected"), [([0.5], {"not decided by these data"}), ([], set())]
)
def test_runs_of_one_subnetwork_or_none(tiny_folder, tmp_path, sparsities, expected):
    search = {"sparsities": sparsities, "options": {"ramp_steps": 2, "hold_steps": 0}}
    finetune = {"steps": 2, "checkpoints": [2], "batch_size": 4}
    config = study(tiny_folder, search=search, finetune=finetune, analysis=SMALL)
    run_study(config, options(tmp_path / "run"), quiet())
    _, said = analyze_run(tmp_path / "run", options(tmp_path / "run"), quiet())
    assert said == ("" if sparsities else "the study has no analyses that run the model")
    assert set(decisions(tmp_path / "run", "core")) == expected
    assert set(decisions(tmp_path / "run", "overlap")) <= expected


def test_one_command_plans_its_analyses_once(analyzed, tmp_path, monkeypatch):
    from heuristic_core.study import analyses, run

    folder = tmp_path / "tiny"
    shutil.copytree(analyzed, folder)
    calls = []

    def count(*arguments):
        calls.append(arguments)
        return plan_analyses(*arguments)

    for module in (analyses, run):
        monkeypatch.setattr(module, "plan_analyses", count)
    analyze_run(folder, options(folder), quiet())
    assert len(calls) == 1


def test_the_plan_of_a_run_that_analyses(run, analyzed, tiny_folder, tmp_path):
    config = study(tiny_folder, analysis=ONE | {"in_run": True})
    task = load_study_task(config, None)
    own = {cell.name for cell in make_plan(config, task).cells}
    nothing = Store(tmp_path / "none", make=False)
    planned, later = plan_run(config, task, nothing)
    assert later == ("removal", "dependency")
    early = {cell.name: cell for cell in planned.cells}
    kinds = {early[name].kind for name in early.keys() - own}
    assert kinds == {"prepare", "search", "evaluate", "disjoint", "attention", "attention_maps"}
    about_core = {"removal", "probe", "dependency"}
    # They are the very cells that are computed, and all but those about the core.
    done = cells(analyzed).keys()
    assert early.keys() <= done
    assert {name.split("-")[0] for name in done - early.keys()} - {"prepare"} <= about_core
    assert plan_run(config, task, Store(run, make=False))[1] == ()
    after, _ = plan_run(config, task, Store(analyzed, make=False))
    assert {cell.name for cell in after.cells} == done
    without = study(tiny_folder, analysis=SMALL)
    planned, later = plan_run(without, task, nothing)
    assert {cell.name for cell in planned.cells} == own
    assert later == ()
