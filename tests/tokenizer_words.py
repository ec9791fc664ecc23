"""Small tokenizers of word pieces and of merged bytes, with their tokens in a second way."""

from __future__ import annotations

import json
import unicodedata
from itertools import pairwise
from typing import Any

import regex
from tokenizers import (
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

from tokenizer_files import Ids, Published, corpus, frame_of, framed

#: What GPT-2's tokenizer and those after it split texts by, before bytes are merged.
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
    r"\s*[\r\n]+|\s+(?!\S)|\s+"
)


def word_pieces(cls: str, tokens: dict[str, str], *, twice: bool = False) -> Published:
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
        framed(fast, f"{first} $A {last}", f"{first} $A {last} $B:1 {last}:1")
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
        frame_of(pieces, ([start], [end]), [end] * (1 + twice)),
        {"do_lower_case": True},
    )


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


def byte_pairs(
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
        framed(fast, f"{first} $A {last}", f"{first} $A {last} $B {last}")
    elif frame == "start":
        first = tokens["bos_token"]
        before, between = [number(first)], [number(first)]
        framed(fast, f"{first} $A", f"{first} $A {first} $B")
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
        frame_of(pieces, (before, after), between),
        settings or {},
    )
