"""The figures of further analyses show what the numbers say."""

from __future__ import annotations

import numpy as np
import pytest

from heuristic_core.analysis.effects import answerers
from report.measured import CORE, EDGES, HELPFUL, N_HEADS, N_LAYERS, PATTERNS, harm, units
from report.svg import Svg, marks, widths


@pytest.fixture
def results(further):
    return further


@pytest.fixture
def folder(further_folder):
    return further_folder / "figures"


def straight(x, y) -> float:
    """Say how far points are from a straight line, as a share of their range."""
    line = np.polyval(np.polyfit(x, y, 1), x)
    return float(np.abs(line - y).max() / np.ptp(y))


def test_sizes_stand_at_their_heights(results, folder):
    figure = Svg(folder / "size-f1-learned.svg")
    for title in ("in-domain", "adversarial", "balanced OOD", "mixed", "margin of 3 points"):
        assert title in figure.words
    heights, sizes = [], []
    for found in results.analysis["size"]:
        for i, at in enumerate(found["sizes"]):
            ((_, y),) = marks(figure.group(f"-{found['data']}-{i + 1}"))
            heights.append(y)
            sizes.append(at["size"]["value"])
    assert len(sizes) == 4 * 3
    assert len(set(sizes)) > 3
    assert straight(sizes, heights) < 1e-4
    assert np.corrcoef(sizes, heights)[0, 1] < 0  # up is more


def test_accuracy_by_sparsity_has_a_panel_per_checkpoint(results, folder):
    words = Svg(folder / "sparsity-f1-learned.svg").words
    for found in results.analysis["smoothness"]:
        assert f"step {found['checkpoint']}" in words
        better = "gentle fall" if found["evidence"] > 0 else "change point"
        assert f"{better} better by {abs(found['evidence']):.0f}" in words
    assert {"in-domain", "adversarial", "friendly", "balanced OOD"} <= set(words)


def test_core_heads_enter_one_after_the_other(results, folder):
    found = results.analysis["emergence"][-1]
    assert found["sparsity"] == 0.7
    figure = Svg(folder / "emergence-f1-s300-learned-70pc.svg")
    for member in found["members"]:
        row = figure.words.index(member["unit"])
        shown = figure.words[row + 1 : row + 1 + len(found["checkpoints"])]
        assert shown == [f"{kept}/3" for kept in member["kept"]]
    heads = [word for word in figure.words if word.startswith("L")]
    # Kept by all from earlier on comes first: L1H3 enters at the first checkpoint, L4H0 last.
    assert [unit for unit in heads if unit in CORE] == list(CORE)
    assert found["rises_at"] == 300
    assert "OOD rises: 300" in figure.words
    assert len(figure.groups("-rise")) == 1
    assert figure.words.count("300") == 1


def test_areas_and_biases_stand_where_they_are(results, folder):
    found = results.analysis["discrimination"][0]
    figure = Svg(folder / "discrimination-f1-s300-learned-50pc.svg")
    table = results.measured["discrimination"]
    mine = table[(table["kind"] == "subnetwork") & (table["sparsity"] == 0.5)]
    assert figure.words.count("mean over cases") == 1
    for column in ("auc", "bias"):
        places, values = [], []
        for y, case in enumerate(found["cases"], start=1):
            some = mine[mine["case"] == case["case"]].sort_values("seed")[column].tolist()
            places += [x for x, _ in marks(figure.group(f"-{column}-{y}"))]
            values += some
        assert len(places) == 2 * 8
        assert straight(values, places) < 1e-4


def test_complements_are_beside_the_margin(results, folder):
    figure = Svg(folder / "disjoint-f1-s300-learned-50pc.svg")
    table = results.measured["disjoint"]
    rows = table[(table["role"] == "id") & (table["heads"] > 0)]
    heights, accuracies = [], []
    for level, forbidden in enumerate((0.0, 0.5, 1.0)):
        some = rows[rows["forbidden"] == forbidden].sort_values("seed")
        heights += [y for _, y in marks(figure.group(f"-o-forbidden-{level}"))]
        accuracies += (some["correct"] / some["n"]).tolist()
    assert len(heights) == 12
    assert straight(accuracies, heights) < 1e-4
    assert len(figure.groups("-margin")) == 1
    assert "full model 97.0 %" in figure.words
    # 30 points below all others: told, not drawn.
    assert any("without any heads" in word for word in figure.words)
    assert not figure.groups("-s-forbidden-2")


def test_every_unit_has_its_effect_and_the_core_is_outlined(folder):
    figure = Svg(folder / "removal-f1-s300-model.svg")
    labels = [f"L{i}" for i in range(N_LAYERS)] + [f"H{i}" for i in range(N_HEADS)] + ["MLP"]
    assert all(label in figure.words for label in labels)
    effects = [word for word in figure.words if word not in labels]
    assert len(effects) == len(units())
    # In hundredths of an area, of which a nat of adversarial margin is a tenth here.
    shown = sorted(float(word.replace("−", "-")) for word in effects)
    true = sorted(-10 * harm(unit) for unit in units())
    assert shown == pytest.approx(true, abs=0.51)
    assert f"{-10 * harm(HELPFUL):.1f}" in effects
    text = (folder / "removal-f1-s300-model.svg").read_text()
    assert text.count("stroke-width: 2.4") == len(CORE)


def test_controls_are_dots_and_the_core_is_a_mark(results, folder):
    figure = Svg(folder / "core-removal-f1-s300-model.svg")
    tables = (results.measured["removal"], results.measured["removal_discrimination"])
    answers = next(a for a in answerers(*tables) if a.head == "model")
    dots = marks(figure.group("-controls-balanced-margin"))
    assert len(dots) == len(answers.controls) == 20
    ((core, _),) = marks(figure.group("-core-balanced-margin"))
    values = sorted(control.margin["balanced"].value for control in answers.controls)
    assert answers.core is not None
    values.append(answers.core.margin["balanced"].value)
    assert straight(values, [*sorted(x for x, _ in dots), core]) < 1e-3
    assert core < min(x for x, _ in dots)  # left hurts
    assert (folder / "core-removal-f1-s0-probe.svg").is_file()


def test_heads_by_patterns(results, folder):
    (found,) = [p for p in results.analysis["patterns"] if p["checkpoint"] == 300]
    path = next(folder.glob("attention-f1-s300-*.svg"))
    figure = Svg(path)
    start = figure.words.index(PATTERNS[0])
    assert tuple(figure.words[start : start + len(PATTERNS)]) == PATTERNS
    typed = 0
    for head in [head for head in found["heads"] if head["in_core"]]:
        row = figure.words.index(head["unit"])
        scores = figure.words[row + 1 : row + 1 + len(PATTERNS)]
        assert scores[PATTERNS.index(head["pattern"])] == f"{head['score']['value']:.1f}"
        typed += head["pattern"] != "none"
    assert path.read_text().count("stroke-width: 2.4") == typed > 0


def test_before_and_after(results, folder):
    words = Svg(next(folder.glob("repeated-*.svg"))).words
    heads = [head["unit"] for head in results.analysis["repeated"][0]["heads"]]
    assert set(heads) == set(CORE[:2])
    assert set(heads) < set(words)
    assert {"before fine-tuning", "step 300"} < set(words)


def test_the_graph_has_the_planted_edges_and_no_other(results, folder):
    (found,) = results.analysis["dependency"]
    assert len(found["edges"]) == len(EDGES)
    figure = Svg(folder / "dependency-f1-s300.svg")
    edges = figure.groups(r"-edge-\d+")
    assert len(edges) == len(EDGES)
    heads = [word for word in figure.words if word.startswith("L")]
    assert sorted(heads) == sorted({unit for edge in EDGES for unit in edge[:2]})
    # Width is the excess, largest first.
    excess = [edge["excess"]["value"] for edge in found["edges"]]
    drawn = widths(edges)
    assert drawn == sorted(drawn, reverse=True)
    assert straight(excess, drawn) < 0.01
