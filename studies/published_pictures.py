"""The three pictures of the published study's page, drawn as the report draws its figures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

from heuristic_core.analysis.question import DrawingKind, Figure
from heuristic_core.columns import Column, Table
from heuristic_core.report.figures import Drawing
from heuristic_core.report.figures.look import ORANGE, PURPLE, Look
from heuristic_core.report.figures.plot import Plot
from heuristic_core.units import Unit
from published_parts import SEEN, UNSEEN, seen_cases
from published_sections import over_sparsity
from published_tables import Arms, last_of, with_accuracy

#: Cases of each kind in the picture of the spread: those with the widest spread in any arm.
_SHOWN = 3
_SECTIONS = {
    "in-domain": "in-domain",
    "seen": "adversarial, seen in training by the augmented arms",
    "adversarial": "adversarial, unseen by all arms",
    "friendly": "friendly",
}
_ACCURACY = Column("accuracy", "accuracy", "float", "accuracy", form="percent")


def pictures(arms: Arms) -> dict[str, str]:
    """Draw the pictures; return them as SVG by the name of their file."""
    return {"spread": _spread(arms), "sparsity": _sparsity(arms), "core": _core(arms)}


def _spread(arms: Arms) -> str:
    """Draw the accuracy of the models and of their sparsest subnetworks, case by case."""
    tables = []
    for arm, results in arms.items():
        table = with_accuracy(last_of(results.measured["evaluations"]))
        table = table[table["sparsity"].isin([0, table["sparsity"].max()])]
        series = (table["sparsity"] > 0).map({True: "subnetwork", False: "full model"})
        tables.append(table.assign(arm=arm, series=series))
    rows = pd.concat(tables, ignore_index=True)
    seen = set().union(*(seen_cases(results) for results in arms.values()))
    kinds = rows["case_kind"].mask(rows["role"] == "id", "in-domain")
    kinds = kinds.mask((kinds == "adversarial") & rows["case"].isin(seen), "seen")
    rows = rows.assign(section=pd.Categorical(kinds.map(_SECTIONS), [*_SECTIONS.values()]))
    pruned = rows[rows["series"] == "subnetwork"].groupby(["case", "arm"])["accuracy"]
    width = (pruned.max() - pruned.min()).groupby("case").max()
    places = rows.drop_duplicates("case").assign(width=lambda some: some["case"].map(width))
    places = places.sort_values(["section", "width"], ascending=[True, False], kind="stable")
    shown = places.groupby("section", observed=True).head(_SHOWN)["case"].tolist()
    rows = rows[rows["case"].isin(shown)]
    order = rows.assign(
        arm=rows["arm"].map([*arms].index), case=rows["case"].map(shown.index)
    ).sort_values(["arm", "case"], kind="stable")
    columns = {"x": "accuracy", "y": "case", "section": "section", "series": "series"}
    return _drawn(
        "spread",
        "strips",
        rows.loc[order.index],
        "Accuracy of the full model and of each of its subnetworks at 50 % sparsity",
        columns | {"panel": "arm"},
    )


def _sparsity(arms: Arms) -> str:
    """Draw the last models' mean accuracy by sparsity."""
    tables = []
    for arm, results in arms.items():
        means = over_sparsity(results).rename_axis("cases").stack().rename("accuracy")
        tables.append(means.reset_index().assign(arm=arm))
    rows = pd.concat(tables, ignore_index=True)
    columns = {"x": "sparsity", "y": "accuracy", "series": "cases", "panel": "arm"}
    return _drawn(
        "sparsity",
        "lines",
        rows,
        "Mean accuracy of the last models by sparsity",
        columns,
        Look(palette={SEEN: ORANGE, UNSEEN: PURPLE}),
    )


def _core(arms: Arms) -> str:
    """Draw how many of the sparsest subnetworks of all arms keep each unit."""
    rows = kept_units(arms)
    return _drawn(
        "core",
        "units",
        rows,
        f"How many of the {rows['of'].max()} subnetworks of three fine-tunings keep each unit",
        {"value": "kept", "unit": "unit", "outline": "in_all", "bold": "in_all"},
    )


def kept_units(arms: Arms) -> pd.DataFrame:
    """Count how many of the sparsest subnetworks of all arms keep each unit."""
    tables = []
    for results in arms.values():
        units = results.measured["subnetworks"]
        units = units[units["sparsity"] == units["sparsity"].max()]
        tables.append(units.groupby(["layer", "head"])["kept"].agg(["sum", "size"]))
    kept = pd.concat(tables).groupby(["layer", "head"]).sum().reset_index()
    kept = kept.rename(columns={"sum": "kept", "size": "of"})
    names = [
        str(Unit(layer, head if head >= 0 else None))
        for layer, head in zip(kept["layer"], kept["head"], strict=True)
    ]
    return kept.assign(unit=names, in_all=kept["kept"] == kept["of"])


def _drawn(
    name: str,
    kind: DrawingKind,
    rows: pd.DataFrame,
    title: str,
    columns: Mapping[str, str],
    look: Look | None = None,
) -> str:
    """Draw rows as one of the report's kinds of figures, on white."""
    types: dict[str, Any] = {"i": "int", "f": "float", "b": "bool"}
    known = {"accuracy": _ACCURACY, "sparsity": Column("sparsity", "sparsity", "float", "sparsity")}
    declared = [
        known.get(key) or Column(key, key, types.get(rows[key].dtype.kind, "str"), key)
        for key in dict.fromkeys(columns.values())
    ]
    spec = Figure(kind=kind, table=name, columns=columns, title=title, caption="")
    drawing = Drawing(
        name=name,
        kind=kind,
        title=title,
        caption="",
        subject={},
        plot=Plot(spec, Table(name, title, *declared), rows),
    )
    return on_white(drawing.file("svg", look).decode())


def on_white(svg: str) -> str:
    """Put a white ground behind a figure, so that it can be read on a dark page."""
    ground = '</desc>\n<rect width="100%" height="100%" fill="#ffffff"/>'
    return re.sub("</desc>", ground, svg, count=1)
