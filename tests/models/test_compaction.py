from __future__ import annotations

import json

import jaxtyping
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

import heuristic_core as hc
from heuristic_core.errors import InputError
from heuristic_core.measure.attention import attention_patterns
from heuristic_core.models.classifier import CompactClassifier
from heuristic_core.models.loading import load_model, new_classifier
from heuristic_core.models.smaller import Constant
from heuristic_core.subnetwork import Subnetwork
from heuristic_core.tasks.task import Suite
from heuristic_core.units import Unit, UnitSpace
from tiny import LABELS, save_tiny, some_pairs

SPACE = UnitSpace((4, 4))
WIDTH, INNER, D_HEAD = 32, 64, 8


@pytest.fixture(scope="module")
def model(tiny_folder):
    """A tiny model shared by all tests here: compaction must not change it."""
    return with_biases(load_model(tiny_folder))


def with_biases(model):
    """Give every map a bias: a new model's are all zero, and a lost one would not show."""
    generator = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for name, parameter in model.hf.named_parameters():
            if name.endswith("bias"):
                parameter += 0.3 * torch.randn(parameter.shape, generator=generator)
    return model


@pytest.fixture(scope="module")
def batch(model):
    """Eight examples of different lengths."""
    return model.encode(some_pairs(8, seed=3)).batch(range(8), model.device)


def subnetwork(kept, ablation="mean", space=SPACE, d_head=D_HEAD, width=WIDTH) -> Subnetwork:
    """A subnetwork whose ablation values are nothing in particular."""
    rng = np.random.default_rng(5)
    values = {}
    if ablation == "mean":
        for i, n in enumerate(space.heads):
            values[f"L{i}.heads"] = rng.normal(size=(n, d_head)).astype(np.float32)
            values[f"L{i}.mlp"] = rng.normal(size=width).astype(np.float32)
    units = frozenset(Unit.parse(u) if isinstance(u, str) else u for u in kept)
    return Subnetwork(space, units, ablation=ablation, values=values, provenance={"seed": 7})


def random_kept(seed, space=SPACE):
    mask = np.random.default_rng(seed).random(len(space)) < 0.5
    return space.from_mask(mask)


def logits(model, batch):
    with torch.no_grad():
        return model(**batch).logits


def gated_logits(model, sub, batch):
    with sub.applied(model):
        return logits(model, batch)


def assert_same(model, sub, batch, atol=1e-5):
    small = sub.compact(model)
    expected = gated_logits(model, sub, batch)
    got = logits(small, batch)
    assert torch.isfinite(got).all()
    assert torch.allclose(got, expected, rtol=0, atol=atol)
    return small


def n_parameters(model) -> int:
    return sum(p.numel() for p in model.hf.parameters())


def expected_parameters(model, sub) -> int:
    """The full model's count, less what each dropped unit held."""
    n = n_parameters(model)
    for i, n_heads in enumerate(sub.space.heads):
        gone = sum(Unit(i, h) not in sub.kept for h in range(n_heads))
        n -= gone * (3 * D_HEAD * (WIDTH + 1) + WIDTH * D_HEAD)
        if Unit(i) not in sub.kept:  # both maps and biases go, one constant comes
            n -= 2 * WIDTH * INNER + INNER
    return n


@pytest.mark.parametrize("ablation", ["mean", "zero"])
@pytest.mark.parametrize("seed", range(6))
def test_logits_are_those_of_the_gated_model(model, batch, seed, ablation):
    sub = subnetwork(random_kept(seed), ablation)
    small = assert_same(model, sub, batch)
    assert not torch.allclose(logits(small, batch), logits(model, batch), atol=1e-3)
    assert n_parameters(small) == expected_parameters(model, sub)


@settings(max_examples=40)
@given(kept=st.sets(st.sampled_from(SPACE.units)), ablation=st.sampled_from(["mean", "zero"]))
def test_any_mask_gives_the_same_logits_and_the_right_size(model, batch, kept, ablation):
    sub = subnetwork(kept, ablation)
    small = assert_same(model, sub, batch)
    assert n_parameters(small) == expected_parameters(model, sub)


HEADS = [u for u in SPACE if u.is_head]
MLPS = [u for u in SPACE if not u.is_head]


@pytest.mark.parametrize("ablation", ["mean", "zero"])
@pytest.mark.parametrize(
    "kept",
    [
        [],
        HEADS,
        MLPS,
        [u for u in SPACE if u.layer or not u.is_head],
        [u for u in SPACE if not u.layer],
        ["L0H3"],
        ["L1MLP"],
    ],
    ids=["empty", "heads", "mlps", "no-head-in-layer-0", "layer-0", "one-head", "one-mlp"],
)
def test_extreme_subnetworks(model, batch, kept, ablation):
    assert_same(model, subnetwork(kept, ablation), batch)


def test_the_empty_subnetwork_gives_every_input_the_same_answer_but_for_its_embeddings(model):
    # Nothing mixes positions any more: the answer hangs on the first token, which all share.
    small = subnetwork([]).compact(model)
    answers = small.logits(small.encode(some_pairs(8)))
    assert torch.allclose(answers, answers[:1].expand_as(answers), atol=1e-6)


def test_the_full_subnetwork_changes_no_bit(model, batch):
    small = subnetwork(SPACE).compact(model)
    assert torch.equal(logits(small, batch), logits(model, batch))
    assert n_parameters(small) == n_parameters(model)


@pytest.mark.parametrize("kept", [[], ["L0H1"], ["L0MLP"], ["L0H0", "L0H1", "L0MLP"]])
def test_a_model_of_one_layer(tmp_path, kept):
    one = load_model(save_tiny(tmp_path, n_layers=1, n_heads=2))
    sub = subnetwork(kept, space=UnitSpace((2,)), d_head=16)
    inputs = one.encode(some_pairs(4)).batch(range(4), one.device)
    assert_same(one, sub, inputs)


def test_without_a_mask_and_with_eager_attention(tiny_folder, batch):
    model = load_model(tiny_folder)
    short = {"input_ids": batch["input_ids"][:, :5]}
    for implementation in ("sdpa", "eager"):
        model.hf.set_attn_implementation(implementation)
        for kept in (["L0H1", "L1MLP"], ["L0H2", "L0MLP", "L1H0", "L1H3"]):
            assert_same(model, subnetwork(kept), short)
            assert_same(model, subnetwork(kept), batch)


def test_in_double_precision_the_logits_agree_to_ten_digits(tiny_folder, batch):
    model = load_model(tiny_folder)
    model.hf.double()
    for seed in range(4):
        small = assert_same(model, subnetwork(random_kept(seed)), batch, atol=1e-10)
        assert small.hf.dtype == torch.float64


def test_weights_keep_their_type(tiny_folder, batch):
    model = load_model(tiny_folder, dtype="bfloat16")
    small = subnetwork(random_kept(0)).compact(model)
    assert {p.dtype for p in small.hf.parameters()} == {torch.bfloat16}
    assert torch.isfinite(logits(small, batch)).all()


def test_modules_are_as_small_as_they_can_be(model):
    small = subnetwork(["L0H1", "L0H2", "L1MLP"]).compact(model)
    first, second = small.hf.bert.encoder.layer
    assert first.attention.self.query.weight.shape == (2 * D_HEAD, WIDTH)
    assert first.attention.output.dense.weight.shape == (WIDTH, 2 * D_HEAD)
    assert first.attention.self.num_attention_heads == 2
    assert first.attention.self.all_head_size == 2 * D_HEAD
    assert [name for name, _ in first.intermediate.named_parameters()] == []
    assert isinstance(first.output.dropout, Constant)
    assert list(second.attention.self.parameters()) == []
    assert isinstance(second.attention.output.dense, Constant)
    assert second.intermediate.dense.weight.shape == (INNER, WIDTH)


def test_the_original_is_left_as_found_and_shares_nothing(tiny_folder, batch):
    model = load_model(tiny_folder)
    model.hf.bert.pooler.dense.weight.requires_grad_(False)
    before = logits(model, batch)
    weights = {k: v.clone() for k, v in model.hf.state_dict().items()}
    config = model.hf.config.to_dict()
    random_state = torch.random.get_rng_state()
    small = subnetwork(random_kept(1)).compact(model)
    assert torch.equal(torch.random.get_rng_state(), random_state)
    with torch.no_grad():
        for parameter in small.hf.parameters():
            parameter.fill_(0.5)
    assert torch.equal(logits(model, batch), before)
    assert all(torch.equal(v, weights[k]) for k, v in model.hf.state_dict().items())
    assert model.hf.config.to_dict() == config
    assert not model.hf.bert.pooler.dense.weight.requires_grad


def test_made_while_the_model_is_gated_it_is_free_of_the_gates(model, batch):
    sub, other = subnetwork(random_kept(2)), subnetwork([])
    with other.applied(model):
        small = sub.compact(model)
        inside = logits(small, batch)
    assert torch.allclose(inside, gated_logits(model, sub, batch), atol=1e-5)
    assert torch.equal(logits(small, batch), inside)


def test_made_of_a_gated_model_in_training_it_runs_free_and_without_dropout(tiny_folder, batch):
    model = with_biases(load_model(tiny_folder))
    # All heads of the first layer are kept, so its projection is copied with its hooks.
    sub = subnetwork([f"L0H{i}" for i in range(4)] + ["L0MLP", "L1H1"])
    expected = gated_logits(model, sub, batch)
    values = model.values_of(subnetwork([]))
    with model.frozen(dropout=True), model.gated(values) as gates:
        gates.z = torch.zeros(len(SPACE))
        small = sub.compact(model)
    assert not any(module.training for module in small.hf.modules())
    assert all(parameter.requires_grad for parameter in small.hf.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in small.hf.modules())
    assert torch.allclose(logits(small, batch), expected, atol=1e-5)


def test_it_is_measured_like_any_classifier(model):
    pairs = some_pairs(32)
    suite = Suite(name="pairs", role="id", examples=pairs)
    sub = subnetwork(random_kept(3))
    small = sub.compact(model)
    assert small.labels == LABELS
    expected = hc.predict(model, model.encode(pairs), subnetwork=sub)
    assert np.allclose(hc.predict(small, small.encode(pairs)), expected, atol=1e-5)
    columns = ["case", "n", "correct"]
    table = hc.evaluate(small, suite)
    assert table[columns].equals(hc.evaluate(model, suite, subnetwork=sub)[columns])


def test_its_units_are_out_of_reach(model, monkeypatch):
    # As a user has it: the checks of types that the tests add would refuse it first.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    sub = subnetwork(random_kept(3))
    small = sub.compact(model)
    assert small.subnetwork == sub
    assert small.subnetwork.provenance == {"seed": 7}
    assert "heads" in repr(small)
    for use in (
        lambda: sub.applied(small).__enter__(),
        lambda: sub.compact(small),
        lambda: hc.means(small, some_pairs(4)),
        lambda: hc.without(small, "L0H0").__enter__(),
        lambda: hc.prepare(small, some_pairs(4)),
        lambda: hc.find_subnetwork(small, some_pairs(4), 0.5),
        lambda: hc.predict(small, small.encode(some_pairs(4)), subnetwork=sub),
        lambda: small.space,
        lambda: small.values_of(sub),
        lambda: small.gated(sub.values),
        lambda: attention_patterns(small, some_pairs(4)),
    ):
        with pytest.raises(InputError, match=r"compacted model, .* use the full model"):
            use()


def test_a_subnetwork_that_does_not_fit_is_refused(model):
    with pytest.raises(InputError, match="3 layers x 4 heads, the model 2 layers"):
        Subnetwork(UnitSpace((4, 4, 4)), frozenset(), ablation="zero").compact(model)
    with pytest.raises(InputError, match="lack"):
        Subnetwork(SPACE, frozenset()).compact(model)
    with pytest.raises(InputError, match="another model's"):
        subnetwork([], width=8).compact(model)


def test_modules_that_are_no_linear_maps_are_refused(tiny_folder):
    model = load_model(tiny_folder)
    attention = model.hf.bert.encoder.layer[0].attention.self
    attention.query = torch.nn.Sequential(attention.query)
    with pytest.raises(InputError, match=r"attention.self.query is no linear map but a Sequential"):
        subnetwork(["L0H1"]).compact(model)


# --- saving -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [[], ["L0H1", "L1MLP"], random_kept(4), SPACE])
def test_saved_and_loaded_it_changes_no_bit(model, batch, tmp_path, kept):
    sub = subnetwork(kept)
    small = sub.compact(model)
    assert small.save(tmp_path / "a" / "small") == tmp_path / "a" / "small"
    back = hc.load_model(tmp_path / "a" / "small")
    assert isinstance(back, CompactClassifier)
    assert back.subnetwork == sub
    assert back.subnetwork.provenance == {"seed": 7}
    assert back.labels == small.labels
    assert not back.hf.training
    assert torch.equal(logits(back, batch), logits(small, batch))
    assert n_parameters(back) == n_parameters(small)
    # A second time, from what was loaded.
    back.save(tmp_path / "b")
    assert (tmp_path / "b" / "config.json").read_text() == (
        tmp_path / "a" / "small" / "config.json"
    ).read_text()
    assert torch.equal(logits(hc.load_model(tmp_path / "b"), batch), logits(small, batch))
    files = {path.suffix for path in (tmp_path / "b").iterdir()}
    assert ".safetensors" in files
    assert not files & {".bin", ".pt", ".pkl", ".py"}


@pytest.fixture
def saved(model, tmp_path):
    """The folder of a compacted model that keeps L0H1, L0H2 and L1MLP."""
    return subnetwork(["L0H1", "L0H2", "L1MLP"]).compact(model).save(tmp_path / "small")


def change_record(folder, **changes):
    file = folder / "config.json"
    config = json.loads(file.read_text())
    config["heuristic_core"] |= changes
    file.write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "other"}, "is not in the format"),
        ({"kept": ["L0H9"]}, "damaged: there is no unit L0H9"),
        ({"kept": ["L0H1", "L0H1"]}, "listed twice"),
        ({"kept": 3}, "damaged"),
        ({"kept": ["L0H1", 5]}, "damaged: .* no unit"),
        ({"heads_per_layer": [4, 4, 4]}, "is of a model of 3 layers x 4 heads"),
        ({"heads_per_layer": []}, "damaged"),
        ({"ablation": "median"}, "damaged: unknown ablation kind"),
        ({"kept": ["L0H1", "L1MLP"]}, "do not fit the units"),
        ({"kept": ["L0H1", "L0H2", "L0H3", "L1MLP"]}, "do not fit the units"),
        ({"kept": ["L0H1", "L0H2"]}, "lacks 1 of the weights .*layer.1.output.dropout.bias"),
        ({"kept": ["L0H1", "L0H2", "L0MLP", "L1MLP"]}, "lacks 4 of the weights"),
        ({"kept": ["L1MLP"]}, "do not fit the units"),
    ],
)
def test_damaged_records_are_refused(saved, changes, message):
    change_record(saved, **changes)
    with pytest.raises(InputError, match=message) as error:
        load_model(saved)
    assert "\n" not in str(error.value)


def test_a_record_that_is_no_record(saved):
    file = saved / "config.json"
    for record in ([1], "x", {}):
        file.write_text(json.dumps(json.loads(file.read_text()) | {"heuristic_core": record}))
        with pytest.raises(InputError, match="is not in the format"):
            load_model(saved)


def test_a_lost_record_is_noticed(saved):
    file = saved / "config.json"
    config = json.loads(file.read_text())
    del config["heuristic_core"]
    file.write_text(json.dumps(config))
    with pytest.raises(InputError, match="cannot load"):
        load_model(saved)


def test_damaged_weights_are_refused(saved):
    file = saved / "model.safetensors"
    weights = load_file(file)
    name = "bert.encoder.layer.0.attention.self.query.weight"
    thin = weights | {name: weights[name][:D_HEAD].clone()}
    save_file(thin, file, metadata={"format": "pt"})
    with pytest.raises(InputError, match=f"1 of the weights do not fit .* {name}"):
        load_model(saved)
    save_file({k: v for k, v in weights.items() if k != name}, file, metadata={"format": "pt"})
    with pytest.raises(InputError, match=f"lacks 1 of the weights .* {name}"):
        load_model(saved)
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(InputError, match="cannot load"):
        load_model(saved)
    file.unlink()
    with pytest.raises(InputError, match="cannot load"):
        load_model(saved)


def test_a_compacted_model_takes_no_new_head(saved):
    with pytest.raises(InputError, match="takes no new head"):
        new_classifier(saved, ("a", "b"), seed=0)


def test_a_folder_that_cannot_be_written(model, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        subnetwork([]).compact(model).save(tmp_path / "file")
