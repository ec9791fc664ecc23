"""What a run measured about one case, in a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pandas as pd
from rich.console import Console
from rich.text import Text

from ..columns import Column, Table
from ..errors import unknown
from ..tables import DISCRIMINATION, MODEL_NAMES, REMOVED_NAMES, SUBJECT, SYSTEM_NAMES
from .results import Results
from .tables import view
from .terminal import render_table
from .wording import count, level, listing, name, unbroken

_CASE = ["suite", "case"]
_ABOUT = {column.name: column for column in SUBJECT}
_ACCURACY = Column("accuracy", "share answered correctly", title="right", digits=1, form="percent")
_AUROC = "AUROC against its friendly counterparts"
_ERROR = "its standard error"

SYSTEMS = Table(
    "case_systems",
    "What one system answers in the case.",
    *(_ABOUT[key] for key in ("finetune_seed", "checkpoint", "method")),
    Column("system", "the full model, or a subnetwork's sparsity and seed", "str", "system"),
    _ACCURACY,
    Column("kl", "mean KL from the full model, nats", title="KL", digits=3),
    Column("margin", "mean log-odds of the right label, nats", title="margin"),
    Column("auc", _AUROC, title="AUROC", digits=3),
    Column("auc_se", _ERROR, title="SE", digits=3),
    Column("bias", "label bias, nats", title="bias"),
    title="Answers",
)
REMOVALS = Table(
    "case_removals",
    "What removing units from the full model does in the case.",
    *(_ABOUT[key] for key in ("finetune_seed", "checkpoint", "readout")),
    Column("group", "the group of units; of many, those that matter most", "str", "group"),
    Column("units", "the units", "str", "removed"),
    _ACCURACY,
    Column("margin_change", "change of the margin, nats", title="margin", form="signed"),
    Column("margin_change_se", _ERROR, title="SE"),
    Column("auc_change", "change of the AUROC", title="AUROC", digits=3, form="signed"),
    title="Removals",
)
#: How many removals of a group are shown: those that change the margin most.
_STRONGEST = 3
#: So many units are named.
_NAMED = 3
#: Groups in the order in which they are shown; a study's own come before.
_GROUPS = ("core", "control", "pair", "single")


def render_case(results: Results, console: Console, case: str) -> None:
    """Print what a run measured about one case: answers, discrimination, removals, an example.

    Args:
        results: The run's results.
        console: Where to; nothing from the results is read as markup.
        case: The case's name.

    Raises:
        InputError: If the run has no such case.
    """
    evaluations = results.measured["evaluations"]
    own = evaluations[evaluations["case"] == case]
    if own.empty:
        raise unknown("case", case, sorted(evaluations["case"].unique()))
    for suite, rows in own.groupby("suite", sort=False):
        _suite(results, console, rows, str(suite), case)


def _suite(results: Results, console: Console, rows: pd.DataFrame, suite: str, case: str) -> None:
    tables = {
        key: frame[(frame["suite"] == suite) & (frame["case"] == case)]
        for key, frame in results.measured.items()
        if {*_CASE} <= set(frame)
    }
    first = rows.iloc[0]
    console.print(Text(name(case), style="bold"))
    facts = f"{first['case_kind']}, {count(int(first['n']), 'example')} of the suite {name(suite)}"
    console.print(Text(facts))
    for text in _examples(tables["attention_examples"]):
        console.print(Text(text, style="dim"))
    systems = tables["evaluations"].merge(
        tables[DISCRIMINATION.name].drop(columns="n"), "left", [*SYSTEM_NAMES, *_CASE]
    )
    if systems.loc[systems["kind"] != "full", "method"].nunique() < 2:
        systems = systems.assign(method="")
    systems = systems.assign(
        accuracy=systems["correct"] / systems["n"],
        system=[_system(row) for row in systems.to_dict("records")],
    ).sort_values(["kind", *SYSTEM_NAMES], kind="stable")
    render_table(console, view(SYSTEMS, systems))
    removals = _strongest(tables["removal"])
    if len(removals):
        keys = [*REMOVED_NAMES, *_CASE]
        changes = tables["removal_discrimination"][[*keys, "auc_change"]]
        removals = removals.merge(changes, "left", keys)
        removals = removals.assign(
            accuracy=removals["correct"] / removals["n"],
            units=[_units(text) for text in removals["removed"]],
        )
        render_table(console, view(REMOVALS, removals))


def _examples(examples: pd.DataFrame) -> Iterator[str]:
    """Show the example whose attention maps are kept, as the last checkpoint answers it."""
    for _, rows in examples.groupby("finetune_seed"):
        last = rows.loc[rows["checkpoint"].idxmax()]
        words = name(" ".join(json.loads(last["tokens"])), 400)
        yield (
            f"such as: {words} ({name(last['label'])}; the model of step {last['checkpoint']} "
            f"says {name(last['answer'])})"
        )


def _strongest(removals: pd.DataFrame) -> pd.DataFrame:
    """Keep of every group the removals that change the margin most, the strongest first."""
    some = removals[removals["group"] != "none"]
    ranked = some.assign(
        place=[_GROUPS.index(g) if g in _GROUPS else -1 for g in some["group"]],
        size=-some["margin_change"].abs(),
    ).sort_values([*MODEL_NAMES, "readout", "place", "group", "size"], kind="stable")
    return ranked.groupby([*MODEL_NAMES, "readout", "group"], sort=False).head(_STRONGEST)


def _system(row: dict) -> str:
    if row["kind"] == "full":
        return "full model"
    return unbroken(f"{level(row['sparsity'])}, seed {row['seed']}")


def _units(removed: str) -> str:
    units = removed.split("+")
    return listing(units) if len(units) <= _NAMED else count(len(units), "unit")
