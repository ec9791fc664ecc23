"""Loading tokenizers: the one that was saved, with the inputs that its model was trained with."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import transformers
from huggingface_hub import try_to_load_from_cache
from tokenizers import Tokenizer
from tokenizers.normalizers import BertNormalizer
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from ..errors import InputError, one_line
from ..storage import read_json
from .families import family_of
from .fit import check_vocabulary, takes_token_types
from .sentencepieces import by_sentencepiece, check_packages
from .token_types import give_types, named_class, token_types

#: Texts on which tokenizers differ: case, accents, scripts, spaces, numbers and punctuation.
PROBES = (
    "The judges near Zoë's café SLEPT at 12:30, didn't they?",
    "  Two  spaces,\ta tab and “quotes” – 3,000.5% off…",
    "naïve ﬁne x² Straße 你好 Привет 😀 re-enter_this@that",
)

#: Settings of BERT's tokenizers, and what a tokenizer.json calls them.
_OF_BERT = {
    "do_lower_case": "lowercase",
    "strip_accents": "strip_accents",
    "tokenize_chinese_chars": "handle_chinese_chars",
}
_BERTS = ("", "BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer", "MPNetTokenizer")


def load_tokenizer(source: object, location: str, config: Any) -> PreTrainedTokenizerBase:
    """Load a model's tokenizer, and hold it against its ``tokenizer.json``.

    Transformers 5 builds some tokenizers from the vocabulary alone, by the class that is named.
    Where that gives other tokens than ``tokenizer.json``, the file's own tokenizer is used.

    Args:
        source: The model's name in errors.
        location: A folder or a hub id.
        config: The model's configuration, from transformers.

    Returns:
        The tokenizer, which gives token types if ``token_types`` says so.

    Raises:
        InputError: If a package that it needs is missing, it has no vocabulary, or its files
            contradict each other.
    """
    pieces = _sentence_pieces(source, location)
    limit = tokenizer_settings(location).get("model_max_length", 0)
    if isinstance(limit, bool) or not isinstance(limit, int | float):
        raise InputError(
            f"{source}: model_max_length in tokenizer_config.json is {one_line(repr(limit), 40)}, "
            "but must be a number; correct or remove it"
        )
    try:
        loaded: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            location, trust_remote_code=False
        )
    except Exception:
        pieces = _sentence_pieces(source, location)  # the files of a model on the hub are here now
        settings = tokenizer_settings(location)
        named = getattr(transformers, named_class(settings) or "PreTrainedTokenizerFast", None)
        if "auto_map" in settings or named is None:
            raise
        own = saved_tokenizer(location) is not None
        loaded = (PreTrainedTokenizerFast if own else named).from_pretrained(location)
    settings = tokenizer_settings(location)
    typed, _ = token_types(config, settings, loaded)
    saved = saved_tokenizer(location)
    if saved is not None and first_difference(loaded, saved, typed=typed) is not None:
        _check_settings(source, settings, saved)
        loaded = _as_saved(source, location, loaded, saved, typed)
    if pieces is not None:
        named_one = named_class(settings)
        loaded = by_sentencepiece(source, location, pieces, loaded, named_one, settings, PROBES)
    check_vocabulary(source, loaded)
    if saved is None and "do_lower_case" not in settings:
        _check_capitals(source, loaded)
    if takes_token_types(family_of(config.model_type), config):
        give_types(loaded, typed)
    return loaded


def _sentence_pieces(source: object, location: str) -> Path | None:
    """Find a model's vocabulary where it is a sentencepiece model and nothing else."""
    config = _file(location, "config.json")
    folder = Path(location) if config is None else config.parent
    models = sorted(folder.glob("*.model")) if folder.is_dir() else []
    others = ("tokenizer.json", "vocab.txt", "vocab.json")
    if not models or any((folder / name).is_file() for name in others):
        return None
    check_packages(source, models[0])
    return models[0]


def tokenizer_settings(location: str) -> Mapping[str, Any]:
    """Read a model's tokenizer_config.json; empty if it has none.

    Raises:
        InputError: If it is damaged.
    """
    path = _file(location, "tokenizer_config.json")
    try:
        settings = read_json(path) if path is not None else {}
    except InputError as error:
        raise InputError(f"{error}; save or fetch the model again") from error
    if not isinstance(settings, Mapping):
        raise InputError(
            f"cannot load {one_line(location, 200)}: tokenizer_config.json is no JSON object; "
            "save or fetch the model again"
        )
    return settings


def saved_tokenizer(location: str) -> Tokenizer | None:
    """Read a model's tokenizer.json as it is; ``None`` if it has none."""
    path = _file(location, "tokenizer.json")
    if path is None:
        return None
    saved = Tokenizer.from_file(str(path))
    saved.no_truncation()
    saved.no_padding()
    return saved


def _file(location: str, name: str) -> Path | None:
    """Find one of a model's files, in its folder or among those that the hub gave."""
    if os.path.isdir(location):
        path = Path(location) / name
        return path if path.is_file() else None
    found = try_to_load_from_cache(location, name)
    return Path(found) if isinstance(found, str) else None


def first_difference(
    tokenizer: PreTrainedTokenizerBase,
    saved: Tokenizer,
    texts: Iterable[tuple[str, str | None]] | None = None,
    *,
    typed: bool,
) -> str | None:
    """Return the first text whose tokens are not those of a tokenizer.json.

    Args:
        tokenizer: The tokenizer in memory.
        saved: What tokenizer.json holds.
        texts: Texts, each with a second text or none; a few odd ones if not given.
        typed: Whether types of tokens must agree, too.
    """
    for text, pair in _probes(saved) if texts is None else texts:
        given = tokenizer(text, pair, return_token_type_ids=typed, verbose=False)
        meant = saved.encode(text, pair) if pair is not None else saved.encode(text)
        if list(given["input_ids"]) != meant.ids:
            return text
        if typed and list(given["token_type_ids"]) != meant.type_ids:
            return text
    return None


def _probes(saved: Tokenizer) -> Sequence[tuple[str, str | None]]:
    special = [t.content for t in saved.get_added_tokens_decoder().values() if t.special][:8]
    texts = (*PROBES, f"so {' it '.join(special)} is")
    return (*((text, None) for text in texts), (texts[0], texts[1]), (texts[2], texts[3]))


def _as_saved(
    source: object,
    location: str,
    loaded: PreTrainedTokenizerBase,
    saved: Tokenizer,
    typed: bool,
) -> PreTrainedTokenizerBase:
    """Read tokenizer.json by a class that leaves it as it is."""
    own = PreTrainedTokenizerFast.from_pretrained(location)
    for name, token in loaded.special_tokens_map.items():
        # Defaults of the named class, which no file says.
        known = isinstance(token, str) and saved.token_to_id(token) is not None
        if known and getattr(own, name, "") is None:
            setattr(own, name, token)
    text = first_difference(own, saved, typed=typed)
    if text is not None:
        raise InputError(
            f"cannot load {source}: {type(loaded).__name__} gives other tokens than its "
            f"tokenizer.json, as for {one_line(text, 60)!r}, and the special tokens of "
            "tokenizer_config.json change those of the file; save the tokenizer again with the "
            "version of transformers that the model was trained with"
        )
    return own


def _check_settings(source: object, settings: Mapping[str, Any], saved: Tokenizer) -> None:
    """Refuse settings that the named class follows and tokenizer.json contradicts."""
    _check_marks(source, settings, saved)
    normalizer = saved.normalizer
    if named_class(settings) not in _BERTS or not isinstance(normalizer, BertNormalizer):
        return
    for key, name in _OF_BERT.items():
        said, meant = settings.get(key), getattr(normalizer, name)
        if isinstance(said, bool) and meant is not None and said != meant:
            raise InputError(
                f"{source}: {key} is {str(said).lower()} in tokenizer_config.json, but "
                f"tokenizer.json says {str(meant).lower()}; correct the one that the model was not "
                "trained with"
            )


def _check_marks(source: object, settings: Mapping[str, Any], saved: Tokenizer) -> None:
    """Refuse settings on what stands before and after texts that tokenizer.json contradicts."""
    text, alone = "x", saved.encode("x", add_special_tokens=False).ids
    framed = saved.encode(text).ids
    spaced = saved.encode(f" {text}", add_special_tokens=False).ids == alone
    parts: dict[str, Any] = {
        "add_bos_token": framed[:1] != alone[:1],
        "add_eos_token": framed[-1:] != alone[-1:],
    }
    if '"ByteLevel"' in saved.to_str():
        parts["add_prefix_space"] = spaced
    for key, meant in parts.items():
        said = settings.get(key)
        if isinstance(said, bool) and said != meant:
            raise InputError(
                f"{source}: {key} is {str(said).lower()} in tokenizer_config.json, but "
                f"tokenizer.json says {str(meant).lower()}; correct the one that the model was not "
                "trained with"
            )


def _check_capitals(source: object, tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuse a vocabulary with capitals that its tokenizer can never give.

    BERT's tokenizer lowers texts if no setting says otherwise, and a vocabulary alone says nothing.
    """
    own = [word for word in tokenizer.get_vocab() if word not in tokenizer.all_special_tokens]
    capitals = [word for word in own if word != word.lower() and word[:1] + word[-1:] != "[]"]
    split = tokenizer.tokenize
    if len(capitals) <= len(own) / 100 or any(split(w) != split(w.lower()) for w in capitals[:20]):
        return
    raise InputError(
        f"{source}: {len(capitals)} of the {len(own)} entries of its vocabulary have capitals, "
        f"such as {one_line(capitals[0], 40)!r}, and its tokenizer lowers all texts, which no "
        'setting asks for; add "do_lower_case": false to tokenizer_config.json, or true if the '
        "model was trained so"
    )
