"""One page that holds everything: words, figures and tables, with nothing fetched from outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import expect_known
from ..storage import check_writable, write_bytes
from ..tables import CONTRADICTED, SUPPORTED, VERDICTS
from .document import Document, document, margin_of
from .in_short import MARKS
from .page.findings import SCALES
from .page.overview import REACH, Overview, overview
from .results import Results
from .sections import Section, sections, varied
from .tables import to_csv, to_latex, view
from .wording import name

if TYPE_CHECKING:  # load SciPy and matplotlib
    from ..analysis.question import Question
    from .figures import Drawing
    from .figures.look import Look

#: The class and the mark of a decision, so that it does not rest on colour alone.
_MARKS = {
    SUPPORTED: ("yes", MARKS[SUPPORTED]),
    CONTRADICTED: ("no", MARKS[CONTRADICTED]),
    "mixed": ("mixed", "±"),
    "": ("", ""),
}


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
    from ..analysis.questions import QUESTIONS  # loads SciPy

    asked = QUESTIONS if questions is None else questions
    return write_document(document(results), folder, asked, sweep=sweep, formats=formats, look=look)


def write_document(
    reported: Document,
    folder: Path,
    questions: Sequence[Question],
    *,
    sweep: bool = False,
    formats: Sequence[str] = ("svg",),
    look: Look | None = None,
) -> Path:
    """Write what is reported, of one run or of several, as ``write_report`` does.

    Args:
        reported: What is reported.
        folder: Where to; made if needed.
        questions: The questions to report on.
        sweep: As for ``write_report``.
        formats: As for ``write_report``.
        look: As for ``write_report``.

    Returns:
        The page's path.

    Raises:
        InputError: If a format is unknown, or the folder cannot be written.
    """
    # These load matplotlib, which nothing else here needs.
    from .figures import FORMATS, draw, figure_files

    expect_known("format of figures", formats, FORMATS)
    answered, several = reported.sections(questions), reported.several
    drawings = {s.question.key: draw(s.question, s.tables, several) for s in answered}
    figures, tables = folder / "figures", folder / "tables"
    files: dict[Path, str | bytes] = {
        tables / "verdicts.csv": to_csv(VERDICTS, reported.conclusions.verdicts)
    }
    files |= figure_files(
        [one for some in drawings.values() for one in some], figures, formats, look
    )
    of_questions = [(s.question.table(k), frame) for s in answered for k, frame in s.tables.items()]
    for table, frame in (*reported.overview, *of_questions):
        files[tables / f"{table.name}.csv"] = to_csv(table, frame)
        if table.title:
            files[tables / f"{table.name}.tex"] = to_latex(table, frame)
    page = folder / "report.html"
    files[page] = _page(reported, answered, drawings)
    check_writable(folder)
    for path, content in files.items():
        write_bytes(path, content.encode() if isinstance(content, str) else content)
    if sweep:
        made = {*tables.glob("*.csv"), *tables.glob("*.tex")}
        made |= {path for kind in FORMATS for path in figures.glob(f"*.{kind}")}
        for path in made - files.keys():
            path.unlink(missing_ok=True)  # where there are no locks, another program may be as far
    return page


def _page(
    reported: Document, answered: Sequence[Section], drawings: dict[str, list[Drawing]]
) -> str:
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
    from .page.explored import as_json, explored

    model = explored(reported.runs)
    scripts = {}
    if model is not None:
        from .page.charts import charts, library  # load Altair and a JavaScript engine

        # Nothing in them can end a script: the one is escaped, a test looks through the other.
        scripts = {"data": Markup(as_json(model)), "charts": Markup(as_json(charts()))}
        scripts["library"] = Markup(library())
    return environment.get_template("report.html.j2").render(
        name=name(reported.name),
        kicker=reported.kicker,
        lead=reported.lead,
        screens=_screens(reported, answered),
        place=_place,
        reach=REACH,
        scripts=scripts,
        shown_by=_shown_by(model),
        story=reported.story,
        outstanding=reported.outstanding,
        overview=[view(*one) for one in reported.overview],
        sections=answered,
        marks=_MARKS,
        drawings=drawings,
        svg=Markup,
        tables=tables,
        has_subnetworks=reported.has_subnetworks,
        search=reported.search,
        margin=reported.margin,
        command=name(reported.command, 2000),
        provenance=reported.provenance,
        configuration=reported.configuration,
    )


def _screens(reported: Document, answered: Sequence[Section]) -> list[Overview]:
    """Put the first screen together; for several runs also what each of them came to."""
    several, verdicts = reported.several, reported.conclusions.verdicts
    shown = [overview({"": answered}, {"": verdicts}, several, {"": reported.margin})]
    if len(reported.runs) > 1:
        runs = reported.runs.items()
        shown.append(
            overview(
                {run: sections(results) for run, results in runs},
                {run: results.conclusions.verdicts for run, results in runs},
                frozenset.union(*(varied(results) for _, results in runs)),
                {run: margin_of(results) for run, results in runs},
            )
        )
    return shown


def _place(at: float) -> float:
    """Return where on a bar of 240 pixels an effect is drawn."""
    return round(120 + 114 * max(-REACH, min(REACH, at)) / REACH, 1)


def _shown_by(model: Mapping[str, Any] | None) -> dict[str, tuple[str, str]]:
    """Name the measure of units that shows each question's answer, where the model has it."""
    titles = {} if model is None else {k: m["title"] for k, m in model["measures"].items()}
    return {
        key: (scale.shown_by, titles[scale.shown_by])
        for key, scale in SCALES.items()
        if scale.shown_by in titles
    }
