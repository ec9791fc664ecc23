"""Searches of a benchmark: each is run once, measured, and kept as one JSON file.

A file's name holds a hash of everything that its content depends on except the code. After a change
to a method, delete the folder.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

import subjects
from common import count, percentage
from heuristic_core.measure.accuracy import predict, score
from heuristic_core.search.find import find_subnetworks
from heuristic_core.search.greedy import GreedyOptions
from heuristic_core.search.methods import METHODS, method_options
from heuristic_core.storage import digest, read_json, write_json
from heuristic_core.study.settings import settings
from heuristic_core.subnetwork import Subnetwork

Row = dict[str, Any]
#: The methods compared, some with other settings than their defaults.
VARIANTS: dict[str, tuple[str, Mapping[str, Any]]] = {
    **{name: (name, {}) for name in METHODS},
    "learned_no_exchange": ("learned", {"exchange_rounds": 0}),
    # Whole batches are padded to full length all the same, so this changes neither cost nor steps.
    "paper": ("paper", {"by_length": True}),
    "random_layer_matched": ("random", {"layer_matched": True}),
}

#: The options of ``--toy``, with which every method takes a moment.
TOY_SETTINGS = [
    *(f"{name}.ramp_steps=6" for name in ("learned", "learned_no_exchange", "paper")),
    *(f"{name}.batch_size=4" for name in ("learned", "learned_no_exchange", "paper")),
    "learned.exchange_rounds=1",
    "paper.accumulate=1",
    "paper.hold_steps=2",
    "subset.steps=3",
    "two_sided.steps=3",
    "greedy.examples=4",
]
TOY = {"model": "toy", "ood_per_case": 2, "seeds": 2, "set": TOY_SETTINGS}


def add_arguments(parser: argparse.ArgumentParser, sparsities: Sequence[float]) -> None:
    """Add the options of all programs that run searches.

    Args:
        parser: The program's parser.
        sparsities: The default of ``--sparsities``.
    """
    subjects.add_arguments(parser)
    parser.add_argument("--seeds", type=count, default=5, help="seeds of the search")
    parser.add_argument(
        "--sparsities",
        type=percentage,
        nargs="+",
        default=sparsities,
        metavar="PERCENT",
        help="of one run through all of them",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="METHOD.OPTION=VALUE",
        help="another setting than a method's default; may be given several times",
    )


@dataclass
class Searches:
    """Run searches in one model, or read earlier results.

    Args:
        subject: The model, its task and search data.
        folder: Where the rows are kept.
        changes: Settings as ``METHOD.OPTION=VALUE``.
    """

    subject: subjects.Subject
    folder: Path
    changes: Sequence[str] = ()
    _measured: dict[frozenset[Any], dict[str, float]] = field(default_factory=dict)

    @cached_property
    def _changed(self) -> dict[str, Any]:
        return settings(self.changes)

    @cached_property
    def _tests(self) -> list[tuple[Any, Any, np.ndarray]]:
        """Each suite with its tokens and the full model's logits."""
        model = self.subject.model
        encoded = [(suite, model.encode(suite.examples)) for suite in self.subject.task.suites]
        return [(suite, tokens, predict(model, tokens)) for suite, tokens in encoded]

    def fits(self, variant: str) -> bool:
        """Say whether a method takes a model of this size."""
        n_units = len(self.subject.model.space)
        return variant != "greedy" or n_units <= GreedyOptions().max_units

    def row(self, variant: str, sparsities: Sequence[float], seed: int, label: str = "") -> Row:
        """Return the result of one run of a search, with its cost.

        Args:
            variant: One of ``VARIANTS``.
            sparsities: Those of the run.
            seed: Its seed.
            label: The name of its settings among the changes; the variant's if not given.

        Returns:
            Settings, seconds and examples of the run, and for each sparsity the units kept, the
            mean KL to the full model and the accuracy, each in-domain and out-of-domain.
        """
        model, data, task = self.subject.model, self.subject.data, self.subject.task
        method, base = VARIANTS[variant]
        options = method_options(method, {**base, **self._changed.get(label or variant, {})})
        if isinstance(options, GreedyOptions):  # so that its cost is that of this very model
            options = options.model_copy(update={"max_units": len(model.space)})
        facts: Row = {
            "model": self.subject.name,
            "max_length": model.max_length,
            "variant": variant,
            "method": method,
            "options": options.model_dump(),
            "seed": seed,
            "sparsities": list(sparsities),
            "digests": {"model": self.subject.digest, "search": task.search.digest}
            | {suite.name: suite.examples.digest for suite in task.suites},
        }
        name = f"{self.subject.name}-{variant}-{seed}"
        if len(sparsities) == 1:
            name += f"-{100 * sparsities[0]:g}"
        path = self.folder / f"{name}-{digest(facts)[:10]}.json"
        if path.is_file():
            return dict(read_json(path))
        begin = time.perf_counter()
        subnetworks = find_subnetworks(
            model, data, sparsities, seed=seed, method=method, **options.model_dump()
        )
        facts["seconds"] = time.perf_counter() - begin
        facts["examples"] = options.n_examples(sorted(sparsities))
        facts["subnetworks"] = [
            {"sparsity": sparsity, "kept": sub.record()["kept"], **self.measure(sub)}
            for sparsity, sub in zip(sparsities, subnetworks, strict=True)
        ]
        write_json(path, facts)
        print(f"{path.stem}: {facts['seconds']:.1f} s", flush=True)
        return facts

    def measure(self, subnetwork: Subnetwork) -> dict[str, float]:
        """Return KL and accuracy in-domain, out-of-domain and on both kinds of OOD cases."""
        if subnetwork.kept in self._measured:
            return self._measured[subnetwork.kept]
        model = self.subject.model
        result: dict[str, float] = {}
        for suite, tokens, reference in self._tests:
            logits = predict(model, tokens, subnetwork=subnetwork)
            table = score(suite, model.labels, logits, reference)
            accuracy = table["correct"] / table["n"]
            result[f"{suite.role}_kl"] = float(np.average(table["kl"], weights=table["n"]))
            result[f"{suite.role}_accuracy"] = float(accuracy.mean())
            if suite.role == "ood":
                for kind in ("adversarial", "friendly"):
                    result[kind] = float(accuracy[table["case_kind"] == kind].mean())
        self._measured[subnetwork.kept] = result
        return result

    def full(self) -> dict[str, float]:
        """Measure the full model in the same way."""
        space = self.subject.model.space
        return self.measure(Subnetwork(space, frozenset(space), ablation="zero"))


def entry(row: Row, sparsity: float) -> dict[str, Any]:
    """Return a run's result at one sparsity."""
    return next(dict(sub) for sub in row["subnetworks"] if sub["sparsity"] == sparsity)


def values(rows: Sequence[Row], sparsity: float, what: str) -> np.ndarray:
    """Return one number of each run at one sparsity."""
    return np.array([entry(row, sparsity)[what] for row in rows])


def jaccard(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """Return the Jaccard overlap of two subnetworks' units."""
    a, b = set(one["kept"]), set(other["kept"])
    return len(a & b) / len(a | b) if a | b else 1.0


def each_cost(row: Row, what: str) -> float:
    """Return a run's seconds or examples for each subnetwork that it found."""
    return float(row[what]) / len(row["subnetworks"])
