from __future__ import annotations

import pytest

from command import hcore, mistake
from published_by_hand import CONTENT, real_folder, write


def test_the_page_of_a_folder_made_by_hand(tmp_path):
    write(tmp_path / "files", CONTENT)
    page = hcore("published", "files", cwd=tmp_path).stdout
    # 80 to 82 % beside 83.34 %: the rows of the table with what the paper prints between.
    assert (
        "| 50% | matched | 83.3 | 83.3 | 1.4–3.3 points lower | 81.0–82.0 (1.3–2.3 points lower) |"
        in page
    )
    assert "with -1 in every case: 1. Runs that it lacks: 1." in page
    # From 36,387 right answers of 40,430, and from 2,174 and 6,000 on PAWS.
    assert "| 30% | qqp | 91.2 | 90.0 |  | 88.5–89.0 (1.0–1.5 points lower) |" in page
    assert "| 30% | paws_not_duplicate | 14.8 | 25.0 | 3.1–12.2 | 10.3–17.2 |" in page
    assert "| 60% | qqp | 91.2 | 90.0 | mean 86.6 | 88.5–89.0 (1.0–1.5 points lower)" in page
    headings = [line.split()[0] for line in page.splitlines() if line.startswith("##")]
    assert headings == 2 * ["##", *6 * ["###"]]


def test_the_page_of_the_authors_files(tmp_path):
    page = hcore("published", real_folder(), cwd=tmp_path).stdout
    assert "| 50% | ln_subject/object_swap | 86.7 | 86.7 | 2.2–36.1 | 2.2–36.1 |" in page
    assert "with -1 in every case: 6. Runs that it lacks: 0." in page
    assert "| 30% | paws_not_duplicate | 14.8 | 14.8 | 3.1–12.2 | 3.1–12.2 |" in page
    assert "nan" not in page


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("mnli-sp70.json", "{", "mnli-sp70.json is no valid JSON"),
        ("mnli-sp70.json", "[1, 2]", "mnli-sp70.json is not shaped like the authors' file"),
        ("mnli-acc_over_ft.json", '{"500": 3}', "a run holds no names"),
        ("mnli-sparsity-grid-acc.json", "null", "the file holds no names"),
        ("qqp-sp60.json", '{"seed": ["original"', "qqp-sp60.json is no valid JSON"),
        ("qqp-acc_over_ft.json", '{"500": {"qqp": 0.8}}', "a run without 'paws-qqp'"),
    ],
)
def test_mistakes_end_in_one_line(tmp_path, name, content, message):
    (write(tmp_path / "files") / name).write_text(content)
    assert message in mistake("published", "files", cwd=tmp_path)


def test_a_folder_without_files(tmp_path):
    none = "has none of the authors' 10 JSON files of accuracies, such as mnli-sp50.json"
    assert f"nowhere {none}" in mistake("published", "nowhere", cwd=tmp_path)
    (tmp_path / "file").write_text("")
    assert f"file {none}" in mistake("published", "file", cwd=tmp_path)
