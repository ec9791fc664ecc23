"""Tokenizers whose vocabulary is a sentencepiece model alone, held against sentencepiece itself.

Transformers 5 rebuilds them by rules of its own, which leave out a model's normalisation of texts
(DeBERTa), its spaces at the start (LLaMA), or its word boundaries (Mistral).
"""

from __future__ import annotations

import importlib
import importlib.util
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import transformers
from tokenizers import Regex, normalizers

from ..errors import InputError, one_line

#: What reading a sentencepiece model needs: packages and their modules.
_PACKAGES = {"sentencepiece": "sentencepiece", "protobuf": "google.protobuf"}

#: Classes that put a token in front of texts unless their settings say otherwise.
_WITH_START = ("LlamaTokenizer", "GemmaTokenizer")


def check_packages(source: object, model: Path) -> None:
    """Check that the packages are installed that reading a sentencepiece model needs.

    Args:
        source: The model's name in errors.
        model: The file of the sentencepiece model.

    Raises:
        InputError: If they are not.
    """
    missing = [package for package, module in _PACKAGES.items() if not _is_installed(module)]
    if missing:
        raise InputError(
            f"{source} has its vocabulary in {model.name} alone, and reading it needs "
            f"{' and '.join(missing)}; pip install 'heuristic-core[sentencepiece]'"
        )


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of the package that it is in
        return False


def by_sentencepiece(
    source: object,
    location: str,
    model: Path,
    loaded: Any,
    named: str,
    settings: Any,
    texts: Sequence[str],
) -> Any:
    """Return a tokenizer that splits texts as sentencepiece does.

    Args:
        source: The model's name in errors.
        location: Where the tokenizer was loaded from.
        model: The file of the sentencepiece model.
        loaded: The tokenizer as transformers loads it.
        named: The class that its settings name, without ``Fast``; may be empty.
        settings: Its tokenizer_config.json.
        texts: Texts to compare on.

    Raises:
        InputError: If none does.
    """
    import sentencepiece

    protocol: Any = importlib.import_module("sentencepiece.sentencepiece_model_pb2")
    content = protocol.ModelProto()
    try:
        content.ParseFromString(model.read_bytes())
        reader = sentencepiece.SentencePieceProcessor(model_proto=model.read_bytes())
    except Exception as error:  # of protobuf or sentencepiece
        raise InputError(
            f"cannot load {source}: {model.name} is no sentencepiece model "
            f"({one_line(str(error), 80)}); save or fetch the tokenizer again"
        ) from error

    def splits_alike(tokenizer: Any) -> bool:
        return all(
            tokenizer.convert_ids_to_tokens(
                tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
            )
            == _pieces(reader, tokenizer, text)
            for text in texts
        )

    for tokenizer in _candidates(location, loaded, named, content):
        if splits_alike(tokenizer):
            if type(tokenizer).__name__ in _WITH_START and "add_bos_token" not in settings:
                tokenizer.add_bos_token = True
            return tokenizer
    raise InputError(
        f"cannot load {source}: transformers {transformers.__version__} splits texts otherwise "
        f"than its {model.name}; save its tokenizer with transformers 4, which writes "
        "tokenizer.json"
    )


def _pieces(reader: Any, tokenizer: Any, text: str) -> list[str]:
    """Split a text by sentencepiece, prepared as the slow tokenizers do."""
    if isinstance(tokenizer, transformers.AlbertTokenizer):
        text = " ".join(text.split()).replace("``", '"').replace("''", '"')
        if not tokenizer.keep_accents:
            text = unicodedata.normalize("NFKD", text)
            text = "".join(c for c in text if not unicodedata.combining(c))
    if getattr(tokenizer, "do_lower_case", False):
        text = text.lower()
    pieces = reader.encode(text, out_type=str)
    unknown = reader.unk_id()
    return [tokenizer.unk_token if reader.piece_to_id(p) == unknown else p for p in pieces]


def _candidates(location: str, loaded: Any, named: str, content: Any) -> Iterator[Any]:
    """Yield the tokenizer as loaded, of its class, and with the model's own rules."""
    yield loaded
    cls = getattr(transformers, named, None) or transformers.LlamaTokenizer
    if type(loaded) is transformers.PreTrainedTokenizerFast:
        loaded = cls.from_pretrained(location)
        yield loaded
    backend, rules = loaded.backend_tokenizer, content.normalizer_spec
    if rules.precompiled_charsmap:
        steps = [backend.normalizer] if backend.normalizer is not None else []
        steps.append(normalizers.Precompiled(rules.precompiled_charsmap))
        if rules.remove_extra_whitespaces:
            steps += [normalizers.Strip(), normalizers.Replace(Regex(" {2,}"), " ")]
        backend.normalizer = normalizers.Sequence(steps)
    else:
        start = [normalizers.Prepend("▁")] if rules.add_dummy_prefix else []
        backend.normalizer = normalizers.Sequence([*start, normalizers.Replace(" ", "▁")])
        backend.pre_tokenizer = None
    yield loaded
