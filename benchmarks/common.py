"""Parts that all benchmarks share: options, paired timing, and writing of results."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
import transformers
from scipy import stats

from heuristic_core.analysis.intervals import Estimate
from heuristic_core.errors import InputError
from heuristic_core.models.classifier import Classifier
from heuristic_core.models.device import hardware
from heuristic_core.search.data import SearchData
from heuristic_core.search.gate_training import GateOptions, train_gates
from heuristic_core.search.problem import Problem
from heuristic_core.storage import write_json, write_text

T = TypeVar("T")


def count(text: str) -> int:
    """Read a whole number from 1."""
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def percentage(text: str) -> float:
    """Read a sparsity given in percent as a share."""
    percent = float(text)
    if not 0 < percent < 100:
        raise ValueError
    return round(percent / 100, 6)


def new_parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options of every benchmark.

    Args:
        description: The program's docstring.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    results = Path(__file__).parent / "results"
    parser.add_argument("--out", type=Path, default=results, help="where the results go")
    parser.add_argument("--threads", type=count, default=1, help="threads that torch uses")
    parser.add_argument(
        "--toy",
        action="store_true",
        help="run in seconds on a tiny model, to see that the program works; its numbers mean "
        "nothing and go into the folder toy of --out",
    )
    return parser


def run(
    benchmark: Callable[[argparse.Namespace], None],
    parser: argparse.ArgumentParser,
    toy: Mapping[str, Any],
    arguments: Sequence[str] | None,
) -> None:
    """Read the options and run a benchmark; an input error ends the program with one line.

    Args:
        benchmark: The program, a function of the options.
        parser: Its parser.
        toy: The options of ``--toy``, which replace those given.
        arguments: The command line; that of the process if not given.
    """
    options = parser.parse_args(arguments)
    if options.toy:
        vars(options).update(toy, out=options.out / "toy")
    torch.set_num_threads(options.threads)
    try:
        benchmark(options)
    except InputError as error:
        parser.exit(2, f"error: {error}\n")


def setting(options: argparse.Namespace) -> dict[str, Any]:
    """Return what a result depends on: options other than paths, versions, the processor."""
    places = ("toy", "data")
    given = {k: v for k, v in vars(options).items() if not isinstance(v, Path) and k not in places}
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    return given | versions | {"processor": hardware("cpu")}


def save(
    options: argparse.Namespace,
    name: str,
    title: str,
    intro: str,
    tables: str,
    content: Mapping[str, Any],
) -> None:
    """Write a JSON file with all measurements and a markdown page with the tables.

    Args:
        options: The program's options.
        name: The files' name without ending.
        title: The page's title.
        intro: One paragraph on how to read the tables.
        tables: The page's tables, as markdown.
        content: The content of the JSON file, in addition to the setting.
    """
    facts = setting(options)
    write_json(options.out / f"{name}.json", {"setting": facts, **content})
    note = ", ".join(f"{key} {_short(value)}" for key, value in facts.items())
    write_text(options.out / f"{name}.md", f"# {title}\n\n{note}\n\n{intro}\n\n{tables}")
    print(f"\n{tables}")


def _short(value: Any) -> str:
    return " ".join(f"{v}" for v in value) if isinstance(value, list | tuple) else f"{value}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "") -> str:
    """Format cells as a markdown table, all columns but the first aligned to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    text = "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
    return f"{caption}\n\n{text}" if caption else text


def median(values: Sequence[float] | np.ndarray) -> Estimate:
    """Return a sample's median with its bootstrap interval."""
    return _bootstrapped(values, np.median)


def mean(values: Sequence[float] | np.ndarray) -> Estimate:
    """Return a sample's mean with its bootstrap interval."""
    return _bootstrapped(values, np.mean)


def _bootstrapped(values: Sequence[float] | np.ndarray, statistic: Callable[..., Any]) -> Estimate:
    sample = np.asarray(values, dtype=float)
    value = float(statistic(sample))
    if len(sample) < 2:
        return Estimate(value, value, value)
    ends = stats.bootstrap(
        (sample,), statistic, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    return Estimate(value, float(ends.low), float(ends.high))


def shown(estimate: Estimate, form: str = ".3g") -> str:
    """Format an estimate with its interval, which is left out where the sample has no spread."""
    text = f"{estimate.value:{form}}"
    if estimate.low == estimate.high:
        return text
    return f"{text} [{estimate.low:{form}}, {estimate.high:{form}}]"


def seconds(task: Callable[[], Any]) -> float:
    """Time one call."""
    begin = time.perf_counter()
    task()
    return time.perf_counter() - begin


def interleaved(
    systems: Mapping[str, Callable[[int], T]], rounds: int, warm_up: int = 1
) -> dict[str, list[T]]:
    """Measure several systems in turn, so that each round is a pair for any two of them.

    Args:
        systems: By name the function that measures a system in one round, given its number.
        rounds: Rounds that count.
        warm_up: Rounds before these, numbered below 0, whose results are dropped.

    Returns:
        For each system its result in each round.
    """
    names = list(systems)
    results: dict[str, list[T]] = {name: [] for name in names}
    for round_ in range(-warm_up, rounds):
        # Each round starts with another system, so that none always comes first.
        start = round_ % len(names)
        for name in (*names[start:], *names[:start]):
            result = systems[name](round_)
            if round_ >= 0:
                results[name].append(result)
    return results


def gate_step_seconds(
    model: Classifier,
    data: SearchData,
    options: GateOptions,
    *,
    steps: int,
    seed: int,
    warm_up: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> list[float]:
    """Time steps of gate training, from the end of one step to the end of the next.

    Args:
        model: The model.
        data: Examples, reference predictions and ablation values.
        options: Settings of the training.
        steps: Steps that count.
        seed: Seed of the training.
        warm_up: Steps before these; at least 1, as the first has no beginning.
        clock: Tells the time in seconds.

    Returns:
        Seconds of each step.
    """
    ends: list[float] = []
    n_steps = warm_up + steps
    schedule = [(0.5 * (i + 1) / n_steps, False) for i in range(n_steps)]

    def note(done: int, of: int) -> None:
        ends.append(clock())

    problem = replace(halving(model, data, seed), progress=note)
    train_gates([problem], schedule, options)
    return np.diff(ends)[warm_up - 1 :].tolist()


def halving(model: Classifier, data: SearchData, seed: int) -> Problem:
    """Return the problem of training gates to half of the units."""
    return Problem(
        model=model,
        data=data,
        prunable=model.space.prunable(),
        keep=(len(model.space) // 2,),
        targets=(0.5,),
        seed=seed,
    )
