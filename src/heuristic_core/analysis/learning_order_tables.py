"""Tables of when a model learns its task, and when it generalises."""

from __future__ import annotations

from ..columns import Column, Table
from .accuracies import CASE_KINDS
from .learning_times import LEARNED

TABLES = (
    Table(
        "full-model",
        "The full model's mean accuracies at one checkpoint.",
        Column("checkpoint", "optimiser step of the model", "int", "step", brief=True, key=True),
        *(
            Column(
                kind,
                f"mean accuracy over {cases} cases",
                title=cases,
                digits=1,
                form="percent",
                optional=True,
                brief=True,
            )
            for kind, cases in CASE_KINDS.items()
        ),
        Column(
            "training_loss",
            "mean training loss since the log entry before, as last logged, nats",
            title="training loss",
            digits=3,
            optional=True,
            brief=True,
            low=0,
        ),
        title="The full model over fine-tuning",
    ),
    Table(
        "learning-order",
        "When the AUROC of one adversarial case rises.",
        Column("suite", "the suite of examples", "str", "suite", key=True),
        Column("case", "the adversarial case", "str", "case", key=True),
        Column(
            "rises_at",
            "the first trained checkpoint from which on its AUROC stays above 0.5 and "
            "above its lowest value, beyond sampling noise; missing: it does not rise",
            "int",
            "rises at step",
            optional=True,
        ),
        Column(
            "not_learned_at",
            "the last trained checkpoint at which mean in-domain accuracy is clearly below "
            f"{LEARNED:.0%} of its final value; missing: none",
            "int",
            "task not yet learned at step",
            optional=True,
        ),
        Column(
            "learned_at",
            "the first trained checkpoint from which on it is clearly above; missing: none",
            "int",
            "task learned at step",
            optional=True,
        ),
        Column(
            "order",
            "whether the case rises clearly earlier than the task is learned (it has clearly "
            "made most of its rise while the task is clearly not learned) or later "
            "(not half of it while it is); missing: neither is clear",
            "str",
            "order",
            choices=("earlier", "later"),
            optional=True,
        ),
        title="When the AUROC of each adversarial case rises",
        folded=True,
    ),
    Table(
        "learning-cases",
        "The full model in one case at one checkpoint, or its mean over a kind of cases.",
        Column(
            "cases",
            "in-domain, adversarial, friendly or shift",
            "str",
            "cases",
            choices=("in-domain", "adversarial", "friendly", "shift"),
            key=True,
        ),
        Column("suite", "the suite of examples", "str", optional=True, key=True),
        Column("case", "the case; missing: mean over all", "str", "case", optional=True, key=True),
        Column("checkpoint", "optimiser step of the model", "int", "fine-tuning step", key=True),
        Column(
            "accuracy",
            "accuracy, Wilson's interval",
            title="accuracy",
            form="percent",
            interval=True,
        ),
        Column(
            "auc",
            "AUROC between the case and its friendly counterparts; missing: not measured",
            interval=True,
            optional=True,
            low=0,
            high=1,
        ),
        Column(
            "drawn",
            "whether the curves show it: means, and adversarial cases whose AUROC rises "
            "beyond sampling noise",
            "bool",
        ),
    ),
)
