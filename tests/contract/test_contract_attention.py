"""Attention maps, for every family: they are those of the heads that the gates scale."""

from __future__ import annotations

import pandas as pd
import pytest
import torch
from family_matrix import DECODERS, folder_of, for_every_family, pairs

from heuristic_core.checks.state import state_of
from heuristic_core.measure.attention import attention_patterns
from heuristic_core.models.loading import load_model

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
