"""Several seeds searched in one pass, compared with each seed alone; and searches in autocast.

With ``--size run`` (the default) the model is the last checkpoint of a finished run:

- steps: the time of a mask-learning step of one seed alone, and of all seeds in one pass divided by
  their number, each also with autocast, beside a bare forward and backward pass to the embeddings
  on the same examples. Systems take turns; on a processor its own time counts (not the clock's).
- searches: each seed alone, all in one pass, alone with two threads, and alone with autocast. KL to
  the full model on the held-out in-domain pairs, and the Jaccard overlap with the search alone. The
  overlap of one and two threads shows how much rounding alone changes.

With ``--size base`` it is a BERT of 12 layers x 12 heads and width 768 with random weights, on
token ids drawn with lengths like MNLI's. Whole searches are timed instead, evaluation too, and the
cost of the paper's MNLI study is forecast from them. That is meant for CUDA; on a processor it
would take hours, so the model is small there, and the page says so.

    python benchmarks/one_pass.py --run runs/quick-mnli-hans --data FOLDER --seeds 4
    python benchmarks/one_pass.py --size base --device cuda --precisions float32 bfloat16
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import BertConfig, BertForSequenceClassification

from common import (
    count,
    halving,
    interleaved,
    median,
    new_parser,
    percentage,
    run,
    save,
    shown,
    table,
)
from heuristic_core.errors import InputError
from heuristic_core.measure.accuracy import predict, score
from heuristic_core.models.classifier import Classifier
from heuristic_core.models.device import check_device, hardware
from heuristic_core.models.encoding import Encoded
from heuristic_core.models.loading import load_model, new_classifier
from heuristic_core.models.means import averaging
from heuristic_core.models.text_classifier import TextClassifier
from heuristic_core.precision import Precision
from heuristic_core.search.data import SearchData, prepare
from heuristic_core.search.find import find_subnetworks, find_subnetworks_together
from heuristic_core.search.gate_training import kl_divergence, train_gates
from heuristic_core.search.learned import LearnedOptions
from heuristic_core.search.problem import Problem
from heuristic_core.search.rows import passes
from heuristic_core.study.plan import make_plan
from heuristic_core.study.run import load_study_task
from heuristic_core.study.run_folder import open_run
from heuristic_core.study.store import Store
from heuristic_core.subnetwork import Subnetwork
from heuristic_core.tasks.task import Suite
from heuristic_core.training.finetune import checkpoint_folder
from subjects import subject

PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16", "float16")
#: The paper's MNLI study: (runs of one checkpoint and seed, sparsities of each).
GRID = (30, [s / 100 for s in range(5, 75, 5)])
MAIN = (12, [0.5, 0.7])
#: Subnetworks that are evaluated, and their test examples: MNLI's two sets and all of HANS.
N_EVALUATED, N_TEST = 444, 9815 + 9832 + 30_000
#: GPU-hours that the paper's study took, on an A5000; a second-hand figure.
PAPER_HOURS = 750
#: Mean and standard deviation of the number of tokens of a pair of MNLI.
TOKENS = (39.0, 17.0)
INTRO = (
    "Times are medians over rounds with 95 % bootstrap intervals; ratios are taken within rounds."
)
TOY: dict[str, Any] = {
    "seeds": 2,
    "searched": 2,
    "batch": 4,
    "rows": [0, 4],
    "rounds": 2,
    "steps": 1,
    "sparsity": 0.5,
    "set": {"ramp_steps": 6, "hold_steps": 2, "exchange_rounds": 1, "exchange_examples": 16},
}


def clock(device: torch.device) -> float:
    """Return the seconds of work so far: the processor's own time, or the clock's on a GPU."""
    if device.type == "cpu":
        return time.process_time()
    getattr(torch, device.type).synchronize()
    return time.perf_counter()


def timed(device: torch.device, task: Callable[[], Any]) -> tuple[float, Any]:
    """Time one call, on any device."""
    begin = clock(device)
    result = task()
    return clock(device) - begin, result


def of_run(options: argparse.Namespace) -> tuple[Classifier, SearchData, Suite]:
    """Load a run's last checkpoint, its search data and its in-domain suite."""
    if options.toy:
        arguments = {"model": "toy", "ood_per_case": 1}
        small = subject(argparse.Namespace(**vars(options) | arguments))
        return small.model, small.data, small.task.suites[0]
    config = open_run(options.run)
    task = load_study_task(config, options.data)
    tuned, store = make_plan(config, task).of_kind("finetune"), Store(options.run, make=False)
    if not tuned or not store.has(tuned[0]):
        raise InputError(f"{options.run} has no finished fine-tuning; do first: hcore run")
    folder = checkpoint_folder(store.path(tuned[0]), config.checkpoints[-1])
    model = load_model(folder, max_length=config.model.max_length, device=options.device)
    suite = next(suite for suite in task.suites if suite.role == "id")
    return model, prepare(model, task), suite


def of_base(options: argparse.Namespace) -> tuple[Classifier, SearchData]:
    """Make a BERT-base with random weights, and search data of random tokens."""
    tokenizer = new_classifier("minilm", ("a", "b", "c"), seed=0).tokenizer
    layers, heads, width = options.shape
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        id2label=dict(enumerate("abc")),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        hf = BertForSequenceClassification(config).eval()
    model = Classifier(hf.to(options.device), tokenizer, "bert-base, random weights")
    rng = np.random.default_rng(0)
    mean, spread = TOKENS
    lengths = rng.gamma((mean / spread) ** 2, spread**2 / mean, options.examples)
    lengths = np.clip(lengths.round(), 8, model.max_length).astype(int)
    ids = [rng.integers(1000, len(tokenizer), n).tolist() for n in lengths]
    columns = {"input_ids": ids, "attention_mask": [[1] * len(one) for one in ids]}
    encoded = Encoded(columns, {"input_ids": 0, "attention_mask": 0}, "right", 0)
    with averaging(model.anatomy) as computed:
        logits = model.logits(encoded)
    return model, SearchData(encoded, torch.log_softmax(logits, -1), computed.values())


def settings(options: argparse.Namespace, rows: int = 0) -> dict[str, Any]:
    """Return the settings of a search; ``rows`` at once at most, all if 0."""
    return {"batch_size": options.batch, **options.set, "rows_per_pass": rows or None}


def problems_of(model: Classifier, data: SearchData, seeds: Sequence[int]) -> list[Problem]:
    """Return the problem of training gates to half of the units, once for each seed."""
    return [halving(model, data, seed) for seed in seeds]


def step_systems(
    model: Classifier, data: SearchData, options: argparse.Namespace
) -> dict[str, Callable[[int], float]]:
    """Return functions that time a step of each system, in seconds of a seed."""
    n_seeds, steps = options.seeds, options.steps
    schedule = [(0.5 * (i + 1) / steps, False) for i in range(steps)]

    def seeds(round_: int) -> list[int]:
        return [1000 * (round_ + 2) + i for i in range(n_seeds)]

    def trained(together: bool, rows: int, precision: Precision) -> Callable[[int], float]:
        asked = LearnedOptions(**settings(options, rows))

        def work(round_: int) -> float:
            problems = problems_of(model, data, seeds(round_))
            groups = [problems] if together else [[problem] for problem in problems]
            with model.computing_in(precision):
                spent, _ = timed(
                    model.device, lambda: [train_gates(one, schedule, asked) for one in groups]
                )
            return spent / steps / n_seeds

        return work

    def bare(together: bool, rows: int) -> Callable[[int], float]:
        def work(round_: int) -> float:
            orders = [
                list(data.encoded.shuffled(options.batch, steps, np.random.default_rng(seed)))
                for seed in seeds(round_)
            ]
            groups = [orders] if together else [[order] for order in orders]

            def run_all() -> None:
                for one in groups:
                    bare_passes(model, data, one, rows)

            return timed(model.device, run_all)[0] / steps / n_seeds

        return work

    systems = {"bare, alone": bare(False, 0)}
    for rows in options.rows:
        systems[f"bare, one pass, {named(rows)}"] = bare(True, rows)
    for precision in options.precisions:
        note = "" if precision == "float32" else f", {precision}"
        systems[f"alone{note}"] = trained(False, 0, precision)
        for rows in options.rows:
            systems[f"one pass, {named(rows)}{note}"] = trained(True, rows, precision)
    return systems


def named(rows: int) -> str:
    return f"{rows} rows at once" if rows else "all rows at once"


def bare_passes(model: Classifier, data: SearchData, orders: Sequence[Any], rows: int) -> None:
    """Run forward and backward to the embeddings on the batches of all seeds, without gates."""
    words, lengths = model.hf.get_input_embeddings(), data.encoded.lengths
    with model.frozen():
        for batches in zip(*orders, strict=True):
            flat = np.concatenate(batches)
            for some in passes(lengths[flat], rows or None):
                batch = data.encoded.batch(flat[some], model.device)
                embedded = words(batch.pop("input_ids")).detach().requires_grad_()
                reference = data.reference[flat[some]].to(model.device)
                logits = model.hf(inputs_embeds=embedded, **batch).logits
                kl_divergence(reference, logits).sum().backward()


def searches(
    model: Classifier, data: SearchData, options: argparse.Namespace
) -> dict[str, dict[int, Subnetwork]]:
    """Search with each seed in every way; by way the subnetwork of each seed."""
    seeds = range(1, options.searched + 1)

    def alone(precision: Precision = "float32") -> dict[int, Subnetwork]:
        return {
            seed: find_subnetworks(
                model, data, [options.sparsity], seed=seed, precision=precision, **settings(options)
            )[0]
            for seed in seeds
        }

    def together(rows: int) -> dict[int, Subnetwork]:
        found = find_subnetworks_together(
            model, data, [options.sparsity], seeds=seeds, **settings(options, rows)
        )
        return {seed: subnetwork for seed, (subnetwork,) in found.items()}

    found = {"alone": alone()}
    print("searched alone", flush=True)
    for rows in options.rows:
        found[f"one pass, {named(rows)}"] = together(rows)
    for precision in options.precisions:
        if precision != "float32":
            found[f"alone, {precision}"] = alone(precision)
    if model.device.type == "cpu":
        torch.set_num_threads(options.threads + 1)
        found[f"alone, {options.threads + 1} threads"] = alone()
        torch.set_num_threads(options.threads)
    return found


def agreement(
    model: Classifier, suite: Suite, found: Mapping[str, Mapping[int, Subnetwork]]
) -> dict[str, dict[str, list[float]]]:
    """Measure each way's KL to the full model, over that of the search alone, and the overlap."""
    encoded = model.encode(suite.examples)
    full = predict(model, encoded)

    def kl(subnetwork: Subnetwork) -> float:
        answers = predict(model, encoded, subnetwork=subnetwork)
        rows = score(suite, model.labels, answers, full)
        return float(np.average(rows["kl"], weights=rows["n"]))

    result = {}
    for way, subnetworks in found.items():
        pairs = [(sub, found["alone"][seed]) for seed, sub in subnetworks.items()]
        result[way] = {
            "kl": [kl(one) for one, _ in pairs],
            "jaccard": [len(a.kept & b.kept) / len(a.kept | b.kept) for a, b in pairs],
        }
    return result


def steps_table(times: Mapping[str, Sequence[float]]) -> str:
    """Show the times of steps and their ratios to a step alone."""
    base = np.array(times["alone"])
    rows = [
        [name, shown(median(1000 * np.array(t))), shown(median(np.array(t) / base))]
        for name, t in times.items()
    ]
    return table(["step", "ms a seed", "over alone"], rows, "Steps of mask learning.")


def agreement_table(measured: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """Show mean divergences and overlaps."""
    base = np.mean(measured["alone"]["kl"])
    rows = [
        [
            way,
            f"{np.mean(m['kl']):.5f}",
            f"{np.mean(m['kl']) / base - 1:+.1%}",
            f"{np.mean(m['jaccard']):.3f}",
        ]
        for way, m in measured.items()
    ]
    head = ["search", "mean KL", "against alone", "Jaccard with alone"]
    return table(head, rows, "Subnetworks found, mean over seeds.")


def forecast(seconds: Mapping[str, float], an_evaluation: float, options: LearnedOptions) -> float:
    """Forecast the GPU-hours of the paper's MNLI study.

    Args:
        seconds: Of a search for half of the units with one seed; ``search`` the name.
        an_evaluation: Seconds of running one test example.
        options: Settings of the search.
    """
    each = seconds["search"] / options.n_examples([0.5])
    examples = sum(n * options.n_examples(sparsities) for n, sparsities in (GRID, MAIN))
    return (each * examples + an_evaluation * N_EVALUATED * N_TEST) / 3600


def evaluation_seconds(
    model: TextClassifier, data: SearchData, precision: Precision, rounds: int
) -> float:
    """Time the evaluation of one example, the median over rounds."""

    def work() -> None:
        model.logits(data.encoded, batch_size=256, precision=precision)

    work()
    times = [timed(model.device, work)[0] for _ in range(rounds)]
    return float(np.median(times)) / len(data.encoded)


def base(options: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    """Time whole searches of a large model, and forecast the paper's study."""
    if torch.device(options.device).type == "cpu":
        print("on a processor, a BERT-base is slow: the model and the search are made small")
        options.shape = [3, 3, 48]
        options.set = {"ramp_steps": 20, "hold_steps": 5, "exchange_examples": 32, **options.set}
        options.examples = min(options.examples, 500)
    model, data = of_base(options)
    asked = LearnedOptions(**settings(options))
    seeds = range(1, options.seeds + 1)
    rows, content = [], {}

    def search(n: int, precision: Precision, at_once: int) -> Callable[[int], float]:
        def work(_: int) -> float:
            spent, _found = timed(
                model.device,
                lambda: find_subnetworks_together(
                    model,
                    data,
                    [0.5],
                    seeds=seeds[:n],
                    precision=precision,
                    **settings(options, at_once),
                ),
            )
            return spent / n

        return work

    for precision in options.precisions:
        ways = {"alone": search(1, precision, 0)}
        for at_once in options.rows:
            ways[f"one pass, {named(at_once)}"] = search(options.seeds, precision, at_once)
        times = interleaved(ways, options.rounds)
        (half,) = find_subnetworks(model, data, [0.5], **settings(options))
        an_example = evaluation_seconds(half.compact(model), data, precision, options.rounds)
        for way, spent in times.items():
            hours = forecast({"search": float(np.median(spent))}, an_example, asked)
            gain = median(np.array(times["alone"]) / np.array(spent))
            rows.append([f"{way}, {precision}", shown(median(spent)), shown(gain), f"{hours:.2f}"])
            content[f"{way}, {precision}"] = {"seconds": spent, "hours": hours}
        content[f"evaluation, {precision}"] = {"seconds_an_example": an_example}
    head = ["search for 50 %", "seconds a seed", "alone over this", "forecast, hours"]
    where = hardware(options.device)
    scale = "" if model.space.n_layers == 12 else ", a small model: the forecast means nothing"
    caption = (
        f"{model.space} on {where}{scale}. The forecast is for the paper's MNLI study: 420 grid "
        f"prunings and 24 main ones, and {N_TEST:,} test examples with each; fine-tuning is left "
        f"out. The paper's took about {PAPER_HOURS} GPU-hours."
    )
    return table(head, rows, caption), {"searches": content, "paper_hours": PAPER_HOURS}


def benchmark(options: argparse.Namespace) -> None:
    check_device(options.device)
    if options.size == "base":
        text, content = base(options)
        save(
            options, "one-pass-base", "Several seeds in one pass, a large model", "", text, content
        )
        return
    model, data, suite = of_run(options)
    times = interleaved(step_systems(model, data, options), options.rounds)
    measured = agreement(model, suite, searches(model, data, options))
    text = steps_table(times) + "\n" + agreement_table(measured)
    given = "".join(f", {name} {value}" for name, value in options.set.items())
    note = (
        f"Steps: {options.seeds} seeds, batches of {options.batch} examples of each. Searches: "
        f"{options.searched} seeds, {100 * options.sparsity:g} %{given}. {INTRO}"
    )
    content = {"seconds": times, "agreement": measured}
    save(options, "one-pass", "Several seeds in one pass", note, text, content)


def setting_of(text: str) -> tuple[str, Any]:
    """Read a setting of the learned search, a whole number."""
    name, _, value = text.partition("=")
    return name, int(value)


def main(arguments: Sequence[str] | None = None) -> None:
    program = new_parser(__doc__)
    program.add_argument("--size", choices=("run", "base"), default="run")
    program.add_argument("--run", type=Path, default=Path("runs/quickstart"), help="run folder")
    program.add_argument("--data", type=Path, help="folder of the run's data files")
    program.add_argument("--device", default="cpu", help="cpu or cuda")
    program.add_argument("--seeds", type=count, default=8, help="seeds in one pass")
    program.add_argument("--searched", type=count, default=4, help="seeds of whole searches")
    program.add_argument("--batch", type=count, default=16, help="examples of a seed and step")
    program.add_argument(
        "--rows", type=int, nargs="+", default=[0, 16], help="examples at once; 0 for all of a step"
    )
    program.add_argument("--sparsity", type=percentage, default=0.5, help="in percent")
    program.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=["float32"])
    program.add_argument("--rounds", type=count, default=5)
    program.add_argument("--steps", type=count, default=4, help="steps a round")
    program.add_argument("--examples", type=count, default=2000, help="of the large model's data")
    program.add_argument(
        "--shape", type=count, nargs=3, default=[12, 12, 768], help="layers, heads and width"
    )
    program.add_argument(
        "--set",
        type=setting_of,
        action="append",
        default=[],
        metavar="OPTION=NUMBER",
        help="another setting of the learned search; may be given several times",
    )

    def start(options: argparse.Namespace) -> None:
        options.set = dict(options.set)
        benchmark(options)

    run(start, program, TOY, arguments)


if __name__ == "__main__":
    main()
