"""Tables of the units' roles: which side their removal helps, and what they speak for."""

from __future__ import annotations

from ...analysis.roles import NONE
from ..results import Results
from ..table import Column, Row, Table, estimate_column, estimate_fields, estimated
from ..wording import NOTHING, name, scientific
from .removal import ID, ID_COLUMNS


def role_table(results: Results) -> Table:
    """List how many units have each role, and which."""
    rows = []
    for found in results.analysis.get("roles", ()):
        model = {key: found[key] for key in ID}
        helping = " ".join(map(name, found["helping"]))
        rows.append(
            model
            | {"role": "raises the adversarial margin and discrimination"}
            | {"n": len(found["helping"]), "units": helping}
        )
        for role, n in found["counts"].items():
            some = [name(unit["unit"]) for unit in found["units"] if unit["role"] == role]
            rows.append(model | {"role": role, "n": n, "units": " ".join(some)})
    return Table(
        "roles",
        "What removing a unit does",
        "How many units there are of each role, as far as changes of margins are clear beyond "
        "correction. The first line is what a unit must do to hold a heuristic whose removal "
        "helps out of domain.",
        (*ID, "role", "n", "units"),
        (
            *ID_COLUMNS,
            Column("role", lambda r: name(r["role"]), text=True),
            Column("units", lambda r: str(r["n"])),
            Column("which", _few, text=True),
        ),
        tuple(rows),
    )


_FEW = 10


def _few(row: Row) -> str:
    return _shortened([] if row["role"] == NONE else row["units"].split())


def _shortened(labels: list[str]) -> str:
    more = f" and {len(labels) - _FEW} more" if len(labels) > _FEW else ""
    return " ".join(labels[:_FEW]) + more or NOTHING


def unit_role_table(results: Results) -> Table:
    """List every unit with what its removal changes on either side."""
    changes = ("adversarial", "friendly", "discrimination", "lean", "auc")
    p_values = ("p_adversarial", "p_friendly", "p_discrimination")
    rows = []
    for found in results.analysis.get("roles", ()):
        for unit in found["units"]:
            row = {key: found[key] for key in ID}
            row |= {key: unit[key] for key in ("unit", "role", *p_values)}
            row["helps"] = unit["unit"] in found["helping"]
            for key in changes:
                row |= estimated(key, unit[key])
            rows.append(row)
    return Table(
        "unit-roles",
        "Every unit’s role, the most helpful removal first",
        "Changes of margins in nats and of the area under the curve [95 % intervals]; told apart: "
        "mean of both sides’ changes; lean: half their difference, above 0 towards the "
        "adversarial label. p: of the change of the area, else of “told apart”, corrected.",
        (*ID, "unit", "role", "helps", *estimate_fields(*changes), *p_values),
        (
            *ID_COLUMNS,
            Column("unit", lambda r: name(r["unit"]), text=True),
            Column("role", lambda r: name(r["role"]), text=True),
            estimate_column("adversarial", "adversarial", 2),
            estimate_column("friendly", "friendly", 2),
            estimate_column("told apart", "discrimination", 2),
            estimate_column("lean", "lean", 2),
            estimate_column("AUC", "auc", 3),
            Column("p", lambda r: scientific(r["p_discrimination"])),
        ),
        tuple(rows),
        folded=True,
    )


def side_table(results: Results) -> Table:
    """List which units speak for each label."""
    rows = []
    for found in results.analysis.get("sides", ()):
        by_name = {unit["unit"]: unit for unit in found["units"]}
        for label, units in found["speakers"].items():
            row = {key: found[key] for key in ID} | {"label": label, "n": len(units)}
            row |= estimated("lean", by_name[units[0]]["lean"][label] if units else None)
            rows.append(row | {"units": " ".join(map(name, units))})
    return Table(
        "sides",
        "Which units speak for which label",
        "Units without which cases of a label are clearly answered worse and those of every other "
        "label better, whatever is right, beyond correction. Strongest: by how many nats the first "
        "of them speaks for the label [95 % interval].",
        (*ID, "label", "n", "units", *estimate_fields("lean")),
        (
            *ID_COLUMNS,
            Column("label", lambda r: name(r["label"]), text=True),
            Column("units", lambda r: str(r["n"])),
            estimate_column("strongest", "lean", 2),
            Column("which", _few_speakers, text=True),
        ),
        tuple(rows),
    )


def _few_speakers(row: Row) -> str:
    return _shortened(row["units"].split())
