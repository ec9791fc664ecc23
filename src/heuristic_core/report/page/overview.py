"""The first screen: one row per question, with its verdict and its effect on a common scale."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ...tables import CONTRADICTED, SUPPORTED, UNDECIDED
from ..sections import Section, needs_in_short, where
from ..wording import bounded, listing, name, prose
from .findings import BEYOND, FINDINGS, SCALES, Scale, in_a_word

#: How far the common scale reaches on either side of no effect; what lies beyond is at its end.
REACH = 3.0
#: Decisions as the first screen words them, in the order in which it counts them.
WORDS: dict[str, str] = {
    SUPPORTED: "supported",
    CONTRADICTED: "contradicted",
    UNDECIDED: "undecided",
}
#: The columns that say why a verdict is open.
_TEXTS = ("power", "reason")
#: More bars than these do not fit into a row.
MOST_BARS = 6
#: How the first screen words what is not decided of a finding.
_OPEN = {"mostly not decided": "mostly open", "not decided": "open"}
_HOLDS: dict[tuple[str, bool], str] = {
    (SUPPORTED, True): "holds",
    (CONTRADICTED, True): "does not hold",
    (SUPPORTED, False): "does not hold",
    (CONTRADICTED, False): "holds",
}


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One verdict's effect: 0 is none, 1 what the claim asks for.

    Args:
        decision: The verdict's decision.
        where: What it is about; may be empty.
        text: The effect with its interval and what it is measured in.
        at: Its place on the common scale, or ``None`` where it has none.
        low: That of its interval's lower end, which is ``at`` where there is no interval.
        high: That of the upper end.
    """

    decision: str
    where: str
    text: str
    at: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def off(self) -> int:
        """On which side it lies beyond the scale: -1, 1, or 0 if it does not."""
        return 0 if self.at is None or abs(self.at) <= REACH else int(math.copysign(1, self.at))


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one question came to in one run.

    Args:
        run: The run, where several are compared.
        kind: A decision, or ``mixed`` where verdicts differ; empty where it was not answered.
        word: It in words.
        bars: The effects.
    """

    run: str
    kind: str
    word: str
    bars: tuple[Bar, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Row:
    """One question on the first screen.

    Args:
        key: The question's key, to which the row leads.
        claim: Its claim, in few words.
        rival: Whether the finding holds where the claim is contradicted.
        outcomes: What it came to, in each run.
        needs: What would decide it; empty where it is decided.
        more: How many further verdicts there are.
    """

    key: str
    claim: str
    outcomes: tuple[Outcome, ...]
    rival: bool = False
    needs: str = ""
    more: int = 0


@dataclass(frozen=True, kw_only=True)
class Group:
    """The rows of one finding.

    Args:
        number: The paper's number; 0 if it has none.
        title: The finding.
        word: What the verdicts come to, in each run; empty beyond the paper.
        rows: Its questions.
    """

    number: int
    title: str
    word: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, kw_only=True)
class Overview:
    """The first screen.

    Args:
        groups: The findings with their questions.
        runs: The runs' names; one that is empty if there is a single run.
        counts: How many questions there are of each outcome, in words.
    """

    groups: tuple[Group, ...]
    runs: tuple[str, ...] = ("",)
    counts: tuple[tuple[str, int, str], ...] = ()

    @property
    def missing(self) -> str:
        """The paper's findings that no verdict is about; empty if all or none are asked."""
        asked = {group.number for group in self.groups}
        some = [
            f"finding {f.number} ({f.title[0].lower()}{f.title[1:]})"
            for f in FINDINGS
            if f.number not in asked
        ]
        return listing(some) if len(some) < len(FINDINGS) else ""

    @property
    def held(self) -> str:
        """How many of the paper's findings hold, in words; empty without any."""
        words = Counter(group.word[0] for group in self.groups if group.number)
        plural = {"holds": "hold", "does not hold": "do not hold", "open": "are open"}
        parts = [
            f"{words[word]} {plural.get(word, word) if words[word] > 1 else word}"
            for word in ("holds", "does not hold", "in part", "mostly open", "open")
            if words[word]
        ]
        if not parts or len(self.runs) > 1:
            return ""
        return f"Of the paper’s nine findings {listing(parts)}."


def overview(
    runs: Mapping[str, Sequence[Section]],
    verdicts: Mapping[str, pd.DataFrame],
    several: frozenset[str],
    margins: Mapping[str, float | None],
) -> Overview:
    """Put the first screen together.

    Args:
        runs: The questions with verdicts, by the run's name; a single one's may be empty.
        verdicts: Their tables of verdicts, by the same names.
        several: What there are several of; see ``report.sections.where``.
        margins: Points of in-domain accuracy within which a subnetwork matches, by the same names.
    """
    found: dict[str, dict[str, _Found]] = {}
    for run, sections in runs.items():
        for section in sections:
            key = section.question.key
            rows = verdicts[run][verdicts[run]["question"] == key]
            found.setdefault(key, {})[run] = _find(run, section, rows, several, margins[run])
    rows = {key: _row(key, of, tuple(runs)) for key, of in found.items()}
    groups = [
        Group(
            number=finding.number,
            title=finding.title,
            word=tuple(_word(finding.holds, found, run) for run in runs),
            rows=tuple(rows.pop(key) for key in finding.holds if key in rows),
        )
        for finding in FINDINGS
    ]
    if rows:
        title = BEYOND if any(group.rows for group in groups) else "Across the runs"
        groups.append(Group(number=0, title=title, word=(), rows=tuple(rows.values())))
    kept = tuple(group for group in groups if group.rows)
    single = len(runs) == 1
    kinds = Counter(row.outcomes[0].kind for group in kept for row in group.rows) if single else {}
    order: dict[str, str] = {**WORDS, "mixed": "mixed"}
    counts = tuple((kind, kinds[kind], word) for kind, word in order.items() if kinds.get(kind))
    return Overview(groups=kept, runs=tuple(runs), counts=counts)


@dataclass(frozen=True, kw_only=True)
class _Found:
    claim: str
    outcome: Outcome
    decisions: Counter[str]
    needs: str
    more: int


def _find(
    run: str,
    section: Section,
    verdicts: pd.DataFrame,
    several: frozenset[str],
    margin: float | None,
) -> _Found:
    key, subject = section.question.key, section.question.subject
    leading = _leading(verdicts, subject)
    said = section.question.claim
    scale = SCALES.get(key) or Scale(claim=f"{said[0].upper()}{said[1:]}")
    bars = tuple(
        _bar(scale, row, where(subject, row, several), section.tables, subject, margin)
        for row in leading.to_dict("records")
    )
    decisions = Counter(leading["decision"])
    kind = next(iter(decisions)) if len(decisions) == 1 else "mixed"
    words = [f"{decisions[d]} {word}" for d, word in WORDS.items() if decisions[d]]
    word = WORDS.get(kind, ", ".join(words))
    open_ones = leading[leading["decision"] == UNDECIDED]
    texts = ((prose(name(one, 2000)) for one in open_ones[column]) for column in _TEXTS)
    needs = dict.fromkeys(map(needs_in_short, *texts))
    return _Found(
        claim=scale.claim,
        outcome=Outcome(run=run, kind=kind, word=word, bars=bars),
        decisions=decisions,
        needs=next(filter(None, needs), ""),
        more=len(verdicts) - len(leading),
    )


def _leading(verdicts: pd.DataFrame, subject: Sequence[str]) -> pd.DataFrame:
    """Keep the verdicts on what a claim is about: the fine-tuned model, in the end, on OOD data."""
    rows = verdicts
    if "checkpoint" in subject and "other_checkpoint" not in subject:
        models = ["run", "finetune_seed"] if "run" in subject else ["finetune_seed"]
        last = rows.groupby(models, dropna=False)["checkpoint"].transform("max")
        rows = rows[(rows["checkpoint"] == last) | rows["checkpoint"].isna()]
    for column, apart in (("readout", "probe"), ("data", "in-domain")):
        others = rows[rows[column].fillna("") != apart]
        rows = others if column in subject and len(others) else rows
    return rows


def _bar(
    scale: Scale,
    row: Mapping[str, Any],
    about: str,
    tables: Mapping[str, pd.DataFrame],
    subject: Sequence[str],
    margin: float | None,
) -> Bar:
    bar = {"decision": row["decision"], "where": about}
    if pd.isna(row["effect"]):
        return Bar(text="no single effect", **bar)
    value, low, high = (row[column] for column in ("effect", "effect_low", "effect_high"))
    text = f"{bounded(*map(effect_text, (value, low, high)))} ({prose(row['measure'])})"
    none, asked = _ends(scale, row, tables, subject, margin)
    if none is None or asked is None or (scale.ratio and value <= 0):
        return Bar(text=text, **bar)
    put = math.log if scale.ratio else float

    def place(effect: float) -> float:
        if scale.ratio and effect <= 0:
            return -math.inf
        return (put(effect) - put(none)) / (put(asked) - put(none))

    ends = [value if pd.isna(end) else end for end in (low, high)]
    least, most = sorted(map(place, ends))
    return Bar(text=text, at=place(value), low=least, high=most, **bar)


def _ends(
    scale: Scale,
    row: Mapping[str, Any],
    tables: Mapping[str, pd.DataFrame],
    subject: Sequence[str],
    margin: float | None,
) -> tuple[float | None, float | None]:
    """Return the effects at 0 and at 1 of the common scale, where they are known."""
    asked = scale.asked
    if isinstance(asked, Mapping):
        asked = asked.get(row["measure"], asked[""])
    if isinstance(scale.none, tuple):
        none = _by_chance(scale.none, row, tables, subject)
    elif isinstance(scale.none, str):
        none = None if margin is None else -margin
    else:
        none = scale.none
    if none is None or asked is None:
        return None, None
    return none, none + asked if scale.beyond else asked


def _by_chance(
    column: tuple[str, str],
    row: Mapping[str, Any],
    tables: Mapping[str, pd.DataFrame],
    subject: Sequence[str],
) -> float | None:
    """Read what chance gives in the first row that is about the verdict's subject."""
    rows = tables.get(column[0], pd.DataFrame())
    for key in subject:
        if len(rows):
            same = rows[key].isna() if pd.isna(row[key]) else rows[key].eq(row[key]).fillna(False)
            rows = rows[same.astype(bool)]
    values = rows[column[1]].dropna().tolist() if len(rows) else []
    return float(values[0]) if values else None


def effect_text(value: float) -> str:
    """Write an effect, whose unit differs between questions, with three significant digits."""
    if pd.isna(value):
        return "–"
    size = abs(value)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
    text = f"{value:.{digits}f}" if size >= 0.001 or size == 0 else f"{value:.1e}"
    return text.replace("-", "−")


def _word(holds: Mapping[str, bool], found: Mapping[str, Mapping[str, _Found]], run: str) -> str:
    counts: Counter[str] = Counter()
    for key, supports in holds.items():
        if run in found.get(key, {}):
            for decision, n in found[key][run].decisions.items():
                counts[_HOLDS.get((decision, supports), "not decided")] += n
    word = in_a_word(counts)
    return _OPEN.get(word, word)


def _row(key: str, found: Mapping[str, _Found], runs: Iterable[str]) -> Row:
    missing = Outcome(run="", kind="", word="not asked")
    some = list(found.values())
    needs = "; ".join(dict.fromkeys(filter(None, (one.needs for one in some))))
    return Row(
        key=key,
        claim=some[0].claim,
        outcomes=tuple(found[run].outcome if run in found else missing for run in runs),
        rival=any(finding.holds.get(key) is False for finding in FINDINGS),
        needs=needs,
        more=sum(one.more for one in some),
    )
