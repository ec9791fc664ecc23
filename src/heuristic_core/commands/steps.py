"""Commands that run one step on a user's model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError
from ..measure.assignments import check_labels
from ..models.device import pick_device
from ..models.labels import read_label_map
from ..models.loading import load_model
from ..models.sources import identity
from ..precision import check_precision
from ..search.data import prepare
from ..search.find import find_subnetworks_together
from ..search.methods import check_together, method_options
from ..storage import check_writable, digest
from ..study.config import check_study
from ..study.kinds.search import SEARCH, subnetwork_name
from ..study.plan import make_plan
from ..study.planner import precision_spec
from ..study.run import RunOptions, load_study_task, run_study
from ..study.settings import settings
from ..study.store import Store
from ..study.watch import Watch, watching
from ..subnetwork import Subnetwork
from ..training.finetune import checkpoint_folder
from ..units import check_sparsity
from .console import (
    DataOption,
    DeviceOption,
    JsonOption,
    LabelsOption,
    MaxLengthOption,
    PrecisionOption,
    TaskOptionsOption,
    command_line,
    err,
    out,
    print_json,
)
from .loading import command_task

TaskOption = Annotated[
    str, typer.Option("--task", help="A task that `hcore tasks` lists, or a task file.")
]
OutOption = Annotated[Path, typer.Option("--out", help="Folder of the result.")]
DtypeOption = Annotated[str, typer.Option("--dtype", help="Type of the weights.")]


def finetune(
    model: Annotated[str, typer.Argument(help="Pretrained weights: minilm, a folder or hub id.")],
    out_folder: OutOption,
    task: TaskOption = "hans-grammar",
    steps: Annotated[int, typer.Option(help="Optimiser steps.")] = 300,
    checkpoint: Annotated[
        list[int] | None,
        typer.Option(help="Step to save; repeatable.", show_default="first and last"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of new weights, data order and dropout.")] = 1,
    batch_size: Annotated[int, typer.Option(help="Examples per step.")] = 32,
    learning_rate: Annotated[float, typer.Option(help="Peak learning rate.")] = 5e-5,
    precision: PrecisionOption = None,
    max_length: MaxLengthOption = None,
    task_options: TaskOptionsOption = None,
    device: DeviceOption = "auto",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fine-tune a classifier on a task and save checkpoints, in a run folder that resumes."""
    config = check_study(
        {
            "name": "finetune",
            "model": {"source": model} | ({} if max_length is None else {"max_length": max_length}),
            "task": {
                "name": task,
                "options": settings(task_options or [], option="--task-option"),
            },
            "finetune": {
                "steps": steps,
                "checkpoints": checkpoint or [0, steps],
                "seeds": [seed],
                "batch_size": batch_size,
                "learning_rate": learning_rate,
                "precision": check_precision(precision or "float32"),
            },
            "search": {"sparsities": []},
        }
    )
    options = RunOptions(out=out_folder, device=device, data=data, command=command_line())
    run_study(config, options, Watch(err()), kinds=("finetune",))
    cell = make_plan(config, load_study_task(config, data)).of_kind("finetune")[0]
    kept = {
        step: str(checkpoint_folder(Store(out_folder).path(cell), step))
        for step in config.checkpoints
    }
    if as_json:
        print_json({"checkpoints": kept})
        return
    for step, folder in kept.items():
        out().print(f"step {step}: {folder}", markup=False, soft_wrap=True)


def prune(
    model: Annotated[str, typer.Argument(help="A fine-tuned classifier: a folder or hub id.")],
    out_folder: OutOption,
    task: TaskOption = "hans-grammar",
    sparsity: Annotated[
        list[float] | None,
        typer.Option(help="Share of units to drop; repeatable.", show_default="0.5"),
    ] = None,
    seed: Annotated[
        list[int] | None, typer.Option(help="Seed of the search; repeatable.", show_default="1")
    ] = None,
    method: Annotated[str, typer.Option(help="Search method.")] = "learned",
    units: Annotated[str, typer.Option(help="Units that may be dropped: all, or heads.")] = "all",
    ablation: Annotated[str, typer.Option(help="Ablation of dropped units: mean, zero.")] = "mean",
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting of the method, key=value; none for no value."),
    ] = None,
    together: Annotated[
        bool, typer.Option("--together", help="Search all seeds in one pass: faster on a GPU.")
    ] = False,
    precision: PrecisionOption = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "float32",
    labels: LabelsOption = None,
    max_length: MaxLengthOption = None,
    task_options: TaskOptionsOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find subnetworks of a model and save them, one folder each; finished seeds are skipped."""
    sparsities, seeds = sparsity or [0.5], seed or [1]
    names = [subnetwork_name(target) for target in sparsities]
    if len(set(names)) < len(names) or len(set(seeds)) < len(seeds):
        raise InputError("a --sparsity or --seed is given twice, or two sparsities are too similar")
    for number in seeds:
        for name in names:
            check_writable(out_folder / f"seed-{number}" / name)
    options = settings(sets or [])
    filled = method_options(method, options)
    computing = check_precision(precision or "float32")
    if together and len(seeds) > 1:
        check_together(method, options)
    for target in sparsities:
        check_sparsity(target)
    loaded = command_task(task, data, task_options)
    loaded.check_whole("search")
    names_given = None if labels is None else read_label_map(labels)
    # Subnetworks that are there were found without these.
    more: dict[str, object] = {} if max_length is None else {"max_length": max_length}
    more |= {} if names_given is None else {"labels": names_given}
    more |= precision_spec(computing)
    more |= {"seeds": seeds} if together and len(seeds) > 1 else {}
    request = digest(
        {
            "model": identity(model),
            "dtype": dtype,
            "search": loaded.search.digest,
            "sparsities": sorted(sparsities),
            "method": method,
            "options": filled.model_dump(),
            "units": units,
            "ablation": ablation,
        }
        | {"version": SEARCH.version}
        | more
    )
    finished = {
        number: _finished(out_folder / f"seed-{number}", names, request) for number in seeds
    }
    if together and not all(finished.values()):
        finished = dict.fromkeys(seeds)
    for number in seeds:
        if finished[number]:
            err().print(f"seed {number} is finished already")
    classifier = load_model(
        model,
        device=pick_device(device),
        dtype=dtype,
        max_length=128 if max_length is None else max_length,
        labels=names_given,
    )
    # Before the search.
    suites = [suite.for_labels(classifier.labels) for suite in loaded.suites]
    check_labels(classifier, suites, suites)
    with watching(err()) as bar:
        shared = prepare(classifier, loaded, ablation=ablation)
        rows = []
        to_do = [number for number in seeds if not finished[number]]
        found = {number: old for number, old in finished.items() if old}
        for some in [to_do] if together and to_do else [[number] for number in to_do]:
            new = find_subnetworks_together(
                classifier,
                shared,
                sparsities,
                seeds=some,
                method=method,
                units=units,
                precision=computing,
                provenance={"task": loaded.name, "asked": request},
                progress=bar("seed " + ", ".join(map(str, some))),
                **options,
            )
            for number, subnetworks in new.items():  # at once: a later search may be stopped
                for name, subnetwork in zip(names, subnetworks, strict=True):
                    subnetwork.save(out_folder / f"seed-{number}" / name)
            found |= new
        for number in seeds:
            for name, subnetwork in zip(names, found[number], strict=True):
                folder = out_folder / f"seed-{number}" / name
                rows.append(
                    {
                        "folder": str(folder),
                        "seed": number,
                        "sparsity": subnetwork.sparsity,
                        "head_sparsity": subnetwork.head_sparsity,
                        "heads": len(subnetwork.heads),
                        "mlps": len(subnetwork.mlps),
                        "ablation": subnetwork.replacement,
                    }
                )
    if as_json:
        said = {
            "truncated": {"search": shared.encoded.n_truncated},
            "unknown": {"search": shared.encoded.n_unknown},
        }
        print_json({"subnetworks": rows} | said)
        return
    for row in rows:
        out().print(
            f"{row['folder']}: {row['heads']} heads and {row['mlps']} MLPs kept "
            f"(all units {row['sparsity']:.1%}, heads {row['head_sparsity']:.1%} sparse)",
            markup=False,
            soft_wrap=True,
        )
    out().print(f"Output of dropped units: {rows[0]['ablation']}.", markup=False, soft_wrap=True)
    for remark in shared.encoded.remarks("mask-learning examples"):
        err().print(remark, markup=False, soft_wrap=True)


def _finished(folder: Path, names: list[str], request: str) -> list[Subnetwork] | None:
    """Load the subnetworks of a seed if all exist; those of other settings raise an error."""
    paths = [folder / name for name in names if (folder / name / "subnetwork.json").is_file()]
    subnetworks = [Subnetwork.read(path) for path in paths]
    for path, subnetwork in zip(paths, subnetworks, strict=True):
        if subnetwork.provenance.get("asked") != request:
            raise InputError(
                f"{path} holds a subnetwork found with other settings, data or weights; choose "
                "another --out, or remove it"
            )
    return subnetworks if len(subnetworks) == len(names) else None
