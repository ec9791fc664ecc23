"""What removing single units does, and the core beside matched groups of other heads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...analysis.effects import Answerer, answerers
from ..results import Results
from ..table import place
from ..wording import SPACE, count, known, listing, name, number
from .canvas import ADVERSARIAL, INK, NEUTRAL, Drawing, identify, to_svg
from .grid import DARK, HARM_TO_HELP, cell, outline, unit_grid

Found = Mapping[str, Any]
#: Controls that would cover each other are moved by so much of a row.
_LIFTS = (0.0, 0.14, -0.14, 0.26, -0.26)


def effect_grid(results: Results, found: Found) -> Drawing | None:
    """Draw the change of generalisation by the removal of each unit, the core outlined.

    Args:
        results: The run's results.
        found: One entry of the analysis ``removal``.
    """
    by_area = found["measure"] == "area under the curve"
    effects = {
        unit["unit"]: value
        for unit in found["units"]
        if (value := _effect(unit, by_area)) is not None and known(value)
    }
    if not effects:
        return None
    figure, places = unit_grid(effects, 1.25)
    axis = figure.axes[0]
    of_heads = [abs(value) for unit, value in effects.items() if "H" in unit]
    most = max(of_heads or map(abs, effects.values())) or 1.0
    units = {unit["unit"]: unit for unit in found["units"]}
    for unit, (x, y) in places.items():
        value, clear = effects[unit], units[unit]["p_value"] < 0.05
        colour = HARM_TO_HELP(0.5 + 0.5 * max(-1.0, min(1.0, value / most)))
        cell(axis, x, y, colour, _written(value, by_area), bold=clear, size=7.6)
        if units[unit]["in_core"]:
            outline(axis, x, y, DARK)
    title = _title("Every unit removed alone", results, found)
    identity = identify("removal", found)
    worst = [f"{unit} ({_written(effects[unit], by_area)})" for unit in list(effects)[:3]]
    what = (
        "the area under the curve, in hundredths"
        if by_area
        else f"the {name(found['measure'])}, in nats"
    )
    return Drawing(
        identity,
        title,
        f"Change of {what}, when a unit is removed: orange hurts, blue helps, bold is clear "
        "beyond correction; colours end at the strongest head. "
        + (
            f"Outlined: the {count(len(found['core']), 'head')} of the core."
            if found["core"]
            else "No core was removed beside them."
        ),
        to_svg(
            figure,
            identity,
            title,
            f"Grid of layers by heads and MLPs. The most harmful removals: {listing(worst)}.",
        ),
    )


def _effect(unit: Found, by_area: bool) -> float | None:
    if by_area:
        return None if unit["auc"] is None else unit["auc"]["value"]
    margin = unit["margin"].get("balanced", unit["margin"].get("adversarial"))
    return None if margin is None else margin["value"]


def _written(value: float, by_area: bool) -> str:
    text = number(100 * value if by_area else value, 0 if by_area and abs(value) >= 0.0995 else 1)
    return "0" if text == "0.0" else text


def _title(words: str, results: Results, found: Found) -> str:
    where = [place(results, found)]
    if found["head"] == "probe":
        where.append("a probe on frozen features answers")
    where = [word for word in where if word]
    return words + (f" ({', '.join(where)})" if where else "")


def core_and_controls(results: Results) -> list[Drawing]:
    """Draw for each model and head that answers the core's removal beside the controls'."""
    found = {_key(entry): entry for entry in results.analysis.get("core_removal", ())}
    tables = [results.measurements(name) for name in ("removal", "removal_discrimination")]
    if not found:
        return []
    return [
        _strips(results, found[key], answers)
        for answers in answerers(*tables)
        if (key := (answers.finetune_seed, answers.checkpoint, answers.head)) in found
    ]


def _key(entry: Found) -> tuple[int, int, str]:
    return entry["finetune_seed"], entry["checkpoint"], entry["head"]


def _strips(results: Results, found: Found, answers: Answerer) -> Drawing:
    panels = [
        [m for m in found["measures"] if (m["measure"] == "area under the curve") == area]
        for area in (True, False)
    ]
    panels = [some for some in panels if some]
    heights = [len(some) for some in panels]
    figure = Figure(figsize=(7.4, 0.46 * sum(heights) + 0.62 * len(panels) + 0.2))
    axes = figure.subplots(
        len(panels),
        1,
        squeeze=False,
        gridspec_kw={"height_ratios": heights, "hspace": 0.62, "left": 0.22, "right": 0.99},
    )[:, 0]
    for axis, some in zip(axes, panels, strict=True):
        _panel(axis, some, answers)
    handles = [
        axes[0].plot([], [], "D", color=ADVERSARIAL, markersize=7, label="the core removed")[0],
        axes[0].plot([], [], "o", color=NEUTRAL, markersize=5, label="a matched group removed")[0],
    ]
    figure.legend(
        handles=handles, loc="lower center", bbox_to_anchor=(0.55, 0.9), ncols=2, frameon=False
    )
    title = _title("The core removed, beside other groups of heads", results, found)
    identity = identify("core-removal", found)
    first = found["measures"][0]
    n = count(found["n_controls"], "group")
    return Drawing(
        identity,
        title,
        f"Changes when all {len(found['core'])} heads of the core are removed, with 95{SPACE}% "
        f"intervals, and when each of {n} of as many other heads of the same layers is; left of 0 "
        f"it hurts. The band is where 95{SPACE}% of such groups would lie: if the core mattered no "
        "more than other heads, so should its mark.",
        to_svg(
            figure,
            identity,
            title,
            f"{name(first['measure']).capitalize()}: {number(first['core']['value'], 2)} without "
            f"the core; {number(first['lowest'], 2)} to {number(first['highest'], 2)} without "
            f"{n}.",
        ),
    )


def _panel(axis: Axes, some: Sequence[Found], answers: Answerer) -> None:
    axis.axvline(0, color=INK, linewidth=0.9)
    axis.set_ylim(len(some) - 0.5, -0.5)
    values = [_controls(measure["measure"], answers) for measure in some]
    ends = [v for row in values for v in row]
    ends += [m["core"][key] for m in some for key in ("value", "low", "high")]
    known_ends = [v for v in (*ends, 0.0) if known(v)]
    width = (max(known_ends) - min(known_ends)) or 1.0
    for y, (measure, row) in enumerate(zip(some, values, strict=True)):
        expected = [measure["core"]["value"] - measure["beyond"][end] for end in ("high", "low")]
        if all(map(known, expected)):
            (band,) = axis.plot(expected, [y, y], color=NEUTRAL, linewidth=11, alpha=0.25)
            band.set_solid_capstyle("butt")
        places: list[tuple[float, float]] = []
        for value in sorted(row):
            taken = {lift for x, lift in places if abs(x - value) < 0.012 * width}
            places.append((value, next((lift for lift in _LIFTS if lift not in taken), 0.0)))
        (dots,) = axis.plot(
            [x for x, _ in places],
            [y - lift for _, lift in places],
            "o",
            color=NEUTRAL,
            markersize=5,
            alpha=0.75,
            markeredgewidth=0,
        )
        label = measure["measure"].replace(" ", "-")
        dots.set_gid(f"controls-{label}")
        core = measure["core"]
        if known(core["low"]) and known(core["high"]):
            axis.plot([core["low"], core["high"]], [y, y], color=ADVERSARIAL, linewidth=1.8)
        (mark,) = axis.plot([core["value"]], [y], "D", color=ADVERSARIAL, markersize=8, zorder=4)
        mark.set_gid(f"core-{label}")
    axis.set_yticks(range(len(some)), [m["measure"] for m in some])
    axis.grid(True, axis="x", color=INK, alpha=0.13, linewidth=0.6)
    axis.set_axisbelow(True)
    axis.tick_params(length=0)
    for side in ("left", "bottom"):
        axis.spines[side].set_visible(False)
    area = some[0]["measure"] == "area under the curve"
    axis.set_xlabel("change of the area" if area else "change of the margin, nats")


def _controls(measure: str, answers: Answerer) -> list[float]:
    part = measure.removesuffix(" margin").replace("in-domain", "in_domain")
    effects = [
        control.auc if measure == "area under the curve" else control.margin.get(part)
        for control in answers.controls
    ]
    return [effect.value for effect in effects if effect is not None]
