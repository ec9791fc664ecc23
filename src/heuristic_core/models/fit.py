"""Checks, before a run, that a configuration, a tokenizer and texts fit each other."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import InputError, fits_one_line, one_line
from .encoding import Encoded
from .families import FAMILIES, Family, family_of


def longest(family: Family, config: Any) -> int | None:
    """Return the longest text in tokens that a model has positions for; ``None`` if unlimited."""
    limit = getattr(config, "max_position_embeddings", None)
    if limit and family.positions_after_padding:
        limit -= (config.pad_token_id or 0) + 1
    return limit or None


def takes_token_types(family: Family, config: Any) -> bool:
    """Return whether a model marks a pair's two texts by token types."""
    return family.kind == "encoder" and getattr(config, "type_vocab_size", 0) > 1


def check_config(source: object, raw: Any) -> None:
    """Check, before transformers reads it, that a config.json is of a supported family.

    Args:
        source: The model's name in errors.
        raw: The content of the file.

    Raises:
        InputError: If it names no such family, names its own code, or is quantized.
    """
    if not isinstance(raw, Mapping) or not isinstance(raw.get("model_type"), str):
        raise InputError(f"{source}: config.json names no model_type; {_type_to_add(raw)}")
    for key in (["auto_map"] if raw.get("auto_map") else []) + _implementations(raw):
        raise InputError(
            f"{source}: config.json names code of its own ({key}), which is never run; give a "
            f"model of transformers' own classes, or if it is one remove {key}"
        )
    if raw.get("quantization_config"):
        raise InputError(
            f"{source} is quantized (quantization_config in config.json), which is not read; give "
            "the weights it was made from"
        )
    try:
        family_of(raw["model_type"])
    except InputError as error:
        raise InputError(f"{source}: {error}") from error


def _type_to_add(raw: Any) -> str:
    named = raw.get("architectures") if isinstance(raw, Mapping) else None
    for name in named if isinstance(named, list) else ():
        for family in FAMILIES:
            stem = family.partition("_text")[0].replace("-", "").replace("_", "")
            if re.match(
                rf"{stem}(?:For[A-Z]|Model|LMHead|PreTrained|DoubleHeads)", str(name), re.I
            ):
                return f'it is {one_line(str(name), 60)}, so add "model_type": "{family}" to it'
    return "give a model that transformers saved"


def _implementations(raw: Mapping[str, Any]) -> list[str]:
    """List settings that ask for other implementations than transformers', perhaps downloads."""
    names = []
    for key, value in raw.items():
        if isinstance(value, Mapping):
            names += _implementations(value)
        elif str(key).endswith("_implementation") and value not in (None, "eager", "sdpa"):
            names.append(one_line(str(key), 60))
    return names


def check_sizes(source: object, config: Any) -> None:
    """Check that a configuration has layers and heads, and no more than units can name.

    Raises:
        InputError: If it does not.
    """
    for size in ("num_hidden_layers", "num_attention_heads"):
        n = getattr(config, size, 1)
        if not isinstance(n, int) or not 1 <= n < 10_000:
            raise InputError(
                f"{source}: {size} in config.json is {one_line(str(n), 40)}, but must be a whole "
                "number from 1 to 9999; correct it"
            )


def check_labels(source: object, config: Any) -> None:
    """Check that a configuration is that of a classifier with two or more classes.

    Raises:
        InputError: If it is a regression's or a multi-label classifier's, or does not name every
            label.
    """
    names = config.id2label
    if config.problem_type == "regression" or len(names) == 1:
        raise InputError(
            f"{source} gives a number, not a class (regression, or a single label); only "
            "classifiers into two or more classes are supported"
        )
    if config.problem_type == "multi_label_classification":
        raise InputError(
            f"{source} gives an example several labels at once (multi_label_classification); only "
            "classifiers into one of several classes are supported"
        )
    if config.problem_type not in (None, "single_label_classification"):
        raise InputError(
            f"{source}: problem_type in config.json is {one_line(str(config.problem_type), 40)!r}, "
            "but must be single_label_classification; correct or remove it"
        )
    if sorted(names) != list(range(len(names))):
        raise InputError(
            f"{source}: id2label in config.json must name the classes 0, 1 and so on; it has "
            f"{one_line(str(sorted(names)), 80)}"
        )
    check_label_names(source, [names[i] for i in range(len(names))])
    ids = config.label2id or {}
    wrong = [name for i, name in names.items() if ids.get(name, i) != i]
    if wrong:
        raise InputError(
            f"{source}: id2label and label2id in config.json do not agree about "
            f"{one_line(str(wrong[0]), 60)!r}; correct one of them"
        )


def check_label_names(source: object, names: Sequence[str]) -> None:
    """Check that there are two or more labels, all different and printable.

    Raises:
        InputError: If there are not.
    """
    odd = [name for name in names if not fits_one_line(str(name))]
    if odd:
        raise InputError(
            f"{source}: the label {one_line(repr(odd[0]), 80)} is no name of up to 100 printable "
            "characters; rename it"
        )
    if len(names) < 2:
        raise InputError(f"{source}: a classifier needs two labels or more, not {len(names)}")
    twice = [name for i, name in enumerate(names) if name in names[:i]]
    if twice:
        raise InputError(
            f"{source}: the label {one_line(str(twice[0]), 60)!r} names two classes; rename one"
        )


def check_setup(source: object, family: Family, config: Any, tokenizer: Any) -> None:
    """Check that a model reads whole texts, and that its tokenizer pads as it expects.

    Raises:
        InputError: If it computes its MLPs in chunks of texts, its tokenizer pads on a side that
            the family does not support, or a decoder lacks its tokenizer's padding token.
    """
    if getattr(config, "chunk_size_feed_forward", 0):
        raise InputError(
            f"{source} computes its MLPs in chunks of texts, which only saves memory; set "
            "chunk_size_feed_forward to 0 in config.json"
        )
    if family.kind == "encoder-decoder":
        first = getattr(config, "decoder_start_token_id", None)
        if type(first) is not int or not 0 <= first < config.vocab_size:
            raise InputError(
                f"{source}: decoder_start_token_id in config.json is {one_line(repr(first), 40)}, "
                f"but must be a token's number below {config.vocab_size}; correct it"
            )
    if family.kind != "decoder":
        if tokenizer.padding_side != "right":
            raise InputError(
                f"{source}: the tokenizer pads on the left, but models of the family "
                f"{family.name!r} count positions from the first token; set padding_side to "
                "'right' in tokenizer_config.json"
            )
        return
    if config.pad_token_id is None or tokenizer.pad_token_id is None:
        raise InputError(
            f"{source}: a decoder classifies the last token that is no padding, and has no padding "
            "token; set the tokenizer's pad_token and pad_token_id in config.json, and save both"
        )
    if config.pad_token_id != tokenizer.pad_token_id:
        raise InputError(
            f"{source}: the padding token is {config.pad_token_id} in config.json but "
            f"{tokenizer.pad_token_id} for the tokenizer; make them the same"
        )


def check_tokens(hf: Any, family: Family, encoded: Encoded) -> None:
    """Check that a model can be run on tokens.

    Raises:
        InputError: If a token has no embedding, a decoder's text ends with the padding token, or
            the texts of a model that classifies at ``<eos>`` differ in how many they have.
    """
    texts = encoded.columns["input_ids"]
    if not texts:
        return
    n_known = hf.get_input_embeddings().num_embeddings
    largest = max(max(ids, default=0) for ids in texts)
    if largest >= n_known:
        raise InputError(
            f"the tokenizer gives token {largest}, but the model has embeddings for {n_known} "
            "only; use the model's own tokenizer, or resize its embeddings and fine-tune it"
        )
    config = hf.config
    if family.kind == "decoder" and any(ids[-1:] == [config.pad_token_id] for ids in texts):
        raise InputError(
            "a text's last token is the padding token, which a decoder's classifier skips; choose "
            "another pad_token for the tokenizer and config.json, or let the tokenizer add no "
            "end-of-text token"
        )
    if family.kind == "encoder-decoder":
        counts = {ids.count(config.eos_token_id) for ids in texts}
        if len(counts) > 1 or 0 in counts:
            raise InputError(
                f"models of the family {family.name!r} classify at the end-of-text token "
                f"{config.eos_token_id}, and texts have {sorted(counts)} of them; use a tokenizer "
                "that adds it, and texts that do not contain it"
            )


def check_vocabulary(source: object, tokenizer: Any) -> None:
    """Check that a tokenizer has a vocabulary, which one built without its files lacks.

    Raises:
        InputError: If it has none.
    """
    if len(tokenizer.get_vocab()) <= len(set(tokenizer.all_special_tokens)):
        raise InputError(
            f"cannot load {source}: there is no vocabulary for its tokenizer; save the tokenizer "
            "into the model's folder"
        )
