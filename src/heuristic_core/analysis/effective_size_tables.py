"""Tables of the effective size over fine-tuning."""

from __future__ import annotations

from ..columns import Column, Table

TABLES = (
    Table(
        "effective-size",
        "The effective size at one checkpoint, on one kind of data.",
        Column("checkpoint", "optimiser step of the model", "int", "step", brief=True, key=True),
        Column(
            "accuracy",
            "the full model's mean accuracy on the data, or its mean AUROC over adversarial "
            "cases; balanced is the mean of adversarial and friendly accuracy, mixed takes all "
            "in-domain and adversarial cases alike",
            title="accuracy",
            digits=1,
            form="percent",
            brief=True,
        ),
        Column("margin_points", "the margin, in points", title="margin", digits=1, low=0),
        Column(
            "size",
            "per cent of all units in the sparsest subnetwork whose accuracy is above the "
            "full model's minus the margin, 100 where there is none; mean over seeds, "
            "interval over seeds and examples",
            title="size",
            digits=1,
            interval=True,
            brief=True,
            low=0,
            high=100,
        ),
        Column(
            "at_most",
            "whether even a seed's sparsest subnetwork is good enough, so that the size "
            "may be smaller",
            "bool",
            "at most",
        ),
        Column("n_seeds", "search seeds", "int", "seeds"),
        Column("n_failed", "seeds without a subnetwork that is good enough", "int", "none"),
        Column(
            "meaningful",
            "whether the margin is; it is not where almost anything passes as accuracy is "
            "below three margins, or where a constant answer or score passes on balanced data",
            "bool",
            "margin meaningful",
        ),
        title="Effective size over fine-tuning",
    ),
    Table(
        "effective-size-changes",
        "How the effective size changes between two checkpoints, paired by seed.",
        Column("over", "the span of checkpoints", "str", "over", key=True),
        Column("before", "the earlier checkpoint", "int", "from step"),
        Column("after", "the later checkpoint", "int", "to step"),
        Column(
            "points",
            "change of the size, per cent of all units; interval over seeds and examples",
            title="change",
            digits=1,
            form="signed",
            interval=True,
            low=-100,
            high=100,
        ),
        Column("n_seeds", "seeds searched at both checkpoints", "int", "seeds"),
        Column(
            "ood_points",
            "change of the full model's balanced accuracy, else of its adversarial accuracy, "
            "else of that on shifted cases, in points",
            title="change of OOD accuracy",
            digits=1,
            form="signed",
            optional=True,
        ),
        title="How the effective size changes",
        folded=True,
    ),
    Table(
        "effective-size-margins",
        "The effective size at one checkpoint, with one margin.",
        Column("checkpoint", "optimiser step of the model", "int", "fine-tuning step", key=True),
        Column(
            "margin_points",
            "the margin, in points; missing: the study's own",
            title="margin",
            digits=1,
            optional=True,
            low=0,
            key=True,
        ),
        Column(
            "size",
            "mean size with this margin; interval at the study's own only",
            title="effective size, % of units",
            digits=1,
            interval=True,
            low=0,
            high=100,
        ),
        Column(
            "coarse",
            "mean size if only every second sparsity, from the highest, had been searched",
            title="half the sparsities",
            digits=1,
            low=0,
            high=100,
        ),
        title="Effective size with other margins",
        folded=True,
    ),
)
