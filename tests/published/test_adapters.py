"""Adapters of a study: kept small, and merged into the same weights everywhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from adapters import Plan, keep, merge, merged, train, with_head
from heuristic_core.models.loading import load_model
from tiny import save_tiny, words

LABELS = ("entailment", "neutral", "contradiction")

FILE = """\
source = "base"
run = "run"
adapters = "adapters"
task = "task.toml"
max_length = 32
seed = 3
kept = [2, 4]

[lora]
r = 2
lora_alpha = 6
target_modules = ["query", "output.dense"]
modules_to_save = ["classifier"]

[training]
steps = 4
checkpoints = [2, 4]
batch_size = 4
learning_rate = 1e-2
"""

TASK = """\
labels = ["entailment", "neutral", "contradiction"]

[columns]
text = "premise"
text_pair = "hypothesis"
label = "label"

[search]
file = "search.csv"

[[train]]
file = "train.csv"

[[suites]]
name = "dev"
role = "id"
file = "dev.csv"
"""


@pytest.fixture
def plan(tmp_path) -> Plan:
    """A plan to fine-tune a tiny model on a few pairs."""
    save_tiny(_made(tmp_path / "base"), labels=LABELS)
    known = [word for word in words() if word.isalpha()]
    for i, name in enumerate(("train", "search", "dev")):
        rng = np.random.default_rng(i)
        texts = [[" ".join(rng.choice(known, n)) for n in (4, 3)] for _ in range(12)]
        rows = [",".join([*pair, str(rng.choice(LABELS))]) for pair in texts]
        (tmp_path / f"{name}.csv").write_text("\n".join(["premise,hypothesis,label", *rows]))
    (tmp_path / "task.toml").write_text(TASK)
    (tmp_path / "plan.toml").write_text(FILE)
    return Plan(tmp_path / "plan.toml")


def _made(folder):
    folder.mkdir()
    return folder


def made_up(plan: Plan) -> dict[str, torch.Tensor]:
    """Adapters with random weights, by peft's names."""
    generator = torch.Generator().manual_seed(0)
    own = dict(with_head(plan, LABELS).hf.named_parameters())
    made = {}
    for name, weight in own.items():
        full = f"base_model.model.{name}"
        if "query.weight" in name or "output.dense.weight" in name:
            low = torch.randn(2, weight.shape[1], generator=generator)
            high = torch.randn(weight.shape[0], 2, generator=generator)
            made[full.replace(".weight", ".lora_A.weight")] = low
            made[full.replace(".weight", ".lora_B.weight")] = high
        elif name.startswith("classifier"):
            made[full] = torch.randn(weight.shape, generator=generator)
    return made


def test_merging_adds_the_products(plan):
    adapters = made_up(plan)
    before = {name: w.clone() for name, w in with_head(plan, LABELS).hf.named_parameters()}
    hf = with_head(plan, LABELS).hf
    merged(hf, adapters, scale=3.0)
    changed = set()
    for name, after in hf.named_parameters():
        full = f"base_model.model.{name}"
        low, high = (full.replace(".weight", f".lora_{side}.weight") for side in "AB")
        if name.endswith(".weight") and low in adapters:
            product = adapters[high].double() @ adapters[low].double()
            expected = (before[name].double() + 3 * product).float()
            torch.testing.assert_close(after.detach(), expected)
            changed.add(name)
        else:
            assert torch.equal(after, adapters.get(full, before[name]))
    assert len(changed) == sum(".lora_A" in name for name in adapters) > 0


def test_the_head_is_drawn_anew_and_alike(plan):
    torch.manual_seed(5)  # has no say
    first, second = (with_head(plan, LABELS).hf.classifier for _ in range(2))
    assert torch.equal(first.weight, second.weight)
    assert not first.bias.any()
    # No digit is lost in float16.
    assert torch.equal(first.weight, first.weight.half().float())
    spread = with_head(plan, LABELS).hf.config.initializer_range
    assert first.weight.std().item() == pytest.approx(spread, rel=0.3)


def test_kept_adapters_become_checkpoints(plan):
    """Kept in float16, merged at every step that is named, and before training."""
    adapters = made_up(plan)
    for step in (2, 4):
        place = plan.run / "unfinished" / f"step-{step:06d}"
        place.mkdir(parents=True)
        scaled = {name: step * w for name, w in adapters.items()}
        save_file(scaled, place / "adapter_model.safetensors")
    keep(plan)
    kept = load_file(plan.adapters / "step-000002" / "adapter_model.safetensors")
    assert {w.dtype for w in kept.values()} == {torch.float16}
    merge(plan, LABELS)
    places = sorted((plan.run / "checkpoints").iterdir())
    assert [place.name for place in places] == ["step-000000", "step-000002", "step-000004"]
    models = [load_model(place) for place in places]
    assert {model.labels for model in models} == {LABELS}
    torch.testing.assert_close(
        models[2].hf.classifier.weight, 2 * models[1].hf.classifier.weight, rtol=1e-2, atol=1e-2
    )
    at = places[1].stat().st_mtime_ns
    merge(plan, LABELS)  # what is there stays
    assert places[1].stat().st_mtime_ns == at


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing")
def test_training_leaves_adapters_that_merge_into_what_was_trained(plan, tmp_path):
    peft = pytest.importorskip("peft", reason="training adapters takes the package peft")
    train(plan, tmp_path)
    keep(plan)
    merge(plan, LABELS)
    folder = plan.run / "trained" / "step-000004"
    trained = peft.PeftModel.from_pretrained(with_head(plan, LABELS).hf, folder)
    expected = trained.merge_and_unload().state_dict()
    found = load_model(plan.run / "checkpoints" / "step-000004").hf.state_dict()
    for name, weight in expected.items():
        torch.testing.assert_close(found[name], weight, rtol=2e-3, atol=2e-4)
