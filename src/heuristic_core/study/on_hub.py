"""Finished runs on the Hugging Face hub: all but weights and cells."""

from __future__ import annotations

import shutil
from pathlib import Path

from ..hub import cards, client
from ..report.html import write_report
from ..report.results import Results
from ..report.sections import sections
from ..report.story import story
from .archive import files_of, opened

#: What of a repository belongs to the run.
_FILES = ["study.json", "manifest.json", "tables/*", "conclusions/*"]


def push_run(
    results: Results,
    path: Path,
    repo_id: str,
    *,
    private: bool | None,
    revision: str | None,
    token: str | bool | None,
    message: str,
) -> str:
    """Upload a finished run; see :meth:`.loaded.LoadedRun.push_to_hub`.

    Args:
        results: Its results.
        path: The run folder or archive.
        repo_id: The repository.
        private: Whether a new repository is private.
        revision: The branch.
        token: A token.
        message: The commit's message.

    Returns:
        The repository's address.
    """

    def fill(folder: Path) -> None:
        with opened(path) as place:
            for name in files_of(place):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(place / name, folder / name)
        write_report(results, folder / "report")

    def card() -> str:
        rows = [
            (card.claim, card.where, card.decision)
            for section in sections(results)
            for card in section.cards
        ]
        return cards.run_card(results.name, story(results), rows, repo_id)

    return client.push(
        fill,
        repo_id,
        card,
        kind="dataset",
        message=message,
        private=private,
        revision=revision,
        token=token,
    )


def pull_run(repo_id: str, *, revision: str | None, token: str | bool | None) -> Path:
    """Download a run that :func:`push_run` uploaded.

    Returns:
        A run folder without cells.
    """
    return client.pull(repo_id, _FILES, kind="dataset", revision=revision, token=token)
