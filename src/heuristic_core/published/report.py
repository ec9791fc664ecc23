"""What the published accuracies say when this program's questions are asked of them, as a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from ..analysis import effective_size, ranks, smoothness, sparser, spread
from ..analysis.accuracies import means_by_kind
from ..analysis.conclusions import Conclusions, conclude
from ..analysis.effective_size import MARGINS, SPANS
from ..analysis.evidence import Evidence
from ..analysis.question import Question
from ..report.tables import cell
from ..report.wording import change, number, share
from .markdown import to_markdown
from .paper_tasks import GRID, OVER_SPARSITY, OVER_STEPS, PaperTask, Printed
from .reader import Published, read_published

_SIZES, _CHANGES, _MARGINS = effective_size.QUESTION.tables
_CORRELATIONS = ranks.QUESTION.tables[-1]
_ID, _OOD = "in_domain", "adversarial"
#: What the files on twelve subnetworks answer, and the others.
_OF_TWELVE = (spread.QUESTION, ranks.QUESTION, sparser.QUESTION)
_ANSWERS: Mapping[str, tuple[Question, ...]] = {
    OVER_SPARSITY: (smoothness.QUESTION,),
    OVER_STEPS: (effective_size.QUESTION,),
    GRID: (effective_size.QUESTION,),
}


def published_report(folder: Path) -> str:
    """Compare the paper with what its published accuracies give.

    Args:
        folder: Where the authors' files are; each is read if it is there.

    Returns:
        A part of a page in Markdown; all its numbers are computed from the files.

    Raises:
        InputError: If there is no file at all, or one has another shape.
    """
    environment = Environment(
        loader=PackageLoader("heuristic_core", "published"),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    template = environment.get_template("page.md.j2")
    return "\n".join(
        template.render(_of_task(published)) for published in read_published(folder).values()
    )


def _of_task(published: Published) -> dict[str, Any]:
    """Compute what the page says of one task; what no file is about is empty."""
    grid, as_written = (
        _ask(effective_size.QUESTION, grid=table)
        for table in (published.grid, published.grid_as_written)
    )
    sizes, sizes_as_written = (some.tables[_SIZES.name] for some in (grid, as_written))
    return {
        "task": published.task,
        "missing": list(_missing(published)),
        "ranges": _ranges(published),
        "spread": list(_spread(published)),
        "by_sparsity": _by_sparsity(published),
        "smoothness": list(_smoothness(published.by_sparsity)),
        "sizes": _sizes(sizes),
        "changes": _changes(grid.tables[_CHANGES.name], grid.tables[_MARGINS.name]),
        "coarse": _coarse(grid.tables[_MARGINS.name]),
        "effective_size": list(_verdicts("Over fine-tuning", grid)),
        "has_grid": not published.grid_as_written[_searched(published.grid_as_written)].empty,
        "failed": published.failed,
        "absent": published.absent,
        "with_failed": _with_failed(published),
        "n_sizes": len(sizes),
        "n_changed": ((sizes["size"] - sizes_as_written["size"]).abs() > 1e-9).sum(),
        "realised": _realised(published.realised),
        "full": _full(published),
        "same_seeds": _same_seeds(published),
    }


def _missing(published: Published) -> Iterator[str]:
    """Say which questions every missing file leaves open."""
    task = published.task
    answers = {task.file(end): ("", questions) for end, questions in _ANSWERS.items()}
    for level in task.levels:
        answers[task.file(level)] = (f", at {level:.0%}", _OF_TWELVE)
    for name in published.missing:
        where, questions = answers[name]
        yield f"- `{name}`{where}: {' '.join(f'*{question.asks}*' for question in questions)}"


def _ask(question: Question, margin: float = 3.0, **tables: pd.DataFrame) -> Conclusions:
    return conclude(Evidence(tables, margin_points=margin), (question,))


def _verdicts(where: str, conclusions: Conclusions) -> Iterator[str]:
    for row in conclusions.verdicts.to_dict("records"):
        yield f"- {where}: *{row['claim']}*: **{row['decision']}**. {row['reason']}."


def _searched(table: pd.DataFrame) -> pd.Series:
    return table["kind"] == "subnetwork"


def _ranges(published: Published) -> str:
    task, rows = published.task, []
    in_domain = [case for case, about in task.cases.items() if about["role"] == "id"]
    for level, table in published.twelve.items():
        for case in (*in_domain, *task.followed):
            some = table[table["case"] == case]
            accuracy = some["correct"] / some["n"]
            full, found = (accuracy[of] for of in (~_searched(some), _searched(some)))
            if full.empty or found.empty:
                continue
            (full,), low, high = full, found.min(), found.max()
            printed = task.printed.get((level, case), Printed())
            recomputed = f"{share(low)}–{share(high)}"
            if case in in_domain:
                recomputed += f" ({share(full - high)}–{share(full - low)} points lower)"
            if printed.mean:
                recomputed += f", mean {share(found.mean())}"
            in_paper = f"mean {printed.mean}" if printed.mean else printed.subnetworks
            rows.append((f"{level:.0%}", case, printed.full, share(full), in_paper, recomputed))
    head = ("sparsity", "case", "full, paper", "full", "subnetworks, paper", "subnetworks")
    return to_markdown(head, rows) if rows else ""


def _spread(published: Published) -> Iterator[str]:
    """Write the verdicts on the twelve subnetworks at each sparsity."""
    task, levels = published.task, [f"{100 * level:.0f} %" for level in published.twelve]
    for level, table in zip(levels, published.twelve.values(), strict=True):
        for margin in task.margins:
            spreads = _ask(spread.QUESTION, margin, evaluations=table)
            yield from _verdicts(f"{level}, margin of {margin:g} points in-domain", spreads)
        for name, cases in task.rankings.items():
            some = table[(table["case_kind"] != _OOD) | table["case"].isin(cases)]
            ranked = _ask(ranks.QUESTION, evaluations=some)
            yield from _verdicts(f"{level}, {name}", ranked)
            yield from _correlations(ranked.tables[_CORRELATIONS.name])
    compared = _ask(sparser.QUESTION, evaluations=_twelve(published))
    yield from _verdicts(f"{' and '.join(levels)}, all of {task.ood}", compared)


def _twelve(published: Published) -> pd.DataFrame:
    """Return the accuracies of the subnetworks at both sparsities."""
    return pd.concat([published.by_sparsity.iloc[:0], *published.twelve.values()])


def _correlations(table: pd.DataFrame) -> Iterator[str]:
    adversarial = table[table["accuracy"] == "adversarial"]
    for row in adversarial.to_dict("records"):
        r = cell(_CORRELATIONS["r"], row)
        yield f"  ID and adversarial accuracy correlate with r = {r}."


def _by_sparsity(published: Published) -> str:
    grid = published.grid
    step = grid.loc[_searched(grid), "checkpoint"].max()
    of_steps = [
        (published.task.last_step, published.by_sparsity),
        (step, grid[grid["checkpoint"] == step]),
    ]
    kinds = {"OOD": _OOD} | ({"balanced": "balanced"} if published.task.whole else {})
    head, columns = ["sparsity"], []
    for at, table in of_steps:
        if len(table):
            head += [f"ID, step {at:,}", *kinds]
            columns.append(_means(table, ["sparsity"], [_ID, *kinds.values()]))
    if not columns:
        return ""
    rows = [
        (f"{level:.0%}" if level else "full model", *map(share, accuracies))
        for level, *accuracies in pd.concat(columns, axis=1).sort_index().itertuples(name=None)
    ]
    return to_markdown(head, rows)


def _smoothness(by_sparsity: pd.DataFrame) -> Iterator[str]:
    some = by_sparsity[by_sparsity["sparsity"] != 0.05]
    for name, table in (("all sparsities", by_sparsity), ("without 5 %", some)):
        yield from _verdicts(f"Final model, {name}", _ask(smoothness.QUESTION, grid=table))


def _sizes(sizes: pd.DataFrame) -> str:
    if sizes.empty:
        return ""
    rows = []
    for step, some in sizes.groupby("checkpoint"):
        at_step = some.to_dict("records")
        accuracies = (cell(_SIZES["accuracy"], row) for row in at_step[:2])
        rows.append((f"{step:,}", *accuracies, *map(_size, at_step)))
    head = ("step", "ID accuracy", "OOD accuracy", *sizes["data"].unique())
    return to_markdown(head, rows)


def _size(row: Mapping) -> str:
    bound, mark = "≤ " if row["at_most"] else "", "" if row["meaningful"] else " *"
    return f"{bound}{cell(_SIZES['size'], row)}{mark}"


def _changes(changes: pd.DataFrame, margins: pd.DataFrame) -> str:
    """Write the changes of the size, over all checkpoints and where the margin is meaningful."""
    # The two spans are the same where the margin is meaningful throughout.
    spans = changes[changes["over"] != SPANS[2]].drop_duplicates(["data", "before", "after"])
    sizes = margins.set_index(["data", "margin_points", "checkpoint"])["size"]
    rows = []
    for row in spans.to_dict("records"):
        data, before, after = (row[name] for name in ("data", "before", "after"))
        points = [
            # The paper's margin has no row of its own among the others.
            change(sizes[data, margin, after] - sizes[data, margin, before])
            if (data, margin, after) in sizes.index
            else cell(_CHANGES["points"], row)
            for margin in MARGINS
        ]
        rows.append((data, f"{before:,}", f"{after:,}", *points))
    head = ("data", "from", "to", *(f"margin {margin:g}" for margin in MARGINS))
    return to_markdown(head, rows)


def _coarse(margins: pd.DataFrame) -> str:
    sizes = margins[margins["margin_points"].isna()]
    rows = [
        (data, *map(number, some["coarse"])) for data, some in sizes.groupby("data", sort=False)
    ]
    return to_markdown(("data", *(f"{step:,}" for step in sizes["checkpoint"].unique())), rows)


def _with_failed(published: Published) -> str:
    """Write the means over seeds for each failed run, without it and with -1."""
    means = pd.concat(
        [
            _means(grid[_searched(grid)], ["checkpoint", "sparsity"])
            for grid in (published.grid, published.grid_as_written)
        ],
        axis=1,
    )
    rows = [
        (
            str(run.seed),
            f"{run.checkpoint:,}",
            f"{run.sparsity:.0%}",
            *map(share, means.loc[(run.checkpoint, run.sparsity)]),
        )
        for run in published.failed
    ]
    head = ("seed", "step", "sparsity", "ID", "OOD", "ID with -1", "OOD with -1")
    return to_markdown(head, rows)


def _realised(realised: pd.DataFrame) -> str:
    return "; ".join(
        f"{level:.0%}: {some.min():.1%} to {some.max():.1%}"
        for level, some in realised.groupby("sparsity")["realised"]
    )


def _full(published: Published) -> Mapping[str, str]:
    """Write the full model's accuracy on each case."""
    rows = _twelve(published)
    full = rows[~_searched(rows)].drop_duplicates("case").set_index("case")
    return {str(case): share(accuracy) for case, accuracy in (full["correct"] / full["n"]).items()}


def _same_seeds(published: Published) -> tuple[str, bool]:
    """Compare the same seeds in two files, and say whether any differs."""
    tables = [
        _by_seed(table, published.task) for table in (_twelve(published), published.by_sparsity)
    ]
    both = pd.concat(tables, axis=1, join="inner")
    rows = [
        (f"{level:.0%}", str(seed), *map(share, accuracies))
        for (level, seed), *accuracies in both.itertuples(name=None)
    ]
    table = to_markdown(("sparsity", "seed", "twelve seeds", "over sparsities"), rows)
    return table if rows else "", bool((both[0] != both[1]).any())


def _by_seed(table: pd.DataFrame, task: PaperTask) -> pd.Series:
    """Return the accuracy on the paper's first case of each sparsity and seed."""
    some = table[_searched(table) & (table["case"] == task.followed[0])]
    by_seed = some.set_index(["sparsity", "seed"]).sort_index()
    return by_seed["correct"] / by_seed["n"]


def _means(table: pd.DataFrame, by: list[str], kinds: Sequence[str] = (_ID, _OOD)) -> pd.DataFrame:
    """Compute mean accuracies over seeds on some kinds of cases."""
    each = means_by_kind(table, [*by, "seed"]).reindex(columns=list(kinds))
    return each.groupby(by).mean()
