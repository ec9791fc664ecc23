"""Every program in ``benchmarks/`` and ``examples/`` runs at toy size and prints sane values."""

from __future__ import annotations

import dataclasses
import importlib
import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest

from heuristic_core.analysis.separation import placements
from heuristic_core.search.methods import METHODS
from report.browser import browser

ROOT = Path(__file__).parents[2]
#: Modules without a program of their own.
SHARED = {"common", "searches", "tiny_cells"}


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """Where all programs write, so that the toy model is trained once."""
    return tmp_path_factory.mktemp("benchmarks")


@pytest.fixture
def toy(out, capsys):
    """A function that runs a program at toy size; returns what it saved and what it printed."""

    def run(name, saved=None):
        importlib.import_module(name).main(["--toy", "--out", str(out)])
        printed = capsys.readouterr().out
        if saved is None:
            return None, printed
        page = (out / "toy" / f"{saved}.md").read_text(encoding="utf-8")
        assert page.rstrip().splitlines()[-1] in printed
        content = json.loads((out / "toy" / f"{saved}.json").read_text(encoding="utf-8"))
        assert content["setting"]["threads"] == 1
        assert "toy" not in content["setting"]
        return content, printed

    return run


def check_rows(rows):
    """Searches as they are saved: sizes are exact, divergences and accuracies are in range."""
    for row in rows:
        assert row["seconds"] > 0
        for sub in row["subnetworks"]:
            assert len(sub["kept"]) == 21 - math.floor(21 * sub["sparsity"] + 0.5)
            for domain in ("id", "ood"):
                assert 0 <= sub[f"{domain}_kl"] < 2
                assert 0 <= sub[f"{domain}_accuracy"] <= 1


def test_subjects(toy):
    _, printed = toy("subjects")
    cells = [line.strip("| ").split(" | ") for line in printed.splitlines() if "%" in line]
    assert [name for name, _ in cells] == ["adversarial", "friendly", "id"]
    assert all(0 <= float(share.rstrip("%")) <= 100 for _, share in cells)


def test_frontier(toy, out):
    content, printed = toy("frontier", "frontier-toy")
    rows = content["rows"]
    assert set(rows) == {*METHODS, "learned_no_exchange", "random_layer_matched"}
    for runs in rows.values():
        check_rows(runs)
    assert [run["sparsities"] for run in rows["paper"]] == [[0.6], [0.6]]
    assert content["full"]["id_kl"] == 0
    assert "| 60 %, learned | 2 |" in printed
    assert "<svg" in (out / "toy" / "frontier-toy.svg").read_text(encoding="utf-8")
    versus = json.loads((out / "toy" / "versus-paper-toy.json").read_text(encoding="utf-8"))
    assert versus["paper"] == rows["paper"]


def test_light(toy):
    content, printed = toy("light", "light-toy")
    check_rows(content["rows"])
    assert [run["seed"] for run in content["rows"]] == [1, 2]
    assert "| full model | 0 |" in printed
    assert "| 20 % | 4 |" in printed


def test_separate(toy):
    content, printed = toy("separate", "separate-toy")
    check_rows([*content["joint"], *content["separate"]])
    assert [run["sparsities"] for run in content["joint"]] == [[0.3, 0.6]] * 2
    assert [run["sparsities"] for run in content["separate"]] == [[0.3], [0.3], [0.6], [0.6]]
    assert printed.count("\n| ") == 4


def test_step_cost(toy):
    content, printed = toy("step_cost", "step-cost")
    assert set(content["seconds"]) == {"learned", "floor", "paper", "paper_cached"}
    rounds = itertools.chain.from_iterable(content["seconds"].values())
    assert all(s > 0 for steps in rounds for s in steps)
    assert 14 <= content["tokens"]["low"] <= content["tokens"]["high"] <= 22
    assert all(0 < ratio["value"] < 1000 for ratio in content["ratios"].values())
    assert "| paper / learned |" in printed


def test_products(toy):
    content, printed = toy("products", "products")
    (seconds,) = content["seconds"].values()
    assert set(seconds) == {
        "search | 1 | torch's own",
        "search | 1 | faster",
        "fine-tuning | 1 | torch's own",
        "fine-tuning | 1 | faster",
        "fine-tuning | 1 | bfloat16",
    }
    assert all(s > 0 for rounds in seconds.values() for s in rounds)
    assert "fine-tuning | 1 |" in printed


def test_one_pass(toy):
    content, printed = toy("one_pass", "one-pass")
    ways = ["one pass, all rows at once", "one pass, 4 rows at once"]
    assert set(content["seconds"]) == {"alone", *ways, "bare, alone", *(f"bare, {w}" for w in ways)}
    assert all(s > 0 for rounds in content["seconds"].values() for s in rounds)
    agreement = content["agreement"]
    assert set(agreement) == {"alone", *ways, "alone, 2 threads"}
    assert agreement["alone"]["jaccard"] == [1.0, 1.0]
    for measured in agreement.values():
        assert all(0 <= kl < 1 for kl in measured["kl"])
        assert all(0 < overlap <= 1 for overlap in measured["jaccard"])
    assert "| alone, 2 threads |" in printed


def test_one_pass_of_a_large_model_is_small_on_a_processor(out, capsys):
    module = importlib.import_module("one_pass")
    arguments = ["--size", "base", "--seeds", "2", "--rounds", "1", "--rows", "0", "--batch", "4"]
    module.main([*arguments, "--examples", "60", "--out", str(out)])
    printed = capsys.readouterr().out
    assert "on a processor, a BERT-base is slow" in printed
    assert "a small model: the forecast means nothing" in printed
    content = json.loads((out / "one-pass-base.json").read_text(encoding="utf-8"))["searches"]
    assert set(content) == {
        f"{way}, float32" for way in ("alone", "one pass, all rows at once", "evaluation")
    }
    assert all(content[way]["hours"] > 0 for way in content if not way.startswith("evaluation"))


def test_scaling(toy):
    content, printed = toy("scaling", "scaling")
    seconds = content["seconds"]
    assert [list(seconds[what]) for what in ("lengths", "units", "seeds", "sparsities")] == [
        ["4", "8"],
        ["2 x 3: 8", "1 x 6: 7"],
        ["1", "2"],
        ["1", "2"],
    ]
    for what in ("seeds", "sparsities"):
        assert all(s > 0 for times in seconds[what].values() for s in times)
    # One step to 50 % and one of rest, of four examples, and six rounds of exchanges.
    assert f"| {2 * 4 + 6 * 500 * 2.5:,.0f} |" in printed


def test_compaction(toy):
    content, printed = toy("compaction", "compaction")
    rows = content["sparsities"]
    assert [row["sparsity"] for row in rows] == [0.3, 0.5, 0.7, 0.9]
    left = [row["share_of_multiply_adds"] for row in rows]
    assert left == sorted(left, reverse=True)
    assert 0 < left[-1] < left[0] < 1
    assert all(row["largest_logit_error"] < 1e-4 for row in rows)
    assert all(0 < ratio["value"] < 1000 for row in rows for ratio in row["ratios"].values())
    assert "| 90% |" in printed


def test_rounding(toy):
    content, _ = toy("rounding", "rounding")
    rows = content["rows"]
    expected = [(name, s) for name in ("id", "hans-grammar") for s in (0.0, 0.3, 0.6)]
    assert [(row["suite"], row["sparsity"]) for row in rows] == expected
    for row in rows:
        assert 0 <= row["kl"] < 0.01
        assert 0 <= row["differ"][0] <= 1
        assert 0 <= row["accuracy"] <= 1
        assert row["n"] == (40 if row["suite"] == "id" else 30)


def test_verdicts(toy):
    """Large planted effects are found, and where nothing is planted nothing is."""
    content, printed = toy("verdicts", "verdicts")
    planted = content["planted"].values()
    shares, covered = (
        [row for result in planted for row in result[what]] for what in ("shares", "coverage")
    )
    rows = {(row["question"], row["effect"]): row for row in shares}
    for question, found in {
        "core": "a core kept to 90 %",
        "core_overlap": "all of both cores shared",
        "faithfulness": "as fitted",
        "overlap": "searches as alike as fitted",
        "smoothness": "a straight line",
    }.items():
        assert rows[question, found]["supported"] >= 0.75
    assert rows["disjoint", "disjoint ones lose 34 points"]["contradicted"] >= 0.75
    assert rows["smoothness", "one step"]["contradicted"] == 1
    for row in shares:
        assert row["supported"] + row["contradicted"] + row["undecided"] == pytest.approx(1)
        assert row["supported"] <= 0.25 or row["truth"] == "holds"
    assert all(0 <= row["coverage"] <= 1 for row in covered)
    assert {row["question"] for row in covered} >= {"core", "disjoint", "overlap"}
    assert "| a straight line |" in printed


def test_a_world_is_fitted_to_a_study(out, tmp_path):
    """Fitting a study's tables gives a world; the kept one is from an earlier run of that study."""
    kept = ROOT / "benchmarks/verdicts.toml"
    first, _ = kept.read_text(encoding="utf-8").split("\n", 1)
    study = first.removesuffix(".").rsplit(" ", 1)[1]
    path = tmp_path / "world.toml"
    verdicts = importlib.import_module("verdicts")
    verdicts.main(["--fit", str(ROOT / study), "--world", str(path)])
    world = importlib.import_module("laboratory.world")
    fitted, earlier = (dataclasses.asdict(world.load(one)) for one in (path, kept))
    # Two fine-tunings that rounded differently: like in-domain, less so in what they lean to.
    assert fitted.keys() == earlier.keys()
    assert fitted["id_score"] == pytest.approx(earlier["id_score"], rel=0.5)
    assert fitted != earlier


def test_a_fit_recovers_the_world():
    """From simulated tables the fit reads what they were drawn with."""
    fit, world, plant = (
        importlib.import_module(f"laboratory.{name}")
        for name in ("fit", "world", "plant_subnetworks")
    )
    kept = world.load(ROOT / "benchmarks/verdicts.toml")
    draw = plant.Searched(
        world=kept,
        seeds=40,
        sample=plant.sample(8000, 4000, 0.4, 0.6, friendly=8000),
        full=(1.2, -0.4),
        distance_sd=0.3,
        lean_sd=0.2,
        distance_change=(-0.1, -0.5),
        lean_change=(0.0, -0.3),
    )
    numbers = fit.systems(draw(np.random.default_rng(0), 1))
    for name, expected, within in (
        ("distance", 1.2, 0.05),
        ("lean", -0.4, 0.05),
        ("distance_change", (-0.1, -0.5), 0.15),
        ("distance_sd", (0.3, 0.3), 0.08),
        ("lean_change", (0.0, -0.3), 0.1),
        ("lean_sd", (0.2, 0.2), 0.06),
        ("alike_full", 0.4, 0.05),
        ("alike", 0.6, 0.05),
    ):
        assert numbers[name][0] == pytest.approx(expected, abs=within), name


def test_placements_are_those_of_the_analyses():
    scores = importlib.import_module("laboratory.scores")
    rng = np.random.default_rng(0)
    # Scores of 0.01 nats and more apart, so that none are ties.
    drawn = rng.permuted(np.tile(np.arange(50) / 100, (3, 1)), axis=1)
    one, other = scores.placements(drawn[:, :20], drawn[:, 20:])
    for row, of_row in enumerate(drawn):
        expected = placements(of_row[:20], of_row[20:])
        np.testing.assert_allclose(one[row], expected[0])
        np.testing.assert_allclose(other[row], expected[1])


def test_rounding_needs_a_run(out, capsys):
    with pytest.raises(SystemExit):
        importlib.import_module("rounding").main(["--out", str(out)])
    assert "name a run folder" in capsys.readouterr().err


def test_first_steps(out, capsys):
    encoder = importlib.import_module("subjects").toy_encoder(out / "toy")
    importlib.import_module("first_steps").main(str(encoder), train_size=64, steps=2)
    *_, last = capsys.readouterr().out.splitlines()
    label, share = last.split(": ")
    assert label == "in-domain without L2H5"
    assert 0 <= float(share) <= 1


def test_executors(toy):
    content, printed = toy("executors", "executors")
    assert set(content["tiny"]) == {"here"}
    assert 0 < content["tiny"]["here"]["ms"] < 1000
    assert "| here |" in printed


@pytest.mark.slow
def test_evaluation(toy):
    content, printed = toy("evaluation", "evaluation")
    for precision in ("float32", "bfloat16"):
        rows, parts = (content[precision][key] for key in ("rows", "parts"))
        assert [row["kind"] for row in rows] == ["main"] * 2 + ["grid"] * 16
        assert all(row["here"] > 0 for row in rows)
        assert all({"attention", "MLP", "score"} < set(parts[kind]["here"]) for kind in parts)
    assert "| attention |" in printed


@pytest.mark.slow
def test_page(toy):
    with browser():  # or skip
        pass
    content, _ = toy("page", "page")
    assert 0 < content["megabytes"] < 5
    assert all(0 < first <= drawn for first, drawn in content["seconds"])


def test_paper_plans(toy):
    content, printed = toy("paper_plans", "paper-plans")
    published, fast = content["rows"]
    for row in content["rows"]:
        assert (row["main_prunings"], row["grid_prunings"]) == (24, 42)
        assert row["hours"] / 2 < row["hours_together"] < row["hours"]
    assert published["searching_hours"] > 100 * fast["searching_hours"]
    assert published["cells"] - fast["cells"] == 24 - 12 + 42 - 3
    assert "| `roberta-mnli-hans.toml` | 24 | 42 |" in printed


def test_validity(toy):
    content, printed = toy("validity", "validity-toy")
    null = content["null"]
    assert null["tests"][0] == "sufficiency, anywhere"
    assert all(0 <= share <= 1 for share in (*null["passed"], null["any_corrected"]))
    assert content["idle"]["planted"] == ["L0H0", "L1H0", "L2H0", "L2MLP"]
    assert content["idle"]["any_idle"] <= 0.1
    assert len(content["cards"]) == 4
    for row in content["cards"]:
        assert row["seconds"] > 0
        assert len(row["card"]["units"]) == 8
        assert all(1 / 40 <= test["p"] <= 1 for test in row["card"]["tests"])
    assert "| random, 60%, 2 |" in printed


def test_mending(toy):
    content, printed = toy("mending", "mending-toy")
    assert 0 < len(content["blamed"]) <= 2
    assert all(row["more"] == row["badly"] - row["well"] > 0 for row in content["blamed"])
    ways = [(row["how"], row["units"]) for row in content["gains"]]
    assert len(ways) == len(set(ways)) == 1 + 3 + 3 + 2
    full = content["gains"][0]
    for row in content["gains"][1:]:
        for name in ("in_domain", "balanced", "worst_group", "held_out"):
            assert row[f"{name}_gain"] == pytest.approx(row[name] - full[name])
    assert [row["how"] for row in content["beyond_random"]] == ["drop", "scale", "train_units"]
    assert "| drop, blamed |" in printed
    assert "| blamed minus random |" in printed


def test_mib(toy):
    content, printed = toy("mib", "mib-toy")
    cases = {(row["suite"], row["case"]) for row in content["areas"]}
    assert len(content["areas"]) == 3 * len(cases)
    assert all(row["sizes"] == 2 for row in content["areas"])
    for row in content["areas"]:
        assert (row["cpr"] is None) == bool(row["note"])
        assert row["cmd"] is None or row["cmd"] >= 0
    assert "| random orders |" in printed


def test_optimum(toy):
    content, printed = toy("optimum", "optimum")
    assert [row["variant"] for row in content["rows"]] == ["learned", "gradient", "random"]
    for row in content["rows"]:
        assert row["of"] == math.comb(21, 3)
        assert 0 <= row["place"] < row["of"]
        # The best is the best: what is better than a subnetwork is below it.
        assert 0 < row["best"] <= row["kl"]
        assert (row["place"] == 0) == (row["kl"] == row["best"])
    assert "| random | 1 |" in printed


@pytest.mark.filterwarnings("ignore::heuristic_core.errors.Remark")  # chains are short
def test_samples(toy):
    content, printed = toy("samples", "samples-small")
    (row,) = content["rows"]
    assert row["all"] == math.comb(21, 3)
    assert 0 < row["faithful"] < row["all"]
    assert len(row["inclusion"]) == len(row["exact"]) == 21
    assert sum(row["exact"]) == pytest.approx(3)
    assert sum(unit["share"] for unit in row["inclusion"]) == pytest.approx(3)
    errors = [abs(u["share"] - e) for u, e in zip(row["inclusion"], row["exact"], strict=True)]
    assert row["error"] == pytest.approx(max(errors))
    assert "| 0, 21 units | 85 % | 1,330 |" in printed


def test_every_program_is_run_here():
    programs = {
        path.stem for folder in ("benchmarks", "examples") for path in ROOT.glob(f"{folder}/*.py")
    }
    tests = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert programs - SHARED <= tests
