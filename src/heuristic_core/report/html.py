"""One page that holds everything: words, figures and tables, with nothing fetched from outside."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ..storage import write_text
from .findings import findings
from .provenance import configuration, provenance
from .results import Results
from .story import outstanding, story
from .tables import tables
from .wording import name

#: The mark beside a decision, so that it does not rest on colour.
_MARKS = {"supported": ("yes", "✓"), "contradicted": ("no", "✕")}

#: Analyses whose figures may shrink to the page's width; the others keep their size.
_WIDE = {"spread", "curves", "size", "smoothness", "discrimination", "dependency", "core_removal"}


def write_report(results: Results, folder: Path) -> Path:
    """Write a run's report: one page, its figures as SVG and its tables as CSV.

    Args:
        results: The run's results.
        folder: Where to; made if needed.

    Returns:
        The page's path.

    Raises:
        InputError: If the folder cannot be written.
    """
    from .figures import draw  # loads matplotlib, which nothing else here needs

    drawings = draw(results)
    for drawing in (d for some in drawings.values() for d in some):
        write_text(folder / "figures" / f"{drawing.name}.svg", drawing.svg)
    made = tables(results)
    for table in (t for some in made.values() for t in some):
        write_text(folder / "tables" / f"{table.name}.csv", table.csv())
    environment = Environment(
        loader=PackageLoader("heuristic_core.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("report.html.j2").render(
        name=name(results.name),
        story=story(results),
        outstanding=outstanding(results),
        findings=findings(results),
        marks=_MARKS,
        wide=_WIDE,
        drawings=drawings,
        svg=Markup,
        tables=made,
        method=results.config.get("search") or {},
        margin=(results.config.get("analysis") or {}).get("margin_points"),
        command=name(results.command, 2000),
        provenance=provenance(results),
        configuration=configuration(results),
    )
    path = folder / "report.html"
    write_text(path, page)
    return path
