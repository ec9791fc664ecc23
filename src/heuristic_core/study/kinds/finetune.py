"""Fine-tuning a model, with checkpoints."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from ...models.classifier import Classifier
from ...models.loading import check_model, classes_of, is_classifier, load_model, new_classifier
from ...precision import check_training
from ...progress import Progress
from ...storage import write_table
from ...training.finetune import checkpoint_folder, finetune
from ..bench import Workbench
from ..config import StudyConfig
from ..planner import Planner, precision_of, precision_spec
from ..store import Cell, Store
from .kind import Kind, TableSource


def plan_finetune(planner: Planner, seed: int) -> tuple[Cell, ...]:
    """Plan one fine-tuning: one cell, or none where the model is studied as it is."""
    recipe = planner.config.finetune
    if recipe is None:
        return ()
    train = planner.task.train
    own = {"bf16": False} | precision_spec(recipe.precision)
    spec = (
        recipe.model_dump(exclude={"seeds", "precision"})
        | own
        | {
            "checkpoints": sorted(recipe.checkpoints),
            "model": planner.model(),
            "train": train.digest,
            "seed": seed,
        }
    )
    cell = FINETUNE.cell(
        f"finetune-f{seed}",
        spec=spec,
        inputs=(),
        system={"finetune_seed": seed},
        effort=planner.cost.passes(train, 3, recipe.steps * recipe.batch_size),
        disk=planner.cost.weights * len(recipe.checkpoints),
    )
    return (cell,)


def check_trainable(cells: Iterable[Cell], store: Store, device: str) -> None:
    """Check that a device can do the fine-tunings that are not finished.

    Args:
        cells: The cells that are to be computed.
        store: The run folder, which need not exist.
        device: Where they will be.

    Raises:
        InputError: If it cannot.
    """
    for cell in cells:
        if cell.kind == FINETUNE.name and not store.has(cell):
            check_training(precision_of(cell.spec), device, "study key finetune.precision:")


def classifier(bench: Workbench, cell: Cell) -> Classifier:
    """Load the model that a cell is about, unless it is the last one that was loaded."""
    settings, tuned = bench.config.model, FINETUNE.input_of(cell)
    at = (cell.system["finetune_seed"], cell.system["checkpoint"])
    place = location(bench.config, bench.store, cell)

    def load() -> Classifier:
        if has_new_head(bench.config, bench.store, cell):
            last = bench.config.place(bench.config.last_source).to_load()
            return new_classifier(
                place,
                classes_of(check_model(last, fresh_head=False, labels=settings.labels)),
                seed=at[0],
                device=bench.device,
                dtype=settings.dtype,
                max_length=settings.max_length,
            )
        with nullcontext() if tuned is None else bench.store.reading(tuned, Path(place).name):
            return load_model(
                place,
                device=bench.device,
                dtype=settings.dtype,
                max_length=settings.max_length,
                labels=settings.labels,
            )

    # A new head differs by seed.
    return bench.latest("model", f"{at[0]} {place}", load)


def location(config: StudyConfig, store: Store, cell: Cell) -> str | Path:
    """Return where the model is that a cell is about, as ``load_model`` takes it."""
    tuned = FINETUNE.input_of(cell)
    if tuned is None:
        source = config.source_of(cell.system["finetune_seed"], cell.system["checkpoint"])
        return config.place(source).to_load()
    return checkpoint_folder(store.path(tuned), cell.system["checkpoint"])


def has_new_head(config: StudyConfig, store: Store, cell: Cell) -> bool:
    """Return whether a cell is about a pretrained model, which gets a new classifier."""
    given = config.model.fine_tunings and not cell.system["checkpoint"]
    return bool(given) and not is_classifier(location(config, store, cell))


def _work(bench: Workbench, cell: Cell, folder: Path, progress: Progress) -> dict[str, Any]:
    config, train = bench.config, bench.task.train
    assert config.finetune is not None
    seed = cell.system["finetune_seed"]
    model = new_classifier(
        config.place(config.last_source).to_load(),
        bench.task.labels,
        seed=seed,
        device=bench.device,
        max_length=config.model.max_length,
    )
    table = finetune(
        model,
        train,
        folder,
        seed=seed,
        unfinished=bench.store.unfinished(cell),
        progress=progress,
        **config.finetune.model_dump(exclude={"seeds"}),
    )
    write_table(folder / "finetuning.parquet", table)
    encoded = model.encode(train)
    return {
        "examples": config.finetune.steps * config.finetune.batch_size,
        "truncated": {"train": encoded.n_truncated},
        "unknown": {"train": encoded.n_unknown},
    }


FINETUNE = Kind(
    name="finetune",
    version=2,
    efficiency=0.4,
    work=_work,
    tables=(TableSource("finetuning", "finetuning"),),
    copies=5.0,  # weights, gradients, two moments, and a state that is being saved
)
