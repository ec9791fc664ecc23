"""The models of the benchmarks, each with its task and search data.

``small`` is a BERT of 4 layers x 4 heads and width 64, trained from scratch on the grammar's pairs,
small enough for the full published schedule; each of its 20 units is 5 %. The grammar's splits
share no content words, and a model from scratch knows nothing of words it never saw. So everything
is of one split, and masks are learned and tested on other pairs of the words it was trained on.
Words that occur only in constructions it is not trained on stay new to it. It is trained once and
kept in a cache.

``minilm`` is the last checkpoint of a finished run of the quickstart study, with that study's task;
``--run`` names another finished run, and ``--data`` the data of its task.

``toy`` is made as ``small``, but of 3 layers x 6 heads of width 4, and almost untrained.

    python benchmarks/subjects.py --model small
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

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
from heuristic_core.study.run import load_study_task
from heuristic_core.study.run_folder import open_run
from heuristic_core.study.store import Store
from heuristic_core.tasks import load_suite, load_task
from heuristic_core.tasks.grammar import SUBCASES, generate, training_mix
from heuristic_core.tasks.hans import HANS_KINDS, grammar_examples
from heuristic_core.tasks.labels import HANS_LABELS, NLI_TO_HANS
from heuristic_core.tasks.task import Suite, Task
from heuristic_core.training.finetune import checkpoint_folder, finetune

MODELS = ("small", "minilm", "toy")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
#: The quickstart's shares of hard constructions.
HARD = {"ln_subject/object_swap": 0.12, "cn_embedded_under_verb": 0.06, "sn_PP_on_subject": 0.06}
SPLIT = "test"
LONGEST = 24  #: Tokens of the longest pair; the published procedure pads to it.
TRAIN_SEED, SEARCH_SEED, ID_SEED, OOD_SEED = 0, 1, 2, 3
TOY = {"model": "toy", "ood_per_case": 2}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a model is trained from scratch.

    Args:
        sizes: Numbers of pairs to train on, to learn masks on, and of the in-domain suite.
        n_vocabulary: Sentences of each construction whose words it knows.
        architecture: Changes to a BERT's configuration.
        training: Settings of fine-tuning.
        phases: Dropout and steps, one phase after the other.
    """

    sizes: tuple[int, int, int]
    n_vocabulary: int
    architecture: Mapping[str, Any]
    training: Mapping[str, Any]
    phases: tuple[tuple[float, int], ...]


RECIPES = {
    "small": Recipe(
        sizes=(48_000, 2000, 1000),
        n_vocabulary=1000,
        architecture={
            "hidden_size": 64,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "intermediate_size": 128,
            "max_position_embeddings": 32,
            "initializer_range": 0.05,
        },
        training={"batch_size": 64, "learning_rate": 1e-3, "warmup_steps": 100, "seed": 0},
        # At first without dropout, with which the model does not learn in this time to compare the
        # two sentences; then with it, as the published procedure leaves it on.
        phases=((0.0, 1500), (0.1, 1000)),
    ),
    "toy": Recipe(
        sizes=(200, 40, 40),
        n_vocabulary=20,
        architecture={
            "hidden_size": 24,
            "num_hidden_layers": 3,
            "num_attention_heads": 6,
            "intermediate_size": 48,
            "max_position_embeddings": 32,
            "initializer_range": 0.15,
        },
        training={"batch_size": 16, "learning_rate": 1e-3, "seed": 0},
        phases=((0.0, 2), (0.1, 3)),
    ),
}


@dataclass(frozen=True)
class Subject:
    """A model with the task and data it is studied on.

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
    parser.add_argument(
        "--cache", type=Path, default=here / "cache", help="where trained models are kept"
    )
    parser.add_argument(
        "--run", type=Path, default=Path("runs/quickstart"), help="the run folder of minilm"
    )
    parser.add_argument(
        "--data", type=Path, help="the folder of data files, where the run's task takes some"
    )
    parser.add_argument(
        "--ood-per-case", type=count, default=50, help="OOD pairs of each of the 30 constructions"
    )
    parser.add_argument(
        "--id-pairs", type=count, default=1000, help="held-out in-domain pairs of minilm"
    )


def subject(options: argparse.Namespace) -> Subject:
    """Return the model that the options choose.

    Raises:
        InputError: If the run folder holds no finished fine-tuning.
    """
    if options.model in RECIPES:
        recipe = RECIPES[options.model]
        task = one_split_task(recipe.sizes, options.ood_per_case)
        folder = trained(options.model, recipe, task, options.out if options.toy else options.cache)
        model = load_model(folder, max_length=LONGEST)
    else:
        folder, model, task = from_run(
            options.run, options.ood_per_case, options.id_pairs, options.data
        )
    return Subject(
        options.model,
        model,
        task,
        prepare(model, task),
        file_digest(folder / "model.safetensors"),
    )


def toy_encoder(folder: Path) -> Path:
    """Return the folder of the toy model, for programs that take an encoder."""
    recipe = RECIPES["toy"]
    return trained("toy", recipe, one_split_task(recipe.sizes, 1), folder)


def from_run(
    run_folder: Path, per_case: int, id_pairs: int, data: Path | None = None
) -> tuple[Path, Classifier, Task]:
    """Load the last checkpoint of a run's first fine-tuning, with its study's task.

    The in-domain suite is drawn larger than in the study, as a few pairs weigh much in a mean KL.
    Of a task that is a file, its first suites of both kinds are used, as large as asked for.
    """
    config = open_run(run_folder)
    task = load_study_task(config, data)
    tuned = make_plan(config, task).of_kind("finetune")
    store = Store(run_folder)
    if not tuned or not store.has(tuned[0]):
        raise InputError(f"{run_folder} has no finished fine-tuning; do first: hcore run")
    folder = checkpoint_folder(store.path(tuned[0]), config.checkpoints[-1])
    model = load_model(folder, max_length=config.model.max_length)
    if config.task.name.endswith(".toml"):
        inner, outer = (
            next(suite for suite in task.suites if suite.role == role) for role in ("id", "ood")
        )
        suites = (
            replace(inner, examples=inner.examples.sample(id_pairs, seed=0)),
            replace(outer, examples=outer.examples.sample_per_case(per_case, seed=0)),
        )
        return folder, model, replace(task, suites=suites)
    options = {**config.task.options, "id_size": id_pairs}
    larger = load_task(config.task.name, data=data, seed=config.task.seed, **options)
    in_domain = next(suite for suite in larger.suites if suite.role == "id")
    ood = load_suite("hans-grammar", per_case=per_case, seed=config.task.seed)
    return folder, model, replace(task, suites=(in_domain, ood))


def one_split_task(sizes: tuple[int, int, int], per_case: int) -> Task:
    """Build the task of a model from scratch: one split's words, no pair in two parts."""
    train_size, search_size, id_size = sizes

    def mix(n: int, seed: int, hard: Mapping[str, float]) -> pd.DataFrame:
        return training_mix(n, seed=seed, split=SPLIT, hard=hard)

    train = mix(train_size, TRAIN_SEED, HARD)
    seen = pairs(train)
    search = fresh(mix(search_size, SEARCH_SEED, {}), seen)
    seen |= pairs(search)
    in_domain = fresh(mix(id_size, ID_SEED, {}), seen)
    seen |= pairs(in_domain)
    # More than wanted, as some may be among the training pairs.
    cases = [
        fresh(generate(name, 4 * per_case, seed=OOD_SEED, split=SPLIT), seen).head(per_case)
        for name in SUBCASES
    ]
    ood = pd.concat(cases, ignore_index=True)
    return Task(
        name="grammar-one-split",
        labels=HANS_LABELS,
        train=grammar_examples(train, "in-domain"),
        search=grammar_examples(search, "in-domain"),
        suites=(
            Suite(
                name="id",
                role="id",
                examples=grammar_examples(in_domain, "in-domain"),
                label_map=NLI_TO_HANS,
            ),
            Suite(
                name="hans-grammar",
                role="ood",
                examples=grammar_examples(ood, ood["subcase"].tolist()),
                kinds=HANS_KINDS,
                label_map=NLI_TO_HANS,
            ),
        ),
    )


def pairs(examples: pd.DataFrame) -> set[tuple[str, str]]:
    return set(zip(examples["premise"], examples["hypothesis"], strict=True))


def fresh(examples: pd.DataFrame, seen: set[tuple[str, str]]) -> pd.DataFrame:
    """Drop pairs that are in another part already."""
    new = [
        pair not in seen for pair in zip(examples["premise"], examples["hypothesis"], strict=True)
    ]
    return examples[new].reset_index(drop=True)


def words(tables: Iterable[pd.DataFrame]) -> list[str]:
    """Return every word form of some pairs, lower case."""
    forms = {".", ","}
    for part in tables:
        for column in ("premise", "hypothesis"):
            for text in part[column]:
                forms |= set(text.lower().replace(".", "").replace(",", "").split())
    return sorted(forms)


def trained(name: str, recipe: Recipe, task: Task, cache: Path) -> Path:
    """Train a model, or find it in the cache, and return the folder of its checkpoint."""
    content = {
        "architecture": recipe.architecture,
        "recipe": recipe.training,
        "phases": recipe.phases,
        "train": task.train.digest,
    }
    folder = cache / f"{name}-{digest(content)[:10]}"
    done = checkpoint_folder(folder, recipe.phases[-1][1])
    if (done / "model.safetensors").is_file():
        return done
    samples = [generate(case, recipe.n_vocabulary, seed=0, split=SPLIT) for case in SUBCASES]
    train = task.train.table.rename(columns={"text": "premise", "text_pair": "hypothesis"})
    vocabulary = {word: i for i, word in enumerate([*SPECIAL, *words([train, *samples])])}
    config = BertConfig(
        vocab_size=len(vocabulary),
        id2label=dict(enumerate(HANS_LABELS)),
        label2id={label: i for i, label in enumerate(HANS_LABELS)},
        **recipe.architecture,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.training["seed"])
        hf = BertForSequenceClassification(config)
    with torch.no_grad():
        # Equal words attend to each other from the start: learning to compare the words of the two
        # sentences takes a model of this size very long.
        hf.bert.embeddings.word_embeddings.weight *= 4
        for layer in hf.bert.encoder.layer:
            attention = layer.attention.self
            attention.query.weight *= 4
            attention.key.weight.copy_(attention.query.weight)
    model = Classifier(hf, BertTokenizer(vocab=vocabulary, do_lower_case=True), name)

    def show(step: int, of: int) -> None:
        if step % 500 == 0:
            print(f"training {name}: step {step} of {of}", flush=True)

    for dropout, steps in recipe.phases:
        for module in hf.modules():
            if isinstance(module, nn.Dropout):
                module.p = dropout
        finetune(
            model,
            task.train,
            folder,
            steps=steps,
            checkpoints=[steps] if (dropout, steps) == recipe.phases[-1] else [],
            progress=show,
            **recipe.training,
        )
    return done


def benchmark(options: argparse.Namespace) -> None:
    it = subject(options)
    cases = evaluate(it.model, it.task)
    cases["accuracy"] = cases["correct"] / cases["n"]
    kinds = cases.groupby("case_kind")["accuracy"].mean()
    lengths = it.data.encoded.lengths
    print(f"{it.model}, max_length {it.model.max_length}; search pairs: {len(lengths)}")
    print(f"tokens of a search pair: mean {lengths.mean():.1f}, longest {lengths.max()}")
    print(f"cut short: {sum(it.model.encode(s.examples).n_truncated for s in it.task.suites)}\n")
    print(table(["cases", "accuracy"], [[k, f"{a:.1%}"] for k, a in kinds.items()]))


def main(arguments: Sequence[str] | None = None) -> None:
    program = new_parser(__doc__)
    add_arguments(program)
    run(benchmark, program, TOY, arguments)


if __name__ == "__main__":
    main()
