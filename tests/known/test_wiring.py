from __future__ import annotations

import pytest
import torch

import heuristic_core as hc
from known.models import (
    NO_CORE,
    OVERLAP,
    OVERLAP_THEN_ORDER,
    POSITIONS,
    SENTENCES,
    SHARED_WORK,
    SPARE_HEADS,
    TOKENS,
    TWO_WAYS,
)
from known.sentences import CASES, ENTAILED, IN_DOMAIN, pairs
from known.wiring import D_HEAD, build

CIRCUITS = {
    "overlap_then_order": OVERLAP_THEN_ORDER,
    "shared_work": SHARED_WORK,
    "two_ways": TWO_WAYS,
    "no_core": NO_CORE,
    "spare_heads": SPARE_HEADS,
}


@pytest.fixture(scope="module", params=CIRCUITS)
def circuit(request):
    """Each circuit in turn."""
    return CIRCUITS[request.param]


@pytest.fixture(scope="module")
def model(circuit, tmp_path_factory):
    """The circuit as a model."""
    return build(circuit, tmp_path_factory.mktemp("known"))


def features(circuit, hidden):
    """Read every feature off the residual stream, by name."""
    return {name: hidden @ circuit.read({name: 1.0})[0] for name in circuit.places}


def test_layer_norm_leaves_features_as_they_are(circuit, model):
    batch = model.encode(pairs(tuple(CASES), 4)).batch(range(20), model.device)
    with model.inference():
        states = model.hf.bert(**batch, output_hidden_states=True).hidden_states
    tokens = list(TOKENS.values())
    written = {name for head in circuit.heads.values() for name in head.writes}
    assert len(states) == circuit.n_layers + 1
    for hidden in states:
        found = features(circuit, hidden)
        for name in set(circuit.places) - written:
            expected = torch.tensor(
                [
                    [
                        tokens[token].get(name, 0)
                        + SENTENCES[sentence].get(name, 0)
                        + POSITIONS[position].get(name, 0)
                        for position, (token, sentence) in enumerate(zip(*row, strict=True))
                    ]
                    for row in zip(batch["input_ids"], batch["token_type_ids"], strict=True)
                ]
            )
            assert (found[name] - expected).abs().max() < 1e-3
    # Nothing has been written before the first layer.
    assert all(features(circuit, states[0])[name].abs().max() == 0 for name in written)


def test_only_the_heads_of_the_circuit_write(circuit, model):
    for layer, block in enumerate(model.hf.bert.encoder.layer):
        columns = block.attention.output.dense.weight.unflatten(1, (-1, D_HEAD)).abs().amax((0, 2))
        for head, largest in enumerate(columns):
            assert (largest > 0) == (f"L{layer}H{head}" in circuit.heads)
        assert not block.output.dense.weight.any()
        assert not block.output.dense.bias.any()


def test_overlap_head_finds_each_word_in_the_other_sentence(tmp_path):
    model = build(OVERLAP_THEN_ORDER, tmp_path)
    unit = hc.Unit.parse(OVERLAP)
    examples = pairs(("same", "swapped", "other"), 1)
    model.hf.set_attn_implementation("eager")
    batch = model.encode(examples).batch(range(len(examples)), model.device)
    with model.inference():
        maps = model(**batch, output_attentions=True).attentions[unit.layer][:, unit.head]
    # [CLS] a v b adverb [SEP] a v b [SEP]: words without a partner look at [CLS]; adverbs and
    # special tokens look at [SEP], [CLS] itself at both, which is why it is left out below.
    looked_at = {
        0: [5, 6, 7, 8, 9, 9, 1, 2, 3, 5],
        1: [5, 8, 7, 6, 9, 9, 3, 2, 1, 5],
        2: [5, 0, 0, 0, 9, 9, 0, 0, 0, 5],
    }
    for row, keys in looked_at.items():
        assert maps[row].argmax(-1)[1:].tolist() == keys[1:]
        assert maps[row].amax(-1)[1:].min() > 0.9999


def test_examples_are_what_their_cases_say():
    examples = pairs(tuple(CASES), 10)
    for row in examples.table.itertuples():
        premise, hypothesis = row.text.split(), row.text_pair.split()
        assert len(premise) == 4
        assert len(hypothesis) == 3
        shared = set(premise) & set(hypothesis)
        assert len(shared) == (0 if row.case == "other" else 3)
        in_order = " ".join(hypothesis) in row.text
        assert in_order == (row.case in ENTAILED) == (row.label == "entailment")
    assert set(pairs(IN_DOMAIN, 3).table["case"]) == set(IN_DOMAIN)
