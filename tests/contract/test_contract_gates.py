"""Gates, for every family: exact where open or shut, differentiable, and gone afterwards."""

from __future__ import annotations

import numpy as np
import torch
from family_matrix import edited, for_every_family, logits, some_mask, some_values

from heuristic_core.checks.state import check_blocks_that_fail, state_of
from heuristic_core.checks.wide import AllDouble
from heuristic_core.measure.accuracy import predict
from heuristic_core.models.ablation import AblationValues
from heuristic_core.models.masked_runs import MaskedRuns
from heuristic_core.models.means import mean_values
from heuristic_core.subnetwork import Subnetwork


@for_every_family()
def test_open_gates_change_no_bit(subject):
    model, batch, plain = subject.model, subject.batch, subject.plain
    with model.gated(some_values(model)) as gates:
        assert torch.equal(logits(model, batch), plain)
        gates.z = torch.ones(len(plain), len(model.space))
        assert torch.equal(logits(model, batch), plain)
    # The examples' answers differ, so that the others of these tests can fail.
    assert (plain[:, 0] - plain[:, 1]).std() > 1e-2


@for_every_family(kind=("zero", "mean"))
def test_shut_gates_equal_edited_weights(subject, kind):
    model, batch, plain = subject.model, subject.batch, subject.plain
    values = some_values(model) if kind == "mean" else AblationValues.zeros(model.anatomy)
    for seed in range(3):
        mask = some_mask(model, seed)
        with model.gated(values) as gates:
            gates.z = torch.tensor(mask).float()
            gated = logits(model, batch)
        torch.testing.assert_close(
            gated, logits(edited(model, mask, values), batch), atol=2e-5, rtol=1e-4
        )
        assert (gated - plain).abs().max() > 1e-3


@for_every_family()
def test_every_unit_is_one_of_its_own(subject):
    """Shut alone, each unit changes the answers in its own way: none is another's gate."""
    model, batch = subject.model, subject.batch
    seen = []
    with model.gated(some_values(model)) as gates:
        for shut in torch.eye(len(model.space)):
            gates.z = 1 - shut
            seen.append(logits(model, batch).flatten())
    distances = torch.cdist(torch.stack(seen), torch.stack(seen))
    assert (distances + torch.eye(len(seen)) > 1e-5).all()


@for_every_family()
def test_each_example_has_gates_of_its_own(subject):
    model, batch = subject.model, subject.batch
    z = torch.rand(6, len(model.space), generator=torch.Generator().manual_seed(1))
    with model.gated(some_values(model)) as gates:
        gates.z = z
        together = logits(model, batch)
        for i in range(6):
            gates.z = z[i]
            alone = logits(model, {k: v[i : i + 1] for k, v in batch.items()})
            torch.testing.assert_close(together[i], alone[0], atol=1e-5, rtol=1e-4)


@for_every_family()
def test_gradients_of_gates_are_exact(subject):
    model = subject.copy()
    model.hf.double()
    values = some_values(model)
    values = AblationValues(
        tuple(v.double() for v in values.heads), tuple(v.double() for v in values.mlps)
    )
    batch = {k: v[:2] for k, v in subject.batch.items()}
    start = torch.rand(
        len(model.space), dtype=torch.float64, generator=torch.Generator().manual_seed(2)
    )
    with model.frozen(), AllDouble(), model.gated(values) as gates:

        def loss(z):
            gates.z = z
            return model(**batch).logits.sin().sum()

        assert torch.autograd.gradcheck(loss, start.requires_grad_(), atol=1e-6)


@for_every_family()
def test_the_model_is_left_as_found_even_by_an_error(subject):
    model = subject.copy()
    model.hf.train()
    next(model.hf.parameters()).requires_grad_(False)
    before = state_of(model)
    check_blocks_that_fail(model, some_values(model), subject.batch)
    assert state_of(model) == before


@for_every_family()
def test_means_exclude_padding(subject):
    """One by one there is no padding."""
    model, encoded = subject.model, subject.encoded
    one, many = mean_values(model, encoded, batch_size=1), mean_values(model, encoded, batch_size=7)
    for a, b in zip(one.heads + one.mlps, many.heads + many.mlps, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)
    assert min(float(v.abs().max()) for v in one.heads + one.mlps) > 1e-4


@for_every_family()
def test_runs_that_share_layers_give_the_same_logits(subject):
    model = subject.model
    masks = np.array(list(subject.masks.values()))
    runs = MaskedRuns(model, subject.encoded, subject.means, batch_size=4)
    shared = runs.logits(masks)
    for mask, logits_of_mask in zip(masks, shared, strict=True):
        subnetwork = Subnetwork(
            model.space, model.space.from_mask(mask), values=subject.means.arrays()
        )
        alone = predict(model, subject.encoded, subnetwork=subnetwork, compact=False)
        np.testing.assert_allclose(logits_of_mask, alone, atol=1e-5, rtol=1e-4)
    # What was kept of the first call serves the second, whatever the order.
    np.testing.assert_allclose(runs.logits(masks[::-1])[::-1], shared, atol=1e-6, rtol=1e-5)
    forgetful = MaskedRuns(model, subject.encoded, subject.means, batch_size=4, memory=0)
    np.testing.assert_allclose(forgetful.logits(masks), shared, atol=1e-6, rtol=1e-5)
