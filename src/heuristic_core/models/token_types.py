"""Whether a model was trained with token types, by what its files say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .families import family_of
from .fit import takes_token_types

#: The input that token types are given in.
TYPES = "token_type_ids"

#: Classes and families that gave no token types before version 5 of transformers; others did.
_UNTYPED = {"Roberta", "XLMRoberta", "Camembert", "MPNet", "DistilBert", "Bart", "GPT2", "T5"}
_UNTYPED_FAMILIES = {"roberta", "xlm-roberta", "camembert"}

#: The class that reads any tokenizer.json as it is, by its names, and the families whose own
#: tokenizer gives token types in version 5, where that class no longer does.
_GENERIC = ("PreTrainedTokenizer", "TokenizersBackend")
_TYPED_IN_5 = ("bert", "electra", "deberta-v2")


def named_class(settings: Mapping[str, Any]) -> str:
    """Return the class that a tokenizer_config.json names, without ``Fast``; empty if none."""
    return str(settings.get("tokenizer_class") or "").removesuffix("Fast")


def token_types(config: Any, settings: Mapping[str, Any], tokenizer: Any) -> tuple[bool, str]:
    """Decide whether a model was trained with token types.

    Args:
        config: Its configuration, from transformers.
        settings: Its tokenizer_config.json.
        tokenizer: Its tokenizer as transformers loads it, which saved the files if they are of
            version 5.

    Returns:
        Whether it was, and what says so.
    """
    if not takes_token_types(family_of(config.model_type), config):
        return False, "the model has none"
    names = settings.get("model_input_names")
    if isinstance(names, list):
        return TYPES in names, "as model_input_names in tokenizer_config.json says"
    version = str(getattr(config, "transformers_version", None) or "")
    major = int(version.partition(".")[0]) if version.partition(".")[0].isdecimal() else None
    # Version 5 writes its backend into the tokenizers that it saves.
    if "backend" in settings and (major is None or major >= 5):
        if named_class(settings) in _GENERIC:
            return config.model_type in _TYPED_IN_5, "as its family's tokenizer in transformers 5"
        return TYPES in tokenizer.model_input_names, "as its tokenizer in transformers 5"
    named = named_class(settings) or str(getattr(config, "tokenizer_class", None) or "")
    if named:
        given = named.removesuffix("Fast").removesuffix("Tokenizer") not in _UNTYPED
    else:
        given = config.model_type not in _UNTYPED_FAMILIES
    reason = "as its tokenizer before transformers 5"
    if major is not None and major >= 5:
        reason += f", although config.json is of {version}"
    return given, reason


def give_types(tokenizer: Any, given: bool) -> None:
    """Let a tokenizer give token types or not, and copies of it that are saved say so."""
    others = [name for name in tokenizer.model_input_names if name != TYPES]
    tokenizer.model_input_names = others + [TYPES] * given
    tokenizer.init_kwargs["model_input_names"] = tokenizer.model_input_names
