"""Attention maps, for every family: they are those of the heads that the gates scale."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
from family_matrix import DECODERS, folder_of, for_every_family, pairs
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from heuristic_core.checks.state import state_of
from heuristic_core.measure.attention import attention_patterns
from heuristic_core.measure.attention_maps import case_maps
from heuristic_core.models.loading import load_model
from heuristic_core.tasks.task import Examples, Suite

#: How far back or ahead the windowed layers of the tiny models let a token see, by layer.
WINDOWS = {
    "modernbert": {0: None, 1: 4},
    "gpt_neo": {0: None, 1: 5},
    "mistral": {0: 5, 1: 5},
    "gemma2": {0: 5, 1: None},
    "gemma3_text": {0: 5, 1: None},
    "olmo3": {0: 5, 1: None},
}


@for_every_family()
def test_heads_are_their_maps_applied_to_their_values(subject):
    """So maps, values and gates count heads alike, shared or not and fused or not."""
    maps, values, heads = subject.seen
    assert len(maps) == subject.model.space.n_layers
    for layer, weights in enumerate(maps):
        z = torch.einsum("bhqk,bkhd->bqhd", weights, values[layer]).flatten(2)
        torch.testing.assert_close(z, heads[layer], atol=1e-5, rtol=1e-4)
        # The other way round it is not so.
        assert (z - heads[layer].unflatten(-1, (4, -1)).flip(2).flatten(2)).abs().max() > 1e-2


@for_every_family()
def test_rows_sum_to_one_over_the_tokens_allowed(subject):
    maps, _, _ = subject.seen
    real = subject.batch["attention_mask"].bool()
    place = torch.arange(real.shape[1])
    ahead = place[None] - place[:, None]
    for layer, weights in enumerate(maps):
        rows = weights.transpose(1, 2)[real]  # real token, head, key
        torch.testing.assert_close(rows.sum(-1), torch.ones(rows.shape[:-1]))
        allowed = real[:, None, :].expand(-1, real.shape[1], -1).clone()
        if subject.family in DECODERS:
            allowed &= ahead <= 0
        window = WINDOWS.get(subject.family, {}).get(layer)
        if window is not None:
            allowed &= ahead.abs() <= window
        outside = (weights * ~allowed[:, None]).transpose(1, 2)[real]
        assert outside.abs().max() == 0
        # All that is allowed is seen by some head.
        inside = (weights.amax(1) > 0)[real]
        assert (inside == allowed[real]).float().mean() > 0.99


@for_every_family(weighting=("attention", "value_norm"))
def test_patterns_are_scored_head_by_head(subject, weighting):
    model = subject.copy()
    before = state_of(model)
    if subject.family == "qwen2":  # its pieces of words make other patterns
        assert len(attention_patterns(model, pairs(), weighting=weighting))
        return
    table = attention_patterns(model, pairs(), weighting=weighting)
    assert table["unit"].nunique() == model.space.n_heads
    by_unit = table.pivot(index="unit", columns="pattern", values="score")
    assert by_unit.notna().all(axis=None)
    assert not by_unit.duplicated().any()
    if weighting == "attention":
        assert state_of(model) == before
        one = attention_patterns(model, pairs(), batch_size=1)
        pd.testing.assert_frame_equal(table, one, rtol=1e-3, atol=1e-4)


@for_every_family()
def test_kept_maps_are_those_of_transformers_alone(subject):
    """Of pairs and of single texts, rounded to 255ths."""
    table = pairs().table
    single = Examples.build(table["text"], None, table["label"], "single", pairs().labels)
    both = Examples.concat([pairs(), single], pairs().labels)
    of_single = np.flatnonzero(both.table["case"] == "single")
    model = subject.copy()
    before = state_of(model)
    hf = AutoModelForSequenceClassification.from_pretrained(
        subject.folder, attn_implementation="eager"
    ).eval()
    tokenizer = AutoTokenizer.from_pretrained(subject.folder)
    types = "token_type_ids" in subject.encoded.columns
    for examples in (pairs(), both.take(of_single)):
        suite = Suite(name="some", role="ood", examples=examples)
        maps, chosen = case_maps(model, suite)
        assert list(chosen["case"]) == list(suite.cases)
        assert len(maps) == len(suite.cases) * model.space.n_heads
        for example in chosen.to_dict("records"):
            tokens = json.loads(example["tokens"])
            for row in suite.only([example["case"]]).examples.table.to_dict("records"):
                texts = [t for t in (row["text"], row["text_pair"]) if t is not None]
                batch = tokenizer(*texts, return_tensors="pt", return_token_type_ids=types)
                names = tokenizer.convert_ids_to_tokens(batch["input_ids"][0])
                spelled = [tokenizer.convert_tokens_to_string([t]).strip() or t for t in names]
                if spelled[: len(tokens)] == tokens and len(spelled) == example["length"]:
                    break
            else:
                raise AssertionError("no example of the case has these tokens")
            assert example["label"] == row["label"]
            with torch.no_grad():
                out = hf(**batch, output_attentions=True)
            assert example["answer"] == model.labels[out.logits[0].argmax()]
            seen = getattr(out, "encoder_attentions", None) or out.attentions
            for stored in maps[maps["case"] == example["case"]].to_dict("records"):
                n = stored["n"]
                assert n == example["n"] == len(tokens)
                kept = np.frombuffer(stored["weights"], np.uint8).reshape(n, n)
                true = seen[stored["layer"]][0, stored["head"], :n, :n].double().numpy()
                # The nearest of 256 values; two computations may differ on a boundary.
                assert np.abs(kept - 255 * true).max() < 0.5 + 1e-3
                assert (kept == np.round(255 * true)).mean() > 0.99
    assert state_of(model) == before


@pytest.mark.parametrize("family", ["llama", "gpt_neox", "modernbert"])
def test_a_head_without_values_reads_nothing_by_norm(family):
    """With the value map's rows of one head at zero; a group's heads lose them together."""
    model = load_model(folder_of(family))
    heads = {"llama": [0, 1], "gpt_neox": [0], "modernbert": [0]}[family]
    maps = model.anatomy.projections[0]
    with torch.no_grad():
        rows = {
            "llama": slice(0, 8),
            "gpt_neox": slice(16, 24),
            "modernbert": slice(64, 72),
        }[family]
        maps[-1].weight[rows] = 0
        if maps[-1].bias is not None:
            maps[-1].bias[rows] = 0
    table = attention_patterns(model, pairs(), weighting="value_norm").set_index("unit")
    for head in range(4):
        scores = table.loc[f"L0H{head}", "score"]
        assert (scores == 0).all() == (head in heads)
