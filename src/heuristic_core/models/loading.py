"""Loading models: from a folder, from the hub, or from an installed package of weights."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import transformers
from huggingface_hub.utils import logging as hub_logging
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedConfig,
)
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES as CLASSIFIERS,
)

from ..errors import InputError, expect_whole, one_line, unknown
from .classifier import Classifier
from .compaction import RECORD, CompactClassifier, recorded, small_class
from .device import check_device
from .families import family_of
from .fit import (
    check_config,
    check_label_maps,
    check_label_names,
    check_labels,
    check_sizes,
    check_vocabulary,
    padding_for,
)
from .sources import PACKAGED, check_weights, resolve
from .weights import check_all_used, check_complete, check_shapes

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def load_model(
    source: str | os.PathLike[str],
    *,
    device: str | torch.device = "cpu",
    dtype: str = "float32",
    max_length: int = 128,
) -> Classifier:
    """Load a fine-tuned sequence classifier, ready to be studied.

    Only safetensors weights are read, and no code that comes with a model is run. What
    :meth:`.CompactClassifier.save` wrote is loaded as the smaller model it is.

    Args:
        source: A packaged name, a local folder, or a hub id.
        device: Where to put it.
        dtype: Type of the weights; float32 unless asked otherwise.
        max_length: Longest input in tokens.

    Raises:
        InputError: If it cannot be loaded, is no sequence classifier, or is of a family that is
            not supported.
    """
    return _load(source, device, dtype, max_length, labels=None, seed=None)


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
        InputError: As for :func:`load_model`.
    """
    return _load(source, device, dtype, max_length, labels=labels, seed=seed)


def _load(
    source: str | os.PathLike[str],
    device: str | torch.device,
    dtype: str,
    max_length: int,
    labels: tuple[str, ...] | None,
    seed: int | None,
) -> Classifier:
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise unknown("dtype", dtype, DTYPES)
    device = check_device(device)
    expect_whole("max_length", max_length, 4)
    location = resolve(source)
    config = check_model(source, fresh_head=labels is not None)
    kept = recorded(source, config)
    model_class = AutoModelForSequenceClassification if kept is None else small_class(config, kept)
    # What a model gives beside its logits is nobody's business, and keeps some from being saved.
    extra: dict[str, Any] = {"output_attentions": False, "output_hidden_states": False}
    if labels is not None:
        if kept is not None:
            raise InputError(
                f"{source} is a compacted model and takes no new head; give a full one"
            )
        check_label_names("the new head", labels)
        names = dict(enumerate(labels))
        extra |= {"id2label": names, "label2id": {v: k for k, v in names.items()}}
        if config.problem_type is not None:
            extra["problem_type"] = None  # the old head's
    try:
        with _seeded(seed), quiet(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model, info = model_class.from_pretrained(
                location,
                dtype=DTYPES[dtype],
                use_safetensors=True,
                output_loading_info=True,
                # Sizes are checked below: those of a pretrained encoder's own head do not matter.
                ignore_mismatched_sizes=True,
                trust_remote_code=False,
                **extra,
            )
            tokenizer = AutoTokenizer.from_pretrained(location, trust_remote_code=False)
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
    check_vocabulary(source, tokenizer)
    check_shapes(source, model, info["mismatched_keys"], labels is not None, kept is not None)
    check_complete(source, model, info["missing_keys"], fresh_head=labels is not None)
    if kept is None:
        check_all_used(source, model, info["unexpected_keys"])
    try:
        model.to(device)
    except RuntimeError as error:
        raise InputError(f"cannot use device {device}: {one_line(str(error), 120)}") from error
    model.eval()
    if labels is not None and family_of(config.model_type).kind == "decoder":
        padding_for(tokenizer)
        model.config.pad_token_id = tokenizer.pad_token_id
    if kept is not None:
        _check_only_kept(source, info)
        return CompactClassifier(model, tokenizer, kept, str(source), max_length)
    return Classifier(model, tokenizer, name=str(source), max_length=max_length)


def check_model(source: str | os.PathLike[str], *, fresh_head: bool) -> Any:
    """Make sure, without reading its weights, that a model is one that can be studied.

    Args:
        source: A packaged name, a local folder, or a hub id.
        fresh_head: Whether it is to get a new classification head, so that it needs none.

    Returns:
        Its configuration, from transformers.

    Raises:
        InputError: If it is no model, of no supported family, or no classifier where it has to be.
    """
    location = resolve(source)
    config = _config(source, location, fresh_head)
    family_of(config.model_type)
    if config.model_type not in CLASSIFIERS:
        raise InputError(f"{source}: transformers has no sequence classifier for this family")
    if not fresh_head:
        _check_is_classifier(source, config)
        check_labels(source, config)
    check_sizes(source, config)
    check_weights(source)
    return config


def _config(source: str | os.PathLike[str], location: str, fresh_head: bool) -> Any:
    try:
        with quiet():
            raw, _ = PreTrainedConfig.get_config_dict(location)
            check_config(source, raw)
            if not fresh_head:
                check_label_maps(source, raw)
            return AutoConfig.from_pretrained(location, trust_remote_code=False)
    except InputError:
        raise
    except Exception as error:  # transformers checks values in many ways, with errors of many kinds
        if os.path.isdir(location) or not isinstance(error, OSError | ValueError):
            reason = one_line(str(error), 160)
            raise InputError(
                f"{source} has no usable config.json: {reason}; correct it, or save or fetch the "
                "model again"
            ) from error
        raise InputError(
            f"unknown model {one_line(str(source))!r}: no such folder, and the hub did not give "
            f"it (offline, or misspelt); packaged names: {', '.join(PACKAGED)}"
        ) from error


def _check_is_classifier(source: str | os.PathLike[str], config: Any) -> None:
    named = config.architectures or []
    architectures = list(map(str, named if isinstance(named, list) else [named]))
    if not any(name.endswith("ForSequenceClassification") for name in architectures):
        raise InputError(
            f"{source} is no sequence classifier (its architecture is "
            f"{', '.join(architectures) or 'not named'}); fine-tune it first with `hcore finetune`"
        )


def _check_only_kept(source: object, info: dict[str, Any]) -> None:
    odd = sorted({str(key[0]) for key in info["mismatched_keys"]} | set(info["unexpected_keys"]))
    if odd:
        raise InputError(
            f"{source}: {len(odd)} of the weights do not fit the units that {RECORD!r} in its "
            f"config.json says are left, such as {one_line(odd[0], 120)}; compact the full model "
            "again"
        )


@contextmanager
def _seeded(seed: int | None) -> Iterator[None]:
    """Seed torch's global generator, which transformers draws new weights from; restore it."""
    if seed is None:
        yield
        return
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


@contextmanager
def quiet() -> Iterator[None]:
    """Keep reports and progress bars of transformers and the hub's client off the screen."""
    level = transformers.logging.get_verbosity()
    of_hub = hub_logging.get_verbosity()
    bars = transformers.logging.is_progress_bar_enabled()
    transformers.logging.set_verbosity_error()
    hub_logging.set_verbosity_error()  # its warnings of each retry
    transformers.logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(level)
        hub_logging.set_verbosity(of_hub)
        if bars:
            transformers.logging.enable_progress_bar()
