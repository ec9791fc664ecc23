"""The findings in words: what was done, each verdict, and what it cannot tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from .results import Results
from .table import place
from .tables.accuracies import mean_curves
from .wording import change, count, known, level, name, number, percent

#: A shift of the friendly mean by so many points is worth a word beside an adversarial change.
_SHIFT_POINTS = 5.0


@dataclass(frozen=True)
class Card:
    """One verdict.

    Args:
        where: The model and sparsity it is about; may be empty.
        claim: The claim.
        decision: Supported, contradicted, or not decided by these data.
        reason: The numbers behind it.
        detail: What it found, by name; may be empty.
    """

    where: str
    claim: str
    decision: str
    reason: str
    detail: str


@dataclass(frozen=True)
class Finding:
    """One question of the study with its verdicts.

    Args:
        key: The analysis that answers it.
        question: The question.
        cards: A verdict per model and sparsity.
        limits: What the verdicts cannot tell.
    """

    key: str
    question: str
    cards: tuple[Card, ...]
    limits: tuple[str, ...]

    @property
    def further(self) -> bool:
        """Whether it goes beyond the four questions that a study is about first."""
        return self.key in _FURTHER

    @property
    def decisions(self) -> dict[str, int]:
        """How many verdicts there are of each decision, in the order in which they come."""
        return dict(Counter(card.decision for card in self.cards))


def findings(results: Results) -> list[Finding]:
    """Give every question that has a verdict, the four that a study is about first."""
    makers: list[tuple[str, str, Callable, Callable]] = [
        ("spread", "Do subnetworks that agree in-domain differ out of domain?", _at, _spread),
        ("sparser", "Do sparser subnetworks generalise worse?", place, _sparser),
        ("core", "Do all subnetworks share a core of heads?", _at, _core),
        ("curves", "Does the model fit its task first and generalise later?", place, _curves),
        *((key, *texts) for key, texts in _FURTHER.items()),
    ]
    found = []
    for key, question, where, limits in makers:
        entries = results.analysis.get(key, ())
        cards = tuple(_card(where(results, entry), entry, key == "core") for entry in entries)
        if cards:
            found.append(Finding(key, question, cards, tuple(limits(results, entries))))
    return found


def _somewhere(results: Results, entry: Mapping[str, Any]) -> str:
    """Name what an entry is about by whatever columns it has and its claim does not name."""
    words = [name(entry[key]) for key in ("suite", "weighting") if key in entry]
    if entry.get("head") == "probe":
        words.append("a classifier on the features before fine-tuning")
    if known(entry.get("sparsity")):
        words.append(f"{level(entry['sparsity'])} sparsity")
    if "finetune_seed" in entry:
        words.append(place(results, entry))
    return ", ".join(word for word in words if word)


def _always(*limits: str) -> Callable[[Results, Sequence[Mapping[str, Any]]], list[str]]:
    return lambda results, entries: list(limits)


#: What areas under the curve after removals are means over.
_ON_TOLD_APART = (
    "Areas under the curve are means over those adversarial cases that the full model tells apart, "
    "if it does any: elsewhere there is nothing to lose."
)

#: Questions whose limits do not depend on what was found: question, where, limits.
_FURTHER: dict[str, tuple[str, Callable, Callable]] = {
    "discrimination": (
        "Do subnetworks differ in telling cases apart, or only in a lean to one label?",
        _somewhere,
        _always("It holds each adversarial case against friendly ones of its group only."),
    ),
    "ranks": (
        "Does it depend on the case which subnetwork is best?",
        _somewhere,
        _always("It does not tell what makes a subnetwork good at a case."),
    ),
    "smoothness": (
        "Does accuracy fall smoothly with sparsity?",
        _somewhere,
        _always("A transition narrower than the step between sparsities cannot be seen."),
    ),
    "size": (
        "Does the model's effective size fall as it generalises?",
        _somewhere,
        _always("Effective size rests on a margin and on how well the search finds subnetworks."),
    ),
    "overlap": (
        "Do subnetworks overlap more than chance?",
        _somewhere,
        _always("That searches agree does not show that the model has no other way."),
    ),
    "disjoint": (
        "Does the model hold disjoint subnetworks that each match it?",
        _somewhere,
        _always("A search that finds none does not prove that there is none."),
    ),
    "core_overlap": (
        "Do different fine-tunings have the same core?",
        _somewhere,
        _always("They start from the same pretrained model, so their heads can be compared."),
    ),
    "emergence": (
        "Is the core there before the model generalises?",
        _somewhere,
        _always("Times are known to the nearest checkpoint of the grid only."),
    ),
    "removal": (
        "Does removing single core heads hurt generalisation more than other heads do?",
        _somewhere,
        _always(
            "What a removal does depends on what stands in for the unit: its mean.",
            _ON_TOLD_APART,
        ),
    ),
    "additivity": (
        "Is removing several core heads worse than the sum of removing each?",
        _somewhere,
        _always(
            "Heads in series and heads that stand in for each other both break additivity.",
            _ON_TOLD_APART,
        ),
    ),
    "core_removal": (
        "Does the core as a whole matter more than other heads of its layers?",
        _somewhere,
        _always(
            "The controls are random groups, few of all there are, without the core's heads.",
            _ON_TOLD_APART,
        ),
    ),
    "groups": (
        "Does removing the study's own groups of units hurt generalisation?",
        _somewhere,
        _always("What a removal does depends on what stands in for the units: their means."),
    ),
    "roles": (
        "Are there units whose removal helps out of domain?",
        _somewhere,
        _always("A lean to one label helps one side and hurts the other; only both count."),
    ),
    "sides": (
        "Do some units speak for one label and others for another?",
        _somewhere,
        _always("A mean output in place of a unit can lean too, whatever the unit computes."),
    ),
    "patterns": (
        "Do the core's heads attend to shallow features?",
        _somewhere,
        _always("What a head attends to is not yet what it does with it."),
    ),
    "repeated": (
        "Did the core's heads for repeated tokens attend so before fine-tuning?",
        _somewhere,
        _always("What a head attends to is not yet what it does with it."),
    ),
    "dependency": (
        "Do the added heads depend on what the core writes?",
        _somewhere,
        _always("Paths are patched one at a time; what two of them do together is not measured."),
    ),
}


def _card(where: str, entry: Mapping[str, Any], with_core: bool) -> Card:
    verdict = entry["verdict"]
    claim, decision, reason = (name(verdict[key], 2000) for key in ("claim", "decision", "reason"))
    heads = entry["core"] if with_core else ()
    return Card(where, claim, decision, reason, ", ".join(map(name, heads)))


def _at(results: Results, entry: Mapping[str, Any]) -> str:
    """Name the model and the sparsity."""
    sparsity = entry["sparsity"]
    scope = "all sparsities together" if sparsity is None else f"{level(sparsity)} sparsity"
    where = place(results, entry)
    return f"{scope}, {where}" if where else scope


def _spread(results: Results, entries: Sequence[Mapping[str, Any]]) -> list[str]:
    limits = []
    sizes = [case["n"] for entry in entries for case in entry["cases"]]
    if sizes:
        half = 100 * 1.96 * (0.25 / min(sizes)) ** 0.5
        limits.append(
            f"With {count(min(sizes), 'example')} in a case, one subnetwork's accuracy on it is "
            f"uncertain by up to {number(half, 0)} points either way; the corrected p allows for "
            "that."
        )
    for entry in entries:
        pairs = [
            (s["adversarial"], s["friendly"])
            for s in entry["subnetworks"]
            if known(s["adversarial"]) and known(s["friendly"])
        ]
        if len(pairs) < 4 or min(np.ptp(np.array(pairs), axis=0)) == 0:
            continue
        r = float(np.corrcoef(np.array(pairs).T)[0, 1])
        text = (
            f"At {_at(results, entry)}, adversarial and friendly means correlate with "
            f"r = {number(r, 2)} over {len(pairs)} subnetworks"
        )
        if r < 0 and stats.pearsonr(*np.array(pairs).T).pvalue < 0.05:
            text += (
                ": those better on adversarial cases are worse on friendly ones, so that part of "
                "the difference can be a shift towards one label"
            )
        limits.append(f"{text}.")
    limits.append("It does not tell why subnetworks differ, nor whether other models' would.")
    return limits


def _sparser(results: Results, entries: Sequence[Mapping[str, Any]]) -> list[str]:
    limits = [
        f"From {level(e['denser'])} to {level(e['sparser'])}, in-domain accuracy changes by "
        f"{change(e['in_domain_points']['value'])} points too: what is lost is not generalisation "
        "alone."
        for e in entries
        if e["in_domain_points"] is not None
        and e["in_domain_points"]["high"] < 0
        and e["verdict"]["decision"] == "supported"
    ]
    pairs = min(entry["n"] for entry in entries)
    limits.append(
        f"It rests on {count(pairs, 'pair')} of subnetworks, each pair of one search seed, in one "
        "model, and compares neighbouring sparsities only."
    )
    return limits


def _core(results: Results, entries: Sequence[Mapping[str, Any]]) -> list[str]:
    limits = [
        "That all subnetworks keep a head does not show what it computes, nor that the model "
        "needs it; that takes removing it.",
        "Its rivals are random sets with as many heads, and with as many in each layer. Any other "
        "preference that searches share, such as for heads with large outputs, also makes a core.",
    ]
    if any(sum(entry["mlp_frequencies"].values()) for entry in entries):
        limits.append("MLPs are counted apart and are no part of the core or of its null.")
    return limits


def _curves(results: Results, entries: Sequence[Mapping[str, Any]]) -> list[str]:
    limits = []
    for entry in entries:
        rows = [row for row in mean_curves(entry) if row["checkpoint"] > 0]
        before = [r for r in rows if r["checkpoint"] == entry["id_learned_at"]]
        if not before or not (known(before[0]["friendly"]) and known(rows[-1]["friendly"])):
            continue
        shift = 100 * (rows[-1]["friendly"] - before[0]["friendly"])
        if shift <= -_SHIFT_POINTS:
            limits.append(
                f"Meanwhile the friendly mean changes by {change(shift)} points "
                f"({percent(before[0]['friendly'])} to {percent(rows[-1]['friendly'])}): part of "
                "the adversarial rise can be a shift towards one label."
            )
    steps = {p["checkpoint"] for e in entries for c in e["curves"] for p in c["points"]}
    limits.append(
        f"Times are known to the nearest of {count(len(steps), 'checkpoint')} only, and each "
        "verdict is about a single fine-tuning."
    )
    return limits
