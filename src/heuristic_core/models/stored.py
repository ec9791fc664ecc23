"""What a folder's weights are, by their names: whose, with which head, of which wrapper."""

from __future__ import annotations

import os
from pathlib import Path

import safetensors
from safetensors import SafetensorError

from ..errors import InputError, one_line
from ..storage import read_json
from .families import Family

#: Parts of names that adapters have in a model that they are not merged into.
_ADAPTERS = {
    "lora_A", "lora_B", "lora_embedding_A", "lora_embedding_B", "lora_magnitude_vector",
    "base_layer", "modules_to_save", "original_module", "ia3_l",
}  # fmt: skip


def stored_names(location: str) -> tuple[str, ...]:
    """List the names of a folder's weights; none if it is no folder, or they cannot be read.

    Args:
        location: A folder or a hub id.
    """
    path = Path(location) / "model.safetensors"
    try:
        if path.is_file():
            with safetensors.safe_open(path, framework="numpy") as file:
                return tuple(file.keys())
        index = path.with_name("model.safetensors.index.json")
        return tuple(read_json(index)["weight_map"]) if index.is_file() else ()
    except (OSError, SafetensorError, InputError, KeyError, TypeError):
        return ()  # loading reports what is wrong with the files


def wrapper_of(names: tuple[str, ...], family: Family) -> str:
    """Return what a wrapper put before the name of every weight, such as ``module.``.

    DataParallel, torch.compile and training loops that hold a model as an attribute do so.

    Args:
        names: The names of the weights.
        family: The model's family.

    Returns:
        The prefix; empty if not all names have it, or the rest is no classifier of the family.
    """
    head = f"{family.readout}.weight"
    found = {name.removesuffix(head) for name in names if name.endswith(f".{head}")}
    if len(found) != 1 or head in names:
        return ""
    (prefix,) = found
    return prefix if all(name.startswith(prefix) for name in names) else ""


def holds_classifier(names: tuple[str, ...], family: Family) -> bool:
    """Return whether weights have the head of a family's sequence classifier."""
    head = wrapper_of(names, family) + family.readout
    # A token classifier's head has the name of a decoder's, and a bias besides.
    return f"{head}.weight" in names and not (family.kind == "decoder" and f"{head}.bias" in names)


def check_merged(source: str | os.PathLike[str], names: tuple[str, ...]) -> None:
    """Check that weights hold no adapter that is not merged into them.

    Raises:
        InputError: If they do.
    """
    parts = [name for name in names if _ADAPTERS & set(name.split("."))]
    if parts:
        raise InputError(
            f"{source} holds {len(parts)} weights of an adapter (such as LoRA) that is not merged, "
            f"such as {one_line(parts[0], 120)}; merge it in peft (merge_and_unload) and save that"
        )
