"""The small studies of real data, from their files to the report, with a tiny model."""

from __future__ import annotations

import re

import pytest

from command import SMALL, hcore
from heuristic_core.study.results import read_results
from real_data import REPOSITORY, real_file

STUDIES = {
    "smoke-snli-hans": (
        "snli_train.jsonl.gz",
        {"snli": 1, "hans": 30},
        {"adversarial", "friendly"},
    ),
    "smoke-qqp-paws": ("qqp_pairs.jsonl.gz", {"qqp": 2, "paws": 1}, {"adversarial"}),
}


@pytest.mark.slow
@pytest.mark.parametrize(("study", "told"), STUDIES.items(), ids=STUDIES)
def test_a_study_of_real_data(tiny_folder, tmp_path, study, told):
    file, cases, kinds = told
    data = ["--data", real_file(file).parent]
    settings = ["--set", f"model.source={tiny_folder}", *SMALL]
    path = REPOSITORY / "studies" / f"{study}.toml"
    hcore("run", path, *data, *settings, cwd=tmp_path)
    shown = hcore("analyze", f"runs/{study}", *data, cwd=tmp_path).stdout
    assert not re.search(r"\b(nan|None|inf)\b", shown)
    lean = "Without friendly cases, label bias cannot be separated from generalisation."
    assert (lean in " ".join(shown.split())) == ("friendly" not in kinds)
    results = read_results(tmp_path / "runs" / study)
    found = results.measured["evaluations"].drop_duplicates(["suite", "case"])
    assert found.groupby("suite").size().to_dict() == cases
    assert set(found.loc[found["role"] == "ood", "case_kind"]) == kinds
    assert not results.measured["removal"].empty
    page = (tmp_path / "runs" / study / "report" / "report.html").read_text(encoding="utf-8")
    text = re.sub(r"<(script|style|svg).*?</\1>|<[^>]*>", " ", page, flags=re.DOTALL)
    assert not re.search(r"\b(nan|None|inf)\b", text)
