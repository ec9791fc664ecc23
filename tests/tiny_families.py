"""Tiny random models of every family, made offline from their configurations."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

from heuristic_core.models.families import FAMILIES
from real_tokenizers import published

#: The longest text in tokens that the tiny models have positions for.
LONGEST = 64

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


def special_ids(family: str) -> dict[str, int]:
    """What a configuration says of a family's special tokens; decoders pad with the last one."""
    made = published(family)
    tokens = made.tokens
    end = tokens.get("eos_token") or tokens["sep_token"]
    start = tokens.get("bos_token") or tokens.get("cls_token") or end
    named = {
        "pad": tokens.get("pad_token") or end,
        "bos": start,
        "cls": start,
        "eos": end,
        "sep": end,
        "decoder_start": tokens["pad_token"] if family == "t5" else end,
    }
    return {f"{role}_token_id": made.fast.token_to_id(token) for role, token in named.items()}


def save_tokenizer(family: str, folder: Path) -> None:
    """Write a family's own tokenizer as version 4 of transformers did."""
    made = published(family)
    tokens = {"pad_token": made.tokens.get("eos_token"), **made.tokens}
    side = "left" if FAMILIES[family].kind == "decoder" else "right"
    settings = made.settings | {"padding_side": side}
    replace(made, tokens=tokens, settings=settings).save(folder, "4")


def tiny_hf(family: str, labels: tuple[str, ...], seed: int, **changes: Any) -> Any:
    """A tiny random classifier, its weights larger than usual so that its units matter."""
    special = special_ids(family)
    before = FAMILIES[family].positions_after_padding * (special["pad_token_id"] + 1)
    settings = (
        {
            "vocab_size": published(family).fast.get_vocab_size(),
            "max_position_embeddings": LONGEST + before,
            "num_attention_heads": 4,
            "initializer_range": 0.2,
            "id2label": dict(enumerate(labels)),
            "label2id": {label: i for i, label in enumerate(labels)},
        }
        | special
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
