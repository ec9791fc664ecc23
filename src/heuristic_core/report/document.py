"""What a page and the terminal say, whatever it is of: one run, or several compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..columns import Table
from .provenance import Entry, configuration, provenance
from .results import Results
from .sections import Section, sections_of, varied
from .story import lead, outstanding, story

if TYPE_CHECKING:  # loads SciPy
    from ..analysis.conclusions import Conclusions
    from ..analysis.question import Question


@dataclass(frozen=True, eq=False, kw_only=True)
class Document:
    """What is reported, as words and tables.

    Args:
        name: Its heading.
        kicker: What kind of thing it is of, above the heading.
        lead: The model and the task, in a line.
        story: What was done, in one paragraph.
        outstanding: What has not been measured; may be empty.
        overview: Tables that come before the findings.
        conclusions: The verdicts and the tables of the questions.
        several: What there are several of, which verdicts then name; see
            ``report.sections.where``.
        has_subnetworks: Whether subnetworks were searched for.
        search: The settings of the searches, by their names.
        margin: Points of in-domain accuracy within which a subnetwork matches; ``None`` if there
            are several such margins.
        command: The command that made it; may be empty.
        provenance: What the numbers depend on, as headings with lines.
        configuration: The configuration as text.
        runs: The results that a reader explores, by the run's name; a single one's is empty.
    """

    name: str
    kicker: str
    lead: str
    story: str
    outstanding: str = ""
    overview: tuple[tuple[Table, pd.DataFrame], ...] = ()
    conclusions: Conclusions
    several: frozenset[str]
    has_subnetworks: bool
    search: Mapping[str, Any] = field(default_factory=dict)
    margin: float | None = None
    command: str = ""
    provenance: Sequence[Entry] = ()
    configuration: str = ""
    runs: Mapping[str, Results] = field(default_factory=dict)

    def sections(self, questions: Sequence[Question]) -> list[Section]:
        """List the questions that have a verdict."""
        return sections_of(self.conclusions, questions, self.several)


def document(results: Results) -> Document:
    """Return what is reported of a run."""
    return Document(
        name=results.name,
        kicker="A study with heuristic-core",
        lead=lead(results),
        story=story(results),
        outstanding=outstanding(results),
        conclusions=results.conclusions,
        several=varied(results),
        has_subnetworks=len(results.measured["subnetworks"]) > 0,
        search=results.config.get("search") or {},
        margin=margin_of(results),
        command=results.command,
        provenance=provenance(results),
        configuration=configuration(results),
        runs={"": results},
    )


def margin_of(results: Results) -> float | None:
    """Return the points of in-domain accuracy within which a subnetwork matches, if a run says."""
    margin = (results.config.get("analysis") or {}).get("margin_points")
    return None if margin is None else float(margin)
