"""Loading models: from a folder, from the hub, or from an installed package of weights."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    PreTrainedConfig,
)
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES as CLASSIFIERS,
)

from ..errors import InputError, expect_whole, one_line, unknown
from ..hub import client
from .classifier import Classifier, CompactClassifier
from .compaction import recorded, small_class
from .device import check_device
from .families import family_of
from .fit import (
    check_config,
    check_label_names,
    check_labels,
    check_sizes,
)
from .labels import label_settings
from .padding import known_padding, padding_for
from .saving import quiet
from .sources import PACKAGED, check_weights, resolve, split_revision
from .steady import steady
from .stored import check_merged, holds_classifier, stored_names, wrapper_of
from .tokenizer import load_tokenizer
from .weights import check_loaded, check_loaded_compact

#: The files of a model that are fetched; no other format of weights is read.
_FETCHED = ["*.json", "*.safetensors", "*.txt", "*.model"]

#: Ends of the names of classes that have no head of the name of a classifier's.
_HEADLESS = ("Model", "ForMaskedLM", "ForPreTraining", "LMHeadModel")

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@steady()
def load_model(
    source: str | os.PathLike[str],
    *,
    device: str | torch.device = "auto",
    dtype: str = "float32",
    max_length: int = 128,
    labels: Mapping[str, str] | None = None,
) -> Classifier | Any:
    """Load a fine-tuned sequence classifier.

    Only safetensors weights are read, and no code that comes with a model is run.

    Args:
        source: A packaged name, a local folder, or a hub id.
        device: Where to put it: ``cpu``, ``cuda``, ``mps``, or ``auto`` for ``cuda`` where there is
            one, as on the command line.
        dtype: Type of the weights; float32 unless asked otherwise.
        max_length: Longest input in tokens.
        labels: Names of its classes, by the names in its configuration or by number, where these
            say nothing: ``{"LABEL_0": "entailment", ...}``.

    Returns:
        The model with all its units; for a folder that ``CompactClassifier.save`` wrote, that
        ``CompactClassifier``.

    Raises:
        InputError: If it cannot be loaded, is no sequence classifier, or is of a family that is
            not supported.
    """
    device = _check_options(device, dtype, max_length)
    config = check_model(source, fresh_head=False, labels=labels)
    kept = recorded(source, config)
    names = {
        "id2label": config.id2label,
        "label2id": {name: i for i, name in config.id2label.items()},
    }
    if kept is None:
        hf, tokenizer, info = _load(source, config, device, dtype, **names)
        check_loaded(source, hf, info, fresh_head=False)
        return Classifier(hf, tokenizer, str(source), max_length)
    hf, tokenizer, info = _load(
        source, config, device, dtype, model_class=small_class(config, kept), **names
    )
    check_loaded_compact(source, info)
    hf.__class__ = type(hf).__base__  # the class made for loading cannot be pickled
    return CompactClassifier(hf, tokenizer, kept, str(source), max_length)


@steady()
def new_classifier(
    source: str | os.PathLike[str],
    labels: tuple[str, ...],
    *,
    seed: int,
    device: str | torch.device = "cpu",
    dtype: str = "float32",
    max_length: int = 128,
) -> Classifier:
    """Put a fresh classification head on a pretrained encoder.

    Args:
        source: A packaged name, a local folder, or a hub id.
        labels: The label names, in the order of the classes.
        seed: Seed of the new head's weights.
        device: Where to put it.
        dtype: Type of the weights; float32 unless asked otherwise.
        max_length: Longest input in tokens.

    Raises:
        InputError: As for ``load_model``.
    """
    device = _check_options(device, dtype, max_length)
    config = check_model(source, fresh_head=True)
    if recorded(source, config) is not None:
        raise InputError(f"{source} is a compacted model and takes no new head; give a full one")
    check_label_names("the new head", labels)
    names = dict(enumerate(labels))
    extra: dict[str, Any] = {"id2label": names, "label2id": {v: k for k, v in names.items()}}
    if config.problem_type is not None:
        extra["problem_type"] = None  # the old head's
    with _seeded(seed):
        hf, tokenizer, info = _load(source, config, device, dtype, **extra)
    check_loaded(source, hf, info, fresh_head=True)
    if family_of(config.model_type).kind == "decoder":
        padding_for(tokenizer, hf.config.vocab_size)
        hf.config.pad_token_id = tokenizer.pad_token_id
    return Classifier(hf, tokenizer, str(source), max_length)


def _check_options(device: str | torch.device, dtype: str, max_length: int) -> torch.device:
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise unknown("dtype", dtype, DTYPES)
    checked = check_device(device)
    expect_whole("max_length", max_length, 4)
    return checked


def _load(
    source: str | os.PathLike[str],
    config: Any,
    device: torch.device,
    dtype: str,
    model_class: Any = AutoModelForSequenceClassification,
    **extra: Any,
) -> tuple[Any, Any, dict[str, Any]]:
    """Read weights and tokenizer; return the model, the tokenizer and which weights had no match.

    Args:
        source: A packaged name, a local folder, or a hub id.
        config: Its configuration, from transformers.
        device: Where to put the model.
        dtype: Type of the weights.
        model_class: A class of transformers, or one like it.
        extra: Further settings of the configuration.
    """
    location = _fetched(source)
    family = family_of(config.model_type)
    prefix = wrapper_of(stored_names(location), family)
    try:
        with quiet(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tokenizer = load_tokenizer(source, location, config)
            hf, info = model_class.from_pretrained(
                location,
                dtype=DTYPES[dtype],
                use_safetensors=True,
                output_loading_info=True,
                # Sizes are checked later: those of a pretrained encoder's own head do not matter.
                ignore_mismatched_sizes=True,
                trust_remote_code=False,
                key_mapping={f"^{re.escape(prefix)}": ""} if prefix else None,
                # Outputs beside the logits are never used, and keep some models from being saved.
                output_attentions=False,
                output_hidden_states=False,
                **known_padding(source, family, config, tokenizer),
                **extra,
            )
    except InputError:
        raise
    except SafetensorError as error:
        raise InputError(
            f"cannot load {source}: its safetensors are truncated or damaged "
            f"({one_line(str(error), 120)}); copy or fetch the model again"
        ) from error
    except KeyError as error:
        raise InputError(
            f"cannot load {source}: its config.json names {one_line(str(error), 80)}, which "
            "transformers does not know; correct it"
        ) from error
    except Exception as error:  # what is wrong with a folder ends in errors of any kind
        raise InputError(
            f"cannot load {source}: {one_line(str(error), 240)}; save or fetch the model again"
        ) from error
    try:
        hf.to(device)
    except RuntimeError as error:
        raise InputError(f"cannot use device {device}: {one_line(str(error), 120)}") from error
    return hf.eval(), tokenizer, info


def _fetched(source: str | os.PathLike[str]) -> str:
    """Return what transformers loads: a folder, or the id of a model on the hub.

    A revision on the hub is fetched into the hub's cache. Where the hub does not answer, what is
    in the cache is loaded, of which the client would ask the hub file by file.
    """
    location = resolve(source)
    if os.path.isdir(location):
        return location
    name, revision = split_revision(location)
    away = client.unreachable()
    if revision is None and away is None:
        return location
    try:
        with quiet():
            folder: str = snapshot_download(
                name,
                revision=revision,
                allow_patterns=_FETCHED,
                local_files_only=away is not None,
            )
    except Exception as error:  # of the hub's client, of many kinds
        raise _not_on_hub(source, away) from error
    if away is not None and not any(Path(folder).glob("*.safetensors")):
        raise _not_on_hub(source, away)  # a plan reads no more than a configuration
    check_weights(folder)
    check_merged(source, stored_names(folder))
    return folder


def _not_on_hub(source: object, away: str | None) -> InputError:
    why = "misspelt, or not for this account" if away is None else f"it cannot be reached: {away}"
    return InputError(
        f"unknown model {one_line(str(source))!r}: no such folder, and the hub did not give "
        f"it ({why}); packaged names: {', '.join(PACKAGED)}"
    )


def check_model(
    source: str | os.PathLike[str], *, fresh_head: bool, labels: Mapping[str, str] | None = None
) -> Any:
    """Check, without reading its weights, that a model can be studied.

    Args:
        source: A packaged name, a local folder, or a hub id.
        fresh_head: Whether it will get a new classification head, so that it needs none.
        labels: Names of its classes, as for ``load_model``.

    Returns:
        Its configuration, from transformers.

    Raises:
        InputError: If it is no model, no classifier where it must be one, or not supported.
    """
    location = resolve(source)
    config = _config(source, location, fresh_head, labels)
    if config.model_type not in CLASSIFIERS:
        raise InputError(f"{source}: transformers has no sequence classifier for this family")
    if not fresh_head:
        _check_is_classifier(source, config)
        check_labels(source, config)
    check_sizes(source, config)
    check_weights(source)
    check_merged(source, stored_names(location))
    return config


def _config(
    source: str | os.PathLike[str],
    location: str,
    fresh_head: bool,
    labels: Mapping[str, str] | None,
) -> Any:
    away = None if os.path.isdir(location) else client.unreachable()
    try:
        name, revision = split_revision(location)
        local: dict[str, Any] = {"revision": revision, "local_files_only": away is not None}
        with quiet():
            raw, _ = PreTrainedConfig.get_config_dict(name, **local)
            check_config(source, raw)
            names = {} if fresh_head else label_settings(source, raw, labels)
            return AutoConfig.from_pretrained(name, trust_remote_code=False, **local, **names)
    except InputError:
        raise
    except Exception as error:  # transformers checks values in many ways, with errors of many kinds
        if os.path.isdir(location) or not isinstance(error, OSError | ValueError):
            reason = one_line(str(error), 160)
            raise InputError(
                f"{source} has no usable config.json: {reason}; correct it, or save or fetch the "
                "model again"
            ) from error
        raise _not_on_hub(source, away) from error


def _check_is_classifier(source: str | os.PathLike[str], config: Any) -> None:
    if not has_head(source, config):
        named = ", ".join(_architectures(config)) or "not named"
        raise InputError(
            f"{source} is no sequence classifier (its architecture is {named}); fine-tune it first "
            "with `hcore finetune`"
        )


def has_head(source: str | os.PathLike[str], config: Any) -> bool:
    """Return whether a model is a sequence classifier, by its configuration or else its weights.

    Args:
        source: A packaged name, a local folder, or a hub id.
        config: Its configuration, from transformers.

    Raises:
        InputError: If its configuration names a class without a head, and its weights have one.
    """
    named, family = _architectures(config), family_of(config.model_type)
    if any(name.endswith("ForSequenceClassification") for name in named):
        return True
    held = holds_classifier(stored_names(resolve(source)), family)
    if held and any(name.endswith(_HEADLESS) for name in named):
        raise InputError(
            f"{source}: architectures in config.json is {one_line(', '.join(named), 80)}, but the "
            f"weights have a classifier's head, {family.readout}.weight; name the class of a "
            "sequence classifier there, such as BertForSequenceClassification"
        )
    return held and not named


def is_classifier(source: str | os.PathLike[str]) -> bool:
    """Return whether a model is a sequence classifier; see ``has_head``.

    Raises:
        InputError: If it is no model.
    """
    return has_head(source, _config(source, resolve(source), True, None))


def classes_of(config: Any) -> tuple[str, ...]:
    """Return the names of a classifier's classes, in order.

    Args:
        config: Its configuration, from ``check_model``.
    """
    return tuple(config.id2label[i] for i in range(config.num_labels))


def _architectures(config: Any) -> list[str]:
    named = config.architectures or []
    return list(map(str, named if isinstance(named, list) else [named]))


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed torch's global generator, which transformers draws new weights from; restore it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
