"""What evaluating subnetworks in a study costs, part by part, and beside another checkout.

The last model of a run is searched as for the grid of the published study. The cells that evaluate
main subnetworks (30 and 50 %) and those of the grid (5 to 80 %, on fewer examples) are computed by
a process of their own, one at a time. A second process may run the code of another checkout on the
same cells; the two take turns, cell by cell, and their tables are compared. Times are of the
processor. Of the run only fine-tuning is needed; nothing in it is changed.

    python benchmarks/evaluation.py runs/quick-mnli-hans --data FOLDER --beside CHECKOUT
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from rich.console import Console
from torch.nn.modules import module as hooks

from common import count, median, new_parser, run, save, shown, table
from heuristic_core.errors import InputError
from heuristic_core.models.classifier import Classifier
from heuristic_core.models.encoding import Encoded
from heuristic_core.storage import read_json, read_table, read_tensors, write_json
from heuristic_core.study.analysis_plan import sampled
from heuristic_core.study.bench import Workbench
from heuristic_core.study.config import StudyConfig, check_study
from heuristic_core.study.executors.executor import perform
from heuristic_core.study.kinds import evaluate
from heuristic_core.study.plan import make_plan
from heuristic_core.study.planner import Checkpoint, Planner
from heuristic_core.study.run import RunOptions, prepare_study, run_study
from heuristic_core.study.run_folder import open_run
from heuristic_core.study.store import Cell, Store
from heuristic_core.study.watch import Watch
from heuristic_core.training.finetune import checkpoint_folder
from subjects import toy_encoder

MAIN, GRID = [0.3, 0.5], [round(0.05 * i, 2) for i in range(1, 17)]
#: How the grid of the published study is searched.
SEARCH = {"ramp_steps": 80, "hold_steps": 10, "exchange_rounds": 0, "batch_size": 16}
#: The file in which a study folder says which cell is which search.
SEARCHED = "searched.json"
#: Between the parts and the whole lies what the parts do not cover.
REST = "all else"
TOY = {"seeds": 1, "sizes": [20, 2, 10, 1], "method": "random"}
#: Modules of a BERT whose time is told apart.
MODULES = {
    "BertEmbeddings": "embeddings",
    "BertAttention": "attention",
    "BertIntermediate": "MLP",
    "BertOutput": "MLP",
    "BertPooler": "head",
}
#: What else a cell does, by where it is looked up.
PARTS: list[tuple[Any, str, str]] = [
    (evaluate, "classifier", "load model"),
    (evaluate, "load_subnetwork", "read subnetwork"),
    (evaluate, "full_logits", "read reference"),
    (evaluate, "scores", "score"),
    (evaluate, "discriminate", "AUROC"),
    (evaluate, "predictions", "pack answers"),
    (evaluate, "remarks", "remarks"),
    (evaluate, "write_table", "write Parquet"),
    (evaluate, "write_tensors", "write logits"),
    (Workbench, "encode", "tokenise"),
    (Encoded, "batch", "collate"),
    (Classifier, "compact", "compact, fold means"),
]


def study_of(options: argparse.Namespace) -> StudyConfig:
    """Return the study of a run's last model, its suites as large as the options say."""
    if options.toy:
        config, location = StudyConfig(name="evaluation"), str(toy_encoder(options.out).resolve())
    elif options.run is None:
        raise InputError("name a run folder, such as runs/quick-mnli-hans")
    else:
        config = open_run(options.run)
        store = Store(options.run, make=False)
        task = prepare_study(config, options.data, options.run)[1]
        tuned = make_plan(config, task).of_kind("finetune")[0]
        location = str(
            checkpoint_folder(store.path(tuned), config.pruned_checkpoints[-1]).resolve()
        )
    raw = config.model_dump(mode="json", exclude_none=True)
    raw["model"] = {"source": location, "max_length": config.model.max_length}
    raw.pop("finetune", None)
    if options.task is not None:
        raw["task"] = {"name": str(options.task.resolve()), "seed": config.task.seed}
    raw["search"] |= {"sparsities": GRID, "seeds": list(range(1, options.seeds + 1))}
    raw["search"] |= {"method": options.method, "options": {}, "checkpoints": "last"}
    if options.method == "learned":
        raw["search"]["options"] = SEARCH
    return check_study(raw, config.folder or Path())


def cells_of(
    config: StudyConfig, task: Any, sizes: Sequence[int]
) -> list[tuple[str, Cell, Sequence[Any]]]:
    """List the evaluations of both kinds, with their suites."""
    found: list[tuple[str, Cell, Sequence[Any]]] = []
    for kind, sparsities, size in (("main", MAIN, sizes[:2]), ("grid", GRID, sizes[2:])):
        sample = dict(zip(("id_size", "per_case"), size, strict=True))
        analysis = config.analysis.model_copy(update=sample)
        suites = sampled(config.model_copy(update={"analysis": analysis}), task)
        planner = Planner(config, task, suites, f"{kind}-")
        for seed in config.search.seeds:
            plan = evaluate.plan_subnetworks(planner, Checkpoint(0, 0), seed, config.search)
            found += [
                (kind, cell, suites) for cell in plan[1:] if cell.system["sparsity"] in sparsities
            ]
    return found


def serve(options: argparse.Namespace) -> None:
    """Evaluate the cells whose numbers come in, one a line, and answer what they cost."""
    # The key of earlier versions, which all read.
    raw = read_json(options.serve / "study.json") | {"evaluation": {"bf16": options.bf16}}
    config = check_study(raw, Path())
    config, task = prepare_study(config, options.data, options.serve)
    store = Store(options.serve)
    cells, benches = cells_of(config, task, options.sizes), {}
    searched = read_json(options.serve / SEARCHED)
    for kind, cell, suites in cells:
        if kind not in benches:
            benches[kind] = Workbench(config, task, store, "cpu", suites)
        for source in cell.inputs:
            # Another checkout may search in another way, and would find other subnetworks.
            if not store.has(source) and source.label in searched:
                shutil.copytree(store.cells / searched[source.label], store.path(source))
            checked(perform(benches[kind], source))
    say(len(cells))
    for line in sys.stdin:
        number, wants_parts = json.loads(line)
        kind, cell, _ = cells[number]
        parts: dict[str, float] = {}
        with watching(parts) if wants_parts else ExitStack():
            begin = time.process_time()
            checked(perform(benches[kind], cell))
            spent = time.process_time() - begin
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        place = str(store.path(cell))
        say({"kind": kind, "seconds": spent, "parts": parts, "megabytes": peak, "place": place})


def checked(outcome: Any) -> None:
    if outcome.error:
        raise InputError(outcome.error)


def say(what: Any) -> None:
    print(f"@{json.dumps(what)}", flush=True)


@contextmanager
def watching(parts: dict[str, float]) -> Iterator[None]:
    """Add up the processor time of the parts of a cell."""
    begun: list[float] = []

    def timed(what: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def inner(*args: Any, **kwargs: Any) -> Any:
            begin = time.process_time()
            try:
                return call(*args, **kwargs)
            finally:
                parts[what] = parts.get(what, 0.0) + time.process_time() - begin

        return inner

    def before(module: Any, args: Any) -> None:
        if type(module).__name__ in MODULES:
            begun.append(time.process_time())

    def after(module: Any, args: Any, output: Any) -> None:
        if (name := MODULES.get(type(module).__name__)) is not None:
            parts[name] = parts.get(name, 0.0) + time.process_time() - begun.pop()

    with ExitStack() as stack:
        for owner, name, what in PARTS:
            stack.enter_context(patch.object(owner, name, timed(what, getattr(owner, name))))
        stack.callback(hooks.register_module_forward_pre_hook(before).remove)
        stack.callback(hooks.register_module_forward_hook(after).remove)
        yield


class Server:
    """A process that evaluates cells with the code of one checkout.

    Args:
        checkout: The checkout.
        study: The folder of the study, of which it gets a copy.
        folder: Where the copy goes.
        options: The program's options.
        bf16: Whether to evaluate in bfloat16.
    """

    def __init__(
        self, checkout: Path, study: Path, folder: Path, options: argparse.Namespace, bf16: bool
    ) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(study, folder)
        config = check_study(read_json(study / "study.json"))
        # Earlier versions do not know all keys.
        write_json(folder / "study.json", config.model_dump(mode="json", exclude_defaults=True))
        command = [sys.executable, __file__, "--serve", str(folder)]
        command += ["--sizes", *map(str, options.sizes), "--threads", str(options.threads)]
        command += ["--bf16"] if bf16 else []
        command += [] if options.data is None else ["--data", str(options.data)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(checkout / "src")},
        )
        self.n_cells = self._answer()

    def evaluate(self, number: int, wants_parts: bool = False) -> dict[str, Any]:
        """Evaluate one cell."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([number, wants_parts]) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = self._answer()
        return answer

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("@"):
                return json.loads(line[1:])
        self.close()
        raise InputError("a process that evaluates has ended; its error is above")

    def close(self) -> None:
        """End it."""
        self._process.kill()
        with self._process:  # waits, and closes the pipes
            pass


def compared(new: Path, old: Path) -> dict[str, float]:
    """Compare what two checkouts made of one cell."""
    first, second = (read_tensors(place / "logits.safetensors") for place in (new, old))
    answers = [np.concatenate([part.argmax(1) for part in x.values()]) for x in (first, second)]
    error = max(float(np.abs(first[name] - second[name]).max()) for name in first)
    tables = [read_table(place / "table.parquet") for place in (new, old)]
    counts = [t.drop(columns=["kl", "margin"]) for t in tables]
    return {
        "examples": len(answers[0]),
        "answers": int((answers[0] != answers[1]).sum()),
        "rows": len(counts[0]),
        "counts": int((counts[0] != counts[1]).any(axis=1).sum()),
        "logits": error,
    }


def measured(options: argparse.Namespace, study: Path, bf16: bool) -> dict[str, Any]:
    """Evaluate all cells in one precision, with each checkout in turn."""
    checkouts = {"here": Path(__file__).resolve().parents[1]}
    if options.beside is not None:
        checkouts["beside"] = options.beside.resolve()
    rows: list[dict[str, Any]] = []
    parts: dict[str, dict[str, dict[str, float]]] = defaultdict(dict)
    servers: dict[str, Server] = {}
    with ExitStack() as stack:
        for name, checkout in checkouts.items():
            place = study.with_name(f"{study.name}-{name}")
            servers[name] = Server(checkout, study, place, options, bf16)
            stack.callback(servers[name].close)
            stack.callback(shutil.rmtree, place, ignore_errors=True)
        for number in range(servers["here"].n_cells):
            order = list(servers) if number % 2 else list(servers)[::-1]
            answers = {name: servers[name].evaluate(number) for name in order}
            places = {name: Path(answer["place"]) for name, answer in answers.items()}
            row = {"kind": answers["here"]["kind"]}
            row |= {name: answer["seconds"] for name, answer in answers.items()}
            row |= {f"{name}_megabytes": a["megabytes"] for name, a in answers.items()}
            if options.beside is not None:
                row["difference"] = compared(places["here"], places["beside"])
            rows.append(row)
            for place in places.values():
                shutil.rmtree(place)
            if row["kind"] in parts:
                continue
            for name in order:  # the first cell of its kind once more, with its parts
                answer = servers[name].evaluate(number, True)
                rest = answer["seconds"] - sum(answer["parts"].values())
                parts[row["kind"]][name] = answer["parts"] | {REST: rest}
                shutil.rmtree(answer["place"])
    return {"rows": rows, "parts": dict(parts)}


def timed_table(results: Mapping[str, Mapping[str, Any]], beside: bool) -> str:
    rows = []
    for precision, result in results.items():
        for kind in ("main", "grid", "all"):
            of_kind = [r for r in result["rows"] if kind in (r["kind"], "all")]
            here = np.array([row["here"] for row in of_kind])
            line = [f"{precision}, {kind}", f"{len(of_kind)}", f"{here.sum():.1f}"]
            if beside:
                other = np.array([row["beside"] for row in of_kind])
                line += [f"{other.sum():.1f}", f"{here.sum() / other.sum():.3f}"]
                line.append(shown(median(here / other)))
            rows.append(line)
    head = ["cells", "number", "s"]
    return table([*head, "s beside", "ratio", "median ratio"] if beside else head, rows)


def difference_table(results: Mapping[str, Mapping[str, Any]]) -> str:
    rows = []
    for precision, result in results.items():
        found = [row["difference"] for row in result["rows"]]
        total = {name: sum(x[name] for x in found) for name in found[0]}
        rows.append(
            [
                precision,
                f"{total['examples']}",
                f"{total['answers']}",
                f"{total['rows']}",
                f"{total['counts']}",
                f"{max(x['logits'] for x in found):.1e}",
            ]
        )
    head = ["cells", "answers", "that differ", "rows of tables", "that differ in counts"]
    return table([*head, "largest change of a logit"], rows)


def parts_table(result: Mapping[str, Any], precision: str) -> str:
    systems = [(kind, name) for kind, of in result["parts"].items() for name in of]
    spent = {key: result["parts"][key[0]][key[1]] for key in systems}
    names = dict.fromkeys(name for parts in spent.values() for name in parts if name != REST)
    total = [sum(spent[key].values()) for key in systems]
    rows = [
        [name, *(f"{1000 * spent[key].get(name, 0.0):.0f}" for key in systems)]
        for name in sorted(names, key=lambda name: -spent[systems[0]].get(name, 0.0))
    ]
    rows += [
        [REST, *(f"{1000 * spent[key][REST]:.0f}" for key in systems)],
        ["together", *(f"{1000 * t:.0f}" for t in total)],
    ]
    caption = f"{precision}: ms of processor time of one cell."
    return table(["part", *(f"{kind}, {name}" for kind, name in systems)], rows, caption)


def memory(results: Mapping[str, Mapping[str, Any]], name: str) -> str:
    return ", ".join(
        f"{precision} {max(row[f'{name}_megabytes'] for row in result['rows']):.0f} MB"
        for precision, result in results.items()
    )


def benchmark(options: argparse.Namespace) -> None:
    if options.serve is not None:
        serve(options)
        return
    config = study_of(options)
    study = options.out / "evaluation-study"
    folder = RunOptions(study, device="cpu", data=options.data, update=True)
    run_study(config, folder, Watch(Console(file=io.StringIO())), kinds=("search",))
    task = prepare_study(config, options.data, study)[1]
    cells = make_plan(config, task).of_kind("search")
    write_json(study / SEARCHED, {cell.label: cell.name for cell in cells})
    results = {p: measured(options, study, p == "bfloat16") for p in options.precisions}
    beside = options.beside is not None
    tables = [timed_table(results, beside), *([difference_table(results)] if beside else [])]
    tables += [parts_table(result, precision) for precision, result in results.items()]
    peaks = [f"{name}: {memory(results, name)}" for name in ("here", *(["beside"] * beside))]
    intro = (
        "Seconds of processor time of cells that evaluate subnetworks: all that a study does for "
        "one, from reading the subnetwork to its record. `beside` is the other checkout, whose "
        "process takes turns with this one's. Ratios are those of the sums, and the median over "
        "cells with its 95 % bootstrap interval. In the parts, the modules of the model are told "
        "apart by hooks; `all else` is what lies between. Peak memory of the processes, "
        f"{'; '.join(peaks)}."
    )
    save(options, "evaluation", "Evaluating subnetworks", intro, "\n".join(tables), results)


def main(arguments: Sequence[str] | None = None) -> None:
    program = new_parser(__doc__)
    program.add_argument("run", type=Path, nargs="?", help="a run folder with a fine-tuned model")
    program.add_argument("--data", type=Path, help="the folder of its data files")
    program.add_argument("--beside", type=Path, help="another checkout to compare with")
    program.add_argument("--seeds", type=count, default=2, help="searches")
    program.add_argument("--task", type=Path, help="a task file, in place of the run's task")
    program.add_argument(
        "--sizes",
        type=count,
        nargs=4,
        default=[1500, 100, 250, 20],
        help="in-domain pairs of a suite and pairs of a case: of main cells, then of the grid's",
    )
    program.add_argument("--method", default="learned", help="how subnetworks are found")
    program.add_argument(
        "--precisions", nargs="+", default=["float32", "bfloat16"], help="float32, bfloat16"
    )
    program.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    program.add_argument("--bf16", action="store_true", help=argparse.SUPPRESS)
    run(benchmark, program, TOY, arguments)


if __name__ == "__main__":
    main()
