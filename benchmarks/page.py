"""The page of a run in a browser: its size, the time to the first paint, and until all is drawn.

The page is written anew and opened from disk several times, each time in a fresh profile. It needs
a Chromium and the extra ``dev``, which brings Playwright.

    python benchmarks/page.py --run runs/quickstart --repeats 5
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from common import count, median, new_parser, run, save, shown, table
from heuristic_core.errors import InputError
from heuristic_core.report import write_report
from heuristic_core.study.results import read_results

KEPT = Path(__file__).parents[1] / "docs" / "results" / "minilm-mnli-hans" / "natural"
TOY = {"run": KEPT, "repeats": 2, "questions": False}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
#: Milliseconds since the page was asked for: the first text or drawing, and all charts.
MEASURE = """async () => {
  await window.drawn();
  const all = performance.now();
  const [paint] = performance.getEntriesByName("first-contentful-paint");
  return [paint.startTime, all];
}"""
INTRO = (
    "Seconds from opening the page from disk to the first paint, and until all of its charts are "
    "drawn; medians over openings, brackets are 95 % bootstrap intervals. Megabytes are 10^6 bytes."
)


def opened(page: Path, repeats: int) -> list[list[float]]:
    """Open a page several times; return seconds to the first paint and until all is drawn."""
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        raise InputError("there is no browser here; install Debian's chromium")
    times = []
    with sync_playwright() as tools:
        # Containers run as root, where a browser cannot shut itself in.
        browser = tools.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for _ in range(repeats):
            context = browser.new_context(viewport={"width": 1440, "height": 900})
            view = context.new_page()
            view.goto(page.as_uri())
            times.append([milliseconds / 1000 for milliseconds in view.evaluate(MEASURE)])
            context.close()
        browser.close()
    return times


def benchmark(options: argparse.Namespace) -> None:
    results = read_results(options.run)
    with tempfile.TemporaryDirectory() as folder:
        questions = None if options.questions else ()
        page = write_report(results, Path(folder) / "report", questions)
        size = page.stat().st_size / 1e6
        times = opened(page, options.repeats)
    first, drawn = (median(some) for some in zip(*times, strict=True))
    head = ["run", "MB", "first paint, s", "all drawn, s"]
    cells = [results.name, f"{size:.2f}", shown(first), shown(drawn)]
    content = {"megabytes": size, "seconds": times}
    save(options, "page", "The page in a browser", INTRO, table(head, [cells]), content)


def main(arguments: Sequence[str] | None = None) -> None:
    program = new_parser(__doc__)
    program.add_argument("--run", type=Path, default=Path("runs/quickstart"), help="a run folder")
    program.add_argument("--repeats", type=count, default=5, help="how often the page is opened")
    program.set_defaults(questions=True)
    run(benchmark, program, TOY, arguments)


if __name__ == "__main__":
    main()
