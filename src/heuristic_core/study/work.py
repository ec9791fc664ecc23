"""What is done in a cell: each kind reads its inputs from the store and fills one folder."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from ..errors import InputError
from ..measure.accuracy import predict, score
from ..measure.discrimination import discriminate
from ..models.ablation import AblationValues
from ..models.classifier import Classifier, Progress, part
from ..models.encoding import Encoded
from ..models.loading import load_model, new_classifier
from ..search.data import SearchData, classes, prepare
from ..search.find import find_subnetworks
from ..storage import read_tensors, write_table, write_tensors
from ..subnetwork import Subnetwork
from ..tasks.task import Suite, Task
from ..training.finetune import checkpoint_folder, finetune
from .config import StudyConfig
from .measures import MEASURES
from .saved import load_subnetwork, subnetwork_name
from .store import Cell, Store


class Workbench:
    """What the cells of one program run share: the last model, tokens, prepared data.

    Args:
        config: The study.
        task: Its task.
        store: The run folder.
        device: Where models run.
        suites: What is evaluated on; the task's own suites if not given.
    """

    def __init__(
        self,
        config: StudyConfig,
        task: Task,
        store: Store,
        device: str,
        suites: Sequence[Suite] | None = None,
    ) -> None:
        self.config = config
        self.task = task
        self.store = store
        self.device = device
        self.suites = task.suites if suites is None else tuple(suites)
        self._model: tuple[str, Classifier] | None = None
        self._data: tuple[str, SearchData] | None = None
        self._encoded: dict[str, Encoded] = {}

    def run(self, cell: Cell, folder: Path, progress: Progress) -> dict[str, Any]:
        """Do a cell's work.

        Args:
            cell: What to do; its inputs are in the store.
            folder: Where its files go.
            progress: Called with (steps done, steps in all).

        Returns:
            Facts to record, such as on how many examples the model was run, and how many were cut
            short.
        """
        before = Classifier.n_examples_run
        facts = _KINDS[cell.kind](self, cell, folder, progress)
        return {"examples": Classifier.n_examples_run - before} | facts

    def _finetune(self, cell: Cell, folder: Path, progress: Progress) -> dict[str, Any]:
        recipe = self.config.finetune
        assert recipe is not None
        seed = cell.system["finetune_seed"]
        model = new_classifier(
            self.config.model.source,
            self.task.labels,
            seed=seed,
            device=self.device,
            max_length=self.config.model.max_length,
        )
        table = finetune(
            model,
            self.task.train,
            folder,
            seed=seed,
            unfinished=self.store.unfinished(cell),
            progress=progress,
            **recipe.model_dump(exclude={"seeds"}),
        )
        write_table(folder / "finetuning.parquet", table)
        return {
            "examples": recipe.steps * recipe.batch_size,
            "truncated": {"train": model.encode(self.task.train).n_truncated},
        }

    def _prepare(self, cell: Cell, folder: Path, progress: Progress) -> dict[str, Any]:
        model = self.classifier(cell)
        data = prepare(model, self.task, ablation=self.config.search.ablation)
        write_tensors(folder / "reference.safetensors", {"log_p": data.reference.numpy()})
        write_tensors(folder / "values.safetensors", data.values.arrays())
        return {"truncated": {"search": data.encoded.n_truncated}}

    def _search(self, cell: Cell, folder: Path, progress: Progress) -> dict[str, Any]:
        model = self.classifier(cell)
        found = self.find(cell, cell.inputs[-1], model, cell.spec["sparsities"], progress=progress)
        for sparsity, subnetwork in zip(cell.spec["sparsities"], found, strict=True):
            subnetwork.save(folder / subnetwork_name(sparsity))
        return {}

    def _evaluate(self, cell: Cell, folder: Path, progress: Progress) -> dict[str, Any]:
        model = self.classifier(cell)
        subnetwork = load_subnetwork(self.store, cell)
        reference: dict[str, Any] = {}
        if subnetwork is not None:
            full = cell.needed("evaluate")
            reference = self.logits(full, model)
        logits, tables, told_apart, truncated = {}, [], [], {}
        n_all = sum(len(suite.examples) for suite in self.suites)
        n_before = 0
        for suite in self.suites:
            encoded = self.encode(suite, model)
            logits[suite.name] = predict(
                model,
                encoded,
                subnetwork=subnetwork,
                bf16=self.config.evaluation.bf16,
                progress=part(progress, n_before, len(encoded), n_all),
            )
            n_before += len(encoded)
            truncated[f"suite/{suite.name}"] = encoded.n_truncated
            full_logits = reference.get(suite.name, logits[suite.name])
            tables.append(score(suite, model.labels, logits[suite.name], full_logits))
            told_apart.append(discriminate(suite, model.labels, logits[suite.name]))
        write_tensors(folder / "logits.safetensors", logits)
        write_table(folder / "table.parquet", pd.concat(tables, ignore_index=True))
        write_table(folder / "discrimination.parquet", pd.concat(told_apart, ignore_index=True))
        return {"truncated": truncated}

    # --- shared between cells -----------------------------------------------------------------

    def find(
        self,
        cell: Cell,
        data: Cell,
        model: Classifier,
        sparsities: Sequence[float],
        *,
        exclude: Collection[str] = (),
        progress: Progress | None = None,
    ) -> list[Subnetwork]:
        """Search as the spec of a search cell says.

        Args:
            cell: The search's cell.
            data: The cell of what searches share.
            model: The model.
            sparsities: What to look for.
            exclude: Units that may not be kept.
            progress: Called with (steps done, steps in all).
        """
        return find_subnetworks(
            model,
            self.search_data(data, model),
            sparsities,
            seed=cell.spec["seed"],
            method=cell.spec["method"],
            units=cell.spec["units"],
            exclude=exclude,
            provenance={
                "model": self.config.model.source,
                "task": self.task.name,
                **{k: cell.system[k] for k in ("finetune_seed", "checkpoint")},
            },
            progress=progress,
            **cell.spec["options"],
        )

    def classifier(self, cell: Cell) -> Classifier:
        """Load the model that a cell is about, unless it is the last one that was loaded."""
        tuned = cell.input("finetune")
        location: str | Path = self.config.model.source
        if tuned is not None:
            location = checkpoint_folder(self.store.path(tuned), cell.system["checkpoint"])
        if self._model is None or self._model[0] != str(location):
            self._model = None  # let go of the old one before the new one takes its memory
            with nullcontext() if tuned is None else self.store.reading(tuned):
                model = load_model(
                    location,
                    device=self.device,
                    dtype=self.config.model.dtype,
                    max_length=self.config.model.max_length,
                )
            self._model = (str(location), model)
        return self._model[1]

    def search_data(self, cell: Cell, model: Classifier) -> SearchData:
        """Read what searches in a model share from its cell."""
        if self._data is None or self._data[0] != cell.key:
            with self.store.reading(cell) as folder:
                wanted = (len(self.task.search), len(model.labels))
                reference = read_tensors(folder / "reference.safetensors").get("log_p")
                if reference is None or reference.shape != wanted:
                    raise InputError(f"reference.safetensors has no log_p of shape {wanted}")
                values = AblationValues.from_arrays(
                    read_tensors(folder / "values.safetensors"), model.space.n_layers
                )
            data = SearchData(
                model.encode(self.task.search),
                torch.from_numpy(reference),
                values,
                self.config.search.ablation,
                classes(model, self.task.search),
            )
            self._data = (cell.key, data)
        return self._data[1]

    def logits(self, cell: Cell, model: Classifier) -> dict[str, np.ndarray]:
        """Read a full model's logits on the suites, by their names, from its evaluation's cell."""
        with self.store.reading(cell) as folder:
            found = read_tensors(folder / "logits.safetensors")
            for suite in self.suites:
                wanted = (len(suite.examples), len(model.labels))
                if suite.name not in found or found[suite.name].shape != wanted:
                    raise InputError(f"logits.safetensors has no {suite.name} of shape {wanted}")
        return found

    def encode(self, suite: Suite, model: Classifier) -> Encoded:
        """Tokenise a suite."""
        # All checkpoints of a study share one tokenizer, so a suite is tokenised once.
        if suite.name not in self._encoded:
            self._encoded[suite.name] = model.encode(suite.examples)
        return self._encoded[suite.name]


_KINDS: dict[str, Callable[..., dict[str, Any]]] = {
    "finetune": Workbench._finetune,
    "prepare": Workbench._prepare,
    "search": Workbench._search,
    "evaluate": Workbench._evaluate,
    **MEASURES,
}
