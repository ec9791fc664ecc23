"""The command that evaluates models and subnetworks, of a run or of the user."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from rich import box
from rich.table import Table
from rich.text import Text

from ..errors import InputError, unknown
from ..measure.accuracy import evaluate as evaluate_model
from ..measure.assignments import check_labels
from ..measure.removal import removal
from ..models.classifier import Classifier
from ..models.labels import read_label_map
from ..models.loading import load_model
from ..search.data import means
from ..storage import digest, write_table
from ..study.config import EvaluationConfig
from ..study.gather import gather
from ..study.run import RunOptions, evaluate_run, load_study_task, pick_device
from ..study.run_folder import open_run
from ..study.watch import Watch
from ..subnetwork import Subnetwork
from ..tasks import load_suite, load_task
from ..tasks.task import Suite
from .console import (
    DataOption,
    DeviceOption,
    JsonOption,
    LabelsOption,
    MaxLengthOption,
    command_line,
    err,
    out,
    print_json,
)


def evaluate(
    target: Annotated[str, typer.Argument(help="A run folder, a model folder, or a hub id.")],
    suite: Annotated[
        str | None, typer.Option(help="A suite by name, such as hans. [default: the task's own]")
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            "--task",
            help="For a model: task of suites and means, or a task file. [default: hans-grammar]",
            show_default=False,
        ),
    ] = None,
    case: Annotated[list[str] | None, typer.Option(help="Only this case; repeatable.")] = None,
    per_case: Annotated[
        str | None,
        typer.Option(help="Examples of each case of --suite: a number, or all. [default: 100]"),
    ] = None,
    subnetwork: Annotated[
        Path | None, typer.Option(help="For a model: evaluate this saved subnetwork of it.")
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(help="For a model: remove this unit, such as L4H0; repeatable."),
    ] = None,
    device: DeviceOption = "auto",
    dtype: Annotated[
        str | None,
        typer.Option(
            "--dtype", help="For a model: weight type. [default: float32]", show_default=False
        ),
    ] = None,
    bf16: Annotated[
        bool | None,
        typer.Option(
            "--bf16/--no-bf16",
            help="Compute in bfloat16 where that is safe. [default: as in the run; for a model, "
            "no]",
            show_default=False,
        ),
    ] = None,
    labels: LabelsOption = None,
    max_length: MaxLengthOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Evaluate a run's models and subnetworks, or one model, on every case of a suite."""
    n = _count(per_case or "100")
    if per_case is not None and suite is None:
        raise InputError(
            "--per-case is for --suite; how many examples the task's own suites have, the task says"
        )
    suites = None if suite is None else [load_suite(suite, data=data, per_case=n)]
    if os.path.isfile(Path(target) / "study.json"):
        for_models = {
            "--task": task,
            "--subnetwork": subnetwork,
            "--without": without,
            "--dtype": dtype,
            "--labels": labels,
            "--max-length": max_length,
        }
        for option, value in for_models.items():
            if value:
                raise InputError(f"{option} is for a model; a run has its own: leave it out")
        _evaluate_run(Path(target), suites, case, per_case or "100", device, data, as_json, bf16)
        return
    if os.path.isdir(Path(target) / "cells"):
        raise InputError(f"{target} is a run folder without study.json; start the run again")
    _check_rounding(bf16, dtype or "float32")
    loaded = load_task(task or "hans-grammar", data=data)
    classifier = load_model(
        target,
        device=pick_device(device),
        dtype=dtype or "float32",
        max_length=128 if max_length is None else max_length,
        labels=None if labels is None else read_label_map(labels),
    )
    chosen = [s.for_labels(classifier.labels) for s in _only(suites or list(loaded.suites), case)]
    check_labels(classifier, chosen, [*chosen, *loaded.suites])
    system = _system(classifier, loaded.search, subnetwork, without)
    _warn_truncated(classifier, chosen)
    table = evaluate_model(classifier, chosen, subnetwork=system, bf16=bool(bf16))
    table.insert(5, "accuracy", table["correct"] / table["n"])
    if as_json:
        print_json(table.to_dict("records"))
    else:
        out().print(_rich(table))


def _evaluate_run(
    folder: Path,
    suites: list[Suite] | None,
    cases: list[str] | None,
    per_case: str,
    device: str,
    data: Path | None,
    as_json: bool,
    bf16: bool | None,
) -> None:
    config = open_run(folder)
    _check_rounding(bf16, config.model.dtype)
    bf16 = config.evaluation.bf16 if bf16 is None else bf16
    other_type = bf16 != config.evaluation.bf16
    if other_type:
        config = config.model_copy(update={"evaluation": EvaluationConfig(bf16=bf16)})
    options = RunOptions(out=folder, device=device, data=data, command=command_line())
    chosen = _only(suites or list(load_study_task(config, data).suites), cases)
    # Every selection has a table of its own and overwrites no other.
    selection = [*(s.name for s in chosen), per_case if suites else "own", *(cases or ())]
    if other_type:
        selection.append("bf16" if bf16 else "no-bf16")
    tag = "-".join(selection).replace("/", "_")
    if len(tag.encode()) > 120:  # too long for a file name with prefix and suffix
        tag = f"{chosen[0].name}-{digest(selection)[:16]}"
    # Cells of the run's own evaluation keep their names.
    label = f"{tag}-" if suites or cases or other_type else ""
    plan, store = evaluate_run(config, chosen, label, options, Watch(err()))
    table = gather(plan.cells, (), store, ["evaluations"])["evaluations"]
    path = folder / "tables" / f"{tag}.parquet"
    write_table(path, table)
    table["accuracy"] = table["correct"] / table["n"]
    summary = _summary(table)
    if as_json:
        print_json({"table": str(path), "cases": summary.to_dict("records")})
        return
    out().print(_rich(summary))
    out().print(f"One row per system and case: {path}", markup=False, soft_wrap=True)


def _check_rounding(bf16: bool | None, dtype: str) -> None:
    if bf16 and dtype != "float32":
        raise InputError(f"--bf16 is for weights in float32, these are in {dtype}; leave it out")


def _summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return for each case the full model's accuracy and the range over subnetworks."""
    last = table["checkpoint"].max()
    rows = []
    for (suite, case), group in table[table["checkpoint"] == last].groupby(
        ["suite", "case"], sort=False
    ):
        full = group[group["kind"] == "full"]["accuracy"]
        row: dict[str, Any] = {
            "suite": suite,
            "case": case,
            "kind": group["case_kind"].iloc[0],
            "n": int(group["n"].iloc[0]),
            "full model": full.mean(),
        }
        subnetworks = group[group["kind"] == "subnetwork"]
        for sparsity, some in subnetworks.groupby("sparsity"):
            accuracy = some["accuracy"]
            row |= {
                f"{sparsity:.0%} min": accuracy.min(),
                f"{sparsity:.0%} mean": accuracy.mean(),
                f"{sparsity:.0%} max": accuracy.max(),
            }
        rows.append(row)
    return pd.DataFrame(rows)


def _system(
    classifier: Classifier, examples: Any, subnetwork: Path | None, without: list[str] | None
) -> Subnetwork | None:
    if subnetwork and without:
        raise InputError("give --subnetwork or --without, not both")
    if subnetwork:
        return Subnetwork.load(subnetwork)
    if without:
        removal(classifier, *without)  # an unknown unit fails before the means are computed
        return removal(classifier, *without, means=means(classifier, examples))
    return None


def _only(suites: list[Suite], cases: list[str] | None) -> list[Suite]:
    if not cases:
        return suites
    known = [case for suite in suites for case in suite.cases]
    for case in cases:
        if case not in known:
            raise unknown("case", case, known)
    picked = [(suite, [case for case in cases if case in suite.cases]) for suite in suites]
    return [suite.only(some) for suite, some in picked if some]


def _count(text: str) -> int | None:
    if text == "all":
        return None
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise InputError(f"--per-case {text!r} is neither a number from 1 nor all")
    return int(text)


def _warn_truncated(classifier: Classifier, suites: list[Suite]) -> None:
    for suite in suites:
        n = classifier.encode(suite.examples).n_truncated
        if n:
            err().print(
                f"{n} of {len(suite.examples)} examples of {suite.name} were cut to "
                f"{classifier.max_length} tokens; --max-length sets another length"
            )


def _rich(table: pd.DataFrame) -> Table:
    rich = Table(box=box.SIMPLE_HEAD)
    for column in table.columns:
        # The ends of case names distinguish them, so they are not cut.
        rich.add_column(str(column), no_wrap=column == "case")
    for record in table.to_dict("records"):
        cells = []
        for name in table.columns:
            value = record[name]
            share = isinstance(value, float) and name not in ("kl", "margin")
            cells.append(f"{value:.1%}" if share else _short(value))
        rich.add_row(*map(Text, cells))  # names of cases are not markup
    return rich


def _short(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
