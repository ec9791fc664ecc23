"""Tiny models and examples made offline: what most tests run on."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import torch
from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

from heuristic_core.models.classifier import Classifier
from heuristic_core.tasks.grammar import SUBCASES, generate, training_mix
from heuristic_core.tasks.task import Examples
from tiny_families import save_tokenizer, tiny_hf

LABELS = ("entailment", "non-entailment")
IDLE = ("L0H1", "L0H2", "L1H0", "L1H3", "L1MLP")
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def some_pairs(n: int, seed: int = 0, split: str = "train") -> Examples:
    """Labelled pairs from the grammar, ``case`` their construction."""
    table = training_mix(n, seed=seed, split=split)
    return Examples.build(
        table["premise"], table["hypothesis"], table["label"], table["subcase"], LABELS
    )


@cache
def words() -> list[str]:
    """Every word form that a sample of all constructions needs, lower case."""
    found = {"."}
    for subcase in SUBCASES:
        for split in ("train", "search", "test"):
            for text in generate(subcase, 60, seed=0, split=split)["premise"]:
                found |= set(text.lower().replace(".", " . ").replace(",", " , ").split())
    return sorted(found)


def save_tiny(
    folder: Path,
    *,
    labels: tuple[str, ...] = LABELS,
    n_layers: int = 2,
    n_heads: int = 4,
    width: int = 32,
    seed: int = 0,
    classifier: bool = True,
    family: str = "bert",
    **changes: Any,
) -> Path:
    """Save a tiny random model and its tokenizer; give the folder.

    Sizes are those of a BERT, whose tokenizer knows the grammar's words; other families have their
    own, which ``changes`` changes, and the tokenizers of their kind.
    """
    if family != "bert":
        save_tokenizer(family, folder)
        model = tiny_hf(family, labels, seed, **changes)
        (model if classifier else model.base_model).save_pretrained(folder)
        return folder
    vocabulary = {word: i for i, word in enumerate([*SPECIAL, *words()])}
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    tokenizer = BertTokenizer(vocab=vocabulary, do_lower_case=True)
    tokenizer.save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=width,
        num_hidden_layers=n_layers,
        num_attention_heads=n_heads,
        intermediate_size=2 * width,
        max_position_embeddings=64,
        id2label=dict(enumerate(labels)),
        label2id={label: i for i, label in enumerate(labels)},
        # Larger than usual, so that a random model's units matter and its answers differ.
        initializer_range=0.15,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = BertForSequenceClassification(config)
    (model if classifier else model.bert).save_pretrained(folder)
    return folder


def plant_idle_units(model: Classifier, examples: Examples) -> None:
    """Make the output of the units ``IDLE`` constant, and all the others matter."""
    with torch.no_grad():
        for layer in model.hf.bert.encoder.layer:
            # Sharper attention and larger values, so that the other units matter.
            layer.attention.self.query.weight *= 4
            layer.attention.self.value.weight *= 3
        for label in IDLE:
            layer = model.hf.bert.encoder.layer[int(label[1])]
            if label.endswith("MLP"):
                layer.output.dense.weight.zero_()
            else:
                head = int(label[-1])
                layer.attention.self.value.weight[8 * head : 8 * head + 8] = 0
        model.hf.classifier.weight *= 10
        model.hf.classifier.bias -= model.logits(model.encode(examples)).mean(0)
