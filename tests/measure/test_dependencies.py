from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from bert_by_hand import BertByHand, by_hand, place

from heuristic_core.errors import InputError
from heuristic_core.measure.dependency import dependencies, dependency_passes
from heuristic_core.models.ablation import AblationValues
from heuristic_core.models.classifier import Classifier
from heuristic_core.models.loading import load_model
from heuristic_core.models.means import mean_values
from heuristic_core.tables import DEPENDENCY, MODEL_NAMES
from heuristic_core.tasks.task import Examples, Suite
from tiny import LABELS, save_tiny, some_pairs

SENDERS = {"L0H1": "core", "L0H0": "control", "L0H2": "control", "L1H2": "core", "L2H0": "core"}
RECEIVERS = {"L0H2": "core", "L1H0": "added", "L2H1": "added", "L3H2": "added"}
KEY = ["path", "reads", "sender", "receiver"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Four layers of three heads, in float64."""
    folder = save_tiny(tmp_path_factory.mktemp("deep"), n_layers=4, n_heads=3, width=24, seed=3)
    loaded = load_model(folder)
    loaded.hf.double()
    return loaded


@pytest.fixture(scope="module")
def suite():
    """Seven examples of several lengths, one of them not adversarial."""
    pairs = some_pairs(7, seed=1)
    table = pairs.table.assign(case=["hard"] * 3 + ["easy"] + ["hard"] * 3)
    return Suite(
        name="pairs", role="ood", examples=Examples(table, LABELS), kinds={"easy": "friendly"}
    )


@pytest.fixture(scope="module")
def means(model):
    return mean_values(model, model.encode(some_pairs(40, seed=2)))


@pytest.fixture(scope="module")
def measured(model, suite, means):
    return measure(model, suite, means)


def measure(model, suite, means, **options):
    options = {"senders": SENDERS, "receivers": RECEIVERS, "margin_paths": ("direct", "total")} | (
        options
    )
    return dependencies(model, suite, values=means, **options)


def cell(table, path, reads, sender, receiver):
    (row,) = table.set_index(KEY).loc[[(path, reads, sender, receiver)]].itertuples()
    return row


def mean_and_error(x):
    return [x.mean(), x.std(ddof=1) / len(x) ** 0.5]


def test_by_hand_arithmetic_is_the_models(model, suite):
    encoded = model.encode(suite.examples)
    logits = [
        BertByHand(model).run(ids, types)[-1]
        for ids, types in zip(
            encoded.columns["input_ids"], encoded.columns["token_type_ids"], strict=True
        )
    ]
    np.testing.assert_allclose(np.array(logits), model.logits(encoded).numpy(), atol=1e-6)


@pytest.mark.parametrize("path", ["direct", "total"])
@pytest.mark.parametrize("reads", ["q", "k", "v"])
def test_equals_brute_force(model, suite, means, measured, reads, path):
    for sender, receiver in [("L0H1", "L3H2"), ("L2H0", "L3H2")]:
        changes, margins = by_hand(model, suite, means, sender, receiver, reads, path)
        row = cell(measured, path, reads, sender, receiver)
        assert row.n == 6
        assert [row.change, row.change_se] == pytest.approx(mean_and_error(changes), abs=1e-9)
        assert [row.margin_change, row.margin_change_se] == pytest.approx(
            mean_and_error(margins), abs=1e-9
        )
        # These are no numbers that any code would give.
        assert row.change > 1e-3
        assert abs(row.margin_change) > 1e-6


def test_excess_is_over_the_controls_of_the_layer(model, suite, means, measured):
    triple = [
        by_hand(model, suite, means, sender, "L2H1", "k", "direct")
        for sender in ("L0H1", "L0H0", "L0H2")
    ]
    sizes = np.abs(np.array(triple))  # sender, change or margin, example
    for s, sender in enumerate(("L0H1", "L0H0", "L0H2")):
        row = cell(measured, "direct", "k", sender, "L2H1")
        excess = sizes[s] - sizes[1:].mean(0)
        assert [row.excess, row.excess_se] == pytest.approx(mean_and_error(excess[0]), abs=1e-9)
        assert [row.margin_excess, row.margin_excess_se] == pytest.approx(
            mean_and_error(excess[1]), abs=1e-9
        )
    # Layers 1 and 2 have no controls.
    assert measured.loc[measured["sender"] != "L0H1", "excess"].isna().sum() == 2 * 4 * 6


def test_exactly_zero_where_no_path_exists(measured):
    layers = measured[["sender", "receiver"]].map(lambda label: place(label)[0])
    without = layers["sender"] >= layers["receiver"]
    assert without.sum() == 6 * (5 + 2 + 1)
    zero = measured.loc[without, ["change", "change_se", "margin_change", "margin_change_se"]]
    assert (zero == 0).all(axis=None)
    assert (measured.loc[~without, "change"] > 0).all()


def test_a_sender_at_its_mean_changes_nothing(model, suite, means):
    constant = Classifier(copy.deepcopy(model.hf), model.tokenizer)
    with torch.no_grad():
        value = constant.anatomy.layers[0].attention.self.value
        value.weight[8:16] = value.bias[8:16] = 0
    heads = [mean.clone() for mean in means.heads]
    heads[0][1] = 0
    means = replace(means, heads=tuple(heads))
    table = measure(constant, suite, means, senders={"L0H1": "core", "L0H0": "control"})
    table = table[table["receiver"] != "L0H2"].set_index("sender")
    assert (table.loc["L0H1", ["change", "margin_change"]] == 0).all(axis=None)
    assert (table.loc["L0H0", "change"] > 0).all()


def test_a_counterfactual_that_is_the_example_changes_nothing(model, suite, means):
    table = measure(model, suite, means, counterfactual=suite.examples)
    assert (table[["change", "margin_change"]] == 0).all(axis=None)


def test_counterfactuals_give_the_senders_output(model, suite, means):
    others = reversed_words(suite)
    measured = measure(model, suite, means, counterfactual=others)
    changes, margins = by_hand(model, suite, means, "L0H1", "L2H1", "v", "total", others)
    row = cell(measured, "total", "v", "L0H1", "L2H1")
    assert row.change == pytest.approx(changes.mean(), abs=1e-9)
    assert row.margin_change == pytest.approx(margins.mean(), abs=1e-9)
    assert row.change > 1e-3


def test_counterfactuals_must_match(model, suite, means):
    with pytest.raises(InputError, match="1 counterfactual examples do not match 7"):
        measure(model, suite, means, counterfactual=suite.examples.take(slice(1)))
    table = suite.examples.table
    longer = table.assign(text=[*table["text"][:6], table["text"].iloc[6] + " doctor"])
    with pytest.raises(InputError, match="counterfactual example 6, from 0, has"):
        measure(model, suite, means, counterfactual=Examples(longer, LABELS))


def test_order_batches_and_padding_do_not_matter(model, suite, means, measured):
    numbers = [name for name, kind in DEPENDENCY.dtypes.items() if kind == "float64"]
    backwards = replace(suite, examples=suite.examples.take(np.arange(7)[::-1]))
    for table in (
        measure(model, backwards, means, batch_size=4),
        measure(model, suite, means, batch_size=1),
        measure(model, [suite.only(["hard"]), suite.only(["easy"])], means),
    ):
        pd.testing.assert_frame_equal(table, measured, rtol=0, atol=1e-10)
    for column in ("sender", "receiver"):
        groups = {"sender": SENDERS, "receiver": RECEIVERS}[column]
        turned = dict(reversed(groups.items()))
        other = measure(model, suite, means, **{f"{column}s": turned})
        one, two = (t.set_index(KEY)[numbers] for t in (measured, other))
        pd.testing.assert_frame_equal(one, two.loc[one.index], rtol=0, atol=1e-12)


def test_columns_groups_and_margins_that_are_left_out(model, suite, means, measured):
    table = measure(model, suite, means, paths=("total", "direct"), margin_paths=("total",))
    assert list(table.columns) == DEPENDENCY.without(MODEL_NAMES).names
    assert dict(zip(table["sender"], table["sender_group"], strict=True)) == SENDERS
    assert dict(zip(table["receiver"], table["receiver_group"], strict=True)) == RECEIVERS
    assert table.loc[table["path"] == "direct", "margin_change"].isna().all()
    both = measured[measured["path"] == "total"].reset_index(drop=True)
    only = table[table["path"] == "total"].reset_index(drop=True)
    pd.testing.assert_frame_equal(only, both)
    assert measure(model, suite, means, senders={}).empty


def test_forecast_counts_the_layers_that_are_run(model, suite, means):
    ran: list[int] = []
    kept = [
        out.register_forward_hook(lambda m, a, o: ran.append(1))
        for out in (model.anatomy.mlp_out[layer] for layer in range(4))
    ]
    options = {"paths": ("direct", "total"), "margin_paths": ("direct",)}
    try:
        measure(model, suite, means, **options, counterfactual=reversed_words(suite))
    finally:
        for handle in kept:
            handle.remove()
    expected = dependency_passes(4, SENDERS, RECEIVERS, **options, counterfactual=True)
    assert len(ran) / 4 == expected
    assert dependency_passes(4, {}, RECEIVERS) == 1


def test_progress_and_groups_of_one_example(model, suite, means):
    seen: list[tuple[int, int]] = []
    one = replace(suite, examples=suite.examples.take(slice(1)))
    table = measure(model, one, means, progress=lambda *done: seen.append(done))
    assert seen == [(i, 5) for i in range(1, 6)]
    assert table["change_se"].isna().all()
    assert table["change"].notna().all()


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_the_model_is_left_as_found(model, suite, means, error):
    encoded = model.encode(suite.examples)
    before = model.logits(encoded)
    model.hf.train()
    calls = []

    def stop(module, args, output):
        calls.append(1)
        if len(calls) == 20:
            raise error

    handle = model.anatomy.mlp_out[3].register_forward_hook(stop)
    with pytest.raises(error):
        measure(model, suite, means)
    handle.remove()
    assert model.hf.training
    model.hf.eval()
    assert all("forward" not in layer.__dict__ for layer in model.anatomy.layers)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.hf.modules())
    assert all(p.requires_grad for p in model.hf.parameters())
    assert torch.equal(model.logits(encoded), before)


def test_in_half_precision_and_on_constant_heads(tiny, pairs):
    """A receiver that gives a constant has no scale of its own; its change is no huge number."""
    suite = Suite(name="pairs", role="ood", examples=pairs.take(slice(4)))
    with torch.no_grad():
        tiny.anatomy.layers[1].attention.self.value.weight[:8] = 0
        tiny.anatomy.layers[1].attention.self.value.bias[:8] = 0.3
    means = mean_values(tiny, tiny.encode(pairs))
    tables = {}
    for dtype in (torch.float32, torch.bfloat16):
        tiny.hf.to(dtype)
        groups = {"senders": {"L0H1": "core"}, "receivers": {"L1H0": "added", "L1H1": "added"}}
        tables[dtype] = dependencies(tiny, suite, values=means, **groups).set_index("receiver")
    assert (tables[torch.float32].loc["L1H0", "change"] < 1e-2).all()
    one, half = (t.loc["L1H1", "change"].to_numpy() for t in tables.values())
    np.testing.assert_allclose(half, one, rtol=0.2, atol=0.02)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"senders": {"L0MLP": "core"}}, "only heads can be patched"),
        ({"senders": {"L9H0": "core"}}, "there is no unit L9H0"),
        ({"senders": {"L0H0": "added"}}, "unknown group of heads 'added'"),
        ({"receivers": {"L1H0": "control"}}, "unknown group of heads 'control'"),
        ({"paths": ("indirect",)}, "unknown path 'indirect'; did you mean 'direct'"),
        ({"paths": ("total",), "margin_paths": ("direct",)}, "unknown path 'direct'"),
    ],
)
def test_errors_are_one_line(model, suite, means, options, message):
    with pytest.raises(InputError, match=message) as caught:
        measure(model, suite, means, **options)
    assert "\n" not in str(caught.value)


def test_errors_of_examples_and_values(model, suite, means, tiny):
    with pytest.raises(InputError, match="adversarial examples, and there are none"):
        measure(model, suite.only(["easy"]), means)
    with pytest.raises(InputError, match="ablation values of shapes"):
        measure(model, suite, AblationValues.zeros(tiny.anatomy))


def test_damaged_weights_are_told(model, suite, means):
    damaged = Classifier(copy.deepcopy(model.hf), model.tokenizer)
    with torch.no_grad():
        damaged.hf.classifier.weight[0] = torch.nan
    with pytest.raises(InputError, match="not finite numbers"):
        measure(damaged, suite, means)


def reversed_words(suite):
    """The same number of tokens for each example, in another order."""
    table = suite.examples.table
    return Examples(
        table.assign(text=[" ".join(reversed(text.split())) for text in table["text"]]), LABELS
    )
