"""Commands that show what a finished run came to, from its stored results alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..analysis.conclusions import Conclusions
from ..errors import remark
from ..report.results import Results
from ..report.terminal import render
from ..study.results import read_results
from .console import JsonOption, RunArgument, command_line, out, print_json


def show(folder: RunArgument, as_json: JsonOption = False) -> None:
    """Show a run's findings in the terminal."""
    results = read_results(folder)
    _remark_on(results)
    if as_json:
        print_json(as_records(results.conclusions))
    else:
        render(results, out())


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
    page = folder / "report" / "report.html"
    if as_json:
        print_json({"run": str(folder), "report": str(page), **as_records(results.conclusions)})
        return
    render(results, out())
    out().print(f"\nReport: {page.resolve()}", markup=False, soft_wrap=True)


def report(
    folder: RunArgument,
    out_folder: Annotated[
        Path | None, typer.Option("--out", help="Where to. [default: RUN/report]")
    ] = None,
) -> None:
    """Write a run's report again: one HTML page, its figures and its tables."""
    from ..report.html import write_report  # loads what makes pages, which `show` does not need

    page = write_report(read_results(folder), out_folder or folder / "report")
    out().print(f"{page.resolve()}", markup=False, soft_wrap=True)


def compare(
    runs: Annotated[
        list[Path], typer.Argument(help="Run folders, two or more.", metavar="RUN RUN ...")
    ],
    out_folder: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Also write a page, its figures and all tables into this folder.",
            show_default=False,
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
        }
        print_json(named | ({"report": str(page)} if page else {}) | records)
        return
    render_document(compared.document(), out(), ACROSS)
    if page is not None:
        out().print(f"\nReport: {page.resolve()}", markup=False, soft_wrap=True)
