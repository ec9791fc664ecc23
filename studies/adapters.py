"""Fine-tune a model by adapters of low rank, keep them, and merge them into checkpoints.

    python studies/adapters.py train studies/mpnet-mnli-hans.adapters.toml --data FOLDER
    python studies/adapters.py keep studies/mpnet-mnli-hans.adapters.toml
    python studies/adapters.py merge studies/mpnet-mnli-hans.adapters.toml

A checkpoint of a model of BERT-base's size takes 0.44 GB, and making it hours. Adapters (LoRA, Hu
et al. 2022) take 3 MB a checkpoint: they are kept beside the results, so that anyone can make any
part of the study again without fine-tuning.

``train`` fine-tunes, and goes on where it was stopped. ``keep`` copies the checkpoints that the
file names, in float16. ``merge`` writes these as models of full weights, the same to the last bit
on every machine. Training takes the package ``peft``.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from heuristic_core.models.classifier import Classifier
from heuristic_core.models.loading import new_classifier
from heuristic_core.models.saving import save_model
from heuristic_core.storage import read_toml, write_json, write_table
from heuristic_core.tasks import load_task
from heuristic_core.training.finetune import checkpoint_folder, finetune

#: How peft names the weights of an adapter, around a module's name.
_BEFORE, _LOW, _HIGH = "base_model.model.", ".lora_A.weight", ".lora_B.weight"
_WEIGHTS = "adapter_model.safetensors"


class Plan:
    """What a file of adapters says, with folders that start from it.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        raw = read_toml(path)
        folder = path.resolve().parent
        self.source = folder / raw["source"]
        self.max_length: int = raw["max_length"]
        self.task = folder / raw["task"]
        self.seed: int = raw["seed"]
        self.lora: dict[str, Any] = raw["lora"]
        self.training: dict[str, Any] = raw["training"]
        self.kept: list[int] = raw["kept"]
        self.adapters = folder / raw["adapters"]
        self.run = folder / raw["run"]


def train(plan: Plan, data: Path | None) -> None:
    """Fine-tune adapters, and save those of every checkpoint.

    Args:
        plan: What to train.
        data: The folder of the task's files.
    """
    import peft

    task = load_task(plan.task, seed=0, data=data)
    assert task.train is not None
    model = with_head(plan, task.labels)
    torch.manual_seed(plan.seed)
    model.hf = peft.get_peft_model(model.hf, peft.LoraConfig(**plan.lora))
    model.hf.print_trainable_parameters()
    done = plan.run / "trained"
    done.mkdir(parents=True, exist_ok=True)
    table = finetune(
        model,
        task.train,
        done,
        seed=plan.seed,
        unfinished=plan.run / "unfinished",
        progress=_shown,
        **plan.training,
    )
    write_table(done / "finetuning.parquet", table)


def with_head(plan: Plan, labels: tuple[str, ...]) -> Classifier:
    """Load the pretrained model with a new head, drawn alike on every machine.

    Args:
        plan: What to train.
        labels: The label names, in the order of the classes.
    """
    model = new_classifier(plan.source, labels, seed=plan.seed, max_length=plan.max_length)
    rng = np.random.default_rng(plan.seed)
    with torch.no_grad():
        for name, weight in sorted(model.hf.classifier.named_parameters()):
            drawn = rng.normal(0, model.hf.config.initializer_range, weight.shape)
            # Float16 leaves no room for the last digits of another machine's logarithms.
            values = drawn.astype(np.float16) if name.endswith("weight") else np.zeros(weight.shape)
            weight.copy_(torch.from_numpy(values.astype(np.float32)))
    return model


def keep(plan: Plan) -> None:
    """Copy the adapters of the checkpoints that the study names, in float16.

    Args:
        plan: What was trained.
    """
    done = plan.run / "trained"
    found = done if (done / "finetuning.parquet").exists() else plan.run / "unfinished"
    for step in plan.kept:
        weights = load_file(checkpoint_folder(found, step) / _WEIGHTS)
        place = checkpoint_folder(plan.adapters, step)
        place.mkdir(parents=True, exist_ok=True)
        save_file({name: w.half() for name, w in sorted(weights.items())}, place / _WEIGHTS)
    write_json(plan.adapters / "recipe.json", {"lora": plan.lora, "training": plan.training})


def merge(plan: Plan, labels: tuple[str, ...]) -> None:
    """Write the kept checkpoints, and that before training, as models of full weights.

    Args:
        plan: What was trained.
        labels: The label names, in the order of the classes.
    """
    for step in (0, *plan.kept):
        place = checkpoint_folder(plan.run / "checkpoints", step)
        if (place / "config.json").exists():
            continue
        model = with_head(plan, labels)
        if step:
            adapters = load_file(checkpoint_folder(plan.adapters, step) / _WEIGHTS)
            merged(model.hf, adapters, plan.lora["lora_alpha"] / plan.lora["r"])
        save_model(model.hf, model.tokenizer, place)
        print(place)


@torch.no_grad()
def merged(hf: torch.nn.Module, adapters: dict[str, torch.Tensor], scale: float) -> None:
    """Add adapters to a model's weights, in place.

    Sums run rank by rank in float64, not as matrix products, whose order differs by processor.

    Args:
        hf: The model.
        adapters: Weights by peft's names: pairs of low rank, and layers that were trained whole.
        scale: What the products are multiplied by: alpha over the rank.
    """
    weights = dict(hf.named_parameters())
    for name, low in adapters.items():
        own = name.removeprefix(_BEFORE)
        if own.endswith(_HIGH):
            continue
        if not own.endswith(_LOW):
            weights[own].copy_(low)
            continue
        high = adapters[name.replace(_LOW, _HIGH)].double().numpy()
        weight = weights[own.replace(_LOW, ".weight")]
        total = weight.double().numpy()
        for column, row in zip(high.T, low.double().numpy(), strict=True):
            total += scale * (column[:, None] * row)
        weight.copy_(torch.from_numpy(total))


def _shown(done: int, of: int) -> None:
    if done % 50 == 0:
        print(f"{done} of {of} steps", flush=True)


def main() -> None:
    """Run one of the three."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", choices=("train", "keep", "merge"))
    parser.add_argument("file", type=Path)
    parser.add_argument("--data", type=Path, help="the folder of the task's files")
    given = parser.parse_args()
    plan = Plan(given.file)
    if given.what == "train":
        train(plan, given.data)
    elif given.what == "keep":
        keep(plan)
    else:
        merge(plan, tuple(read_toml(plan.task)["labels"]))


if __name__ == "__main__":
    main()
