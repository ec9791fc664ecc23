from __future__ import annotations

import pytest

from command import hcore, mistake
from published_by_hand import real_folder, write


def test_the_page_of_a_folder_made_by_hand(tmp_path):
    write(tmp_path / "files")
    page = hcore("published", "files", cwd=tmp_path).stdout
    # 80 to 82 % beside 83.34 %: the rows of the table with what the paper prints between.
    assert (
        "| 50% | matched | 83.3 | 83.3 | 1.4–3.3 points lower | 81.0–82.0 (1.3–2.3 points lower) |"
        in page
    )
    assert "with -1 in every case: 1. Runs that it lacks: 1." in page
    assert len([line for line in page.splitlines() if line.startswith("## ")]) == 6


def test_the_page_of_the_authors_files(tmp_path):
    page = hcore("published", real_folder(), cwd=tmp_path).stdout
    assert "| 50% | ln_subject/object_swap | 86.7 | 86.7 | 2.2–36.1 | 2.2–36.1 |" in page
    assert "with -1 in every case: 6. Runs that it lacks: 0." in page
    assert "nan" not in page


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("mnli-sp50.json", None, "files lacks mnli-sp50.json; give the folder with the authors' 5"),
        ("mnli-acc_over_ft.json", None, "files lacks mnli-acc_over_ft.json"),
        ("mnli-sp70.json", "{", "mnli-sp70.json is no valid JSON"),
        ("mnli-sp70.json", "[1, 2]", "mnli-sp70.json is not shaped like the authors' file"),
        ("mnli-acc_over_ft.json", '{"500": 3}', "a run holds no names"),
        ("mnli-sparsity-grid-acc.json", "null", "the file holds no names"),
    ],
)
def test_mistakes_end_in_one_line(tmp_path, name, content, message):
    path = write(tmp_path / "files") / name
    path.unlink() if content is None else path.write_text(content)
    assert message in mistake("published", "files", cwd=tmp_path)


def test_a_folder_that_is_none(tmp_path):
    assert "nowhere lacks mnli-sp50.json" in mistake("published", "nowhere", cwd=tmp_path)
    (tmp_path / "file").write_text("")
    assert "file lacks mnli-sp50.json" in mistake("published", "file", cwd=tmp_path)
