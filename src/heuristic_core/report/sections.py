"""The findings of a run, question by question: what is asked, and every verdict."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..tables import UNDECIDED, VERDICTS
from .results import Results
from .wording import estimate, level, listing, name, probability, prose

if TYPE_CHECKING:  # loads SciPy
    from ..analysis.conclusions import Conclusions
    from ..analysis.question import Question

#: Words for a value of a subject's column, in the order in which a verdict names them.
_WORDS = {
    "run": "{}",
    "group": "group {}",
    "data": "{} data",
    "suite": "{}",
    "weighting": "{}",
    "readout": "{}",
    "sparsity": "{} sparsity",
    "method": "method {}",
    "finetune_seed": "fine-tuning {}",
    "checkpoint": "step {}",
}
#: What values are called where their own name does not say enough.
_CALLED = {
    ("data", "balanced AUROC"): "AUROC on balanced data",
    ("readout", "model"): "",
    ("readout", "probe"): "a probe on the frozen encoder",
    ("weighting", "attention"): "attention weights",
    ("weighting", "value_norm"): "attention times value norm",
}
#: How ``analysis.power`` begins where more data would be enough.
_MORE = re.compile(r"with (.+?), ")
#: What an effect of the size that is asked for would have led to, in per cent of studies.
_FOUND = re.compile(r"would have been found in (\d+)\s?%")
#: From so many on, the effect is called unlikely: the power that studies are planned for.
_OFTEN = 80
#: Named only where a run has several.
_IF_VARIED = ("finetune_seed", "checkpoint", "method")


@dataclass(frozen=True, kw_only=True)
class Card:
    """One verdict.

    Args:
        where: The model, sparsity or data that it is about; may be empty.
        claim: The claim.
        decision: Supported, contradicted, or not decided by these data.
        reason: The numbers behind it.
        caveat: What these data leave open; may be empty.
        power: What data would find the effect that the claim asks for; may be empty.
        effect: The effect that decides, with its interval.
        p: Its p-value.
        needs: What would decide an open verdict, in short; empty if it is decided.
    """

    where: str
    claim: str
    decision: str
    reason: str
    caveat: str
    power: str
    effect: str
    p: str
    needs: str


@dataclass(frozen=True, kw_only=True)
class Section:
    """A question with its verdicts.

    Args:
        question: The question.
        cards: A card for each verdict.
        tables: Those of its tables that have rows, by name.
    """

    question: Question
    cards: tuple[Card, ...]
    tables: Mapping[str, pd.DataFrame]

    @property
    def decisions(self) -> dict[str, int]:
        """How many verdicts there are of each decision, in the order in which they come."""
        return dict(Counter(card.decision for card in self.cards))


def sections(results: Results, questions: Sequence[Question] | None = None) -> list[Section]:
    """List the questions that have a verdict.

    Args:
        results: The run's results.
        questions: The questions; all of the project's if not given.
    """
    from ..analysis.questions import QUESTIONS  # loads SciPy

    asked = QUESTIONS if questions is None else questions
    return sections_of(results.conclusions, asked, varied(results))


def sections_of(
    conclusions: Conclusions, questions: Sequence[Question], several: frozenset[str]
) -> list[Section]:
    """List the questions that have a verdict.

    Args:
        conclusions: What the questions come to.
        questions: The questions.
        several: What there are several of, as ``varied`` says of a run.
    """
    listed = []
    for question in questions:
        verdicts = conclusions.verdicts[conclusions.verdicts["question"] == question.key]
        if verdicts.empty:
            continue
        cards = [_card(question, row, several) for row in verdicts.to_dict("records")]
        tables = {table.name: conclusions.tables[table.name] for table in question.tables}
        filled = {key: frame for key, frame in tables.items() if len(frame)}
        listed.append(Section(question=question, cards=tuple(cards), tables=filled))
    return listed


def varied(results: Results) -> frozenset[str]:
    """Name what a run has several of: fine-tunings, checkpoints or search methods."""
    evaluations = results.measured["evaluations"]
    systems = evaluations[evaluations["method"] != ""]
    several = {key for key in _IF_VARIED[:2] if evaluations[key].nunique() > 1}
    return frozenset(several | {"method"} if systems["method"].nunique() > 1 else several)


def where(names: Sequence[str], subject: Mapping[str, Any], several: frozenset[str]) -> str:
    """Say what a verdict is about, in as few words as distinguish it from others.

    Args:
        names: The columns of ``tables.SUBJECT`` that name the subject.
        subject: Their values.
        several: What the run has several of, as ``varied`` says.
    """
    words = [_word(key, key, names, subject, several) for key in _WORDS]
    others = [_word(f"other_{key}", key, names, subject, several) for key in _WORDS]
    # Another run comes first, and what follows is of it.
    found = list(filter(None, others))
    beside = ", ".join(found) if "other_run" in names else listing(found)
    return ", ".join(filter(None, [*words, f"compared with {beside}" if beside else ""]))


def _word(
    column: str, key: str, names: Sequence[str], subject: Mapping[str, Any], several: frozenset[str]
) -> str:
    if column not in names or (key in _IF_VARIED and key not in several):
        return ""
    value = subject[column]
    if pd.isna(value):
        return "all sparsities together" if column == "sparsity" else ""
    if (key, value) in _CALLED:
        return _CALLED[key, value]
    return _WORDS[key].format(level(value) if key == "sparsity" else name(value))


def _card(question: Question, row: Mapping[str, Any], several: frozenset[str]) -> Card:
    texts = {
        key: prose(name(row[key], 2000))
        for key in ("claim", "decision", "reason", "caveat", "power")
    }
    undecided = row["decision"] == UNDECIDED
    needs = needs_in_short(texts["power"], texts["reason"]) if undecided else ""
    if texts["power"]:
        texts["power"] = f"What would decide it: {texts['power']}."
    return Card(
        where=where(question.subject, row, several),
        effect=estimate(*(row[name] for name in VERDICTS["effect"].names)),
        p=probability(row["p"]),
        needs=needs,
        **texts,
    )


def needs_in_short(power: str, reason: str) -> str:
    """Shorten what would decide an open verdict to one sentence.

    Args:
        power: What would decide it, as the table of verdicts has it; may be empty.
        reason: The verdict's reason.
    """
    # What keeps it open whatever the numbers are stands last. More data do not bring what a
    # question needs before it can be asked.
    last = reason.split("; ")[-1]
    said = (last if last.endswith("is needed") else power or last).split("; ")[0]
    if more := _MORE.match(said):
        said = f"would take {more[1]}"
    said = said.replace("of such studies", "of studies")
    found = _FOUND.search(said)
    if found and int(found[1]) >= _OFTEN:
        said = f"such an effect is unlikely: {said}"
    # The name of the command stays small.
    first = said[:1] if said.startswith("hcore ") else said[:1].upper()
    return f"{first}{said[1:]}." if said else ""
