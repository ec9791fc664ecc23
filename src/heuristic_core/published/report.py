"""What the published accuracies say when this program's questions are asked of them, as a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

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
from .reader import FINAL_STEP, FOLLOWED, Published, read_published

#: As printed in the paper, in per cent: the full model, then the subnetworks' range.
_PRINTED: Mapping[tuple[float, str], tuple[str, str]] = {
    (0.5, "matched"): ("83.3", "1.4–3.3 points lower"),
    (0.5, "mismatched"): ("84.2", "1.4–3.3 points lower"),
    (0.5, "ln_subject/object_swap"): ("86.7", "2.2–36.1"),
    (0.5, "ln_preposition"): ("73.5", ""),
    (0.5, "cn_embedded_under_if"): ("33.0", "4.1–50.2"),
    (0.5, "cn_embedded_under_verb"): ("33.4", ""),
    (0.7, "matched"): ("83.3", "74–76"),
    (0.7, "mismatched"): ("84.2", "74–76"),
}
#: The margin of ID accuracy within which the paper's subnetworks at 50 % all lie.
_PAPER_MARGIN = 3.3
_SIZES, _CHANGES, _MARGINS = effective_size.QUESTION.tables
_CORRELATIONS = ranks.QUESTION.tables[-1]


def published_report(folder: Path) -> str:
    """Compare the paper with what its published accuracies give.

    Args:
        folder: Where the authors' five files are.

    Returns:
        A part of a page in Markdown; all its numbers are computed from the files.

    Raises:
        InputError: If a file is missing or has another shape.
    """
    published = read_published(folder)
    grid, as_written = (
        _ask(effective_size.QUESTION, grid=table)
        for table in (published.grid, published.grid_as_written)
    )
    sizes, sizes_as_written = (some.tables[_SIZES.name] for some in (grid, as_written))
    full = published.at_50[published.at_50["kind"] == "full"].set_index("case")
    accuracy = full["correct"] / full["n"]
    environment = Environment(
        loader=PackageLoader("heuristic_core", "published"),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("page.md.j2").render(
        ranges=_ranges(published),
        spread=list(_spread(published)),
        by_sparsity=_by_sparsity(published),
        smoothness=list(_smoothness(published.by_sparsity)),
        sizes=_sizes(sizes),
        changes=_changes(grid.tables[_CHANGES.name], grid.tables[_MARGINS.name]),
        coarse=_coarse(grid.tables[_MARGINS.name]),
        effective_size=list(_verdicts("Over fine-tuning", grid)),
        failed=published.failed,
        absent=published.absent,
        with_failed=_with_failed(published),
        n_sizes=len(sizes),
        n_changed=((sizes["size"] - sizes_as_written["size"]).abs() > 1e-9).sum(),
        realised=_realised(published.realised),
        embed_if=share(accuracy.get("cn_embedded_under_if")),
        embed_verb=share(accuracy.get("cn_embedded_under_verb")),
        followed=FOLLOWED[0],
        same_seeds=_same_seeds(published),
    )


def _ask(question: Question, margin: float = 3.0, **tables: pd.DataFrame) -> Conclusions:
    return conclude(Evidence(tables, margin_points=margin), (question,))


def _verdicts(where: str, conclusions: Conclusions) -> Iterator[str]:
    for row in conclusions.verdicts.to_dict("records"):
        yield f"- {where}: *{row['claim']}*: **{row['decision']}**. {row['reason']}."


def _ranges(published: Published) -> str:
    rows = []
    for level, table in ((0.5, published.at_50), (0.7, published.at_70)):
        for case in ("matched", "mismatched", *FOLLOWED):
            some = table[table["case"] == case].set_index("kind")
            if some.empty:
                continue
            accuracy = some["correct"] / some["n"]
            full = accuracy["full"]
            low, high = accuracy[["subnetwork"]].agg(["min", "max"])
            recomputed = f"{share(low)}–{share(high)}"
            if case.endswith("matched"):
                recomputed += f" ({share(full - high)}–{share(full - low)} points lower)"
            printed, range_printed = _PRINTED.get((level, case), ("", ""))
            rows.append((f"{level:.0%}", case, printed, share(full), range_printed, recomputed))
    head = ("sparsity", "case", "full, paper", "full", "subnetworks, paper", "subnetworks")
    return to_markdown(head, rows)


def _spread(published: Published) -> Iterator[str]:
    """Write the verdicts on the twelve subnetworks at each sparsity."""
    for level, table in (("50 %", published.at_50), ("70 %", published.at_70)):
        for margin in (3.0, _PAPER_MARGIN):
            spreads = _ask(spread.QUESTION, margin, evaluations=table)
            yield from _verdicts(f"{level}, margin of {margin:g} points in-domain", spreads)
        followed = table[(table["role"] == "id") | table["case"].isin(FOLLOWED)]
        for name, some in (
            ("all adversarial cases of HANS", table),
            ("the four cases of the paper", followed),
        ):
            ranked = _ask(ranks.QUESTION, evaluations=some)
            yield from _verdicts(f"{level}, {name}", ranked)
            yield from _correlations(ranked.tables[_CORRELATIONS.name])
    twelve = pd.concat([published.at_50, published.at_70])
    yield from _verdicts("50 % and 70 %, all of HANS", _ask(sparser.QUESTION, evaluations=twelve))


def _correlations(table: pd.DataFrame) -> Iterator[str]:
    adversarial = table[table["accuracy"] == "adversarial"]
    for row in adversarial.to_dict("records"):
        r = cell(_CORRELATIONS["r"], row)
        yield f"  ID and adversarial accuracy correlate with r = {r}."


def _by_sparsity(published: Published) -> str:
    step = published.grid["checkpoint"].max()
    at_step = published.grid[published.grid["checkpoint"] == step]
    final, earlier = (_means(table, ["sparsity"]) for table in (published.by_sparsity, at_step))
    rows = [
        (
            f"{level:.0%}" if level else "full model",
            *map(share, [*final.loc[level], *earlier.reindex([level]).iloc[0]]),
        )
        for level in final.index
    ]
    head = ("sparsity", f"ID, step {FINAL_STEP:,}", "OOD", f"ID, step {step:,}", "OOD")
    return to_markdown(head, rows)


def _smoothness(by_sparsity: pd.DataFrame) -> Iterator[str]:
    some = by_sparsity[by_sparsity["sparsity"] != 0.05]
    for name, table in (("all sparsities", by_sparsity), ("without 5 %", some)):
        yield from _verdicts(f"Final model, {name}", _ask(smoothness.QUESTION, grid=table))


def _sizes(sizes: pd.DataFrame) -> str:
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
            _means(grid[grid["kind"] == "subnetwork"], ["checkpoint", "sparsity"])
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


def _same_seeds(published: Published) -> str:
    twelve = pd.concat([published.at_50, published.at_70])
    both = pd.concat(map(_by_seed, (twelve, published.by_sparsity)), axis=1, join="inner")
    rows = [
        (f"{level:.0%}", str(seed), *map(share, accuracies))
        for (level, seed), *accuracies in both.itertuples(name=None)
    ]
    return to_markdown(("sparsity", "seed", "twelve seeds", "over sparsities"), rows)


def _by_seed(table: pd.DataFrame) -> pd.Series:
    """Return the accuracy on the paper's first case of each sparsity and seed."""
    some = table[(table["kind"] == "subnetwork") & (table["case"] == FOLLOWED[0])]
    by_seed = some.set_index(["sparsity", "seed"]).sort_index()
    return by_seed["correct"] / by_seed["n"]


def _means(table: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Compute mean ID and OOD accuracy over seeds."""
    each = means_by_kind(table, [*by, "seed"]).reindex(columns=["in_domain", "adversarial"])
    return each.groupby(by).mean()
