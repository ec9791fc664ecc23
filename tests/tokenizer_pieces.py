"""Small tokenizers of sentencepiece, with their tokens by sentencepiece itself."""

from __future__ import annotations

import io
import unicodedata
from typing import Any

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
)

from tokenizer_files import BERT_TOKENS, ROBERTA_TOKENS, Ids, Published, corpus, frame_of, framed


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


def xlm_roberta() -> Published:
    tokens = ROBERTA_TOKENS
    model = _learn("unigram", unk_id=0, bos_id=1, eos_id=2, pad_id=-1)
    reader, scores, precompiled = _parts(model)
    start = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    fast = Tokenizer(models.Unigram([*start, *scores[3:], ("<mask>", 0.0)], unk_id=3))
    fast.normalizer = precompiled
    _words_with_spaces(fast)
    _special(fast, tokens)
    framed(fast, "<s> $A </s>", "<s> $A </s> </s> $B </s>")

    def pieces(text: str) -> Ids:
        return [i + 1 if i else 3 for i in reader.encode(text)]

    ids = frame_of(pieces, ([0], [2]), [2, 2])
    return Published("XLMRobertaTokenizer", tokens, {"sentencepiece.bpe.model": model}, fast, ids)


def camembert() -> Published:
    tokens = ROBERTA_TOKENS
    model = _learn("unigram", unk_id=0, bos_id=1, eos_id=2, pad_id=-1)
    reader, scores, precompiled = _parts(model)
    start = [("<s>NOTUSED", 0.0), ("<pad>", 0.0), ("</s>NOTUSED", 0.0), ("<unk>", 0.0)]
    own = [("<unk>NOTUSED", -100.0), *scores[1:], ("<mask>", 0.0)]
    fast = Tokenizer(models.Unigram([*start, *own], unk_id=3))
    fast.normalizer = precompiled
    _words_with_spaces(fast)
    _special(fast, tokens)
    framed(fast, "<s> $A </s>", "<s> $A </s> </s> $B </s>")

    def pieces(text: str) -> Ids:
        return [i + 4 if i else 3 for i in reader.encode(text)]

    ids = frame_of(pieces, ([5], [6]), [6, 6])
    return Published("CamembertTokenizer", tokens, {"sentencepiece.bpe.model": model}, fast, ids)


def albert() -> Published:
    tokens = BERT_TOKENS | {
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
    framed(fast, "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1")

    def pieces(text: str) -> Ids:
        plain = unicodedata.normalize("NFKD", " ".join(text.split()))
        plain = "".join(c for c in plain if not unicodedata.combining(c)).lower()
        return reader.encode(plain)

    start, end = reader.piece_to_id("[CLS]"), reader.piece_to_id("[SEP]")
    ids = frame_of(pieces, ([start], [end]), [end])
    settings = {"do_lower_case": True, "keep_accents": False, "remove_space": True}
    return Published("AlbertTokenizer", tokens, {"spiece.model": model}, fast, ids, settings)


def deberta() -> Published:
    tokens = BERT_TOKENS | {"bos_token": "[CLS]", "eos_token": "[SEP]"}
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
    framed(fast, "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1")
    ids = frame_of(reader.encode, ([1], [2]), [2])
    settings = {"do_lower_case": False, "vocab_type": "spm"}
    return Published("DebertaV2Tokenizer", tokens, {"spm.model": model}, fast, ids, settings)


def t5() -> Published:
    tokens = {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    model = _learn("unigram", pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
    reader, scores, precompiled = _parts(model)
    extra = [f"<extra_id_{i}>" for i in range(99, -1, -1)]
    fast = Tokenizer(models.Unigram([*scores, *((name, 0.0) for name in extra)], unk_id=2))
    fast.normalizer = precompiled
    _words_with_spaces(fast)
    _special(fast, tokens | {name: name for name in extra})
    framed(fast, "$A </s>", "$A </s> $B </s>")
    ids = frame_of(reader.encode, ([], [1]), [1])
    return Published("T5Tokenizer", tokens, {"spiece.model": model}, fast, ids, {"extra_ids": 100})


def merged_pieces(cls: str, tokens: dict[str, str], *, gemma: bool) -> Published:
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
    framed(fast, f"{first} $A", f"{first} $A {first}:1 $B:1")
    start = vocabulary[first]
    ids = frame_of(reader.encode, ([start], []), [start])
    settings = {"add_bos_token": True, "add_eos_token": False}
    return Published(cls, tokens, {"tokenizer.model": model}, fast, ids, settings)
