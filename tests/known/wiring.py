"""Transformers whose weights are set by hand, from a description of what each head does.

The residual stream holds named *features*, each as a pair of coordinates (+x, -x), so that the mean
that LayerNorm subtracts is 0. One more pair, the anchor, is so large that the features hardly move
the variance; LayerNorm's weight undoes the division by it. LayerNorm is then nearly the identity.
MLPs write nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

import heuristic_core as hc
from known.sentences import LABELS

#: A sum of features times numbers; ``one`` is the number 1 itself.
Form = Mapping[str, float]

ANCHOR = 1000.0
SHARPNESS = 40.0  # so that a head attends to nothing but what scores highest
D_HEAD = 16


@dataclass(frozen=True)
class Head:
    """What a head attends to and what it writes.

    Args:
        looks: Pairs of a query's and a key's form; the score of a pair of tokens is the sum of the
            products.
        writes: From a feature to what is added to it: a form of the token attended to.
    """

    looks: tuple[tuple[Form, Form], ...]
    writes: Mapping[str, Form]


@dataclass(frozen=True)
class Circuit:
    """A model in words.

    Args:
        tokens: The features that each token's embedding sets.
        sentences: Those that the premise and the hypothesis set.
        positions: Those that each position sets.
        heads: What the heads do, by their labels; all others are idle.
        answer: Above 0 where the answer is non-entailment.
        gain: What the answer is multiplied by before tanh; where it is large, answers saturate.
        log_odds: Log-odds of the answer where tanh is 1.
        n_layers: Layers.
        n_heads: Heads of each, 16 dimensions wide.
    """

    tokens: Mapping[str, Form]
    sentences: tuple[Form, Form]
    positions: tuple[Form, ...]
    heads: Mapping[str, Head]
    answer: Form
    gain: float
    log_odds: float
    n_layers: int = 3
    n_heads: int = 4
    places: dict[str, int] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        forms = [*self.tokens.values(), *self.sentences, *self.positions]
        forms += [head.writes for head in self.heads.values()]
        for name in dict.fromkeys(name for form in forms for name in form):
            self.places[name] = len(self.places)
        assert len(self.places) < self.width // 2, "there is no room for so many features"

    @property
    def width(self) -> int:
        """Width of the residual stream."""
        return D_HEAD * self.n_heads

    def write(self, form: Form) -> Tensor:
        """Return the vector that adds a form's features to the residual stream."""
        vector = torch.zeros(self.width)
        for name, value in form.items():
            vector[2 * self.places[name]] = value
            vector[2 * self.places[name] + 1] = -value
        return vector

    def read(self, form: Form) -> tuple[Tensor, float]:
        """Return the row and the bias of a linear map that computes a form."""
        features = {name: value / 2 for name, value in form.items() if name != "one"}
        return self.write(features), form.get("one", 0.0)


def build(circuit: Circuit, folder: Path) -> hc.Classifier:
    """Save a circuit as a BERT classifier with its tokenizer, and load it."""
    tokens = list(circuit.tokens)
    tokenizer = BertTokenizer(vocab={token: i for i, token in enumerate(tokens)})
    tokenizer.save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(tokens),
        hidden_size=circuit.width,
        num_hidden_layers=circuit.n_layers,
        num_attention_heads=circuit.n_heads,
        intermediate_size=4,
        max_position_embeddings=len(circuit.positions),
        id2label=dict(enumerate(LABELS)),
        label2id={label: i for i, label in enumerate(LABELS)},
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # of weights that are all overwritten
        model = BertForSequenceClassification(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        _set_weights(circuit, model)
    model.save_pretrained(folder)
    return hc.load_model(folder)


def _set_weights(circuit: Circuit, model: BertForSequenceClassification) -> None:
    embeddings = model.bert.embeddings
    embeddings.word_embeddings.weight.copy_(_rows(circuit, circuit.tokens.values()))
    embeddings.token_type_embeddings.weight.copy_(_rows(circuit, circuit.sentences))
    embeddings.position_embeddings.weight.copy_(_rows(circuit, circuit.positions))
    embeddings.position_embeddings.weight[:, -2:] = torch.tensor([ANCHOR, -ANCHOR])
    layers = model.bert.encoder.layer
    norms = [embeddings.LayerNorm]
    for layer in layers:
        norms += [layer.attention.output.LayerNorm, layer.output.LayerNorm]
    for norm in norms:
        norm.weight.fill_(ANCHOR * (2 / circuit.width) ** 0.5)  # the anchor's standard deviation
    for label, head in circuit.heads.items():
        unit = hc.Unit.parse(label)
        _set_head(circuit, layers[unit.layer].attention, unit.head * D_HEAD, head)
    row, bias = circuit.read(circuit.answer)
    model.bert.pooler.dense.weight[0] = circuit.gain * row
    model.bert.pooler.dense.bias[0] = circuit.gain * bias
    entailment, other = LABELS.index("entailment"), LABELS.index("non-entailment")
    model.classifier.weight[entailment, 0] = -circuit.log_odds / 2
    model.classifier.weight[other, 0] = circuit.log_odds / 2


def _set_head(circuit: Circuit, attention: torch.nn.Module, start: int, head: Head) -> None:
    assert max(len(head.looks), len(head.writes)) <= D_HEAD, "a head is too narrow for this"
    own, out = attention.self, attention.output.dense
    for i, (query, key) in enumerate(head.looks, start):
        sharper = {name: SHARPNESS * D_HEAD**0.5 * value for name, value in query.items()}
        own.query.weight[i], own.query.bias[i] = circuit.read(sharper)
        own.key.weight[i], own.key.bias[i] = circuit.read(key)
    for i, (feature, form) in enumerate(head.writes.items(), start):
        own.value.weight[i], own.value.bias[i] = circuit.read(form)
        out.weight[:, i] = circuit.write({feature: 1.0})


def _rows(circuit: Circuit, forms: Iterator[Form] | tuple[Form, ...]) -> Tensor:
    return torch.stack([circuit.write(form) for form in forms])
