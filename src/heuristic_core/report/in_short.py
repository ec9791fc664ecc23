"""The verdicts in short: one line for each question, or two where its verdicts differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..claims import CLAIMS
from ..tables import CONTRADICTED, SUPPORTED, UNDECIDED
from .sections import Section

#: A decision's mark, so that it does not rest on colour alone, and its word in a line.
MARKS = {SUPPORTED: "✓", CONTRADICTED: "✕", UNDECIDED: "?"}
WORDS = {SUPPORTED: "supported", CONTRADICTED: "contradicted", UNDECIDED: "not decided"}


@dataclass(frozen=True, kw_only=True)
class Line:
    """The verdicts of one question that come to the same, as texts.

    Args:
        key: The question's key.
        says: The claim in a few words, read after the key; empty for a question of another program.
        decision: Supported, contradicted, or not decided by these data.
        n: How many verdicts there are.
        effect: The last one's effect with its interval.
        p: Its p-value.
        note: Where it holds, if verdicts of the question differ; and what would decide it.
    """

    key: str
    says: str
    decision: str
    n: int
    effect: str
    p: str
    note: str

    @property
    def claim(self) -> str:
        """The claim in short."""
        return f"{self.key} {self.says}".rstrip()

    @property
    def decided(self) -> str:
        """The decision as mark and word, with the number of verdicts if there are several."""
        said = f"{MARKS[self.decision]} {WORDS[self.decision]}"  # type: ignore[index]
        return said if self.n == 1 else f"{said} {self.n}"


def in_short(sections: Sequence[Section]) -> list[Line]:
    """Write a line for each question and decision.

    Args:
        sections: The questions that have a verdict.

    Returns:
        The lines in the questions' order. Of several verdicts alike, a line is about the last: the
        last checkpoint, and the sparsest subnetworks or all together.
    """
    lines = []
    for section in sections:
        for decision in section.decisions:
            alike = [card for card in section.cards if card.decision == decision]
            card = alike[-1]
            place = f"({card.where})" if card.where and len(section.decisions) > 1 else ""
            lines.append(
                Line(
                    key=section.question.key,
                    says=CLAIMS.get(section.question.key, ""),
                    decision=decision,
                    n=len(alike),
                    effect=card.effect,
                    p=card.p,
                    note=" ".join(filter(None, (place, card.needs))),
                )
            )
    return lines


def counted(lines: Sequence[Line]) -> str:
    """Say how many verdicts there are of each decision."""
    n = {decision: sum(x.n for x in lines if x.decision == decision) for decision in MARKS}
    said = ", ".join(f"{n[decision]} {WORDS[decision]}" for decision in MARKS)
    total = sum(n.values())
    return f"{total} verdict{'' if total == 1 else 's'}: {said}"
