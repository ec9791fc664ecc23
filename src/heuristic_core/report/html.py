"""One page that holds everything: words, figures and tables, with nothing fetched from outside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import expect_known
from ..storage import check_writable, write_bytes
from ..tables import CONTRADICTED, SUPPORTED, VERDICTS
from .provenance import configuration, provenance
from .results import Results
from .sections import Section, sections, varied
from .story import outstanding, story
from .tables import to_csv, to_latex, view
from .wording import name

if TYPE_CHECKING:  # load SciPy and matplotlib
    from ..analysis.question import Question
    from .figures import Drawing
    from .figures.look import Look

#: The class and the mark of a decision, so that it does not rest on colour alone.
_MARKS = {SUPPORTED: ("yes", "✓"), CONTRADICTED: ("no", "✕")}


def write_report(
    results: Results,
    folder: Path,
    questions: Sequence[Question] | None = None,
    *,
    sweep: bool = False,
    formats: Sequence[str] = ("svg",),
    look: Look | None = None,
) -> Path:
    """Write a run's report: one page, its figures, its tables as CSV and as LaTeX.

    Args:
        results: The run's results.
        folder: Where to; made if needed.
        questions: The questions to report on; all of the project's if not given.
        sweep: Whether figures and tables of earlier reports go that are not in this one; only for
            a folder that holds nothing else.
        formats: What each figure is written as beside the page: ``svg``, ``pdf``, ``png``.
        look: The size, font and colours of these files; those on the page are as usual.

    Returns:
        The page's path.

    Raises:
        InputError: If a format is unknown, or the folder cannot be written.
    """
    from .figures import (
        FORMATS,
        draw,
        figure_files,
    )  # loads matplotlib, which nothing else here needs

    expect_known("format of figures", formats, FORMATS)
    answered, several = sections(results, questions), varied(results)
    drawings = {s.question.key: draw(s.question, s.tables, several) for s in answered}
    figures, tables = folder / "figures", folder / "tables"
    files: dict[Path, str | bytes] = {
        tables / "verdicts.csv": to_csv(VERDICTS, results.conclusions.verdicts)
    }
    files |= figure_files(
        [one for some in drawings.values() for one in some], figures, formats, look
    )
    for section in answered:
        for key, frame in section.tables.items():
            table = section.question.table(key)
            files[tables / f"{key}.csv"] = to_csv(table, frame)
            if table.title:
                files[tables / f"{key}.tex"] = to_latex(table, frame)
    page = folder / "report.html"
    files[page] = _page(results, answered, drawings)
    check_writable(folder)
    for path, content in files.items():
        write_bytes(path, content.encode() if isinstance(content, str) else content)
    if sweep:
        made = {*tables.glob("*.csv"), *tables.glob("*.tex")}
        made |= {path for kind in FORMATS for path in figures.glob(f"*.{kind}")}
        for path in made - files.keys():
            path.unlink()
    return page


def _page(results: Results, answered: Sequence[Section], drawings: dict[str, list[Drawing]]) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # not for the terminal
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("heuristic_core.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    tables = {
        section.question.key: [
            view(table, frame)
            for key, frame in section.tables.items()
            if (table := section.question.table(key)).title
        ]
        for section in answered
    }
    return environment.get_template("report.html.j2").render(
        name=name(results.name),
        story=story(results),
        outstanding=outstanding(results),
        sections=answered,
        marks=_MARKS,
        drawings=drawings,
        svg=Markup,
        tables=tables,
        has_subnetworks=len(results.measured["subnetworks"]) > 0,
        search=results.config.get("search") or {},
        margin=(results.config.get("analysis") or {}).get("margin_points"),
        command=name(results.command, 2000),
        provenance=provenance(results),
        configuration=configuration(results),
    )
