"""Tables of what heads attend to, after fine-tuning and before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..results import Results
from ..table import (
    MODEL_COLUMNS,
    Column,
    Table,
    estimate_column,
    estimate_fields,
    estimated,
)
from ..wording import NOTHING, change, name, scientific, share

_ID = ("finetune_seed", "checkpoint", "suite", "weighting")
_ID_COLUMNS = (
    *MODEL_COLUMNS[:2],
    Column("suite", lambda r: name(r["suite"]), text=True, only_if_varied=True),
    Column("weighting", lambda r: name(r["weighting"]), text=True, only_if_varied=True),
)


def type_table(results: Results) -> Table:
    """List what the core's heads attend to most, beside other heads."""
    rows: list[dict[str, Any]] = []
    for found in results.analysis.get("patterns", ()):
        row = {key: found[key] for key in _ID}
        row |= {part: _counts(found[part]) for part in ("core_types", "other_types")}
        row |= estimated("core_shallow", found["core_shallow"])
        row |= estimated("other_shallow", found["other_shallow"])
        contrast = found["shallow"] or {}
        row |= estimated("difference", contrast.get("difference"))
        rows.append(row | {"p_value": contrast.get("p_value")})
    return Table(
        "head-types",
        "What the core’s heads attend to",
        "How many heads attend to which kind of token most, if clearly above 1.5 times chance; "
        "“none” otherwise. Shallow: share of heads that clearly follow repeated (in pairs), "
        "previous, next or [SEP] tokens. Difference: core less other heads of the same layers, in "
        "doublings of attention above chance [95 % interval]; p is corrected.",
        (
            *_ID,
            "core_types",
            "other_types",
            *estimate_fields("core_shallow", "other_shallow", "difference"),
            "p_value",
        ),
        (
            *_ID_COLUMNS,
            Column("core", lambda r: r["core_types"] or NOTHING, text=True),
            Column("others", lambda r: r["other_types"] or NOTHING, text=True),
            Column("shallow %", lambda r: share(r["core_shallow"], 0)),
            Column("others’ %", lambda r: share(r["other_shallow"], 0)),
            estimate_column("difference", "difference", 2),
            Column("p", lambda r: scientific(r["p_value"])),
        ),
        tuple(rows),
    )


def _counts(types: Mapping[str, int]) -> str:
    return ", ".join(f"{name(pattern)} {n}" for pattern, n in types.items())


def head_table(results: Results) -> Table:
    """List each core head with its type, score and confidence."""
    keys = ("unit", "pattern", "confidence", "attention")
    rows = [
        {key: found[key] for key in _ID}
        | {key: head[key] for key in keys}
        | estimated("score", head["score"])
        | {"follows": " ".join(map(name, head["follows"]))}
        for found in results.analysis.get("patterns", ())
        for head in found["heads"]
        if head["in_core"]
    ]
    return Table(
        "core-head-types",
        "The type of each core head",
        "Score: attention to such tokens in multiples of chance, mean over examples [95 % "
        "interval]. Confidence: share of bootstrap draws of examples in which this kind scores "
        "highest. Follows: all kinds clearly above 1.5 times chance.",
        (*_ID, *keys, *estimate_fields("score"), "follows"),
        (
            *_ID_COLUMNS,
            Column("head", lambda r: name(r["unit"]), text=True),
            Column("attends to", lambda r: name(r["pattern"]), text=True),
            estimate_column("score", "score"),
            Column("confidence %", lambda r: share(r["confidence"], 0)),
            Column("attention %", lambda r: share(r["attention"], 0)),
            Column("follows", lambda r: r["follows"] or NOTHING, text=True),
        ),
        tuple(rows),
        folded=True,
    )


def repeated_table(results: Results) -> Table:
    """List the core's heads for repeated tokens before and after fine-tuning."""
    ids = ("finetune_seed", "suite", "weighting", "checkpoint")
    rows = [
        {key: found[key] for key in ids}
        | {"unit": head["unit"], "already": head["already"]}
        | estimated("before", head["before"])
        | estimated("after", head["after"])
        for found in results.analysis.get("repeated", ())
        for head in found["heads"]
    ]
    return Table(
        "repeated",
        "Core heads for repeated tokens, before and after fine-tuning",
        "Attention to repeated tokens in multiples of chance [95 % intervals]. Before: whether it "
        "was clearly above 1.5 before fine-tuning, or clearly below.",
        (*ids, "unit", *estimate_fields("before", "after"), "already"),
        (
            *_ID_COLUMNS,
            Column("head", lambda r: name(r["unit"]), text=True),
            estimate_column("before", "before"),
            estimate_column("after", "after"),
            Column("change", lambda r: change(r["after"] - r["before"])),
            Column("already before", lambda r: _ALREADY[r["already"]], text=True),
        ),
        tuple(rows),
    )


_ALREADY = {True: "yes", False: "no", None: "not clear"}
