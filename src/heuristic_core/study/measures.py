"""What is done in the cells of analyses that run the model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..measure.accuracy import predict, score
from ..measure.attention import attention_patterns
from ..measure.counterfactual import counterfactual_pairs
from ..measure.dependency import dependencies
from ..measure.probe import probe_removals
from ..measure.removal import removals
from ..measure.removal_sets import Removal, matched_controls, pairs, singles
from ..models.classifier import Classifier, Progress, part
from ..storage import write_table
from ..subnetwork import Subnetwork
from ..tables import DISJOINT, SYSTEM
from ..tasks.task import adversarial_only
from ..units import Unit, UnitSpace, n_kept
from .saved import load_subnetwork
from .store import Cell

if TYPE_CHECKING:
    from .work import Workbench


def _disjoint(bench: Workbench, cell: Cell, folder: Path, progress: Progress) -> dict[str, Any]:
    """Search again while the heads of a subnetwork that was found are forbidden."""
    model = bench.classifier(cell)
    search = cell.needed("search")
    data = cell.needed("prepare")
    full = cell.needed("evaluate")
    reference = bench.logits(full, model)
    other = load_subnetwork(bench.store, cell)
    assert other is not None
    ranked = _by_soft_value(other)
    shares: list[float] = cell.spec["forbidden"]
    tables = [_measured(bench, model, other, reference, other, 0.0)]
    for i, share in enumerate(shares):
        forbidden = ranked[: round(share * len(ranked))]
        sparsity = _possible(model, cell.spec["sparsity"], search.spec["units"], len(forbidden))
        (found,) = bench.find(
            search,
            data,
            model,
            [sparsity],
            exclude=forbidden,
            progress=part(progress, i, 1, len(shares)),
        )
        found.save(folder / f"forbidden-{100 * share:g}")
        tables.append(_measured(bench, model, found, reference, other, share))
    # What is left without any head shows whether matching the model takes heads at all.
    headless = Subnetwork(
        model.space,
        frozenset(unit for unit in model.space if not unit.is_head),
        other.ablation,
        other.values,
    )
    tables.append(_measured(bench, model, headless, reference, other, 1.0))
    write_table(folder / "table.parquet", pd.concat(tables, ignore_index=True))
    return {}


def _removal(bench: Workbench, cell: Cell, folder: Path, progress: Progress) -> dict[str, Any]:
    """Remove every unit alone, pairs of core heads, the core, and groups like it."""
    model = bench.classifier(cell)
    data = cell.needed("prepare")
    rows, told_apart = removals(
        model,
        bench.suites,
        _sets(model, cell),
        bench.search_data(data, model).values,
        progress=progress,
    )
    write_table(folder / "table.parquet", rows)
    write_table(folder / "discrimination.parquet", told_apart)
    return {}


def _probe(bench: Workbench, cell: Cell, folder: Path, progress: Progress) -> dict[str, Any]:
    """The same before fine-tuning, answered by a classifier on the frozen encoder's features."""
    model = bench.classifier(cell)
    data = cell.needed("prepare")
    found = probe_removals(
        model,
        bench.task.search,
        bench.suites,
        _sets(model, cell),
        bench.search_data(data, model).values,
        progress=progress,
    )
    write_table(folder / "table.parquet", found.removal)
    write_table(folder / "discrimination.parquet", found.discrimination)
    return {}


def _attention(bench: Workbench, cell: Cell, folder: Path, progress: Progress) -> dict[str, Any]:
    """Measure what every head attends to."""
    model = bench.classifier(cell)
    tables = [
        attention_patterns(
            model,
            suite.examples,
            suite=suite.name,
            weighting=cell.spec["weighting"],
            seed=cell.spec["draws"],
            progress=part(progress, i, 1, len(bench.suites)),
        )
        for i, suite in enumerate(bench.suites)
    ]
    write_table(folder / "table.parquet", pd.concat(tables, ignore_index=True))
    return {}


def _dependency(bench: Workbench, cell: Cell, folder: Path, progress: Progress) -> dict[str, Any]:
    """Patch the paths from core heads, and from others of their layers, to added heads."""
    model = bench.classifier(cell)
    spec = cell.spec
    adversarial = adversarial_only(bench.suites, spec["per_case"], spec["draws"])
    counterfactual = None
    if spec["replace"] == "counterfactual":
        adversarial, counterfactual = counterfactual_pairs(model, adversarial, bench.suites)
    table = dependencies(
        model,
        adversarial,
        senders=_senders(model.space, cell),
        receivers=dict.fromkeys(spec["added"][: spec["receivers"]], "added"),
        values=bench.search_data(cell.needed("prepare"), model).values,
        counterfactual=counterfactual,
        margin_paths=spec["margin_paths"],
        progress=progress,
    )
    write_table(folder / "table.parquet", table)
    return {}


MEASURES: dict[str, Callable[..., dict[str, Any]]] = {
    "disjoint": _disjoint,
    "removal": _removal,
    "probe": _probe,
    "attention": _attention,
    "dependency": _dependency,
}


def _sets(model: Classifier, cell: Cell) -> list[Removal]:
    """List what is removed."""
    spec = cell.spec
    core = [Unit.parse(unit) for unit in spec["core"]]
    sets = [*singles(model.space), *pairs(core[: spec["pairs"]])]
    if len(core) > 1:
        sets.append(Removal("core", tuple(core)))
        controls, _ = matched_controls(model.space, core, spec["controls"], spec["draws"])
        sets += controls
    own = spec["groups"].items()
    return sets + [Removal(name, tuple(map(Unit.parse, units))) for name, units in own]


def _senders(space: UnitSpace, cell: Cell) -> dict[str, str]:
    """Give the core's heads, and controls drawn from all other heads of their layers."""
    spec = cell.spec
    core = spec["core"][: spec["senders"]]
    rng = np.random.default_rng(spec["draws"])
    senders = dict.fromkeys(core, "core")
    for layer in sorted({Unit.parse(label).layer for label in core}):
        heads = [str(unit) for unit in space if unit.is_head and unit.layer == layer]
        others = [label for label in heads if label not in spec["core"]]
        drawn = rng.permutation(len(others))[: spec["controls"]]
        senders |= {others[i]: "control" for i in drawn}
    return senders


def _by_soft_value(subnetwork: Subnetwork) -> list[str]:
    """Give the heads it keeps, those it is surest of first."""
    soft = subnetwork.soft
    heads = [unit for unit in subnetwork.space if unit in subnetwork.heads]
    if soft is not None:
        heads.sort(key=lambda unit: -float(soft[subnetwork.space.index(unit)]))
    return [str(unit) for unit in heads]


def _possible(model: Classifier, sparsity: float, units: str, n_forbidden: int) -> float:
    """Give the sparsity, or where too few units are left for it, that of all that are left."""
    n = int(model.space.prunable(units).sum())
    return sparsity if n_kept(n, sparsity) <= n - n_forbidden else n_forbidden / n


def _measured(
    bench: Workbench,
    model: Classifier,
    found: Subnetwork,
    reference: dict[str, np.ndarray],
    other: Subnetwork,
    share: float,
) -> pd.DataFrame:
    rows = [
        score(
            suite,
            model.labels,
            predict(
                model,
                bench.encode(suite, model),
                subnetwork=found,
                bf16=bench.config.evaluation.bf16,
            ),
            reference[suite.name],
        )
        for suite in bench.suites
    ]
    table = pd.concat(rows, ignore_index=True).assign(
        forbidden=share,
        other_heads=len(other.heads),
        heads=len(found.heads),
        shared_heads=len(found.heads & other.heads),
        units=len(found.kept),
    )
    return table[[name for name in DISJOINT if name not in SYSTEM]]
