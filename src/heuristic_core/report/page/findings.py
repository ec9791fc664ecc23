"""The paper's findings, and how each question's claim and effect stand on the first screen.

This is the only file of the report that knows questions by name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """One finding of Bhaskar, Friedman and Chen (2024), or what the paper left open.

    Args:
        number: Its number; 0 for what goes beyond the paper.
        title: It, in a few words.
        holds: By question: whether the finding holds where the question's claim is supported, or
            where it is contradicted (false).
    """

    number: int
    title: str
    holds: Mapping[str, bool]


FINDINGS = (
    Finding(
        1,
        "Same in-domain, different OOD",
        {"spread": True, "discrimination": True, "ranks": True},
    ),
    Finding(2, "Sparser is worse, smoothly", {"sparser": True, "smoothness": True}),
    Finding(
        3,
        "Not disjoint: a shared core",
        {"core": True, "overlap": True, "disjoint": False},
    ),
    Finding(4, "Effective size rises", {"effective_size": False}),
    Finding(
        5,
        "The core is there first",
        {"learning_order": True, "emergence": True},
    ),
    Finding(6, "The core’s features are shallow", {"attention_patterns": True}),
    Finding(
        7,
        "Generalisation rests on the core",
        {"single_removal": True, "additivity": True, "core_removal": True},
    ),
    Finding(8, "Cores are shared", {"core_overlap": True}),
    Finding(
        9,
        "Two-sided heuristics",
        {"helpful_removal": True, "label_bias": True},
    ),
)
#: Questions that the paper left open or did not ask come last, under this heading.
BEYOND = "Beyond the paper"


def in_a_word(counts: Counter[str]) -> str:
    """Return what the verdicts on one finding come to.

    Args:
        counts: How many there are by ``holds``, ``does not hold`` and ``not decided``.
    """
    if not counts:
        return "not measured"
    decided = [what for what in ("holds", "does not hold") if counts[what]]
    if len(decided) > 1:
        return "in part"
    if 2 * sum(counts[what] for what in decided) >= counts.total():
        return "".join(decided)
    return "mostly not decided" if decided else "not decided"


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How the effect of a question's verdict is placed between no effect and its claim.

    Args:
        claim: The claim, in few words.
        none: The effect where there is none, or at the line between the claim and its opposite;
            or the table and the column that hold what chance gives; or ``margin``, the points
            below the full model within which a subnetwork matches it.
        asked: The effect that the claim asks for, or that a study is planned to find; by measure
            where it depends on it.
        beyond: Whether ``asked`` is counted from ``none``.
        ratio: Whether effects are ratios, which are placed by their logarithms.
        shown_by: The measure of units (``measures.MEASURES``) that shows the answer.
    """

    claim: str
    none: float | tuple[str, str] | Literal["margin"] = 0.0
    asked: float | Mapping[str, float] | None = None
    beyond: bool = False
    ratio: bool = False
    shown_by: str = ""


#: Changes by removal, in the measure that a verdict names.
_LOSS = {"AUROC": -0.05, "": -0.5}
_GAIN = {"AUROC": 0.05, "": 0.5}

#: The numbers are those of the analyses, which a test compares.
SCALES: dict[str, Scale] = {
    "spread": Scale(
        claim="Subnetworks alike in-domain differ OOD", asked=0.4, shown_by="subnetwork"
    ),
    "discrimination": Scale(
        claim="They differ in more than label bias", asked=0.2, shown_by="subnetwork"
    ),
    "ranks": Scale(claim="Which one is best depends on the case", shown_by="subnetwork"),
    "faithfulness": Scale(
        claim="Subnetworks are less faithful OOD",
        none=1.0,
        asked=2.0,
        ratio=True,
        shown_by="subnetwork",
    ),
    "sparser": Scale(claim="Sparser subnetworks generalise worse", asked=-5.0, shown_by="grid"),
    "smoothness": Scale(
        claim="Accuracy falls smoothly with sparsity", none=0.5, asked=0.125, shown_by="grid"
    ),
    "core": Scale(
        claim="All subnetworks share a core of heads",
        none=("core", "expected_in_layers"),
        asked=3.0,
        beyond=True,
        shown_by="kept",
    ),
    "overlap": Scale(
        claim="They share more heads than chance gives",
        none=("overlap", "in_layers"),
        asked=0.05,
        beyond=True,
        shown_by="kept",
    ),
    "disjoint": Scale(
        claim="Disjoint subnetworks match the model", none="margin", asked=0.0, shown_by="kept"
    ),
    "effective_size": Scale(
        claim="Effective size falls with generalisation", asked=-20.0, shown_by="grid"
    ),
    "learning_order": Scale(
        claim="The task is fitted first, OOD later", none=0.0, asked=0.8, shown_by="grid"
    ),
    "emergence": Scale(
        claim="The core is there before OOD rises", none=0.5, asked=0.9, shown_by="entered"
    ),
    "attention_patterns": Scale(
        claim="Core heads attend to shallow features", asked=0.8, shown_by="shallow"
    ),
    "repeated_tokens": Scale(
        claim="Core heads saw repeats before fine-tuning", none=0.5, asked=1.0, shown_by="attention"
    ),
    "single_removal": Scale(
        claim="Single core heads matter more than others", asked=_LOSS, shown_by="removal-auc"
    ),
    "additivity": Scale(
        claim="Several cost more than their sum", asked=_LOSS, shown_by="removal-auc"
    ),
    "core_removal": Scale(
        claim="The core matters more than other groups", asked=_LOSS, shown_by="removal-auc"
    ),
    "group_removal": Scale(
        claim="The study’s own groups matter", asked=_LOSS, shown_by="removal-auc"
    ),
    "core_overlap": Scale(
        claim="Fine-tunings have the same core", none=0.5, asked=0.8, shown_by="kept"
    ),
    "helpful_removal": Scale(
        claim="Removing some unit helps OOD", asked=_GAIN, shown_by="label-bias"
    ),
    "label_bias": Scale(claim="Units favour one label or another", asked=0.4, shown_by="favours"),
    "dependency": Scale(
        claim="Added heads read what the core writes", asked=0.01, shown_by="shallow"
    ),
    "generalisation_range": Scale(
        claim="Faithful subnetworks of both kinds exist", asked=0.1, shown_by="subnetwork"
    ),
    "coexistence": Scale(
        claim="What generalises needs no head of what does not", none=1.0, asked=0.0
    ),
    "repulsion": Scale(claim="A core survives least overlap", shown_by="kept"),
    "necessity": Scale(claim="Most of the core is necessary", none=0.5, asked=1.0, shown_by="kept"),
    "validity": Scale(
        claim="Subnetworks are better than random ones", none=0.5, asked=1.0, shown_by="subnetwork"
    ),
    "verdicts_of_runs": Scale(claim="No claim is decided in opposite ways"),
    "core_of_all": Scale(claim="The cores of all runs share heads", shown_by="kept"),
    "core_of_models": Scale(
        claim="Models have the same core", none=0.5, asked=0.8, shown_by="kept"
    ),
    "core_of_searches": Scale(
        claim="Searches find the same core", none=0.5, asked=0.8, shown_by="kept"
    ),
    "core_elsewhere": Scale(
        claim="One model’s core matters in the other", asked=_LOSS, shown_by="removal-auc"
    ),
    "spread_of_pairs": Scale(claim="The runs’ subnetworks spread differently far"),
}
