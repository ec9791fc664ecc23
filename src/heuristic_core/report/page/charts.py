"""The page's interactive charts, as Vega-Lite made by Altair; the page's script gives them data.

Every chart reads rows by the name ``rows``. Colours come from the page, which is light or dark.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import altair as alt

from ..figures.look import BLUE, GREY, ORANGE

Chart = alt.LayerChart | alt.FacetChart

_ROWS = alt.NamedData("rows")
#: Pixels: a cell of the grid, the width and height of the other charts.
_CELL, _WIDTH, _HEIGHT = 25, 372, 250
#: Numbers without a measure's own form, as a browser's ``Intl.NumberFormat`` names them.
_THREE = {"minimumFractionDigits": 3, "maximumFractionDigits": 3}
_FORMS = {"small": _THREE, "change": {**_THREE, "signDisplay": "exceptZero"}}
#: The unit that is chosen, which no colour of a cell resembles.
_RING = "#c2006a"
_CHOSEN, _CURSOR, _CORE = (alt.datum[name] for name in ("chosen", "cursor", "core"))


@cache
def charts() -> dict[str, dict[str, Any]]:
    """Return all charts by name as Vega-Lite, how they look, and how small numbers are written."""
    kinds = (_grid, _course, _profile, _maps, _scatter, _graph)
    specs = {kind.__name__.strip("_"): kind().to_dict() for kind in kinds}
    return {**specs, "config": _config(), "forms": _FORMS}


@cache
def library() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script that fetches nothing."""
    import vl_convert  # starts a JavaScript engine

    return str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))


def _config() -> dict[str, Any]:
    """Return how all charts look: their text as the page's, their cells as those of its figures.

    The same direction of colours means more on a light page, on a dark one and on paper.
    """
    text = {"labelColor": "--soft", "titleColor": "--soft", "labelFontSize": 10}
    return {
        "background": None,
        "font": "system-ui, sans-serif",
        "view": {"stroke": None},
        "axis": {
            **text,
            "gridColor": "--line",
            "domain": False,
            "ticks": False,
            "titleFontSize": 11,
            "titleFontWeight": 400,
        },
        "legend": {**text, "tickCount": 4, "orient": "top"},
        "header": {"labelColor": "--ink", "labelFontSize": 11, "labelFontWeight": 600},
        "range": {
            "heatmap": {"scheme": "blues"},
            "ramp": {"scheme": "blues"},
            "diverging": ["#b3480a", ORANGE, "#f3ede6", BLUE, "#1b5c96"],
        },
    }


def _grid() -> Chart:
    """Layers down, heads across, MLPs beside: a panel for each subnetwork or run compared."""
    gap = alt.Scale(paddingInner=0.09)
    cells = (
        alt.Chart()
        .mark_rect(cornerRadius=2)
        .encode(
            x=alt.X(
                "across:O",
                sort=None,
                title=None,
                scale=gap,
                axis=alt.Axis(labelAngle=0, labelFontSize=9),
            ),
            y=alt.Y("layer:O", title=None, scale=gap, axis=alt.Axis(labelExpr="'L' + datum.value")),
            color=alt.Color(
                "value:Q",
                title=None,
                scale=alt.Scale(interpolate="rgb"),
                legend=alt.Legend(
                    orient="bottom",
                    direction="horizontal",
                    gradientLength=_WIDTH - 60,
                    titleLimit=0,
                ),
            ),
            stroke=alt.condition(_CORE == 1, alt.value(ORANGE), alt.value("transparent")),
            strokeWidth=alt.value(2),
            tooltip=[
                alt.Tooltip("unit:N", title="unit"),
                alt.Tooltip("text:N", title="value"),
                alt.Tooltip("in_core:N", title="in the core"),
            ],
        )
    )
    marked = (
        alt.Chart()
        .mark_rect(filled=False, cornerRadius=2)
        .encode(
            x=alt.X("across:O", sort=None),
            y="layer:O",
            stroke=alt.value(_RING),
            strokeWidth=alt.condition(_CHOSEN == 1, alt.value(3), alt.value(2)),
            strokeOpacity=alt.condition(_CHOSEN == 1, alt.value(1), alt.value(0.55)),
        )
        .transform_filter((_CHOSEN == 1) | (_CURSOR == 1))
    )
    return (
        alt.layer(cells, marked, data=_ROWS)
        .properties(width=alt.Step(_CELL), height=alt.Step(_CELL - 3))
        .facet(
            facet=alt.Facet(
                "panel:N",
                sort=alt.EncodingSortField("order"),
                title=None,
                header=alt.Header(labelAnchor="start", labelLimit=_WIDTH),
            ),
            columns=1,
        )
    )


def _course() -> Chart:
    """One measure over checkpoints: the chosen unit before all others."""
    base = alt.Chart(_ROWS).encode(
        x=alt.X("step:Q", title="step"),
        y=alt.Y("value:Q", title=None),
        detail="unit:N",
    )
    others = base.mark_line(strokeWidth=0.8, opacity=0.25, color="--soft")
    chosen = base.mark_line(strokeWidth=2.2, color=ORANGE, point={"size": 36, "color": ORANGE})
    return alt.layer(
        others.transform_filter(_CHOSEN == 0),
        chosen.encode(
            tooltip=["unit:N", "step:Q", alt.Tooltip("text:N", title="value")]
        ).transform_filter(_CHOSEN == 1),
    ).properties(width=_WIDTH - 50, height=110)


def _profile() -> Chart:
    """What the chosen head attends to, against chance, before and after fine-tuning."""
    marks = (
        alt.Chart(_ROWS)
        .mark_point(size=50, filled=True, opacity=0.9)
        .encode(
            x=alt.X("value:Q", title="attention over chance (1)", scale=alt.Scale(type="symlog")),
            y=alt.Y("of:N", title=None, sort=None, axis=alt.Axis(labelLimit=150)),
            color=alt.Color(
                "when:N",
                title=None,
                sort=alt.SortField("step"),
                scale=alt.Scale(range=[BLUE, ORANGE]),
            ),
            shape=alt.Shape("when:N", title=None, sort=alt.SortField("step")),
            tooltip=[
                alt.Tooltip("of:N", title="pattern"),
                alt.Tooltip("when:N", title="step"),
                alt.Tooltip("text:N", title="over chance"),
            ],
        )
    )
    one = alt.Chart(_ROWS).mark_rule(strokeDash=[3, 3], color="--soft").encode(x=alt.datum(1))
    return alt.layer(one, marks).properties(width=_WIDTH - 180, height=alt.Step(15))


def _maps() -> Chart:
    """What the chosen head attends to in one example: from tokens downwards to tokens across."""
    return (
        alt.Chart(_ROWS)
        .mark_rect()
        .encode(
            x=alt.X(
                "key:O",
                title=None,
                sort=None,
                axis=alt.Axis(
                    labelExpr="slice(datum.label, indexof(datum.label, ' ') + 1)", labelAngle=-90
                ),
            ),
            y=alt.Y(
                "query:O",
                title=None,
                sort=None,
                axis=alt.Axis(labelExpr="slice(datum.label, indexof(datum.label, ' ') + 1)"),
            ),
            color=alt.Color("value:Q", title=None, legend=None, scale=alt.Scale(domain=[0, 1])),
            tooltip=[
                alt.Tooltip("query:N", title="from"),
                alt.Tooltip("key:N", title="to"),
                alt.Tooltip("value:Q", title="attention", format=".2f"),
            ],
        )
        .properties(width=alt.Step(13), height=alt.Step(13))
        .facet(
            facet=alt.Facet("panel:N", sort=alt.EncodingSortField("order"), title=None), columns=1
        )
    )


def _scatter() -> Chart:
    """Any two measures of all units."""
    base = alt.Chart(_ROWS).encode(
        x=alt.X("x:Q", title=None),
        y=alt.Y("y:Q", title=None),
        tooltip=[
            alt.Tooltip("unit:N", title="unit"),
            alt.Tooltip("x_text:N", title="across"),
            alt.Tooltip("y_text:N", title="up"),
        ],
    )
    kinds = ["core head", "other head", "MLP"]
    points = base.mark_point(size=46, filled=True).encode(
        color=alt.Color(
            "kind:N",
            title=None,
            sort=None,
            scale=alt.Scale(domain=kinds, range=[ORANGE, GREY, BLUE]),
        ),
        shape=alt.Shape(
            "kind:N",
            title=None,
            sort=None,
            scale=alt.Scale(domain=kinds, range=["diamond", "circle", "square"]),
        ),
    )
    # All rows, so that nothing is scaled by the chosen one alone.
    ring = base.mark_point(size=170, color=_RING, strokeWidth=2.5).encode(
        opacity=alt.condition(_CHOSEN == 1, alt.value(1), alt.value(0))
    )
    named = base.mark_text(dy=-14, color="--ink", fontWeight="bold").encode(
        text=alt.condition(_CHOSEN == 1, "unit:N", alt.value(""))
    )
    return alt.layer(ring, points, named).properties(width=_WIDTH - 50, height=_HEIGHT)


def _graph() -> Chart:
    """Which heads read which: an arrow's width is how much more than by the layer's controls."""
    x, y = (
        alt.X(
            "x:Q",
            title="head",
            axis=alt.Axis(tickMinStep=1, grid=False),
            scale=alt.Scale(padding=12),
        ),
        alt.Y(
            "y:Q",
            title="layer",
            axis=alt.Axis(tickMinStep=1, grid=False),
            scale=alt.Scale(padding=12),
        ),
    )
    edges = (
        alt.Chart(_ROWS)
        .mark_rule()
        .encode(
            x=x,
            y=y,
            x2="x2:Q",
            y2="y2:Q",
            color=alt.Color(
                "from:N",
                title=None,
                sort=None,
                scale=alt.Scale(
                    domain=["from a core head", "from another head"], range=[ORANGE, GREY]
                ),
            ),
            strokeWidth=alt.StrokeWidth(
                "excess:Q", legend=None, scale=alt.Scale(domainMin=0, range=[0.4, 5])
            ),
            opacity=alt.condition(alt.datum["near"] == 1, alt.value(0.85), alt.value(0.12)),
            tooltip=[
                alt.Tooltip("unit:N", title="from"),
                alt.Tooltip("to:N", title="to"),
                alt.Tooltip("text:N", title="change"),
                alt.Tooltip("more:N", title="beyond controls"),
            ],
        )
        .transform_filter(alt.datum["edge"] == 1)
    )
    heads = alt.Chart(_ROWS).encode(x=x, y=y).transform_filter(alt.datum["edge"] == 0)
    return alt.layer(
        edges,
        heads.mark_point(filled=True, opacity=1, color="--ink").encode(
            size=alt.condition(_CHOSEN == 1, alt.value(160), alt.value(60)),
            tooltip=[alt.Tooltip("unit:N", title="head")],
        ),
        heads.mark_text(dy=-10, fontSize=9, color="--ink").encode(text="unit:N"),
    ).properties(width=_WIDTH - 50, height=_HEIGHT + 60)
