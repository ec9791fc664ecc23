"""Padding tokens: one that the model has an embedding for, and that no text ends with."""

from __future__ import annotations

from typing import Any

from ..errors import InputError
from .families import Family


def padding_for(tokenizer: Any, n_known: int) -> None:
    """Give a decoder's tokenizer a padding token that no text ends with, if it has none.

    Args:
        tokenizer: The tokenizer.
        n_known: How many tokens the model has embeddings for.

    Raises:
        InputError: If it has no token for that.
    """
    if tokenizer.pad_token_id is not None:
        return
    last = tokenizer("a")["input_ids"][-1:]
    for token in (tokenizer.eos_token, tokenizer.unk_token, tokenizer.bos_token):
        number = None if token is None else tokenizer.convert_tokens_to_ids(token)
        if number is not None and [number] != last and number < n_known:
            tokenizer.pad_token = token
            return
    raise InputError("the tokenizer has no padding token; set its pad_token and save it")


def known_padding(source: object, family: Family, config: Any, tokenizer: Any) -> dict[str, int]:
    """Replace a padding token that the model has no embedding for.

    One was added to the tokenizer, and the embedding not resized. Padding is masked, so any other
    token will do if positions are not counted from it, and if texts do not end with it.

    Args:
        source: The model's name in errors.
        family: Its family.
        config: Its configuration, from transformers.
        tokenizer: Its tokenizer, which gets the padding token that is used.

    Returns:
        What to change in the configuration.

    Raises:
        InputError: If no other token will do.
    """
    n_known, own = config.vocab_size, config.pad_token_id
    given = tokenizer.pad_token_id
    unknown = [i for i in (own, given) if i is not None and not 0 <= i < n_known]
    if not unknown:
        return {}
    if own is not None and own not in unknown:
        tokenizer.pad_token = tokenizer.convert_ids_to_tokens(own)
        return {}
    lack = f"{source}: the padding token {unknown[0]} has no embedding (the model has {n_known})"
    if family.kind == "encoder-decoder" or family.positions_after_padding:
        raise InputError(
            f"{lack}; set pad_token_id in config.json and the tokenizer's pad_token to those it "
            "was trained with"
        )
    if given is None or given in unknown:
        tokenizer.pad_token = None
        try:
            padding_for(tokenizer, n_known)
        except InputError as error:
            raise InputError(
                f"{lack}; set pad_token_id in config.json and the tokenizer's pad_token to a token "
                "below that, which no text ends with"
            ) from error
    return {"pad_token_id": tokenizer.pad_token_id}
