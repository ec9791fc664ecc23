"""Tables of how well subnetworks separate the adversarial cases."""

from __future__ import annotations

from ..columns import Column, Table

#: Subnetworks differ in a case if their AUROCs span at least this in Cohen's h: 10 points about
#: one half. Where their mean is so near an end of the scale there is no room for a difference.
WIDE = 0.2

TABLES = (
    Table(
        "separation",
        "How well the subnetworks of one sparsity separate adversarial from friendly cases.",
        Column("n", "subnetworks", "int", "n", low=1),
        Column(
            "full",
            "mean AUROC of the full model over adversarial cases",
            title="full model",
            digits=3,
            optional=True,
            low=0,
            high=1,
        ),
        Column(
            "auc",
            "mean AUROC over adversarial cases and subnetworks: probability that an "
            "adversarial example scores higher than a friendly one of its group; 0.5 is "
            "chance, and label bias does not change it",
            title="AUROC",
            digits=3,
            interval=True,
            low=0,
            high=1,
        ),
        Column(
            "r_auc",
            "correlation over subnetworks of mean adversarial accuracy with mean AUROC",
            title="r with AUROC",
            form="signed",
            interval=True,
            optional=True,
            low=-1,
            high=1,
        ),
        Column(
            "r_bias",
            "correlation over subnetworks of mean adversarial accuracy with mean label bias",
            title="r with label bias",
            form="signed",
            interval=True,
            optional=True,
            low=-1,
            high=1,
        ),
        title="Separation of adversarial from friendly cases",
    ),
    Table(
        "separation-cases",
        "One adversarial case against its friendly counterparts, over subnetworks.",
        Column("suite", "the suite of examples", "str", "suite", key=True),
        Column("case", "the adversarial case", "str", "case", key=True),
        Column("case_group", "what it shares with its friendly counterparts", "str"),
        Column("n", "adversarial examples", "int", "n", low=1),
        Column("n_friendly", "friendly examples", "int", "n friendly", low=1),
        Column(
            "full",
            "AUROC of the full model",
            title="full model",
            interval=True,
            optional=True,
            low=0,
            high=1,
        ),
        Column("lowest", "lowest AUROC of a subnetwork", title="lowest", low=0, high=1),
        Column("mean", "mean AUROC over subnetworks", title="mean", interval=True, low=0, high=1),
        Column("highest", "highest AUROC of a subnetwork", title="highest", low=0, high=1),
        Column("span", "highest minus lowest", title="span", low=0, high=1),
        Column(
            "h",
            "the same in Cohen's h, 2 arcsin(sqrt(AUROC)): 0.2 is 10 points about one half",
            title="h",
            low=0,
        ),
        Column(
            "p",
            "probability of AUROCs this different if all subnetworks' were equal and only "
            "the sample of examples differed (ANOVA-type statistic, Holm-corrected over cases)",
            title="p",
            form="probability",
        ),
        Column(
            "p_equal",
            f"probability of AUROCs this alike if some two differed by {WIDE:g} in h",
            title="p of equality",
            form="probability",
        ),
        Column(
            "paired",
            "whether the tests know that all subnetworks score the same examples: single "
            "predictions were kept",
            "bool",
        ),
        Column("d_prime", "mean d' over subnetworks", title="d'"),
        Column(
            "bias",
            "mean label bias over subnetworks, nats; above 0 to the adversarial label",
            title="label bias",
            form="signed",
        ),
        Column("bias_sd", "its standard deviation over subnetworks", optional=True, low=0),
        Column(
            "full_bias",
            "label bias of the full model, nats",
            title="full bias",
            form="signed",
            optional=True,
        ),
        title="Every adversarial case against its friendly counterparts, widest first",
        folded=True,
    ),
    Table(
        "separation-marks",
        "One system's AUROC or label bias in one strip of the figure, in the order drawn.",
        Column(
            "measure",
            "AUROC or label bias",
            "str",
            "measure",
            choices=("AUROC", "label bias, nats"),
            key=True,
        ),
        Column("mean_or_case", "the mean over cases, or the case", "str", "case", key=True),
        Column(
            "series",
            "the full model or a subnetwork",
            "str",
            "system",
            choices=("full model", "subnetwork"),
        ),
        Column(
            "seed", "seed of the search; -1 for the full model", "int", "seed", low=-1, key=True
        ),
        Column("score", "its AUROC, or its label bias in nats", title="score"),
    ),
)
