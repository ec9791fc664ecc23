"""Commands that show what a finished run came to, from its stored results alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from ..analysis.conclusions import Conclusions
from ..errors import InputError, expect_known, remark
from ..report.document import document
from ..report.results import Results
from ..report.sections import Section, sections
from ..report.tables import TABLE_FORMATS, table_files
from ..report.terminal import render, render_sections, render_verdicts
from ..report.wording import name
from ..storage import check_writable, write_text
from ..study.archive import is_archive, opened, write_archive
from ..study.results import read_results
from .console import JsonOption, RunArgument, command_line, out, print_json

_PER_INCH = {"in": 1.0, "cm": 2.54, "mm": 25.4, "pt": 72.0}
#: Inches that figures can be asked to take.
_NARROWEST, _WIDEST = 2.0, 40.0


#: What `hcore show` can say beyond the verdicts in short.
_MORE = (
    "\nhcore show RUN --only KEY shows a question in full (KEY is the first word of its claim), "
    "--case CASE what was measured about one case, --all everything."
)


def show(
    folder: RunArgument,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="KEY",
            help="A question in full, by the first word of its claim in short; repeatable.",
            show_default="the verdicts in short",
        ),
    ] = None,
    case: Annotated[
        str | None,
        typer.Option(
            "--case",
            help="What was measured about one case: answers, AUROC, removals.",
            show_default="none",
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All questions in full, with their tables.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show a run's verdicts in the terminal, or more."""
    asked = [bool(only), case is not None, everything, as_json]
    if sum(asked) > 1:
        raise InputError("give one of --only, --case, --all and --json, not several")
    results = _read(folder)
    if only:
        answered = _answered(results, only)
        out().print(Text(name(results.name), style="bold"))
        render_sections(answered, out())
        return
    if case is not None:
        from ..report.case import render_case

        render_case(results, out(), case)
        return
    _remark_on(results)
    if as_json:
        print_json(as_records(results.conclusions))
    elif everything:
        render(results, out())
    else:
        _print_verdicts(results)


def _print_verdicts(results: Results) -> None:
    """Print the verdicts in short, and how to see more."""
    render_verdicts(document(results), out(), sections(results))
    out().print(Text(_MORE, style="dim"))


def _answered(results: Results, keys: Sequence[str]) -> list[Section]:
    """Find questions of a run by their keys, in the questions' order."""
    from ..analysis.questions import QUESTIONS  # loads SciPy

    wanted = [key.replace("-", "_") for key in keys]
    expect_known("question", wanted, [question.key for question in QUESTIONS])
    chosen = [question for question in QUESTIONS if question.key in wanted]
    answered = sections(results, chosen)
    for question in chosen:
        if question.key not in {section.question.key for section in answered}:
            raise InputError(
                f"the run has no verdict on {question.key}, which needs the tables "
                f"{', '.join(question.needs)}; `hcore analyze` measures what the study plans"
            )
    return answered


def _read(run: Path) -> Results:
    """Read the results of a run that is given as a folder or as an archive."""
    with opened(run) as folder:
        return read_results(folder)


def _remark_on(results: Results) -> None:
    """Print what is odd about the full models' answers on the error stream."""
    for text in results.manifest.get("remarks") or ():
        remark(str(text))


def as_records(conclusions: Conclusions) -> dict[str, Any]:
    """Turn conclusions into what JSON has: lists of rows, by table."""
    tables = {name: frame.to_dict("records") for name, frame in conclusions.tables.items()}
    return {"verdicts": conclusions.verdicts.to_dict("records"), "tables": tables}


def print_results(folder: Path, results: Results, as_json: bool) -> None:
    """Print what a run came to, and where its page is."""
    _remark_on(results)
    # An archive has no report.
    page = None if is_archive(folder) else folder / "report" / "report.html"
    if as_json:
        where = {"run": str(folder), "report": None if page is None else str(page)}
        print_json(where | as_records(results.conclusions))
        return
    _print_verdicts(results)
    if page is not None:
        out().print(f"\nReport: {page.resolve()}", markup=False, soft_wrap=True)


def report(
    folder: RunArgument,
    out_folder: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Where to.",
            show_default="RUN/report; for an archive, NAME-report beside it",
        ),
    ] = None,
    formats: Annotated[
        str,
        typer.Option(
            "--format",
            help="What figures are written as: svg, pdf, png, or several, such as svg,pdf.",
        ),
    ] = "svg",
    width: Annotated[
        str | None,
        typer.Option(
            "--width",
            help="Width of the figures' files, such as 3.3in or 84mm, with text of at least 7 "
            "points. Figures on the page stay as they are.",
            show_default="as their content takes",
        ),
    ] = None,
) -> None:
    """Write a run's report again: one HTML page, its figures and its tables."""
    from ..report.figures.look import Look  # loads what makes pages, which `show` does not need
    from ..report.html import write_report

    look = None if width is None else Look(width=_inches(width))
    where = out_folder or (
        folder.with_name(f"{folder.stem}-report") if is_archive(folder) else folder / "report"
    )
    kinds = list(dict.fromkeys(kind.strip() for kind in formats.split(",")))
    page = write_report(_read(folder), where, formats=kinds, look=look)
    out().print(f"{page.resolve()}", markup=False, soft_wrap=True)


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Run folders or archives of them, two or more.", metavar="RUN RUN ..."),
    ],
    out_folder: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Also write a page, its figures and all tables into this folder.",
            show_default="none is written",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare finished runs of other tasks, fine-tunings or searches, from stored tables."""
    from ..analysis.across.questions import ACROSS
    from ..report.terminal import render_document
    from ..study.compare import compare as compare_runs

    compared = compare_runs(*runs)
    page = None if out_folder is None else compared.save(out_folder, command_line())
    if as_json:
        records = as_records(compared.conclusions)
        named = {
            "runs": compared.runs.assign(folder=list(map(str, runs))).to_dict("records"),
            "differ_in": list(compared.differ_in),
            "report": None if page is None else str(page),
        }
        print_json(named | records)
        return
    render_document(compared.document(), out(), ACROSS)
    if page is not None:
        out().print(f"\nReport: {page.resolve()}", markup=False, soft_wrap=True)


def _inches(width: str) -> float:
    """Read a width with its unit."""
    match = re.fullmatch(r"\s*(\d{1,4}(?:\.\d{0,6})?)\s*(in|cm|mm|pt)?\s*", width, re.ASCII)
    value = float(match[1]) / _PER_INCH[match[2] or "in"] if match else 0.0
    if not _NARROWEST <= value <= _WIDEST:
        raise InputError(
            f"--width {width!r} is no width from {_NARROWEST:g} to {_WIDEST:g} inches; write it as "
            "3.3in, 84mm, 8.4cm or 240pt"
        )
    return value


def export(
    folder: RunArgument,
    out_path: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="The archive; with --format csv or latex, the folder of the tables.",
            show_default="NAME.hcore.zip, or NAME-csv or NAME-latex",
        ),
    ] = None,
    kind: Annotated[
        str,
        typer.Option(
            "--format",
            help="zip: one archive without weights, which show, report, analyze --tables-only and "
            "load_run read. csv or latex: tables and verdicts.",
        ),
    ] = "zip",
) -> None:
    """Write a run as one archive without weights, or its tables as CSV or LaTeX."""
    if kind == "zip":
        if is_archive(folder):
            raise InputError(f"{folder} is an archive already; copy it")
        path = write_archive(folder, out_path or Path(f"{_name(folder)}.hcore.zip"))
        out().print(f"{path.resolve()}", markup=False, soft_wrap=True)
        return
    expect_known("format", (kind,), ("zip", *TABLE_FORMATS))
    place = out_path or Path(f"{_name(folder)}-{kind}")
    files = table_files(_read(folder), kind)
    check_writable(place)
    for file, text in files.items():
        write_text(place / file, text)
    out().print(f"{len(files)} files in {place.resolve()}", markup=False, soft_wrap=True)


def _name(run: Path) -> str:
    name = run.resolve().name
    return name.split(".")[0] if is_archive(run) else name
