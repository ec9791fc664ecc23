"""What the published accuracies say when this program's analyses are run on them, as a page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from ..analysis.accuracies import part_means
from ..analysis.intervals import Estimate, Verdict
from ..analysis.ranks import ranks
from ..analysis.size import MARGINS, EffectiveSize, effective_size
from ..analysis.smoothness import smoothness
from ..analysis.sparser import sparser
from ..analysis.spread import spread
from .published import FINAL_STEP, FOLLOWED, Published, read_published

#: As printed in the paper, in per cent: the full model, then the subnetworks' range.
_PRINTED: Mapping[tuple[str, float], tuple[str, str]] = {
    ("matched", 0.5): ("83.3", "1.4–3.3 points lower"),
    ("mismatched", 0.5): ("84.2", "1.4–3.3 points lower"),
    ("ln_subject/object_swap", 0.5): ("86.7", "2.2–36.1"),
    ("ln_preposition", 0.5): ("73.5", ""),
    ("cn_embedded_under_if", 0.5): ("33.0", "4.1–50.2"),
    ("cn_embedded_under_verb", 0.5): ("33.4", ""),
    ("matched", 0.7): ("83.3", "74–76"),
    ("mismatched", 0.7): ("84.2", "74–76"),
}
#: The margin of ID accuracy within which the paper's subnetworks at 50 % all lie.
_PAPER_MARGIN = 3.3
_SHOWN = {"id": "ID", "adversarial": "OOD", "mixed": "mixed"}


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
    taken = read_published(folder, keep_failed=True)
    found = {result.data: result for result in effective_size(published.grid)}
    parts = [
        *_ranges(published),
        *_spread(published),
        *_sparsity(published),
        *_sizes(found),
        *_failed(published, taken),
        *_oddities(published),
    ]
    return "\n".join(parts) + "\n"


def _ranges(published: Published) -> Iterable[str]:
    yield "## Accuracies of subnetworks (findings 1 and 2)\n"
    yield "Final model and twelve subnetworks at each sparsity, in per cent.\n"
    rows = []
    for level, table in ((0.5, published.at_50), (0.7, published.at_70)):
        for case in ("matched", "mismatched", *FOLLOWED):
            some = table[table["case"] == case]
            if some.empty:
                continue
            accuracy = 100 * some["correct"] / some["n"]
            full = float(accuracy[some["kind"] == "full"].iloc[0])
            of_subnetworks = accuracy[some["kind"] == "subnetwork"]
            low, high = float(of_subnetworks.min()), float(of_subnetworks.max())
            recomputed = f"{low:.1f}–{high:.1f}"
            if case.endswith("matched"):
                recomputed += f" ({full - high:.1f}–{full - low:.1f} points lower)"
            printed = _PRINTED.get((case, level), ("", ""))
            rows.append((f"{level:.0%}", case, printed[0], f"{full:.1f}", printed[1], recomputed))
    yield from _table(
        ("sparsity", "case", "full, paper", "full", "subnetworks, paper", "subnetworks"), rows
    )


def _spread(published: Published) -> Iterable[str]:
    yield "## Verdicts on them\n"
    for level, table in (("50 %", published.at_50), ("70 %", published.at_70)):
        for margin in (3.0, _PAPER_MARGIN):
            for result in spread(table, margin):
                yield _verdict(f"{level}, margin of {margin:g} points in-domain", result.verdict)
        for name, cases in (
            ("all adversarial cases of HANS", table),
            ("the four cases of the paper", _followed(table)),
        ):
            for ranked in ranks(cases, seed=0):
                yield _verdict(f"{level}, {name}", ranked.verdict)
                both = ranked.with_adversarial
                if both is not None and both.pearson is not None and both.spearman is not None:
                    yield (
                        f"  ID and adversarial accuracy correlate with r = "
                        f"{_interval(both.pearson, 2)}, of ranks {_interval(both.spearman, 2)}."
                    )
    for change in sparser(pd.concat([published.at_50, published.at_70])):
        yield _verdict("50 % against 70 %, all of HANS", change.verdict)
    yield ""


def _sparsity(published: Published) -> Iterable[str]:
    yield "## Accuracy over sparsity (finding 2)\n"
    yield "Means over three subnetworks and, OOD, over the four cases, in per cent.\n"
    last = published.grid[published.grid["checkpoint"] == published.grid["checkpoint"].max()]
    step = int(last["checkpoint"].iloc[0])
    means = [_means(table, ["sparsity"]) for table in (published.by_sparsity, last)]
    rows = [
        (
            f"{level:.0%}" if level else "full model",
            *(_percent(value) for part in means for value in part.reindex([level]).iloc[0]),
        )
        for level in means[0].index
    ]
    yield from _table(
        ("sparsity", f"ID, step {FINAL_STEP:,}", "OOD", f"ID, step {step:,}", "OOD"), rows
    )
    for name, table in (
        ("all sparsities", published.by_sparsity),
        ("without 5 %", published.by_sparsity[published.by_sparsity["sparsity"] != 0.05]),
    ):
        for result in smoothness(table):
            yield _verdict(f"Final model, {name}", result.verdict)
    yield ""


def _sizes(found: Mapping[str, EffectiveSize]) -> Iterable[str]:
    yield "## Effective size over fine-tuning (finding 4)\n"
    yield (
        "Per cent of units, by the paper's rule: mean over three seeds [95 % interval]. A star: "
        "the margin means nothing there. ≤: the sparsest subnetworks searched are good enough.\n"
    )
    kinds = [kind for kind in _SHOWN if kind in found]
    rows = []
    for at in zip(*(found[kind].sizes for kind in kinds), strict=True):
        cells = [
            f"{'≤ ' if size.at_most else ''}{_interval(size.size, 1)}{' *' if size.note else ''}"
            for size in at
        ]
        accuracy = [_percent(size.accuracy) for size in at[:2]]
        rows.append((f"{at[0].checkpoint:,}", *accuracy, *cells))
    yield from _table(("step", "ID accuracy", "OOD accuracy", *_SHOWN.values()), rows)
    yield "Change of the size, also at other margins (in points):\n"
    yield from _table(
        ("data", "from", "to", "change", *(f"margin {m:g}" for m in MARGINS)),
        [
            (
                _SHOWN[kind],
                f"{change.before:,}",
                f"{change.after:,}",
                _interval(change.points, 1, sign=True),
                *(f"{value:+.1f}" for value in change.by_margin.values()),
            )
            for kind in kinds
            for change in (found[kind].change, found[kind].where_meaningful)
            if change is not None and (change is found[kind].change or _differs(found[kind]))
        ],
    )
    yield "The size had only every second sparsity been searched:\n"
    yield from _table(
        ("data", *(f"{size.checkpoint:,}" for size in found[kinds[0]].sizes)),
        [(_SHOWN[kind], *(_number(size.coarse) for size in found[kind].sizes)) for kind in kinds],
    )
    for kind in kinds:
        yield _verdict(_SHOWN[kind], found[kind].verdict)
    yield ""


def _differs(result: EffectiveSize) -> bool:
    """Say whether the margin is without meaning at the first or last trained checkpoint."""
    one, other = result.change, result.where_meaningful
    return one is None or other is None or (one.before, one.after) != (other.before, other.after)


def _failed(published: Published, taken: Published) -> Iterable[str]:
    yield "## Failed runs\n"
    yield (
        f"{len(published.failed)} runs of the grid stand with -1 in every case, "
        f"{len(published.absent)} are absent. Mean ID and OOD accuracy over the three seeds with "
        "-1 left out, and with -1 taken for an accuracy, in per cent:\n"
    )
    columns = ["checkpoint", "sparsity"]
    means = [_means(p.grid[p.grid["kind"] == "subnetwork"], columns) for p in (published, taken)]
    yield from _table(
        ("seed", "step", "sparsity", "ID", "OOD", "ID with -1", "OOD with -1"),
        [
            (
                str(run.seed),
                f"{run.checkpoint:,}",
                f"{run.sparsity:.0%}",
                *(
                    _percent(value)
                    for part in means
                    for value in part.reindex([(run.checkpoint, run.sparsity)]).iloc[0]
                ),
            )
            for run in published.failed
        ],
    )
    pairs = list(zip(effective_size(published.grid), effective_size(taken.grid), strict=True))
    changed = sum(
        abs(a.size.value - b.size.value) > 1e-9
        for one, other in pairs
        for a, b in zip(one.sizes, other.sizes, strict=True)
    )
    total = sum(len(one.sizes) for one, _ in pairs)
    yield (
        f"Of the {total} mean effective sizes, {changed} change when -1 is taken for an accuracy: "
        "the rule looks for the highest sparsity that is good enough, and a failed run is none.\n"
    )


def _oddities(published: Published) -> Iterable[str]:
    yield "## Oddities\n"
    real = published.realised
    extents = "; ".join(
        f"{level:.0%}: {some.min():.1%} to {some.max():.1%}"
        for level, some in real.groupby("sparsity")["realised"]
    )
    yield f"- Sparsities asked for and reached: {extents}."
    full = published.at_50[published.at_50["kind"] == "full"].set_index("case")
    share = full["correct"] / full["n"]
    swapped = [share.get(f"cn_embedded_under_{word}", float("nan")) for word in ("if", "verb")]
    yield (
        f"- The full model is right on {_percent(swapped[0])} % of Embed-If and "
        f"{_percent(swapped[1])} % of Embed-Verb; the paper's ablation table prints "
        "33.0 and 33.4, the other way round."
    )
    yield (
        "- The same seeds at the same sparsity in two files, accuracy on `ln_subject/object_swap` "
        "in per cent, so that a seed does not fix a run:\n"
    )
    rows = []
    for level, table in ((0.5, published.at_50), (0.7, published.at_70)):
        for seed in sorted(published.by_sparsity["seed"].unique()):
            if seed >= 0:
                values = [
                    _of(source, int(seed), level, FOLLOWED[0])
                    for source in (table, published.by_sparsity)
                ]
                rows.append((f"{level:.0%}", str(seed), *values))
    yield from _table(("sparsity", "seed", "twelve seeds", "over sparsities"), rows)


def _means(table: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Give mean ID and OOD accuracy over seeds."""
    each = part_means(table, [*by, "seed"]).reindex(columns=["in_domain", "adversarial"])
    return each.groupby(by).mean()


def _of(table: pd.DataFrame, seed: int, level: float, case: str) -> str:
    chosen = (table["seed"] == seed) & (table["sparsity"] == level) & (table["case"] == case)
    some = table[chosen]
    return _percent(float((some["correct"] / some["n"]).mean()))


def _followed(table: pd.DataFrame) -> pd.DataFrame:
    return table[(table["role"] == "id") | table["case"].isin(FOLLOWED)]


def _verdict(where: str, verdict: Verdict) -> str:
    return f"- {where}: *{verdict.claim}*: **{verdict.decision}**. {verdict.reason}."


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterable[str]:
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def _interval(estimate: Estimate, digits: int, sign: bool = False) -> str:
    form = f"{'+' if sign else ''}.{digits}f"
    value = f"{estimate.value:{form}}"
    if math.isnan(estimate.low):
        return value
    return f"{value} [{estimate.low:{form}}, {estimate.high:{form}}]"


def _percent(share: float) -> str:
    return "" if math.isnan(share) else f"{100 * share:.1f}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
