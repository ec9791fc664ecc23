"""Archives of runs: what reads them, and which are refused."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import stat
import zipfile

import pytest

from command import hcore, mistake


@pytest.fixture(scope="module")
def packed(place):
    """A folder with an archive of the finished tiny run alone."""
    hcore("export", "runs/smoke", "--out", "away/smoke.hcore.zip", cwd=place)
    return place / "away"


def test_the_state_of_an_archive_is_refused(packed):
    said = mistake("status", "smoke.hcore.zip", cwd=packed)
    assert said.endswith("smoke.hcore.zip is a file; the state is that of a run folder")


def test_an_archive_is_read_as_its_folder_is(place, packed):
    for extra in ([], ["--json"]):
        there = hcore("show", place / "runs" / "smoke", *extra, cwd=packed)
        here = hcore("show", "smoke.hcore.zip", *extra, cwd=packed)
        assert here.stdout == there.stdout
        assert here.stdout
    done = hcore("report", "smoke.hcore.zip", "--format", "svg,pdf", "--width", "84mm", cwd=packed)
    page = packed / "smoke.hcore-report" / "report.html"
    assert done.stdout.strip() == str(page.resolve())
    own = (place / "runs/smoke/report/report.html").read_text(encoding="utf-8")
    assert page.read_text(encoding="utf-8") == own
    kinds = {path.suffix for path in page.parent.glob("figures/*")}
    assert kinds <= {".svg", ".pdf"}


def test_conclusions_are_drawn_anew_from_an_archive(place, packed, tmp_path):
    path = tmp_path / "one.zip"
    shutil.copy(packed / "smoke.hcore.zip", path)
    before = path.read_bytes()
    done = hcore("analyze", "one.zip", "--tables-only", "--json", cwd=tmp_path)
    answer = json.loads(done.stdout)
    assert answer["run"] == "one.zip"
    assert answer["verdicts"]
    assert path.read_bytes() == before  # the same conclusions from the same tables
    assert "is an archive, which has no models" in mistake("analyze", "one.zip", cwd=tmp_path)
    assert "is an archive already" in mistake("export", "one.zip", cwd=tmp_path)


def test_tables_are_exported(place, tmp_path):
    run = place / "runs" / "smoke"
    hcore("export", run, "--format", "csv", "--out", "csv", cwd=tmp_path)
    shown = json.loads(hcore("show", run, "--json", cwd=tmp_path).stdout)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "csv/verdicts.csv").read_text())))
    assert [row["reason"] for row in rows] == [row["reason"] for row in shown["verdicts"]]
    for name in ("evaluations", "subnetworks"):
        assert (tmp_path / "csv" / f"{name}.csv").stat().st_size > 100
    assert not (tmp_path / "csv/predictions.csv").exists()
    hcore("export", run, "--format", "latex", "--out", "latex", cwd=tmp_path)
    verdicts = (tmp_path / "latex/verdicts.tex").read_text(encoding="utf-8")
    assert "\\toprule" in verdicts
    assert verdicts.count("\\\\\n") == 1 + len(shown["verdicts"])
    assert " 50\\" in verdicts or "\\%" in verdicts
    assert "unknown format 'word'" in mistake("export", run, "--format", "word", cwd=tmp_path)


def test_formats_and_widths_are_checked(place):
    for option, value, message in (
        ("--format", "gif", "unknown format of figures 'gif'"),
        ("--format", "svg,", "unknown format of figures ''"),
        ("--width", "0in", "'0in' is no width from 2 to 40 inches"),
        ("--width", "3.3 feet", "'3.3 feet' is no width"),
        ("--width", "nan", "'nan' is no width"),
    ):
        assert message in mistake("report", "runs/smoke", option, value, "--out", "x", cwd=place)
    assert not (place / "x").exists()


def _with(entry: zipfile.ZipInfo | str, content: bytes = b"x"):
    def change(path):
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(entry, content)

    return change


def _link() -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo("tables/link.parquet")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry


def _cut(share: float):
    def change(path):
        content = path.read_bytes()
        path.write_bytes(content[: int(share * len(content))])

    return change


def _flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))


def _huge(path):
    """Say of the first file, in the archive's list, that it has three gigabytes."""
    content = bytearray(path.read_bytes())
    start = content.index(b"PK\x01\x02")
    content[start + 24 : start + 28] = (3 * 2**30).to_bytes(4, "little")
    path.write_bytes(bytes(content))


def _many(path):
    with zipfile.ZipFile(path, "a") as archive:
        for i in range(2100):
            archive.writestr(f"tables/t{i}.parquet", b"")


HOSTILE = {
    "outside": (_with("../outside.parquet"), "holds '../outside.parquet', which no run has"),
    "absolute": (_with("/tmp/outside.json"), "holds '/tmp/outside.json', which no run has"),
    "deep outside": (_with("tables/../../x.parquet"), "which no run has"),
    "backslashes": (_with("tables\\..\\..\\x.parquet"), "which no run has"),
    "weights": (_with("cells/x/model.safetensors"), "which no run has"),
    "colours": (_with("tables/\x1b[31m.parquet"), "which no run has"),
    "a link": (_with(_link(), b"/etc/passwd"), "holds 'tables/link.parquet', which no run has"),
    "twice": (_with("study.json", b"{}"), "holds 'study.json', which no run has"),
    "huge": (_huge, "holds more than a run does"),
    "many": (_many, "holds more than a run does"),
    "cut": (_cut(0.6), "no intact archive"),
    "empty": (_cut(0), "no intact archive"),
    "changed": (_flip, "is damaged|cannot be used"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", HOSTILE)
def test_archives_that_are_no_run_are_refused(name, packed, tmp_path):

    change, message = HOSTILE[name]
    path = tmp_path / "in" / "bad.zip"
    path.parent.mkdir()
    shutil.copy(packed / "smoke.hcore.zip", path)
    change(path)
    line = mistake("show", path, cwd=tmp_path)
    assert re.search(message, line), line
    assert len(line) < 500
    assert sorted(tmp_path.rglob("*")) == [path.parent, path]


def test_what_is_no_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "no intact archive" in mistake("show", "pipe", cwd=tmp_path)
    assert "is no run folder" in mistake("show", "missing", cwd=tmp_path)
