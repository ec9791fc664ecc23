"""The tables of what subnetworks of rising size recover."""

from __future__ import annotations

from ..columns import Column, Table

_SUBJECT = (
    Column("method", "how the subnetworks were found", "str", "method", key=True),
    Column("suite", "the suite", "str", "suite", key=True),
    Column("role", "in-domain or out of domain", "str", choices=("id", "ood")),
    Column("case", "the case; all for an in-domain suite as a whole", "str", "case", key=True),
    Column("case_kind", "the kind of the case", "str", "kind"),
)

AREAS = Table(
    "recovery-areas",
    "How much of the full model’s performance one method’s subnetworks recover on one case, over "
    "all sizes. Performance is the mean log-odds of the right label.",
    *_SUBJECT,
    Column("n", "examples", "int", "n"),
    Column("runs", "searches, one curve each", "int", "runs"),
    Column("sizes", "sizes of subnetworks, without none and all", "int", "sizes"),
    Column("full", "performance of the full model, nats", title="full", optional=True),
    Column("empty", "performance without any of the units, nats", title="empty", optional=True),
    Column(
        "cpr",
        "circuit performance ratio: the area below the share recovered, over sizes from 0 to 1; "
        "missing where full and empty model differ by less than three standard errors. Above 1 "
        "subnetworks do better than the model",
        title="CPR",
        digits=3,
        interval=True,
        optional=True,
    ),
    Column(
        "random_cpr",
        "the median of random orders; the interval holds 95 % of them",
        title="random CPR",
        digits=3,
        interval=True,
        optional=True,
    ),
    Column(
        "cmd",
        "circuit-model distance: the area between the share recovered and 1, 0 at best",
        title="CMD",
        digits=3,
        interval=True,
        optional=True,
        low=0,
    ),
    Column(
        "random_cmd",
        "the median of random orders; the interval holds 95 % of them",
        title="random CMD",
        digits=3,
        interval=True,
        optional=True,
        low=0,
    ),
    Column("note", "why there are no areas; empty where there are", "str", "note"),
    title="CPR and CMD",
)

CURVES = Table(
    "recovery",
    "The share of the full model’s performance that subnetworks of one size recover on one case.",
    *_SUBJECT,
    Column("kept", "units kept", "int", "kept", key=True),
    Column("size", "share of the units kept", title="size", form="percent"),
    Column(
        "recovered",
        "performance beyond that without units, as a share of the full model’s; averaged over runs",
        title="recovered",
        digits=3,
        interval=True,
        optional=True,
    ),
    Column(
        "random",
        "the median of random sets of this size; the interval holds 95 % of them",
        title="random",
        digits=3,
        interval=True,
        optional=True,
    ),
    title="What is recovered at each size",
)

TABLES = (AREAS, CURVES)
