"""The verdicts on each finding, by arm or by part of its cases, and whether readings fit them."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from heuristic_core.analysis.conclusions import Conclusions
from heuristic_core.analysis.questions import QUESTIONS
from heuristic_core.errors import InputError
from heuristic_core.published.markdown import to_markdown
from heuristic_core.report.in_short import MARKS
from heuristic_core.report.page import findings
from heuristic_core.report.page.findings import SCALES, in_a_word
from heuristic_core.report.page.overview import Bar, overview
from heuristic_core.report.sections import Card, sections_of
from heuristic_core.report.tables import cell, text
from heuristic_core.report.wording import NOTHING, prose
from heuristic_core.tables import VERDICTS
from published_tables import DECLARED, anchor

#: What each finding says; the file's head explains its keys.
FINDINGS: list[dict[str, Any]] = tomllib.loads(
    Path(__file__).with_name("published_findings.toml").read_text("utf-8")
)["findings"]
_BY_NUMBER = {finding.number: finding.holds for finding in findings.FINDINGS}
_HOLDS = {True: ("holds", "does not hold"), False: ("does not hold", "holds")}
_MANY = {"holds": "hold", "does not hold": "do not hold"}


class Verdict(NamedTuple):
    """A verdict that counts for a finding.

    Args:
        key: The question's key.
        supports: Whether the finding holds where the claim is supported, or where contradicted.
        held: Whether the finding holds, in words.
        card: The verdict in words.
        measure: What its effect is measured in.
        bar: Its effect on the common scale of the first screen.
    """

    key: str
    supports: bool
    held: str
    card: Card
    measure: str
    bar: Bar

    @property
    def toward(self) -> tuple[float, float, float] | None:
        """The effect's place on the common scale, then its interval's ends; where it has one.

        The finding's side is above 0, as the claim's is on the first screen.
        """
        at, low, high = self.bar.at, self.bar.low, self.bar.high
        if at is None or low is None or high is None:
            return None
        return (at, low, high) if self.supports else (-at, -high, -low)


#: Verdicts by the name of an arm, or of a part of its cases, and by question.
Verdicts = Mapping[str, Mapping[str, Sequence[Verdict]]]


def holds(number: int) -> Mapping[str, bool]:
    """Return the questions about a finding: whether it holds where their claim is supported."""
    return _BY_NUMBER.get(number) or dict.fromkeys(FINDINGS[number - 1]["questions"], True)


def verdicts_of(concluded: Mapping[str, Conclusions], margin: float) -> Verdicts:
    """List the verdicts that count: on the fine-tuned model, in the end, on OOD data.

    Args:
        concluded: Conclusions by the name of an arm or of a part of its cases.
        margin: Points of in-domain accuracy within which a subnetwork matches.
    """
    several = frozenset({"checkpoint"})
    supports = {key: yes for i in range(1, len(FINDINGS) + 1) for key, yes in holds(i).items()}
    listed: dict[str, dict[str, list[Verdict]]] = {}
    for part, drawn in concluded.items():
        sections = sections_of(drawn, QUESTIONS, several)
        screen = overview({"": sections}, {"": drawn.verdicts}, several, {"": margin})
        bars = {
            (row.key, bar.where): bar
            for group in screen.groups
            for row in group.rows
            for bar in row.outcomes[0].bars
        }
        listed[part] = {}
        for section in sections:
            key = section.question.key
            rows = drawn.verdicts[drawn.verdicts["question"] == key]
            listed[part][key] = [
                Verdict(key, yes, held(yes, card.decision), card, prose(measure), bar)
                for card, measure in zip(section.cards, rows["measure"], strict=True)
                if (yes := supports.get(key)) is not None and (bar := bars.get((key, card.where)))
            ]
    return listed


def held(supports: bool, decision: str) -> str:
    """Translate a decision into whether the paper's finding holds."""
    yes, no = _HOLDS[supports]
    return {"supported": yes, "contradicted": no}.get(decision, "not decided")


def about(number: int, by_key: Mapping[str, Sequence[Verdict]]) -> list[Verdict]:
    """Return the verdicts on a finding."""
    return [verdict for key in holds(number) for verdict in by_key.get(key, ())]


def word(verdicts: Iterable[Verdict]) -> str:
    """Say in a word what the verdicts on a finding come to."""
    return in_a_word(Counter(verdict.held for verdict in verdicts))


def in_all(verdicts: Iterable[Verdict]) -> str:
    """Write what the verdicts on one finding come to, with their numbers."""
    counts = Counter(verdict.held for verdict in verdicts)
    if not counts:
        return in_a_word(counts)
    texts = [f"{n} {_MANY.get(what, what) if n > 1 else what}" for what, n in counts.most_common()]
    return f"**{in_a_word(counts)}** ({', '.join(texts)})"


def check_readings(verdicts: Verdicts) -> None:
    """Make sure that every reading was written for these verdicts.

    Raises:
        InputError: If the verdicts were others when a reading was written.
    """
    for i, asked in enumerate(FINDINGS, start=1):
        now = {part: in_all(about(i, by_key)) for part, by_key in verdicts.items()}
        if now != asked["read_when"]:
            raise InputError(
                f"the reading of {asked['title']!r} in published_findings.toml was written for "
                f"{asked['read_when']}, and the verdicts now are {now}: read them again, then "
                "change reading and read_when"
            )


class Readings:
    """What a person read in the verdicts, with the numbers that the tables hold now.

    Args:
        concluded: Conclusions by the name of an arm or of a part of its cases.
    """

    def __init__(self, concluded: Mapping[str, Conclusions]) -> None:
        self._concluded = concluded

    def read(self, asked: Mapping[str, Any]) -> str:
        """Fill the numbers into the reading of a finding."""
        numbers = asked.get("numbers", {})
        return asked["reading"].format_map(
            {name: self._range(**of) for name, of in numbers.items()}
        )

    def _range(
        self,
        table: str,
        column: str,
        of: Sequence[str] = (),
        digits: int | None = None,
        **where: Any,
    ) -> str:
        """Write a number with its interval, or the range of several, as ``12 to 17``.

        The head of the file of findings explains the arguments.
        """
        declared = VERDICTS[column] if table == "verdicts" else DECLARED[table][column]
        if digits is not None:
            declared = replace(declared, digits=digits)
        found = []
        for part, drawn in self._concluded.items():
            if not of or part in of or part.partition(",")[0] in of:
                rows = drawn.verdicts if table == "verdicts" else drawn.tables[table]
                for name, value in where.items():
                    rows = rows[rows[name].isna() if value == "" else rows[name] == value]
                found.append(rows[[*declared.names]])
        numbers = pd.concat(found).dropna(subset=[column]).drop_duplicates()
        if len(numbers) == 1:
            return cell(declared, numbers.iloc[0])
        ends = (numbers[column].min(), numbers[column].max())
        return " to ".join(dict.fromkeys(text(declared, end) for end in ends))


def summary(verdicts: Verdicts, readings: Readings) -> str:
    """Write a table of whether each finding holds in each arm, and of the readings."""
    arms = list(dict.fromkeys(part.partition(",")[0] for part in verdicts))
    rows = []
    for i, asked in enumerate(FINDINGS, start=1):
        title = asked["title"]
        row = [f"[{i}. {title}](#{anchor(f'{i} {title}')})"]
        for arm in arms:
            by_text: dict[str, list[str]] = {}
            for part, by_key in verdicts.items():
                if part.partition(",")[0] == arm:
                    cases = part.partition(", ")[2]
                    by_text.setdefault(in_all(about(i, by_key)), []).append(cases)
            row.append(
                "<br>".join(
                    f"{' and '.join(cases)}: {said}" if len(by_text) > 1 else said
                    for said, cases in by_text.items()
                )
            )
        rows.append([*row, readings.read(asked)])
    return to_markdown(["finding", *arms, "reading"], rows)


def claims(number: int, verdicts: Verdicts) -> str:
    """Write a table of the verdicts on a finding: a row for each claim, a column for each part.

    The parts of an arm share a column where their verdicts are the same.
    """
    columns: dict[str, dict[tuple[str, str], Verdict]] = {}
    for part, by_key in verdicts.items():
        cells = {(v.key, _where(v.card)): v for v in about(number, by_key)}
        arm = part.partition(",")[0]
        if columns.get(f"{arm}, unseen") == cells:
            columns[arm] = columns.pop(f"{arm}, unseen")
        else:
            columns[part] = cells
    rows = []
    order = {row: v for cells in columns.values() for row, v in cells.items()}
    for (key, where), first in sorted(order.items(), key=lambda item: _place(number, *item[0])):
        found = [cells.get((key, where)) for cells in columns.values()]
        measures = {v.measure for v in found if v}
        shared = measures.pop() if len(measures) == 1 else ""
        claim = f"{SCALES[key].claim} (`{key}`)"
        rows.append(
            [
                claim if holds(number)[key] else f"*{claim}*",
                where,
                shared or (first.measure and "in each cell"),
                *(_cell(v, shared) if v else "" for v in found),
            ]
        )
    return to_markdown(["claim", "where", "effect", *columns], rows) if rows else ""


def _where(card: Card) -> str:
    """Say what a verdict is about; that it is about the last step goes without saying."""
    words = [w for w in card.where.split(", ") if not w.startswith(("step ", "attention weights"))]
    return ", ".join(words)


def _place(number: int, key: str, where: str) -> tuple[int, str]:
    return list(holds(number)).index(key), where


def _cell(verdict: Verdict, shared: str) -> str:
    card = verdict.card
    effect = "" if card.effect == NOTHING else f" {card.effect}"
    unit = "" if shared or not verdict.measure else f" {verdict.measure}"
    p = "" if card.p == NOTHING else f", p = {card.p}".replace("= <", "< ")
    return f"{MARKS[card.decision]}{effect}{unit}{p}"  # type: ignore[index]
