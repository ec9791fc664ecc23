"""Which questions a study as planned can hardly decide."""

from __future__ import annotations

from ..analysis.design import Design
from ..analysis.questions import QUESTIONS
from ..tables import DETERMINISTIC
from ..tasks.task import Task
from .config import StudyConfig


def design_of(config: StudyConfig, task: Task) -> Design:
    """Count what a study plans.

    Args:
        config: The study.
        task: Its task, loaded.
    """
    analysis, search = config.analysis, config.search
    grid, removal, disjoint = analysis.grid, analysis.removal, analysis.disjoint
    dependency, searches = analysis.dependency, len(search.seeds) if search.sparsities else 0
    sizes = [
        int(size)
        for suite in task.suites
        if suite.role == "ood"
        for size in suite.examples.table["case"].value_counts()
    ]
    of_grid = search.options if grid is None or grid.options is None else grid.options
    alike, grid_alike = (
        search.method in DETERMINISTIC and not options.get("resample")
        for options in (search.options, of_grid)
    )
    pairs = 0 if disjoint is None else min(disjoint.seeds, searches)
    return Design(
        method=search.method,
        alike=alike,
        grid_alike=grid_alike,
        searches=searches,
        sparsities=len(search.sparsities),
        fine_tunings=len(config.finetune_seeds),
        grid_searches=0 if grid is None else len(grid.seeds),
        grid_sparsities=0 if grid is None else len(grid.sparsities),
        grid_steps=sum(step > 0 for step in config.grid_checkpoints),
        steps=sum(step > 0 for step in config.checkpoints) if config.over_training else 0,
        pairs=min(pairs, 1) if alike else pairs,
        controls=None if removal is None else removal.controls,
        # At best every sender is in a layer of its own, with all of its controls.
        exchanges=None if dependency is None else (1 + dependency.controls) ** dependency.senders,
        ood_cases=len(sizes),
        examples=min(sizes, default=0),
        before=config.over_training and 0 in config.checkpoints,
    )


def warnings(design: Design) -> dict[str, str]:
    """List the questions that a study can hardly decide.

    Args:
        design: What it plans.

    Returns:
        By the question's key a clause that says why.
    """
    judged = {question.key: question.plan(design) for question in QUESTIONS if question.plan}
    return {key: warning for key, warning in judged.items() if warning}
