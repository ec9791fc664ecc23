"""Tables of what subnetworks that agree in-domain do out of domain."""

from __future__ import annotations

import numpy as np

from ..columns import Column, Table
from .accuracies import CASE_KINDS

#: Subnetworks are as good as equally accurate if no two differ by so much in Cohen's h: 10
#: points about one half.
NARROW = 0.2
#: Beside the means: the accuracy of the group of a case and label that is answered worst.
WORST = "worst OOD group"
#: The series of subnetworks that are not compared.
OUTSIDE = "outside the margin"

TABLES = (
    Table(
        "by-sparsity",
        "A mean accuracy over cases of the subnetworks of one sparsity.",
        Column(
            "mean_over",
            "the cases that accuracy is a mean over; or the worst OOD group, the examples of "
            "one case and label that the system answers worst (Sagawa et al. 2020)",
            "str",
            "cases",
            brief=True,
            choices=(*CASE_KINDS.values(), WORST),
            key=True,
        ),
        Column("n", "subnetworks", "int", "n", brief=True, low=1),
        Column(
            "matching",
            "subnetworks within the margin of the full model's in-domain accuracy",
            "int",
            "match",
            optional=True,
            brief=True,
        ),
        Column(
            "full",
            "mean accuracy of the full model over cases",
            title="full model",
            digits=1,
            form="percent",
            brief=True,
        ),
        Column(
            "accuracy",
            "mean accuracy over cases and subnetworks, with its interval over searches and "
            "examples",
            title="accuracy",
            digits=1,
            form="percent",
            interval=True,
            brief=True,
        ),
        Column(
            "lowest",
            "mean over cases of the least accurate subnetwork",
            title="lowest",
            digits=1,
            form="percent",
            brief=True,
        ),
        Column(
            "highest",
            "mean over cases of the most accurate subnetwork",
            title="highest",
            digits=1,
            form="percent",
            brief=True,
        ),
        Column(
            "difference",
            "mean difference from the full model, points",
            title="difference",
            digits=1,
            form="signed",
            brief=True,
            low=-100,
            high=100,
        ),
        title="Full model and subnetworks, by sparsity",
    ),
    Table(
        "subnetwork-accuracies",
        "What one subnetwork keeps and how accurate it is.",
        Column("seed", "seed of the search", "int", "seed", key=True),
        Column("heads_kept", "heads kept", "int", "heads kept", optional=True),
        Column("heads", "heads of the model", "int", "of heads", optional=True),
        Column("mlps_kept", "MLPs kept", "int", "MLPs kept", optional=True),
        Column("mlps", "MLPs of the model", "int", "of MLPs", optional=True),
        Column(
            "in_domain",
            "mean accuracy over in-domain cases",
            title="in-domain",
            digits=1,
            form="percent",
        ),
        Column(
            "difference",
            "that minus the full model's, points",
            title="difference",
            digits=1,
            form="signed",
            low=-100,
            high=100,
        ),
        Column(
            "kl",
            "mean KL divergence of its predictions from the full model's in-domain, nats",
            title="KL",
            digits=3,
            low=0,
            optional=True,
        ),
        Column(
            "adversarial",
            "mean accuracy over adversarial cases",
            title="adversarial",
            digits=1,
            form="percent",
            optional=True,
        ),
        Column(
            "friendly",
            "mean accuracy over friendly cases",
            title="friendly",
            digits=1,
            form="percent",
            optional=True,
        ),
        Column(
            "shift",
            "mean accuracy over shifted cases",
            title="shift",
            digits=1,
            form="percent",
            optional=True,
        ),
        Column(
            "worst_group",
            "accuracy on the out-of-domain group of one case and label that is answered worst",
            title="worst group",
            digits=1,
            form="percent",
            optional=True,
        ),
        title="Every subnetwork",
        folded=True,
    ),
    Table(
        "cases",
        "One out-of-domain case over the subnetworks of one sparsity within the margin.",
        Column("suite", "the suite of examples", "str", "suite", key=True),
        Column("case", "the case", "str", "case", brief=True, key=True),
        Column(
            "case_kind",
            "adversarial, friendly or shift",
            "str",
            "kind",
            brief=True,
            choices=("adversarial", "friendly", "shift"),
        ),
        Column("n", "examples", "int", "n", low=1),
        Column(
            "full",
            "the full model's share of examples answered correctly",
            title="full model",
            digits=1,
            form="percent",
            brief=True,
        ),
        Column(
            "lowest",
            "accuracy of the least accurate subnetwork",
            title="lowest",
            digits=1,
            form="percent",
            brief=True,
        ),
        Column("mean", "mean accuracy over subnetworks", title="mean", digits=1, form="percent"),
        Column(
            "highest",
            "accuracy of the most accurate subnetwork",
            title="highest",
            digits=1,
            form="percent",
            brief=True,
        ),
        Column(
            "span",
            "highest minus lowest accuracy, points",
            title="span",
            digits=1,
            brief=True,
            low=0,
            high=100,
        ),
        Column(
            "h",
            "the same in Cohen's h, on which errors are equal from 0 to 1: 0.4 is 20 points "
            "about one half",
            title="h",
            brief=True,
            low=0,
            high=np.pi,
        ),
        Column(
            "p",
            "probability of differences this large if all subnetworks were equally accurate "
            "and only the sample of examples differed (Cochran's Q on the same examples, else "
            "chi-squared; Holm-corrected over cases)",
            title="p",
            form="probability",
            brief=True,
        ),
        Column(
            "p_equal",
            "probability that no two differ by more than they do if some two differed by "
            f"{NARROW:g} in h",
            title="p of equality",
            form="probability",
        ),
        title="Every out-of-domain case, widest first",
        folded=True,
        top=5,
    ),
    Table(
        "worst-groups",
        "The out-of-domain group that a system answers worst; a group is the examples of one "
        "case and right label, as in group DRO (Sagawa et al. 2020).",
        Column(
            "seed",
            "seed of the search; -1 for the full model",
            "int",
            "seed",
            brief=True,
            low=-1,
            key=True,
        ),
        Column("suite", "the suite of examples", "str", "suite"),
        Column("case", "the case", "str", "case", brief=True),
        Column("label", "the right label", "str", "label", brief=True),
        Column("n", "examples of the group", "int", "n", brief=True, low=1),
        Column(
            "accuracy",
            "share answered correctly, with Wilson's interval, which is wide for a small group",
            title="accuracy",
            digits=1,
            form="percent",
            interval=True,
            brief=True,
        ),
        title="The worst group of each system",
        folded=True,
        top=4,
    ),
    Table(
        "spread-marks",
        "One system's accuracy in one strip of the figure, in the order drawn.",
        Column("section", "the means, or the cases of one kind", "str", "section", key=True),
        Column("mean_or_case", "the mean over cases, or the case", "str", "case", key=True),
        Column(
            "series",
            "what the system is",
            "str",
            "system",
            choices=(
                "full model",
                "highest in adversarial mean",
                "lowest in adversarial mean",
                "subnetwork",
                OUTSIDE,
            ),
        ),
        Column(
            "seed", "seed of the search; -1 for the full model", "int", "seed", low=-1, key=True
        ),
        Column(
            "accuracy",
            "share of examples answered correctly",
            title="accuracy",
            digits=1,
            form="percent",
        ),
    ),
)
