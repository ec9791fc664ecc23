"""Results with all further analyses, and their report, made once."""

from __future__ import annotations

import pytest

from heuristic_core.report import write_report
from report.synthetic import synthetic


@pytest.fixture(scope="session")
def further():
    return synthetic(further=True)


@pytest.fixture(scope="session")
def further_folder(further, tmp_path_factory):
    folder = tmp_path_factory.mktemp("further") / "report"
    write_report(further, folder)
    return folder
