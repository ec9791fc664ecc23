"""Finished runs on the Hugging Face hub: all but weights and cells."""

from __future__ import annotations

import shutil
from pathlib import Path

from ..hub import cards, client
from ..hub.shared import Parcel
from ..report.html import write_report
from ..report.results import Results
from ..report.sections import sections
from ..report.story import story
from .archive import files_of, opened

#: What of a repository belongs to the run.
_FILES = ["study.json", "manifest.json", "tables/*", "conclusions/*"]


def run_parcel(results: Results, path: Path) -> Parcel:
    """Return what is uploaded of a finished run.

    Args:
        results: Its results.
        path: The run folder or archive.
    """

    def fill(folder: Path) -> None:
        with opened(path) as place:
            for name in files_of(place):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(place / name, folder / name)
        write_report(results, folder / "report")

    def card(repo_id: str) -> str:
        rows = [
            (card.claim, card.where, card.decision)
            for section in sections(results)
            for card in section.cards
        ]
        return cards.run_card(results.name, story(results), rows, repo_id)

    return Parcel("run", "dataset", fill, card)


def pull_run(repo_id: str, *, revision: str | None, token: str | bool | None) -> Path:
    """Download a run that ``loaded.LoadedRun.push_to_hub`` uploaded.

    Returns:
        A run folder without cells.
    """
    return client.pull(repo_id, _FILES, kind="dataset", revision=revision, token=token)
