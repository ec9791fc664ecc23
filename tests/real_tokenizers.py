"""Each family's tokenizer as published, made small: its files, and its tokens in a second way.

The vocabulary is learned from the grammar's sentences. Files lie as the hub, transformers 4 and
transformers 5 have them. The second way is what the slow tokenizers of transformers 4 did: pieces
from sentencepiece itself, byte pairs merged here, or BERT's word pieces in Python.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from tokenizer_files import BERT_TOKENS, ROBERTA_TOKENS, Published
from tokenizer_pieces import albert, camembert, deberta, merged_pieces, t5, xlm_roberta
from tokenizer_words import QWEN2, byte_pairs, word_pieces

_END = "<|endoftext|>"
_GPT2_TOKENS = {"bos_token": _END, "eos_token": _END, "unk_token": _END}
_LLAMA_TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
_GEMMA_TOKENS = {
    "pad_token": "<pad>", "eos_token": "<eos>", "bos_token": "<bos>", "unk_token": "<unk>",
}  # fmt: skip
_OPT_TOKENS = {"bos_token": "</s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "</s>"}
_QWEN_TOKENS = {"eos_token": _END, "pad_token": _END}

#: How each family's tokenizer is made.
MAKE: dict[str, Callable[[], Published]] = {
    "bert": lambda: word_pieces("BertTokenizer", BERT_TOKENS),
    "electra": lambda: word_pieces("ElectraTokenizer", BERT_TOKENS),
    "distilbert": lambda: word_pieces("DistilBertTokenizer", BERT_TOKENS),
    "mpnet": lambda: word_pieces(
        "MPNetTokenizer", ROBERTA_TOKENS | {"unk_token": "[UNK]"}, twice=True
    ),
    "roberta": lambda: byte_pairs("RobertaTokenizer", ROBERTA_TOKENS, frame="roberta"),
    "bart": lambda: byte_pairs("BartTokenizer", ROBERTA_TOKENS, frame="roberta"),
    "xlm-roberta": xlm_roberta,
    "camembert": camembert,
    "albert": albert,
    "deberta-v2": deberta,
    "t5": t5,
    "modernbert": lambda: byte_pairs(
        "PreTrainedTokenizer",
        BERT_TOKENS,
        frame="bert",
        nfc=True,
        slow=False,
        settings={"model_input_names": ["input_ids", "attention_mask"]} | BERT_TOKENS,
    ),
    "gpt2": lambda: byte_pairs("GPT2Tokenizer", _GPT2_TOKENS),
    "gpt_neo": lambda: byte_pairs("GPT2Tokenizer", _GPT2_TOKENS),
    "gpt_neox": lambda: byte_pairs(
        "GPTNeoXTokenizer", _GPT2_TOKENS | {"pad_token": "<|padding|>"}, nfc=True, slow=False
    ),
    "opt": lambda: byte_pairs(
        "GPT2Tokenizer", _OPT_TOKENS, frame="start", settings={"add_bos_token": True} | _OPT_TOKENS
    ),
    "phi": lambda: byte_pairs("CodeGenTokenizer", _GPT2_TOKENS),
    "olmo2": lambda: byte_pairs("GPT2Tokenizer", _GPT2_TOKENS | {"pad_token": "<|pad|>"}),
    "olmo3": lambda: byte_pairs("GPT2Tokenizer", _GPT2_TOKENS | {"pad_token": "<|pad|>"}),
    "qwen2": lambda: byte_pairs("Qwen2Tokenizer", _QWEN_TOKENS, pattern=QWEN2, nfc=True),
    "qwen3": lambda: byte_pairs("Qwen2Tokenizer", _QWEN_TOKENS, pattern=QWEN2, nfc=True),
    "llama": lambda: merged_pieces("LlamaTokenizer", _LLAMA_TOKENS, gemma=False),
    "mistral": lambda: merged_pieces("LlamaTokenizer", _LLAMA_TOKENS, gemma=False),
    **{
        name: lambda: merged_pieces("GemmaTokenizer", _GEMMA_TOKENS, gemma=True)
        for name in ("gemma", "gemma2", "gemma3_text")
    },
}


@cache
def published(family: str) -> Published:
    """A family's tokenizer, made once."""
    return MAKE[family]()
