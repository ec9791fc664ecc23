"""The tables of a card of validity."""

from __future__ import annotations

from typing import Literal

from .columns import Column, Table

#: Where random sets are drawn: among all units, or with as many heads in every layer and as many
#: MLPs as the set that they are compared with.
Drawn = Literal["anywhere", "in layers"]
DRAWN: tuple[Drawn, ...] = ("anywhere", "in layers")

#: Below this a corrected p-value passes its test.
LEVEL = 0.05

SUFFICIENCY, NECESSITY, CORE, STABILITY = "sufficiency", "necessity", "core alone", "stability"
_OF_KL = (SUFFICIENCY, NECESSITY, CORE)

CARD = Table(
    "card",
    "One number of a subnetwork beside the same number of random sets of units of its size.",
    Column(
        "test",
        "what is compared: the subnetwork; the model without the subnetwork’s units; only the core "
        "kept; how alike the subnetwork is to those that the same search finds on resampled data",
        "str",
        "test",
        choices=(*_OF_KL, STABILITY),
        key=True,
    ),
    Column(
        "drawn",
        "which random sets: any of its size, or with as many heads in every layer and as many MLPs",
        "str",
        "random sets",
        choices=DRAWN,
        key=True,
    ),
    Column(
        "value",
        "mean KL divergence from the full model, nats; for stability the mean Jaccard index of "
        "heads",
        title="value",
        digits=4,
    ),
    Column("random", "median over random sets", title="random", digits=4),
    Column("random_low", "2.5 % quantile over random sets", title="from", digits=4),
    Column("random_high", "97.5 % quantile over random sets", title="to", digits=4),
    Column(
        "none",
        "the same KL divergence if none of the units that are drawn is kept; missing for stability",
        title="none kept",
        digits=4,
        optional=True,
    ),
    Column("n", "random sets", "int", "sets"),
    Column(
        "p",
        "share of random sets that do as well, this one included; ties broken at random",
        title="p",
        form="probability",
    ),
    Column(
        "p_corrected",
        "p, Holm-corrected over all tests of the subnetwork",
        title="corrected",
        form="probability",
    ),
    Column("passed", f"whether the corrected p is below {LEVEL:g}", "bool", "passed"),
    title="A subnetwork beside random ones",
)

UNITS = Table(
    "card-units",
    "One unit that the subnetwork keeps, and what dropping it costs.",
    Column("unit", "the unit", "str", "unit", key=True),
    Column(
        "cost",
        "by how much the mean KL divergence from the full model rises if it is dropped, nats",
        title="cost",
        digits=4,
        form="signed",
        interval=True,
    ),
    Column(
        "p",
        "p of a cost above 0, and above that of a left-out unit, added and dropped again; over "
        "resampled examples",
        title="p",
        form="probability",
    ),
    Column(
        "p_corrected",
        "p, Holm-corrected over the units kept",
        title="corrected",
        form="probability",
    ),
    Column("needed", f"whether the corrected p is below {LEVEL:g}", "bool", "needed"),
    title="What each kept unit is needed for",
)

SEARCHES = Table(
    "card-searches",
    "A subnetwork that the same search finds on resampled mask-learning examples.",
    Column("search", "number of the sample", "int", "search", key=True),
    Column(
        "heads_jaccard",
        "Jaccard index of its heads and those of the subnetwork",
        title="heads in common",
        low=0,
        high=1,
    ),
    Column(
        "units_jaccard",
        "Jaccard index of its units and those of the subnetwork",
        title="units in common",
        low=0,
        high=1,
    ),
    Column("kl", "its mean KL divergence from the full model, nats", title="KL", digits=4, low=0),
    title="The same search on resampled examples",
)

CASES = Table(
    "card-cases",
    "The subnetwork on one case of a suite.",
    Column("task", "the task", "str", "task", key=True),
    Column("suite", "the suite", "str", "suite", key=True),
    Column("role", "in-domain or out of domain", "str", choices=("id", "ood")),
    Column("case", "the case", "str", "case", key=True),
    Column("case_kind", "the kind of the case", "str", "kind"),
    Column("n", "examples", "int", "n"),
    Column(
        "kl",
        "mean KL divergence of the subnetwork from the full model, nats",
        title="KL",
        digits=4,
        interval=True,
    ),
    Column("full_accuracy", "accuracy of the full model", title="full model", form="percent"),
    Column("accuracy", "accuracy of the subnetwork", title="accuracy", form="percent"),
    Column(
        "difference",
        "accuracy of the subnetwork minus that of the full model, points",
        title="difference",
        digits=1,
        form="signed",
        interval=True,
    ),
    Column(
        "random",
        "median KL of random sets with as many heads in every layer; missing if none was asked for",
        title="random KL",
        digits=4,
        optional=True,
    ),
    Column(
        "p",
        "share of these sets that are as close to the full model, this one included",
        title="p",
        form="probability",
        optional=True,
    ),
    Column(
        "p_corrected",
        "p, Holm-corrected over the cases of all tasks",
        title="corrected",
        form="probability",
        optional=True,
    ),
    title="Transfer between cases and tasks",
)

TABLES = (CARD, UNITS, SEARCHES, CASES)
