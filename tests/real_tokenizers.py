"""Each family's tokenizer as published, made small: its files, and its tokens in a second way.

The vocabulary is learned from the grammar's sentences. Files lie as the hub, transformers 4 and
transformers 5 have them. The second way is what the slow tokenizers of transformers 4 did: pieces
from sentencepiece itself, byte pairs merged here, or BERT's word pieces in Python.
"""

from __future__ import annotations

import io
import json
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import regex
import sentencepiece
from sentencepiece import sentencepiece_model_pb2 as proto
from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers.models.bert.tokenization_bert_legacy import BasicTokenizer, WordpieceTokenizer

Ids = list[int]

#: What GPT-2's tokenizer and those after it split texts by, before bytes are merged.
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
    r"\s*[\r\n]+|\s+(?!\S)|\s+"
)

#: Texts that a vocabulary is learned from besides sentences.
ODD = (
    "The judges near Zoë's café SLEPT at 12:30, didn't they?",
    "naïve “quotes” – 3,000.5% off, re-enter_this@that Straße",
)


@dataclass
class Published:
    """A family's tokenizer.

    Args:
        cls: The class that transformers 4 named, without ``Fast``.
        tokens: Its special tokens by role.
        slow: The files of the slow tokenizer by name; none if there was none.
        fast: What tokenizer.json holds.
        ids: The tokens of one text or two, as the slow tokenizer gave them.
        settings: What else its tokenizer_config.json says on the hub.
    """

    cls: str
    tokens: dict[str, str]
    slow: dict[str, bytes]
    fast: Tokenizer
    ids: Callable[[str, str | None], Ids]
    settings: dict[str, Any] = field(default_factory=dict)

    def save(self, folder: Path, layout: str) -> None:
        """Write the files as they lie somewhere.

        Args:
            folder: The folder, which exists.
            layout: ``slow``, ``hub``, ``4``, ``4 fast`` or ``generic``.
        """
        settings = self.settings | {"tokenizer_class": self.cls}
        if layout in ("slow", "hub", "4"):
            for name, content in self.slow.items():
                (folder / name).write_bytes(content)
        if layout != "slow":
            self.fast.save(str(folder / "tokenizer.json"))
        if layout in ("4", "4 fast", "generic"):
            (folder / "special_tokens_map.json").write_text(json.dumps(self.tokens))
            settings |= self.tokens | {"added_tokens_decoder": self._added}
        if layout == "4 fast":
            settings["tokenizer_class"] = f"{self.cls}Fast"
        if layout == "generic":
            settings["tokenizer_class"] = "PreTrainedTokenizerFast"
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))

    @property
    def _added(self) -> dict[str, Any]:
        return {
            str(number): {
                "content": token.content,
                "lstrip": token.lstrip,
                "normalized": token.normalized,
                "rstrip": token.rstrip,
                "single_word": token.single_word,
                "special": token.special,
            }
            for number, token in self.fast.get_added_tokens_decoder().items()
        }


@cache
def corpus() -> tuple[str, ...]:
    from heuristic_core.tasks.grammar import training_mix

    table = training_mix(600, seed=0, split="train")
    return (*dict.fromkeys([*table["premise"], *table["hypothesis"]]), *ODD * 3)


def _framed(fast: Tokenizer, single: str, pair: str) -> None:
    """Let a tokenizer put special tokens around texts, by templates."""
    named = {part.partition(":")[0] for part in pair.split()} - {"$A", "$B"}
    fast.post_processor = processors.TemplateProcessing(
        single=single,
        pair=pair,
        special_tokens=[(token, fast.token_to_id(token)) for token in sorted(named)],
    )


def _frame(
    pieces: Callable[[str], Ids], single: tuple[Ids, Ids], between: Ids
) -> Callable[[str, str | None], Ids]:
    """Put special tokens around one text, or around and between two."""
    before, after = single

    def ids(text: str, pair: str | None) -> Ids:
        first = before + pieces(text)
        return first + after if pair is None else first + between + pieces(pair) + after

    return ids


# Word pieces


def _word_pieces(cls: str, tokens: dict[str, str], *, twice: bool = False) -> Published:
    special = list(dict.fromkeys(tokens.values()))
    fast = Tokenizer(models.WordPiece(unk_token=tokens["unk_token"]))
    fast.normalizer = normalizers.BertNormalizer(lowercase=True)
    fast.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    fast.train_from_iterator(
        corpus(), trainers.WordPieceTrainer(vocab_size=1500, special_tokens=special)
    )
    fast.decoder = decoders.WordPiece()
    first, last = tokens["cls_token"], tokens["sep_token"]
    start, end = fast.token_to_id(first), fast.token_to_id(last)
    if twice:
        fast.post_processor = processors.RobertaProcessing(
            (last, end), (first, start), trim_offsets=True, add_prefix_space=False
        )
    else:
        fast.post_processor = processors.BertProcessing((last, end), (first, start))
        _framed(fast, f"{first} $A {last}", f"{first} $A {last} $B:1 {last}:1")
    vocabulary = fast.get_vocab()
    words = BasicTokenizer(do_lower_case=True)
    inside = WordpieceTokenizer(vocab=vocabulary, unk_token=tokens["unk_token"])

    def pieces(text: str) -> Ids:
        split = (piece for word in words.tokenize(text) for piece in inside.tokenize(word))
        return [vocabulary[piece] for piece in split]

    lines = sorted(vocabulary, key=vocabulary.__getitem__)
    return Published(
        cls,
        tokens,
        {"vocab.txt": "\n".join(lines).encode()},
        fast,
        _frame(pieces, ([start], [end]), [end] * (1 + twice)),
        {"do_lower_case": True},
    )


_BERT_TOKENS = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}
_ROBERTA_TOKENS = {
    "bos_token": "<s>",
    "cls_token": "<s>",
    "pad_token": "<pad>",
    "eos_token": "</s>",
    "sep_token": "</s>",
    "unk_token": "<unk>",
    "mask_token": "<mask>",
}


# Bytes, merged


def bytes_as_letters() -> dict[int, str]:
    """The printable letter that GPT-2 writes for each byte."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in plain]
    return {b: chr(b) for b in plain} | {b: chr(256 + i) for i, b in enumerate(others)}


def _merge(word: list[str], ranks: dict[tuple[str, str], int]) -> list[str]:
    """Merge the pair that was learned first, until there is none."""
    while len(word) > 1:
        best = min(pairwise(word), key=lambda p: ranks.get(p, len(ranks)))
        if best not in ranks:
            break
        merged, i = [], 0
        while i < len(word):
            two = tuple(word[i : i + 2]) == best
            merged.append("".join(best) if two else word[i])
            i += 1 + two
        word = merged
    return word


def _bytes(
    cls: str,
    tokens: dict[str, str],
    *,
    frame: str = "",
    pattern: str = GPT2,
    nfc: bool = False,
    slow: bool = True,
    settings: dict[str, Any] | None = None,
) -> Published:
    special = list(dict.fromkeys(tokens.values()))
    fast = Tokenizer(models.BPE())
    if nfc:
        fast.normalizer = normalizers.NFC()
    if pattern == GPT2:
        fast.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    else:
        fast.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(pattern), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
    fast.train_from_iterator(
        corpus(),
        trainers.BpeTrainer(
            vocab_size=1500,
            special_tokens=special,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    fast.decoder = decoders.ByteLevel()
    number = fast.token_to_id
    before, between, after = [], [], []
    if frame == "roberta":
        first, last = tokens["cls_token"], tokens["sep_token"]
        before, between, after = [number(first)], [number(last)] * 2, [number(last)]
        fast.post_processor = processors.RobertaProcessing(
            (last, number(last)), (first, number(first)), trim_offsets=True, add_prefix_space=False
        )
    elif frame == "bert":
        first, last = tokens["cls_token"], tokens["sep_token"]
        before, between, after = [number(first)], [number(last)], [number(last)]
        _framed(fast, f"{first} $A {last}", f"{first} $A {last} $B {last}")
    elif frame == "start":
        first = tokens["bos_token"]
        before, between = [number(first)], [number(first)]
        _framed(fast, f"{first} $A", f"{first} $A {first} $B")
    else:
        fast.post_processor = processors.ByteLevel(trim_offsets=False)
    model = json.loads(fast.to_str())["model"]
    merges = [tuple(merge) for merge in model["merges"]]
    ranks = {merge: i for i, merge in enumerate(merges)}
    letters, vocabulary = bytes_as_letters(), model["vocab"]

    def pieces(text: str) -> Ids:
        text = unicodedata.normalize("NFC", text) if nfc else text
        found: Ids = []
        for part in regex.findall(pattern, text):
            word = [letters[b] for b in part.encode()]
            found += [vocabulary[piece] for piece in _merge(word, ranks)]
        return found

    files = {
        "vocab.json": json.dumps(vocabulary, ensure_ascii=False).encode(),
        "merges.txt": "\n".join(["#version: 0.2", *map(" ".join, merges), ""]).encode(),
    }
    return Published(
        cls,
        tokens,
        files if slow else {},
        fast,
        _frame(pieces, (before, after), between),
        settings or {},
    )


# Sentencepiece


def _learn(model_type: str, **options: Any) -> bytes:
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus()),
        model_writer=written,
        model_type=model_type,
        vocab_size=900,
        hard_vocab_limit=False,
        character_coverage=1.0,
        minloglevel=2,
        num_threads=1,
        **options,
    )
    return written.getvalue()


def _parts(model: bytes) -> tuple[Any, list[tuple[str, float]], normalizers.Normalizer]:
    """A model's reader, its pieces with their scores, and how it normalizes texts."""
    content = proto.ModelProto()
    content.ParseFromString(model)
    reader = sentencepiece.SentencePieceProcessor(model_proto=model)
    chars = content.normalizer_spec.precompiled_charsmap
    scores = [(piece.piece, piece.score) for piece in content.pieces]
    return reader, scores, normalizers.Precompiled(chars) if chars else normalizers.Sequence([])


def _words_with_spaces(fast: Tokenizer) -> None:
    fast.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always"),
        ]
    )
    fast.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")


def _special(fast: Tokenizer, tokens: dict[str, str]) -> None:
    fast.add_special_tokens(
        [
            AddedToken(token, lstrip=token in ("<mask>", "[MASK]"), normalized=False, special=True)
            for token in dict.fromkeys(tokens.values())
        ]
    )


def _xlm_roberta() -> Published:
    tokens = _ROBERTA_TOKENS
    model = _learn("unigram", unk_id=0, bos_id=1, eos_id=2, pad_id=-1)
    reader, scores, precompiled = _parts(model)
    start = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    fast = Tokenizer(models.Unigram([*start, *scores[3:], ("<mask>", 0.0)], unk_id=3))
    fast.normalizer = precompiled
    _words_with_spaces(fast)
    _special(fast, tokens)
    _framed(fast, "<s> $A </s>", "<s> $A </s> </s> $B </s>")

    def pieces(text: str) -> Ids:
        return [i + 1 if i else 3 for i in reader.encode(text)]

    ids = _frame(pieces, ([0], [2]), [2, 2])
    return Published("XLMRobertaTokenizer", tokens, {"sentencepiece.bpe.model": model}, fast, ids)


def _camembert() -> Published:
    tokens = _ROBERTA_TOKENS
    model = _learn("unigram", unk_id=0, bos_id=1, eos_id=2, pad_id=-1)
    reader, scores, precompiled = _parts(model)
    start = [("<s>NOTUSED", 0.0), ("<pad>", 0.0), ("</s>NOTUSED", 0.0), ("<unk>", 0.0)]
    own = [("<unk>NOTUSED", -100.0), *scores[1:], ("<mask>", 0.0)]
    fast = Tokenizer(models.Unigram([*start, *own], unk_id=3))
    fast.normalizer = precompiled
    _words_with_spaces(fast)
    _special(fast, tokens)
    _framed(fast, "<s> $A </s>", "<s> $A </s> </s> $B </s>")

    def pieces(text: str) -> Ids:
        return [i + 4 if i else 3 for i in reader.encode(text)]

    ids = _frame(pieces, ([5], [6]), [6, 6])
    return Published("CamembertTokenizer", tokens, {"sentencepiece.bpe.model": model}, fast, ids)


def _albert() -> Published:
    tokens = _BERT_TOKENS | {
        "bos_token": "[CLS]", "eos_token": "[SEP]", "unk_token": "<unk>", "pad_token": "<pad>",
    }  # fmt: skip
    model = _learn(
        "unigram", pad_id=0, unk_id=1, bos_id=-1, eos_id=-1,
        control_symbols=["[CLS]", "[SEP]"], user_defined_symbols=["[MASK]"],
    )  # fmt: skip
    reader, scores, precompiled = _parts(model)
    fast = Tokenizer(models.Unigram(scores, unk_id=1))
    fast.normalizer = normalizers.Sequence(
        [
            normalizers.Replace("``", '"'),
            normalizers.Replace("''", '"'),
            normalizers.NFKD(),
            normalizers.StripAccents(),
            normalizers.Lowercase(),
            precompiled,
        ]
    )
    _words_with_spaces(fast)
    _special(fast, tokens)
    _framed(fast, "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1")

    def pieces(text: str) -> Ids:
        plain = unicodedata.normalize("NFKD", " ".join(text.split()))
        plain = "".join(c for c in plain if not unicodedata.combining(c)).lower()
        return reader.encode(plain)

    start, end = reader.piece_to_id("[CLS]"), reader.piece_to_id("[SEP]")
    ids = _frame(pieces, ([start], [end]), [end])
    settings = {"do_lower_case": True, "keep_accents": False, "remove_space": True}
    return Published("AlbertTokenizer", tokens, {"spiece.model": model}, fast, ids, settings)


def _deberta() -> Published:
    tokens = _BERT_TOKENS | {"bos_token": "[CLS]", "eos_token": "[SEP]"}
    model = _learn(
        "unigram", pad_id=0, bos_id=1, eos_id=2, unk_id=3,
        pad_piece="[PAD]", bos_piece="[CLS]", eos_piece="[SEP]", unk_piece="[UNK]",
    )  # fmt: skip
    reader, scores, precompiled = _parts(model)
    fast = Tokenizer(models.Unigram(scores, unk_id=3))
    fast.normalizer = normalizers.Sequence(
        [normalizers.Strip(), precompiled, normalizers.Replace(Regex(" {2,}"), " ")]
    )
    fast.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    fast.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    _special(fast, tokens)
    _framed(fast, "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1")
    ids = _frame(reader.encode, ([1], [2]), [2])
    settings = {"do_lower_case": False, "vocab_type": "spm"}
    return Published("DebertaV2Tokenizer", tokens, {"spm.model": model}, fast, ids, settings)


def _t5() -> Published:
    tokens = {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    model = _learn("unigram", pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
    reader, scores, precompiled = _parts(model)
    extra = [f"<extra_id_{i}>" for i in range(99, -1, -1)]
    fast = Tokenizer(models.Unigram([*scores, *((name, 0.0) for name in extra)], unk_id=2))
    fast.normalizer = precompiled
    _words_with_spaces(fast)
    _special(fast, tokens | {name: name for name in extra})
    _framed(fast, "$A </s>", "$A </s> $B </s>")
    ids = _frame(reader.encode, ([], [1]), [1])
    return Published("T5Tokenizer", tokens, {"spiece.model": model}, fast, ids, {"extra_ids": 100})


def _merged_pieces(cls: str, tokens: dict[str, str], *, gemma: bool) -> Published:
    """LLaMA's and Gemma's: byte pairs of sentencepiece, and bytes for what is unknown."""
    options: dict[str, Any] = {"byte_fallback": True, "normalization_rule_name": "identity"}
    options |= {"remove_extra_whitespaces": False, "split_digits": True}
    if gemma:
        options |= {"pad_id": 0, "eos_id": 1, "bos_id": 2, "unk_id": 3, "add_dummy_prefix": False}
        options |= {"bos_piece": "<bos>", "eos_piece": "<eos>"}
    else:
        options |= {"unk_id": 0, "bos_id": 1, "eos_id": 2, "pad_id": -1}
    model = _learn("bpe", **options)
    reader, scores, _ = _parts(model)
    vocabulary = {piece: i for i, (piece, _) in enumerate(scores)}
    merges = sorted(
        (
            (vocabulary[piece], piece[:i], piece[i:])
            for piece in vocabulary
            for i in range(1, len(piece))
            if piece[:i] in vocabulary and piece[i:] in vocabulary
        ),
    )
    fast = Tokenizer(
        models.BPE(
            vocabulary,
            [(one, two) for _, one, two in merges],
            unk_token=tokens["unk_token"],
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    if gemma:
        fast.normalizer = normalizers.Replace(" ", "▁")
        fast.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    else:
        fast.normalizer = normalizers.Sequence(
            [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
        )
    fast.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    _special(fast, tokens)
    first = tokens["bos_token"]
    _framed(fast, f"{first} $A", f"{first} $A {first}:1 $B:1")
    start = vocabulary[first]
    ids = _frame(reader.encode, ([start], []), [start])
    settings = {"add_bos_token": True, "add_eos_token": False}
    return Published(cls, tokens, {"tokenizer.model": model}, fast, ids, settings)


_END = "<|endoftext|>"
_GPT2_TOKENS = {"bos_token": _END, "eos_token": _END, "unk_token": _END}
_LLAMA_TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
_GEMMA_TOKENS = {
    "pad_token": "<pad>", "eos_token": "<eos>", "bos_token": "<bos>", "unk_token": "<unk>",
}  # fmt: skip
_OPT_TOKENS = {"bos_token": "</s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "</s>"}
_QWEN_TOKENS = {"eos_token": _END, "pad_token": _END}

_MAKE: dict[str, Callable[[], Published]] = {
    "bert": lambda: _word_pieces("BertTokenizer", _BERT_TOKENS),
    "electra": lambda: _word_pieces("ElectraTokenizer", _BERT_TOKENS),
    "distilbert": lambda: _word_pieces("DistilBertTokenizer", _BERT_TOKENS),
    "mpnet": lambda: _word_pieces(
        "MPNetTokenizer", _ROBERTA_TOKENS | {"unk_token": "[UNK]"}, twice=True
    ),
    "roberta": lambda: _bytes("RobertaTokenizer", _ROBERTA_TOKENS, frame="roberta"),
    "bart": lambda: _bytes("BartTokenizer", _ROBERTA_TOKENS, frame="roberta"),
    "xlm-roberta": _xlm_roberta,
    "camembert": _camembert,
    "albert": _albert,
    "deberta-v2": _deberta,
    "t5": _t5,
    "modernbert": lambda: _bytes(
        "PreTrainedTokenizer",
        _BERT_TOKENS,
        frame="bert",
        nfc=True,
        slow=False,
        settings={"model_input_names": ["input_ids", "attention_mask"]} | _BERT_TOKENS,
    ),
    "gpt2": lambda: _bytes("GPT2Tokenizer", _GPT2_TOKENS),
    "gpt_neo": lambda: _bytes("GPT2Tokenizer", _GPT2_TOKENS),
    "gpt_neox": lambda: _bytes(
        "GPTNeoXTokenizer", _GPT2_TOKENS | {"pad_token": "<|padding|>"}, nfc=True, slow=False
    ),
    "opt": lambda: _bytes(
        "GPT2Tokenizer", _OPT_TOKENS, frame="start", settings={"add_bos_token": True} | _OPT_TOKENS
    ),
    "phi": lambda: _bytes("CodeGenTokenizer", _GPT2_TOKENS),
    "olmo2": lambda: _bytes("GPT2Tokenizer", _GPT2_TOKENS | {"pad_token": "<|pad|>"}),
    "olmo3": lambda: _bytes("GPT2Tokenizer", _GPT2_TOKENS | {"pad_token": "<|pad|>"}),
    "qwen2": lambda: _bytes("Qwen2Tokenizer", _QWEN_TOKENS, pattern=QWEN2, nfc=True),
    "qwen3": lambda: _bytes("Qwen2Tokenizer", _QWEN_TOKENS, pattern=QWEN2, nfc=True),
    "llama": lambda: _merged_pieces("LlamaTokenizer", _LLAMA_TOKENS, gemma=False),
    "mistral": lambda: _merged_pieces("LlamaTokenizer", _LLAMA_TOKENS, gemma=False),
    **{
        name: lambda: _merged_pieces("GemmaTokenizer", _GEMMA_TOKENS, gemma=True)
        for name in ("gemma", "gemma2", "gemma3_text")
    },
}


@cache
def published(family: str) -> Published:
    """A family's tokenizer, made once."""
    return _MAKE[family]()
