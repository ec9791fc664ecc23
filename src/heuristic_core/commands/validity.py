"""The command that tests a subnetwork beside random ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..card_tables import TABLES
from ..faithful.validity import validate as validate_subnetwork
from ..measure.assignments import check_labels
from ..models.device import pick_device
from ..models.labels import read_label_map
from ..models.loading import load_model
from ..report.tables import view
from ..report.terminal import render_table
from ..study.watch import watching
from ..subnetwork import Subnetwork
from .console import (
    DataOption,
    DeviceOption,
    JsonOption,
    LabelsOption,
    MaxLengthOption,
    PrecisionOption,
    TaskOptionsOption,
    err,
    out,
    print_json,
)
from .loading import command_suites, command_task


def validate(
    model: Annotated[str, typer.Argument(help="The full model: a folder or hub id.")],
    subnetwork: Annotated[Path, typer.Argument(help="A saved subnetwork of it.")],
    task: Annotated[
        str, typer.Option("--task", help="A task that `hcore tasks` lists, or a task file.")
    ] = "hans-grammar",
    task_options: TaskOptionsOption = None,
    core: Annotated[
        list[str] | None,
        typer.Option(
            help="A unit, such as L4H0, of a core that is tested alone; repeatable.",
            show_default="no core",
        ),
    ] = None,
    also_task: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A further task, or task file, whose cases it is run on; repeatable.",
            show_default="--task alone",
        ),
    ] = None,
    suite: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A further suite whose cases it is run on, as for `hcore evaluate`; repeatable.",
            show_default="the task's own alone",
        ),
    ] = None,
    searches: Annotated[
        int,
        typer.Option(
            help="Repeat its search on so many samples of the examples.", show_default="none"
        ),
    ] = 0,
    draws: Annotated[int, typer.Option(help="Random sets of each kind.")] = 999,
    case_draws: Annotated[
        int,
        typer.Option(
            help="Random sets that it is compared with on every case.", show_default="none"
        ),
    ] = 0,
    examples: Annotated[
        int, typer.Option(help="In-domain examples for ranks among random sets, at most.")
    ] = 100,
    unit_examples: Annotated[
        int, typer.Option(help="In-domain examples for what each unit is needed for, at most.")
    ] = 400,
    seed: Annotated[int, typer.Option(help="Seed of all draws.")] = 0,
    other_model: Annotated[
        bool,
        typer.Option("--other-model", help="Accept a subnetwork that was found in other weights."),
    ] = False,
    precision: PrecisionOption = None,
    device: DeviceOption = "auto",
    dtype: Annotated[str, typer.Option("--dtype", help="Type of the weights.")] = "float32",
    labels: LabelsOption = None,
    max_length: MaxLengthOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Test a subnetwork beside random ones: is it enough, is it needed, unit by unit?"""
    sub = Subnetwork.load(subnetwork)
    sub.space.mask(core or ())  # fails before anything is loaded
    loaded = command_task(task, data, task_options)
    others = [command_task(name, data) for name in also_task or ()]
    further = command_suites(suite or [], data, 100)
    classifier = load_model(
        model,
        device=pick_device(device),
        dtype=dtype,
        max_length=128 if max_length is None else max_length,
        labels=None if labels is None else read_label_map(labels),
    )
    every = (*(suite for one in (loaded, *others) for suite in one.suites), *further)
    suites = [one.for_labels(classifier.labels) for one in every]
    check_labels(classifier, suites, suites)
    with watching(err()) as bar:
        card = validate_subnetwork(
            classifier,
            loaded,
            sub,
            core=core or (),
            transfer_to=[*others, *further],
            searches=searches,
            draws=draws,
            case_draws=case_draws,
            examples=examples,
            unit_examples=unit_examples,
            seed=seed,
            precision=precision or "float32",
            other_model=other_model,
            progress=bar("validation"),
        )
    if as_json:
        print_json(card.record())
        return
    for line in card.lines():
        out().print(line, markup=False, soft_wrap=True)
    for declared, frame in zip(TABLES, card.tables.values(), strict=True):
        if len(frame):
            render_table(out(), view(declared, frame))
