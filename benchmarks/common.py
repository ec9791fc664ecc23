"""What the benchmarks share: options, paired timing, and how results are written."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
import transformers

from heuristic_core.analysis.intervals import Estimate, bootstrap
from heuristic_core.errors import InputError
from heuristic_core.models.classifier import Classifier
from heuristic_core.models.device import hardware
from heuristic_core.search.data import SearchData
from heuristic_core.search.gate_training import GateOptions, train_gates
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
    """Make a parser with the options that every benchmark has.

    Args:
        description: The program's docstring.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    results = Path(__file__).parent / "results"
    parser.add_argument("--out", type=Path, default=results, help="where the results go")
    parser.add_argument("--threads", type=count, default=1, help="threads that torch uses")
    return parser


def run(main: Callable[[argparse.Namespace], None], parser: argparse.ArgumentParser) -> None:
    """Read the options and run a benchmark; what a user can mend is told in one line."""
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    try:
        main(options)
    except InputError as error:
        parser.exit(2, f"error: {error}\n")


def setting(options: argparse.Namespace) -> dict[str, Any]:
    """Give what a result depends on: the options, paths left out, versions and the processor."""
    given = {k: v for k, v in vars(options).items() if not isinstance(v, Path)}
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
    """Write a JSON file with all that was measured and a markdown page for people.

    Args:
        options: The program's options.
        name: The files' name without ending.
        title: The page's title.
        intro: One paragraph on how to read the tables.
        tables: The page's tables, as markdown.
        content: What goes into the JSON file beside the setting.
    """
    facts = setting(options)
    write_json(options.out / f"{name}.json", {"setting": facts, **content})
    note = ", ".join(f"{key} {_short(value)}" for key, value in facts.items())
    write_text(options.out / f"{name}.md", f"# {title}\n\n{note}\n\n{intro}\n\n{tables}")
    print(f"\n{tables}")


def _short(value: Any) -> str:
    return " ".join(f"{v}" for v in value) if isinstance(value, list | tuple) else f"{value}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "") -> str:
    """Lay cells out as a markdown table, numbers to the right of the first column."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    text = "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
    return f"{caption}\n\n{text}" if caption else text


def median(values: Sequence[float] | np.ndarray) -> Estimate:
    """Give a sample's median with its bootstrap interval."""
    return bootstrap(np.asarray(values, dtype=float), seed=0, statistic=np.median)


def mean(values: Sequence[float] | np.ndarray) -> Estimate:
    """Give a sample's mean with its bootstrap interval."""
    return bootstrap(np.asarray(values, dtype=float), seed=0)


def shown(estimate: Estimate, form: str = ".3g") -> str:
    """Write an estimate with its interval; the interval of a sample without spread is left out."""
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
        systems: By name what measures a system in one round, given the round's number.
        rounds: Rounds that count.
        warm_up: Rounds before these, numbered below 0, whose results are dropped.

    Returns:
        For each system what it gave in each round.
    """
    names = list(systems)
    results: dict[str, list[T]] = {name: [] for name in names}
    for round_ in range(-warm_up, rounds):
        # Each round starts with another system, so that none always follows the same one.
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
) -> list[float]:
    """Time steps of gate training itself, from the end of one step to the end of the next.

    Args:
        model: The model.
        data: Examples, reference predictions and ablation values.
        options: Settings of the method whose steps are timed.
        steps: Steps that count.
        seed: Seed of the training.
        warm_up: Steps before these; at least 1, as the first has no beginning.

    Returns:
        Seconds of each step.
    """
    ends: list[float] = []
    n_steps = warm_up + steps
    schedule = [(0.5 * (i + 1) / n_steps, False) for i in range(n_steps)]

    def note(done: int, of: int) -> None:
        ends.append(time.perf_counter())

    prunable = np.ones(len(model.space), dtype=bool)
    train_gates(model, data, schedule, seed, prunable, options, note)
    return np.diff(ends)[warm_up - 1 :].tolist()
