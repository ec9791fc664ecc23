"""Tables of further analyses hold what the analyses found."""

from __future__ import annotations

import pandas as pd
import pytest

from report.measured import CORE, GRID, HELPFUL, units


@pytest.fixture
def results(further):
    return further


@pytest.fixture
def read(further_folder):
    return lambda name: pd.read_csv(further_folder / "tables" / f"{name}.csv")


def same(row: pd.Series, field: str, estimate: dict | None) -> None:
    """Check an estimate's three fields."""
    if estimate is None:
        assert row[[field, f"{field}_low", f"{field}_high"]].isna().all()
        return
    ends = (row[field], row[f"{field}_low"], row[f"{field}_high"])
    expected = (estimate["value"], estimate["low"], estimate["high"])
    assert ends == pytest.approx(expected, nan_ok=True)


def test_size(results, read):
    table, found = read("size"), results.analysis["size"]
    assert len(table) == sum(len(size["sizes"]) for size in found)
    for size in found:
        for at in size["sizes"]:
            mine = (table["data"] == size["data"]) & (table["checkpoint"] == at["checkpoint"])
            row = table[mine].iloc[0]
            same(row, "size", at["size"])
            assert row["accuracy"] == pytest.approx(at["accuracy"])
            for margin, value in at["by_margin"].items():
                assert row[f"size_margin_{margin}"] == pytest.approx(value)
    changes = read("size-changes")
    first = changes[(changes["data"] == "id") & (changes["over"] == "first to last")].iloc[0]
    same(first, "points", found[0]["change"]["points"])


def test_accuracy_by_sparsity(results, read):
    table, grid = read("accuracy-by-sparsity"), results.measured["grid"]
    assert len(table) == 3 * (1 + len(GRID))
    share = grid["correct"] / grid["n"]
    at = (grid["checkpoint"] == 300) & (grid["sparsity"] == 0.7)
    row = table[(table["checkpoint"] == 300) & (table["sparsity"] == 0.7)].iloc[0]
    for part in ("adversarial", "friendly"):
        expected = share[at & (grid["case_kind"] == part)].mean()
        assert row[part] == pytest.approx(expected)
    assert row["balanced"] == pytest.approx((row["adversarial"] + row["friendly"]) / 2)
    shape = read("smoothness").set_index("checkpoint")
    for found in results.analysis["smoothness"]:
        assert shape.loc[found["checkpoint"], "evidence"] == pytest.approx(found["evidence"])
        same(shape.loc[found["checkpoint"]], "fall_points", found["fall_points"])


def test_emergence(results, read):
    found = results.analysis["emergence"][0]
    table = read("emergence")
    row = table[(table["sparsity"] == found["sparsity"]) & (table["checkpoint"] == 100)].iloc[0]
    at = next(at for at in found["checkpoints"] if at["checkpoint"] == 100)
    same(row, "share", at["share"])
    assert row["share_by_chance"] == pytest.approx(at["share_by_chance"]["expected"])
    heads = read("emergence-heads")
    heads = heads[heads["sparsity"] == found["sparsity"]].set_index("unit")
    assert heads.loc["L1H3", "kept_50"] == 3
    assert heads.loc["L4H0", "kept_50"] == 0
    assert heads.loc["L4H0", "in_all_from"] == 300


def test_discrimination_and_ranks(results, read):
    found = results.analysis["discrimination"][0]
    row = read("discrimination").iloc[0]
    same(row, "auc", found["auc"])
    same(row, "with_bias", found["accuracy_with_bias"])
    cases = read("discrimination-cases")
    assert cases.iloc[0]["case"] == "ln_passive"
    assert cases.iloc[0]["span"] == pytest.approx(0.28)
    ranks = results.analysis["ranks"][0]
    row = read("ranks").iloc[0]
    assert row["concordance"] == pytest.approx(ranks["concordance"])
    assert row["n_cases"] == len(ranks["cases"])


def test_overlap_beside_chance(results, read):
    at = results.analysis["overlap"][0]["levels"][0]
    row = read("overlap").iloc[0]
    same(row, "heads_jaccard", at["heads_jaccard"])
    assert row["in_layers"] == pytest.approx(at["in_layers"]["expected"])
    assert row["anywhere_p"] == pytest.approx(at["anywhere"]["p_value"])
    pair = results.analysis["overlap"][0]["neighbours"][0]
    row = read("overlap-neighbours").iloc[0]
    same(row, "spearman", pair["spearman"])
    assert row["in_layers"] == pytest.approx(pair["in_layers"]["expected"])


def test_disjoint(results, read):
    found = results.analysis["disjoint"][0]
    table = read("disjoint")
    assert table["who"].tolist() == ["ordinary", "restricted", "restricted", "no heads"]
    same(table.iloc[0], "in_domain_points", found["others_points"])
    same(table.iloc[2], "in_domain_points", found["shares"][1]["in_domain_points"])
    assert table.iloc[3]["in_domain_points"] == pytest.approx(found["without_heads_points"])


def test_removals(results, read):
    found = next(r for r in results.analysis["removal"] if r["head"] == "model")
    table = read("removals")
    assert len(table) == 2 * len(units())
    mine = table[table["head"] == "model"].set_index("unit")
    for unit in (found["units"][0], found["units"][-1]):
        same(mine.loc[unit["unit"]], "auc", unit["auc"])
        same(mine.loc[unit["unit"]], "balanced", unit["margin"]["balanced"])
    assert mine.index[mine["in_core"]].sort_values().tolist() == sorted(CORE)
    assert mine.index[-1] == HELPFUL  # the most harmful first


def test_core_and_controls_and_additivity(results, read):
    found = next(r for r in results.analysis["core_removal"] if r["head"] == "model")
    table = read("core-removal")
    mine = table[table["head"] == "model"]
    assert mine["measure"].tolist() == [m["measure"] for m in found["measures"]]
    for (_, row), measure in zip(mine.iterrows(), found["measures"], strict=True):
        same(row, "core", measure["core"])
        assert row["controls"] == pytest.approx(measure["controls"])
        same(row, "beyond", measure["beyond"])
        assert row["p_more"] == pytest.approx(measure["p_more"])
    table = read("additivity")
    assert len(table[table["head"] == "model"]) == 1 + 6
    core = table[(table["head"] == "model") & (table["kind"] == "core")].iloc[0]
    assert core["auc_interaction"] == pytest.approx(-0.03)
    # 0.3 nats of adversarial and 0.06 of friendly margin more than the sum.
    assert core["interaction"] == pytest.approx(-0.18)


def test_own_groups(results, read):
    found = next(r for r in results.analysis["groups"] if r["head"] == "model")
    row = read("groups").query("head == 'model'").iloc[0]
    assert (row["group"], row["units"]) == ("mine", " ".join(CORE[:2]))
    same(row, "auc", found["together"]["auc"])
    same(row, "auc_interaction", found["together"]["auc_interaction"])
    assert row["alone"].count(",") == 1


def test_sides(results, read):
    found = next(r for r in results.analysis["sides"] if r["head"] == "model")
    mine = read("sides").query("head == 'model'")
    assert mine["label"].tolist() == list(found["speakers"]) == ["no", "yes"]
    assert mine["n"].tolist() == [len(units) for units in found["speakers"].values()]


def test_roles(results, read):
    found = next(r for r in results.analysis["roles"] if r["head"] == "model")
    table = read("roles")
    mine = table[table["head"] == "model"]
    assert mine.iloc[0]["units"] == HELPFUL == " ".join(found["helping"])
    assert mine["n"].tolist()[1:] == list(found["counts"].values())
    every = read("unit-roles")
    assert every[every["helps"]]["unit"].tolist() == [HELPFUL]
    assert every[every["head"] == "model"].iloc[0]["unit"] == HELPFUL


def test_attention(results, read):
    found = next(p for p in results.analysis["patterns"] if p["checkpoint"] == 300)
    table = read("core-head-types")
    mine = table[table["checkpoint"] == 300].set_index("unit")
    for head in [head for head in found["heads"] if head["in_core"]]:
        same(mine.loc[head["unit"]], "score", head["score"])
        assert mine.loc[head["unit"], "pattern"] == head["pattern"]
        assert mine.loc[head["unit"], "confidence"] == pytest.approx(head["confidence"])
    types = read("head-types")
    assert types.iloc[-1]["p_value"] == pytest.approx(found["shallow"]["p_value"])
    repeated = read("repeated").set_index("unit")
    assert repeated["already"].to_dict() == {"L1H3": True, "L2H5": False}
    assert repeated.loc["L2H5", "before"] == pytest.approx(0.9)


def test_dependency(results, read):
    (found,) = results.analysis["dependency"]
    edges = read("edges")
    assert len(edges) == len(found["edges"]) == 3
    for (_, row), edge in zip(edges.iterrows(), found["edges"], strict=True):
        assert (row["sender"], row["receiver"]) == (edge["sender"], edge["receiver"])
        same(row, "excess", edge["excess"])
        assert row["p_value"] == pytest.approx(edge["p_value"])
    effects = read("dependency").set_index("path")
    same(effects.loc["direct"], "change_difference", found["effects"][0]["change"]["difference"])
    assert effects["edges"].to_dict() == {"direct": 3, "total": 0}


def test_the_core_beside_both_nulls(results, read):
    for (_, row), core in zip(read("core").iterrows(), results.analysis["core"], strict=True):
        for key in ("expected", "p_value", "layer_expected", "layer_p_value"):
            assert row[key] == pytest.approx(core[key])
