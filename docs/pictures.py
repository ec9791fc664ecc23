"""Make the pictures of the documentation from kept results: ``python docs/pictures.py``.

Screens of pages take a Chromium and the extra ``dev``. The figures of questions are those of the
report; no model is run.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from heuristic_core.analysis.questions import QUESTIONS
from heuristic_core.errors import InputError
from heuristic_core.report import Results, write_report
from heuristic_core.report.figures import Drawing, draw
from heuristic_core.report.figures.canvas import style, to_svg
from heuristic_core.report.figures.look import BLUE, ORANGE, Look
from heuristic_core.report.sections import varied
from heuristic_core.storage import write_text
from heuristic_core.study.results import read_results

HERE = Path(__file__).parent
IMAGES = HERE / "images"
KEPT = HERE / "results" / "minilm-mnli-hans" / "augmented"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def question_figures(results: Results) -> Iterator[Drawing]:
    """Yield the last figure of each question that is about the model, not a probe."""
    for question in QUESTIONS:
        drawings = draw(question, results.conclusions.tables, varied(results))
        yield from [one for one in drawings if one.subject.get("readout") != "probe"][-1:]


def faithfulness(results: Results) -> str:
    """Draw each subnetwork's divergence in-domain and out of domain, as SVG."""
    rows = results.measured["evaluations"].query("kind == 'subnetwork'")
    per_case = rows.groupby(["sparsity", "seed", "role", "case"])["kl"].mean()
    kl = per_case.groupby(["sparsity", "seed", "role"]).mean().unstack("role")
    look = Look()
    with style(look):
        figure = Figure(figsize=(4.2, 3.6), layout="constrained")
        axes = figure.subplots()
        for (sparsity, some), colour in zip(kl.groupby("sparsity"), (BLUE, ORANGE), strict=True):
            axes.scatter(some["id"], some["ood"], color=colour, label=f"{sparsity:.0%} sparsity")
        ends = kl.min(axis=None) / 1.3, kl.max(axis=None) * 1.3
        axes.plot(ends, ends, color="grey", linewidth=0.8)
        axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends)
        axes.set(xlabel="KL in-domain, nats", ylabel="KL out of domain, nats")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axis.set_minor_locator(NullLocator())
        axes.legend(frameon=False)
        said = "Below the line a subnetwork is more faithful out of domain, above it less."
        return to_svg(figure, "faithfulness", "Divergence from the model", said)


def screen(results: Results, to: Path, height: int, *, first: bool) -> None:
    """Take a picture of a run's page.

    Args:
        results: The run.
        to: The file to write.
        height: Pixels of the window, which is 1,440 wide.
        first: Whether to show the first screen alone.
    """
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        raise InputError("there is no browser here; install Debian's chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as tools:
        page = write_report(results, Path(folder) / "report")
        browser = tools.chromium.launch(executable_path=program, args=["--no-sandbox"])
        view = browser.new_page(viewport={"width": 1440, "height": height}, color_scheme="light")
        view.goto(page.as_uri())
        view.evaluate("async () => { await window.drawn(); }")
        if first:
            view.locator("header.first").screenshot(path=to)
        else:
            view.screenshot(path=to)
        browser.close()


def main() -> None:
    """Read the command line and make the pictures."""
    program = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    program.add_argument("--run", type=Path, help="the quickstart's run folder, for its screen")
    run = program.parse_args().run
    kept = read_results(KEPT)
    for drawing in question_figures(kept):
        write_text(IMAGES / "questions" / f"{drawing.name.partition('-')[0]}.svg", drawing.svg)
    write_text(IMAGES / "questions" / "faithfulness.svg", faithfulness(kept))
    screen(kept, IMAGES / "first-screen.png", 1000, first=True)
    if run is not None:
        screen(read_results(run), IMAGES / "start.png", 1000, first=False)


if __name__ == "__main__":
    main()
