"""The command that recomputes the paper's results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..published.report import published_report


def published(
    folder: Annotated[Path, typer.Argument(help="The folder of the authors' JSON files.")],
) -> None:
    """Recompute the paper's results from its published accuracies and compare the two."""
    print(published_report(folder))
