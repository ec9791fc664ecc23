"""Training single units, for every family: only what is theirs changes."""

from __future__ import annotations

import torch
from family_matrix import GROUPED, for_every_family, pairs

import heuristic_core as hc
from heuristic_core.faithful.mending import mend
from heuristic_core.measure.accuracy import predict
from heuristic_core.models.loading import load_model
from heuristic_core.search.data import prepare


def trained(model, units):
    suite = hc.Suite(name="s", role="ood", examples=pairs())
    settings = {"steps": 2, "batch_size": 8, "learning_rate": 0.05}
    return mend(model, suite, prepare(model, pairs()), how="train_units", units=units, **settings)


@for_every_family(unit=("L1H2", "L0MLP"))
def test_without_a_trained_unit_the_model_is_as_before(subject, unit, tmp_path):
    """Nothing is trained that moves other heads too, such as keys that they share."""
    model, encoded = subject.model, subject.encoded
    mended = trained(model, [unit]).model
    without = hc.removal(model, unit, ablation="zero")
    expected = predict(model, encoded, subnetwork=without)
    again = load_model(mended.save(tmp_path / "mended"))
    for one in (mended, again):
        logits = predict(one, encoded, subnetwork=hc.removal(one, unit, ablation="zero"))
        torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-4)
        whole = one.logits(encoded), model.logits(encoded)
        assert (whole[0] - whole[1]).abs().max() > 1e-4  # the unit did learn something


@for_every_family(GROUPED)
def test_keys_and_values_are_trained_with_all_heads_that_read_them(subject):
    model = subject.model
    heads = [f"L1H{head}" for head in range(model.space.heads[1])]
    before = model.hf.state_dict()
    changed = {
        name.split(".")[-2]
        for name, now in trained(model, heads).model.hf.state_dict().items()
        if not torch.equal(now, before[name])
    }
    assert {"q_proj", "k_proj", "v_proj", "o_proj"} <= changed
