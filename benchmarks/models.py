"""The models of the benchmarks, each with its task and search data.

``small`` is a BERT of 4 layers x 4 heads and width 64, trained from scratch on the grammar's pairs,
small enough for the published schedule in full; each of its 20 units is 5 %. The grammar's splits
share no content words, and a model from scratch knows nothing of words it never saw; so everything
is of one split, and what masks are learned and tested on are other pairs of the words it was
trained on. Words that occur only in constructions it is not trained on stay new to it. It is
trained once and kept in a cache.

``minilm`` is the last checkpoint of a finished run of the quickstart study, with that study's task.

    python benchmarks/models.py --model small
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import torch
from torch import nn
from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

from common import count, new_parser, run, table
from heuristic_core.errors import InputError
from heuristic_core.measure.accuracy import evaluate
from heuristic_core.models.classifier import Classifier
from heuristic_core.models.loading import load_model
from heuristic_core.search.data import SearchData, prepare
from heuristic_core.storage import digest, file_digest
from heuristic_core.study.plan import make_plan
from heuristic_core.study.run import load_study_task, open_run
from heuristic_core.study.store import Store
from heuristic_core.tasks import load_suite, load_task
from heuristic_core.tasks.grammar import SUBCASES, generate, training_mix
from heuristic_core.tasks.hans import HANS_KINDS, grammar_examples
from heuristic_core.tasks.labels import HANS_LABELS, NLI_TO_HANS
from heuristic_core.tasks.task import Suite, Task
from heuristic_core.training.finetune import checkpoint_folder, finetune

MODELS = ("small", "minilm")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
#: The quickstart's shares of hard constructions.
HARD = {"ln_subject/object_swap": 0.12, "cn_embedded_under_verb": 0.06, "sn_PP_on_subject": 0.06}
SPLIT = "test"
LONGEST = 24  #: Tokens of the longest pair; the published procedure pads to it.
TRAIN_SIZE, SEARCH_SIZE, ID_SIZE = 48_000, 2000, 1000
ARCHITECTURE = {
    "hidden_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "max_position_embeddings": 32,
    "initializer_range": 0.05,
}
RECIPE = {"batch_size": 64, "learning_rate": 1e-3, "warmup_steps": 100, "seed": 0}
#: Dropout and steps of training. At first without dropout, with which the model does not find out
#: in this time that the two sentences are to be compared; then with it, as the published procedure
#: leaves it on.
PHASES = ((0.0, 1500), (0.1, 1000))
TRAIN_SEED, SEARCH_SEED, ID_SEED, OOD_SEED = 0, 1, 2, 3


@dataclass(frozen=True)
class Subject:
    """A model with what it is studied on.

    Args:
        name: One of ``MODELS``.
        model: The model.
        task: Its task; the first suite is in-domain, the second out-of-domain.
        data: Its search data.
        digest: A hash of the model's weights.
    """

    name: str
    model: Classifier
    task: Task
    data: SearchData
    digest: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose a model."""
    here = Path(__file__).parent
    parser.add_argument("--model", choices=MODELS, default="small")
    parser.add_argument("--cache", type=Path, default=here / "cache", help="where small is kept")
    parser.add_argument(
        "--run", type=Path, default=Path("runs/quickstart"), help="the run folder of minilm"
    )
    parser.add_argument(
        "--ood-per-case", type=count, default=50, help="OOD pairs of each of the 30 constructions"
    )
    parser.add_argument(
        "--id-pairs", type=count, default=1000, help="held-out in-domain pairs of minilm"
    )


def subject(options: argparse.Namespace) -> Subject:
    """Give the model that the options choose.

    Raises:
        InputError: If the run folder holds no finished fine-tuning.
    """
    if options.model == "small":
        task = small_task(options.ood_per_case)
        folder = train_small(task, options.cache)
        model = load_model(folder, max_length=LONGEST)
    else:
        folder, model, task = from_run(options.run, options.ood_per_case, options.id_pairs)
    return Subject(
        options.model,
        model,
        task,
        prepare(model, task),
        file_digest(folder / "model.safetensors"),
    )


def from_run(run_folder: Path, per_case: int, id_pairs: int) -> tuple[Path, Classifier, Task]:
    """Load the last checkpoint of a run's first fine-tuning, with its study's task.

    The in-domain suite is drawn larger than in the study, as a few pairs weigh much in a mean KL.
    """
    config = open_run(run_folder)
    task = load_study_task(config, None)
    tuned = make_plan(config, task).of_kind("finetune")
    store = Store(run_folder)
    if not tuned or not store.has(tuned[0]):
        raise InputError(f"{run_folder} has no finished fine-tuning; do first: hcore run")
    folder = checkpoint_folder(store.path(tuned[0]), config.checkpoints[-1])
    model = load_model(folder, max_length=config.model.max_length)
    larger = load_task(
        config.task.name, seed=config.task.seed, **{**config.task.options, "id_size": id_pairs}
    )
    in_domain = next(suite for suite in larger.suites if suite.role == "id")
    ood = load_suite("hans-grammar", per_case=per_case, seed=config.task.seed)
    return folder, model, replace(task, suites=(in_domain, ood))


def small_task(per_case: int) -> Task:
    """Make the task of the small model: one split's words, no pair in two parts."""

    def mix(n: int, seed: int, hard: Mapping[str, float]) -> pd.DataFrame:
        return training_mix(n, seed=seed, split=SPLIT, hard=hard)

    trained = mix(TRAIN_SIZE, TRAIN_SEED, HARD)
    seen = pairs(trained)
    search = fresh(mix(SEARCH_SIZE, SEARCH_SEED, {}), seen)
    seen |= pairs(search)
    in_domain = fresh(mix(ID_SIZE, ID_SEED, {}), seen)
    seen |= pairs(in_domain)
    # More as wanted, as some may be among the training pairs.
    cases = [
        fresh(generate(name, 4 * per_case, seed=OOD_SEED, split=SPLIT), seen).head(per_case)
        for name in SUBCASES
    ]
    ood = pd.concat(cases, ignore_index=True)
    return Task(
        "grammar-one-split",
        HANS_LABELS,
        train=grammar_examples(trained, "in-domain"),
        search=grammar_examples(search, "in-domain"),
        suites=(
            Suite("id", "id", grammar_examples(in_domain, "in-domain"), label_map=NLI_TO_HANS),
            Suite(
                "hans-grammar",
                "ood",
                grammar_examples(ood, ood["subcase"].tolist()),
                kinds=HANS_KINDS,
                label_map=NLI_TO_HANS,
            ),
        ),
    )


def pairs(examples: pd.DataFrame) -> set[tuple[str, str]]:
    return set(zip(examples["premise"], examples["hypothesis"], strict=True))


def fresh(examples: pd.DataFrame, seen: set[tuple[str, str]]) -> pd.DataFrame:
    """Leave out pairs that are elsewhere already."""
    new = [
        pair not in seen for pair in zip(examples["premise"], examples["hypothesis"], strict=True)
    ]
    return examples[new].reset_index(drop=True)


def words(tables: Iterable[pd.DataFrame]) -> list[str]:
    """Give every word form of some pairs' premises, lower case; hypotheses of all frames too."""
    found = {".", ","}
    for part in tables:
        for column in ("premise", "hypothesis"):
            for text in part[column]:
                found |= set(text.lower().replace(".", "").replace(",", "").split())
    return sorted(found)


def train_small(task: Task, cache: Path) -> Path:
    """Train the small model, or find it in the cache; give the folder of its checkpoint."""
    recipe = {
        "architecture": ARCHITECTURE,
        "recipe": RECIPE,
        "phases": PHASES,
        "train": task.train.digest,
    }
    folder = cache / f"small-{digest(recipe)[:10]}"
    done = checkpoint_folder(folder, PHASES[-1][1])
    if (done / "model.safetensors").is_file():
        return done
    samples = [generate(name, 1000, seed=0, split=SPLIT) for name in SUBCASES]
    trained = task.train.table.rename(columns={"text": "premise", "text_pair": "hypothesis"})
    vocabulary = {word: i for i, word in enumerate([*SPECIAL, *words([trained, *samples])])}
    config = BertConfig(
        vocab_size=len(vocabulary),
        id2label=dict(enumerate(HANS_LABELS)),
        label2id={label: i for i, label in enumerate(HANS_LABELS)},
        **ARCHITECTURE,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(RECIPE["seed"])
        hf = BertForSequenceClassification(config)
    with torch.no_grad():
        # Equal words attend to each other from the start: to find out for itself that words of the
        # two sentences are to be compared takes a model this small very long.
        hf.bert.embeddings.word_embeddings.weight *= 4
        for layer in hf.bert.encoder.layer:
            attention = layer.attention.self
            attention.query.weight *= 4
            attention.key.weight.copy_(attention.query.weight)
    model = Classifier(hf, BertTokenizer(vocab=vocabulary, do_lower_case=True), "small")

    def show(step: int, of: int) -> None:
        if step % 500 == 0:
            print(f"training small: step {step} of {of}", flush=True)

    for dropout, steps in PHASES:
        for module in hf.modules():
            if isinstance(module, nn.Dropout):
                module.p = dropout
        last = [steps] if (dropout, steps) == PHASES[-1] else []
        finetune(model, task.train, folder, steps=steps, checkpoints=last, progress=show, **RECIPE)
    return done


def main(options: argparse.Namespace) -> None:
    it = subject(options)
    found = evaluate(it.model, it.task)
    found["accuracy"] = found["correct"] / found["n"]
    kinds = found.groupby("case_kind")["accuracy"].mean()
    lengths = it.data.encoded.lengths
    print(f"{it.model}, max_length {it.model.max_length}; search pairs: {len(lengths)}")
    print(f"tokens of a search pair: mean {lengths.mean():.1f}, longest {lengths.max()}")
    print(f"cut short: {sum(it.model.encode(s.examples).n_truncated for s in it.task.suites)}\n")
    print(table(["cases", "accuracy"], [[k, f"{a:.1%}"] for k, a in kinds.items()]))


if __name__ == "__main__":
    program = new_parser(__doc__)
    add_arguments(program)
    run(main, program)
