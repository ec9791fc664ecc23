"""Tiny random models of every family, made offline from their configurations."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    PreTrainedTokenizerFast,
    Qwen2Tokenizer,
)

from heuristic_core.models.families import FAMILIES

#: The longest text in tokens that the tiny models have positions for.
LONGEST = 64

SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")

_BERT = {"intermediate_size": 64, "num_hidden_layers": 2, "hidden_size": 32}
_LLAMA = _BERT | {"num_attention_heads": 4, "num_key_value_heads": 2}
_WINDOWS = {"sliding_window": 6, "layer_types": ["sliding_attention", "full_attention"]}
_GEMMA = {"head_dim": 12, "query_pre_attn_scalar": 12}

#: Each family's configuration: where families differ, what is odd about them is in it.
TINY: dict[str, dict[str, Any]] = {
    "bert": _BERT,
    "roberta": _BERT | {"type_vocab_size": 1},
    "xlm-roberta": _BERT | {"type_vocab_size": 1},
    "camembert": _BERT | {"type_vocab_size": 1},
    "electra": _BERT | {"embedding_size": 16},
    "deberta-v2": _BERT
    | {
        "relative_attention": True,
        "pos_att_type": ["p2c", "c2p"],
        "position_buckets": 8,
        "position_biased_input": False,
        "norm_rel_ebd": "layer_norm",
        "share_att_key": False,
        "type_vocab_size": 0,
        "conv_kernel_size": 3,
    },
    "mpnet": _BERT,
    "distilbert": {"dim": 32, "hidden_dim": 64, "n_layers": 2, "n_heads": 4},
    "albert": _BERT | {"embedding_size": 16, "num_hidden_layers": 3},
    "modernbert": _BERT
    | {"num_hidden_layers": 3, "local_attention": 8, "global_attn_every_n_layers": 2},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_inner": 64, "n_positions": LONGEST},
    "gpt_neo": {
        "hidden_size": 32,
        "num_layers": 2,
        "num_heads": 4,
        "intermediate_size": 64,
        "attention_types": [[["global", "local"], 1]],
        "window_size": 6,
    },
    "gpt_neox": _BERT,
    "opt": {"hidden_size": 32, "ffn_dim": 64, "num_hidden_layers": 2, "word_embed_proj_dim": 16},
    "llama": _LLAMA,
    "mistral": _LLAMA | {"sliding_window": 6},
    "qwen2": _LLAMA,
    "qwen3": _LLAMA | {"head_dim": 12},
    "gemma": _LLAMA | {"num_key_value_heads": 1, "head_dim": 12},
    "gemma2": _LLAMA | _GEMMA | _WINDOWS,
    "gemma3_text": _LLAMA | _GEMMA | _WINDOWS,
    "olmo2": _LLAMA,
    "olmo3": _LLAMA | _WINDOWS,
    "phi": _BERT | {"partial_rotary_factor": 0.5, "qk_layernorm": True},
    "t5": {
        "d_model": 32,
        "d_ff": 64,
        "d_kv": 12,
        "num_layers": 2,
        "num_heads": 4,
        "feed_forward_proj": "gated-gelu",
        "max_position_embeddings": None,  # positions are relative, and any number will do
    },
    "bart": {
        "d_model": 32,
        "encoder_ffn_dim": 64,
        "decoder_ffn_dim": 64,
        "encoder_layers": 2,
        "decoder_layers": 1,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 2,
    },
}


@cache
def byte_pairs(words: tuple[str, ...]) -> tuple[dict[str, int], tuple[tuple[str, str], ...]]:
    """Pieces of words and how they are merged, learned from words."""
    pieces = Tokenizer(models.BPE())
    pieces.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(special_tokens=list(SPECIAL), show_progress=False)
    pieces.train_from_iterator([f"{word} {word}" for word in [*words, *SPECIAL]], trainer)
    model = json.loads(pieces.to_str())["model"]
    return model["vocab"], tuple((one, two) for one, two in model["merges"])


def tokenizer_for(family: str, words: list[str]) -> Any:
    """A tokenizer of whole words, with the special tokens around texts that a family expects."""
    kind = FAMILIES[family].kind
    names = list(SPECIAL)
    special = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    if family == "qwen2":  # whose tokenizer is made anew as it is loaded, of byte pairs
        vocabulary, merges = byte_pairs(tuple(words))
        return Qwen2Tokenizer(vocabulary, list(merges), padding_side="left", **special)
    vocabulary = {word: i for i, word in enumerate([*names, *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(Regex(r"[.,]"), "isolated")]
    )
    single, pair = {
        "encoder": ("<s> $A </s>", "<s> $A </s> $B:1 </s>:1"),
        "decoder": ("<s> $A", "<s> $A <s> $B"),
        "encoder-decoder": ("$A </s>", "$A </s> $B </s>"),
    }[kind]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=single, pair=pair, special_tokens=[(name, vocabulary[name]) for name in names]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        cls_token="<s>",
        sep_token="</s>",
        **special,
        padding_side="left" if kind == "decoder" else "right",
    )


def tiny_hf(family: str, labels: tuple[str, ...], n_words: int, seed: int, **changes: Any) -> Any:
    """A tiny random classifier, its weights larger than usual so that its units matter."""
    settings = (
        {
            "vocab_size": n_words,
            "max_position_embeddings": LONGEST + 2 * FAMILIES[family].positions_after_padding,
            "num_attention_heads": 4,
            "pad_token_id": 1,
            "bos_token_id": 0,
            "cls_token_id": 0,
            "eos_token_id": 2,
            "sep_token_id": 2,
            "decoder_start_token_id": 2,
            "initializer_range": 0.2,
            "id2label": dict(enumerate(labels)),
            "label2id": {label: i for i, label in enumerate(labels)},
        }
        | TINY[family]
        | changes
    )
    config = AutoConfig.for_model(family, **settings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
        generator = torch.Generator().manual_seed(seed)
        for parameter in model.parameters():
            # Biases and norms of a new model are all alike, and a lost one would not show.
            if parameter.dim() == 1:
                parameter.data += 0.2 * torch.randn(parameter.shape, generator=generator)
    return model.eval()
