"""Patching the paths from core heads, and from other heads of their layers, to added heads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ...measure.counterfactual import counterfactual_pairs
from ...measure.dependency import dependencies, dependency_passes
from ...progress import Progress
from ...storage import write_table
from ...tasks.task import adversarial_only
from ...units import Unit, UnitSpace
from ..analysis_config import DependencyConfig
from ..bench import Workbench
from ..planner import Checkpoint, Planner
from ..store import Cell
from .finetune import classifier
from .kind import Kind, TableSource
from .prepare import plan_prepare, search_data


def plan_dependency(
    planner: Planner, checkpoint: Checkpoint, core: list[str], added: list[str]
) -> list[Cell]:
    """Plan path patching in one checkpoint, from heads of its core to added heads."""
    settings = planner.config.analysis.dependency
    if settings is None or not core or not added:
        return []
    # It is measured on adversarial examples, which a plain shift of domain lacks.
    if not adversarial_only(planner.suites, settings.per_case, planner.config.analysis.seed):
        return []
    prepared = plan_prepare(planner, checkpoint)
    cell = DEPENDENCY.cell(
        f"dependency-{checkpoint.label}",
        spec=planner.sample_spec(checkpoint)
        | settings.model_dump()
        | {"core": core, "added": added},
        inputs=(*prepared.inputs, prepared),
        system=checkpoint.columns,
        effort=_effort(planner, settings, core, added),
        disk=5e4,
    )
    return [cell]


def _effort(
    planner: Planner, settings: DependencyConfig, core: list[str], added: list[str]
) -> float:
    senders = core[: settings.senders]
    # Which heads are the controls does not matter here: they are of the core heads' layers.
    layers = sorted({Unit.parse(label).layer for label in senders})
    controls = [f"L{layer}H0" for layer in layers] * settings.controls
    n = dependency_passes(
        planner.cost.layers or 1,
        [*senders, *controls],
        added[: settings.receivers],
        margin_paths=settings.margin_paths,
        counterfactual=settings.replace == "counterfactual",
    )
    suites = adversarial_only(planner.suites, settings.per_case, planner.config.analysis.seed)
    return sum(planner.cost.passes(suite.examples, n) for suite in suites)


def choose_senders(
    space: UnitSpace, core: list[str], *, n_core: int, n_controls: int, seed: int
) -> dict[str, str]:
    """Choose the heads whose output is replaced: core heads, and random controls.

    Args:
        space: The model's units.
        core: The heads of the core.
        n_core: Core heads at most, the first of the core.
        n_controls: Controls at most for each layer of these heads, drawn from its other heads
            that are not of the core.
        seed: Seed of the draw.

    Returns:
        For each head its group, ``core`` or ``control``.
    """
    rng = np.random.default_rng(seed)
    senders = dict.fromkeys(core[:n_core], "core")
    for layer in sorted({Unit.parse(label).layer for label in senders}):
        heads = [str(unit) for unit in space if unit.is_head and unit.layer == layer]
        others = [label for label in heads if label not in core]
        drawn = rng.permutation(len(others))[:n_controls]
        senders |= {others[i]: "control" for i in drawn}
    return senders


def _work(bench: Workbench, cell: Cell, folder: Path, progress: Progress) -> dict[str, Any]:
    model = classifier(bench, cell)
    spec = cell.spec
    adversarial = adversarial_only(bench.suites, spec["per_case"], spec["draws"])
    counterfactual = None
    if spec["replace"] == "counterfactual":
        adversarial, counterfactual = counterfactual_pairs(model, adversarial, bench.suites)
    senders = choose_senders(
        model.space,
        spec["core"],
        n_core=spec["senders"],
        n_controls=spec["controls"],
        seed=spec["draws"],
    )
    table = dependencies(
        model,
        adversarial,
        senders=senders,
        receivers=dict.fromkeys(spec["added"][: spec["receivers"]], "added"),
        values=search_data(bench, cell, model).values,
        counterfactual=counterfactual,
        margin_paths=spec["margin_paths"],
        progress=progress,
    )
    write_table(folder / "table.parquet", table)
    return {}


DEPENDENCY = Kind(
    name="dependency",
    version=4,
    efficiency=0.58,
    work=_work,
    tables=(TableSource("dependency", of_analyses=True),),
)
