"""A made-up question that has every kind of drawing and every form of column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from heuristic_core.analysis.conclusions import Conclusions, conclude
from heuristic_core.analysis.evidence import Evidence
from heuristic_core.analysis.intervals import Estimate
from heuristic_core.analysis.question import Answer, Figure, Question, decide
from heuristic_core.columns import Column, Table
from heuristic_core.tables import SUBJECT

N_LAYERS, N_HEADS = 4, 6
CASES = ("in-domain", "mean", "ln_subject/object_swap", "sn_NP/S", "le_passive")
SECTIONS = (
    ("means over cases",) * 2 + ("adversarial cases, widest first",) * 2 + ("friendly cases",)
)
STEPS = (0, 250, 500, 1000, 2000, 4000)
TOKENS = ("repeated", "same", "previous", "punctuation")
NAN = float("nan")

FORMS = Table(
    "forms",
    "One row for each way of writing a number.",
    Column("name", "what is measured", "str", "name", brief=True, key=True),
    Column("n", "examples", "int", "n"),
    Column("clear", "whether it is clear", "bool", "clear"),
    Column("plain", "a number", title="plain", digits=3, brief=True),
    Column("share", "a share", title="share", form="percent", digits=1, brief=True),
    Column("change", "a difference, nats", title="change", form="signed", optional=True),
    Column("p", "its p-value, Holm-corrected", title="p", form="probability", brief=True),
    Column("sparsity_level", "hidden", "float"),
    Column("score", "an estimate", title="score", interval=True, optional=True, brief=True),
    Column("in_percent", "one too", title="accuracy %", form="percent", interval=True),
    title="Forms of numbers",
    top=2,
)
STRIPS = Table(
    "strips",
    "One mark.",
    Column("section", "group of cases", "str", key=True),
    Column("case", "case", "str", key=True),
    Column("series", "what is tested", "str"),
    Column("accuracy", "accuracy", title="accuracy", form="percent"),
    Column("measure", "AUROC or label bias", "str", key=True),
    Column("score", "the measure", title="score", interval=True),
    Column("draw", "search seed; 0 for the full model", "int", key=True),
)
LINES = Table(
    "lines",
    "One point of a line.",
    Column("step", "optimiser step", "int", "fine-tuning step", key=True),
    Column("at_sparsity", "sparsity", title="sparsity", key=True),
    Column("data", "kind of cases", "str", key=True),
    Column("draw", "search seed; missing for the mean", "int", optional=True, key=True),
    Column("size", "mean", title="effective size", form="percent", interval=True, optional=True),
)
UNITS = Table(
    "units",
    "One unit.",
    Column("unit", "the unit", "str", "unit", key=True),
    Column("change", "change of the AUROC", title="AUROC", digits=3, interval=True),
    Column("count", "subnetworks that keep it", "int", "kept"),
    Column("in_core", "whether it is in the core", "bool", "core"),
    Column("clear", "whether the change is clear", "bool"),
    title="Every unit",
    folded=True,
)
TOKENS_TABLE = Table(
    "tokens",
    "One head and one kind of token.",
    Column("head", "the head", "str", "head", key=True),
    Column("kind", "core heads or others", "str", key=True),
    Column("token", "kind of token", "str", "token", key=True),
    Column("times", "attention in multiples of chance", title="times chance", digits=1),
    Column("typical", "whether it names the head's type", "bool"),
)
EDGES = Table(
    "edges",
    "One edge.",
    Column("sender", "the core head", "str", "core head", key=True),
    Column("receiver", "the added head", "str", "added head", key=True),
    Column("reads", "what reads it", "str", key=True),
    Column("excess", "excess", title="excess", digits=3, interval=True),
)


def _estimate(value: float, half: float = 0.02) -> Estimate:
    return Estimate(value, value - half, value + half)


def _forms(scale: float) -> list[dict[str, Any]]:
    rows = []
    for i, name in enumerate(("first", "second", "third")):
        rows.append(
            {"name": name, "n": 1000 + i, "clear": i == 0, "plain": scale * (i - 1) / 3}
            | {"share": 0.7565 - i / 10, "change": None if i == 2 else (i - 0.5) * scale}
            | {"p": (1e-9, 0.0123, 0.5)[i], "sparsity_level": 0.5}
            | {"score": (None, _estimate(1.5), Estimate(2.0, NAN, NAN))[i]}
            | {"in_percent": _estimate(0.9 - i / 10)}
        )
    return rows


def _strips(rng: np.random.Generator) -> list[dict[str, Any]]:
    rows = []
    for section, case in zip(SECTIONS, CASES, strict=True):
        middle, width = (0.75, 0.01) if case == "in-domain" else (rng.uniform(0.1, 0.9), 0.3)
        for measure in ("AUROC", "label bias, nats"):
            for i in range(12):
                accuracy = float(np.clip(rng.normal(middle, width), 0, 1))
                score = accuracy if measure == "AUROC" else 20 * accuracy - 8
                rows.append(
                    {"section": section, "case": case, "measure": measure, "draw": i}
                    | {"accuracy": accuracy}
                    | {"series": "full model" if i == 0 else "subnetwork"}
                    | {"score": _estimate(score) if i == 0 else Estimate(score, NAN, NAN)}
                )
    return rows


def _lines(rng: np.random.Generator) -> list[dict[str, Any]]:
    rows = []
    for step in STEPS[1:]:
        for data, end in (("in-domain", 0.9), ("adversarial", 0.5), ("friendly", 0.95)):
            for kept in (0.0, 0.25, 0.5, 0.75):
                draws = [
                    float(np.clip(end - 0.5 * kept**2 + rng.normal(0, 0.03), 0, 1))
                    for _ in range(3)
                ]
                mean = float(np.mean(draws)) * step / 4000
                low, high = max(0.0, mean - 0.05), min(1.0, mean + 0.05)
                point = {"step": step, "at_sparsity": kept, "data": data}
                rows.append(point | {"size": Estimate(mean, low, high)})
                rows += [
                    point | {"draw": i, "size": Estimate(draw * step / 4000, NAN, NAN)}
                    for i, draw in enumerate(draws)
                ]
    return rows


def _units(rng: np.random.Generator) -> list[dict[str, Any]]:
    rows = []
    for layer in range(N_LAYERS):
        for head in (*range(N_HEADS), None):
            unit = f"L{layer}MLP" if head is None else f"L{layer}H{head}"
            change = float(rng.normal(0, 0.05)) - (0.6 if head is None else 0.0)
            rows.append(
                {"unit": unit, "change": _estimate(change), "clear": abs(change) > 0.06}
                | {"count": int(rng.integers(0, 13)), "in_core": unit in ("L1H2", "L2H5", "L3H0")}
            )
    return rows


def _tokens(rng: np.random.Generator) -> list[dict[str, Any]]:
    rows = []
    for head, kind in (("L1H2", "core"), ("L2H5", "core"), ("mean", "other heads")):
        scores = rng.gamma(1.2, 2, len(TOKENS))
        rows += [
            {"head": head, "kind": kind, "token": token, "times": float(score)}
            | {"typical": score == scores.max()}
            for token, score in zip(TOKENS, scores, strict=True)
        ]
    return rows


def _edges() -> list[dict[str, Any]]:
    edges = (
        ("L0H1", "L1H2", "query", 0.2),
        ("L0H1", "L3H0", "key", 0.4),
        ("L1H5", "L3H0", "value", 0.05),
        ("L1H5", "L3H0", "query", 0.3),
        ("L1H2", "L2H5", "value", 0.11),
    )
    keys = ("sender", "receiver", "reads")
    return [dict(zip(keys, edge, strict=False)) | {"excess": _estimate(edge[3])} for edge in edges]


def _answers(evidence: Evidence) -> list[Answer]:
    rng = np.random.default_rng(0)
    answers = []
    for i, (step, sparsity) in enumerate(((1000, 0.5), (4000, 0.5), (4000, 0.125), (4000, None))):
        strips, edges = _strips(rng), _edges()
        subject = {"finetune_seed": 1, "checkpoint": step, "sparsity": sparsity}
        answers.append(
            Answer(
                subject=subject | {"readout": "probe" if i == 1 else "model"},
                verdict=decide(
                    "the claim is true",
                    f"reason {i} with {NOTED[i]}",
                    supported=i == 1,
                    contradicted=i == 2,
                    measure="the full model's accuracy in-domain",
                    effect=Estimate(strips[0]["accuracy"], NAN, NAN),
                    p=0.01,
                ),
                rows={"forms": _forms(1 + i), "strips": strips, "lines": _lines(rng)}
                | {"units": _units(rng), "tokens": _tokens(rng), "edges": edges},
                caveat="These data leave it open." if i == 2 else "",
            )
        )
    return answers


NOTED = ("1 number", "2 numbers", "3 numbers", "4 numbers")
QUESTION = Question(
    key="made_up",
    asks="Is everything drawn?",
    claim="everything is drawn",
    page="made_up",
    subject=("finetune_seed", "checkpoint", "sparsity", "readout"),
    needs=(),
    answer=_answers,
    tables=(FORMS, STRIPS, LINES, UNITS, TOKENS_TABLE, EDGES),
    figures=(
        Figure(
            kind="strips",
            table="strips",
            columns={"x": "accuracy", "y": "case", "series": "series", "section": "section"},
            title="Subnetworks beside the full model",
            caption="Each mark is a subnetwork.",
            where={"measure": "AUROC"},
        ),
        Figure(
            kind="strips",
            table="strips",
            columns={"x": "score", "y": "case", "series": "series", "panel": "measure"},
            title="AUROC and label bias",
            caption="Left: separation. Right: bias.",
            reference=0.5,
        ),
        Figure(
            kind="strips",
            table="units",
            columns={"x": "change", "y": "unit", "panel": "in_core"},
            title="Panels below each other",
            caption="Units of the core and others.",
            where={"clear": True},
            label="change of the AUROC",
            reference=0.0,
        ),
        Figure(
            kind="lines",
            table="lines",
            columns={"x": "step", "y": "size", "series": "data", "detail": "draw"},
            title="Sizes over fine-tuning",
            caption="Faint lines are single seeds.",
            where={"at_sparsity": 0.5},
        ),
        Figure(
            kind="lines",
            table="lines",
            columns={
                "x": "at_sparsity",
                "y": "size",
                "series": "data",
                "panel": "step",
                "detail": "draw",
            },
            title="Sizes by what is kept",
            caption="A panel for each step.",
        ),
        Figure(
            kind="heatmap",
            table="tokens",
            columns={
                "x": "token",
                "y": "head",
                "value": "times",
                "outline": "typical",
                "section": "kind",
            },
            title="What heads attend to",
            caption="Multiples of chance; outlined is the type.",
            reference=1.0,
        ),
        Figure(
            kind="heatmap",
            table="lines",
            columns={"x": "step", "y": "data", "value": "size"},
            title="Every case at every checkpoint",
            caption="Light is low.",
            where={"at_sparsity": 0.0, "draw": 0},
        ),
        Figure(
            kind="units",
            table="units",
            columns={"unit": "unit", "value": "change", "outline": "in_core", "bold": "clear"},
            title="Every unit removed alone",
            caption="Orange hurts, blue helps.",
        ),
        Figure(
            kind="units",
            table="units",
            columns={"unit": "unit", "value": "count", "outline": "in_core"},
            title="How many subnetworks keep a unit",
            caption="Of 12.",
        ),
        Figure(
            kind="graph",
            table="edges",
            columns={
                "source": "sender",
                "target": "receiver",
                "weight": "excess",
                "series": "reads",
            },
            title="What depends on the core",
            caption="Width is the excess.",
        ),
    ),
    limits=("It says nothing about the world.",),
)


def concluded(questions: Sequence[Question] = (QUESTION,)) -> Conclusions:
    """Answer the made-up question."""
    assert set(QUESTION.subject) <= {column.name for column in SUBJECT}
    return conclude(Evidence({}), questions)
