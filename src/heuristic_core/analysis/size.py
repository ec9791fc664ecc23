"""How large is the smallest subnetwork that does what the model does? (paper, section 6)"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from .accuracies import judged_by, part_means
from .intervals import CONTRADICTED, SUPPORTED, UNDECIDED, Estimate, Verdict, ends_text
from .size_rule import EQUAL, drawn_sizes, estimate, sizes, variances

#: The margins, in points, at which the size is given beside the margin asked for.
MARGINS = (1.0, 2.0, 3.0, 4.0, 5.0)
#: Fewer search seeds decide nothing.
ENOUGH_SEEDS = 3
#: The model generalises over fine-tuning if its accuracy out of domain rises by so many points.
RISE_POINTS = 10.0
_DATA = ("id", "adversarial", "balanced", "mixed")


@dataclass(frozen=True)
class SizeAt:
    """The effective size of the model at one checkpoint, on one kind of data.

    Args:
        checkpoint: The checkpoint.
        accuracy: The full model's mean accuracy over the cases.
        n_seeds: Search seeds.
        size: Per cent of units in the sparsest subnetwork that is good enough; 100 where none is;
            mean over seeds. Its interval is over seeds and examples.
        by_margin: The mean size at other margins, by points.
        coarse: The mean size if only every second sparsity, from the sparsest, had been searched;
            ``None`` for fewer than four.
        n_failed: Seeds of which no subnetwork is good enough.
        at_most: Whether a seed's sparsest subnetwork is good enough, so that the size may be lower.
        note: Why the margin means nothing here; empty where it does.
    """

    checkpoint: int
    accuracy: float
    n_seeds: int
    size: Estimate
    by_margin: dict[str, float]
    coarse: float | None
    n_failed: int
    at_most: bool
    note: str


@dataclass(frozen=True)
class SizeChange:
    """How the effective size changes from one checkpoint to a later one, paired by seed.

    Args:
        before: The earlier checkpoint.
        after: The later.
        n_seeds: Seeds searched at both.
        points: Change of the size, in per cent of all units; its interval is over seeds and
            examples.
        by_margin: The mean change at other margins.
    """

    before: int
    after: int
    n_seeds: int
    points: Estimate
    by_margin: dict[str, float]


@dataclass(frozen=True)
class EffectiveSize:
    """The effective size over one fine-tuning, on one kind of data.

    Args:
        finetune_seed: Seed of the fine-tuning.
        method: The search method.
        data: ``id``, ``adversarial``, ``balanced`` (mean of the adversarial and the friendly
            mean) or ``mixed`` (all ID and adversarial cases alike).
        margin_points: A subnetwork is good enough if its accuracy is above the full model's less
            this margin.
        sparsities: The sparsities searched.
        sizes: One entry per checkpoint.
        change: From the first trained checkpoint to the last; ``None`` for fewer than two.
        where_meaningful: From the first trained checkpoint at which the margin means something
            to the last such; ``None`` where there are not two.
        at_rise: Over the two neighbouring trained checkpoints between which the full model's
            accuracy out of domain rises most; ``None`` where it never rises.
        verdict: On the claim of competing subnetworks, that the size falls as the model
            generalises.
    """

    finetune_seed: int
    method: str
    data: str
    margin_points: float
    sparsities: tuple[float, ...]
    sizes: tuple[SizeAt, ...]
    change: SizeChange | None
    where_meaningful: SizeChange | None
    at_rise: SizeChange | None
    verdict: Verdict


def effective_size(
    grid: pd.DataFrame, margin_points: float = 3.0, seed: int = 0
) -> list[EffectiveSize]:
    """Follow the effective size over fine-tuning, on each kind of data.

    Args:
        grid: Rows as in ``tables.EVALUATION``: full models and their subnetworks on the same
            examples, for several checkpoints, sparsities and seeds.
        margin_points: The margin, in points.
        seed: Where the draws for the intervals come from.

    Returns:
        One result per fine-tuning, method and kind of data.

    Source:
        Section 6: the highest sparsity whose accuracy is above the full model's less three
        points, 100 % without one; for each seed, then averaged.
    """
    results = []
    subnetworks = grid[grid["kind"] == "subnetwork"]
    for (tuned, method), group in subnetworks.groupby(["finetune_seed", "method"]):
        full = grid[(grid["kind"] == "full") & (grid["finetune_seed"] == tuned)]
        full = full[full["checkpoint"].isin(group["checkpoint"])]
        whole, variance = _by_data(full, ["checkpoint"]), variances(full)
        found = _by_data(group, ["checkpoint", "seed", "sparsity"])
        for data in [name for name in _DATA if name in found and name in whole]:
            table = found[data].unstack("sparsity").sort_index(axis=1)
            grids = {
                int(step): some.droplevel("checkpoint").dropna(how="all")
                for step, some in table.groupby(level="checkpoint")
                if step in whole.index
            }
            if grids:
                curve = _Curve(data, margin_points, whole, variance[data], grids, seed)
                results.append(curve.result(int(tuned), str(method)))
    balanced = {
        (one.finetune_seed, one.method): one.verdict for one in results if one.data == "balanced"
    }
    return [_beside(one, balanced.get((one.finetune_seed, one.method))) for one in results]


def _beside(found: EffectiveSize, balanced: Verdict | None) -> EffectiveSize:
    """Decide on adversarial and mixed data only as on balanced data, where there are any.

    A subnetwork that leans to the adversarial label is good enough on adversarial data, and one
    that leans to the other is not, whatever they tell apart.
    """
    verdict = found.verdict
    leaning = found.data in ("adversarial", "mixed")
    if not leaning or balanced is None or verdict.decision in (UNDECIDED, balanced.decision):
        return found
    reason = f"not so on balanced data, and a lean to one label can bring it; {verdict.reason}"
    return replace(found, verdict=Verdict(verdict.claim, UNDECIDED, reason))


def _by_data(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Give mean accuracies by kind of data, one row per system."""
    means = part_means(rows, by).rename(columns={"in_domain": "id"})
    if {"id", "adversarial"} <= set(means):
        some = rows[(rows["role"] == "id") | (rows["case_kind"] == "adversarial")]
        share = some["correct"] / some["n"]
        means["mixed"] = share.groupby([some[column] for column in by]).mean()
    return means


@dataclass(frozen=True)
class _Curve:
    """What the sizes on one kind of data are computed from."""

    data: str
    margin: float  # in points
    whole: pd.DataFrame  # the full model's accuracies, by checkpoint and kind of data
    variance: pd.Series  # of the full model's accuracy on this kind, by checkpoint
    grids: Mapping[int, pd.DataFrame]  # for each checkpoint accuracies by seed and sparsity
    seed: int

    def result(self, finetune_seed: int, method: str) -> EffectiveSize:
        trained = [step for step in self.grids if step > 0]
        change = self.change(trained[0], trained[-1]) if len(trained) > 1 else None
        rise = self.rise(trained)
        at = tuple(self.at(step) for step in self.grids)
        clear = [size.checkpoint for size in at if size.checkpoint > 0 and not size.note]
        meant = self.change(clear[0], clear[-1]) if len(clear) > 1 else None
        return EffectiveSize(
            finetune_seed,
            method,
            self.data,
            self.margin,
            tuple(float(level) for level in next(iter(self.grids.values())).columns),
            at,
            change,
            meant,
            None if rise is None else self.change(*rise),
            self.verdict(change, meant, {size.checkpoint: size for size in at}),
        )

    def sizes(self, step: int, margin: float, every: int = 1) -> pd.Series:
        """Give each seed's size, with only some of the sparsities, counted from the sparsest."""
        grid = self.grids[step]
        levels = grid.columns.to_numpy(dtype=np.float64)[::-1][::every]
        accuracy = grid.to_numpy()[:, ::-1][:, ::every]
        return pd.Series(sizes(accuracy, levels, self.bar(step, margin)), grid.index)

    def bar(self, step: int, margin: float) -> float:
        return float(self.whole.loc[step, self.data]) - margin / 100

    def estimate(self, found: pd.Series, *terms: tuple[int, int]) -> Estimate:
        """Give the mean of sizes, or of their changes, the sum of signed steps' sizes."""
        drawn = np.zeros((1, len(found)))
        for sign, step in terms:
            grid = self.grids[step].loc[found.index]
            levels = grid.columns.to_numpy(dtype=np.float64)
            bar, variance = self.bar(step, self.margin), float(self.variance.loc[step])
            seed = [self.seed, step]
            drawn = drawn + sign * drawn_sizes(grid.to_numpy(), levels, bar, variance, seed)
        least = self.floor(terms[0][1]) if len(terms) == 1 else -100.0
        return estimate(found.to_numpy(), drawn, self.seed, least)

    def floor(self, step: int) -> float:
        """Give the size of the sparsest subnetworks that were searched for."""
        return 100 * (1 - float(self.grids[step].columns.max()))

    def at(self, step: int) -> SizeAt:
        grid = self.grids[step]
        found = self.sizes(step, self.margin)
        accuracy = float(self.whole.loc[step, self.data])
        return SizeAt(
            step,
            accuracy,
            len(found),
            self.estimate(found, (1, step)),
            {f"{m:g}": float(self.sizes(step, m).mean()) for m in MARGINS},
            float(self.sizes(step, self.margin, 2).mean()) if grid.shape[1] >= 4 else None,
            int((found == 100).sum()),
            bool((found <= self.floor(step) + EQUAL).any()),
            self.note(accuracy),
        )

    def note(self, accuracy: float) -> str:
        if accuracy < 3 * self.margin / 100:
            return f"an accuracy of {accuracy:.1%} is under three margins, so next to none will do"
        if self.data == "balanced" and accuracy - self.margin / 100 <= 0.5:
            return f"at an accuracy of {accuracy:.1%}, always giving the same answer will do"
        return ""

    def change(self, before: int, after: int) -> SizeChange | None:
        def differences(margin: float) -> pd.Series:
            return (self.sizes(after, margin) - self.sizes(before, margin)).dropna()

        found = differences(self.margin)
        if found.empty:
            return None
        points = self.estimate(found, (1, after), (-1, before))
        by_margin = {f"{m:g}": float(differences(m).mean()) for m in MARGINS}
        return SizeChange(before, after, len(found), points, by_margin)

    def rise(self, trained: list[int]) -> tuple[int, int] | None:
        """Find the neighbouring checkpoints between which accuracy out of domain rises most."""
        part = judged_by(self.whole)
        if part is None or len(trained) < 2:
            return None
        accuracy = self.whole.loc[trained, part].to_numpy()
        top = int(np.diff(accuracy).argmax())
        return (trained[top], trained[top + 1]) if accuracy[top + 1] > accuracy[top] else None

    def verdict(
        self, change: SizeChange | None, meant: SizeChange | None, at: Mapping[int, SizeAt]
    ) -> Verdict:
        claim = f"the model's effective size on {self.data} data falls as it generalises"
        part = judged_by(self.whole)
        if change is None or part is None:
            return Verdict(claim, UNDECIDED, "this takes two trained checkpoints and OOD cases")
        first, last = at[change.before], at[change.after]
        points = change.points
        accuracy = self.whole[part]
        rise = 100 * float(accuracy[last.checkpoint] - accuracy[first.checkpoint])
        least, most = min(change.by_margin.values()), max(change.by_margin.values())
        reason = (
            f"{_written(change)}, {least:+.1f} to {most:+.1f} with margins of {MARGINS[0]:g} to "
            f"{MARGINS[-1]:g} points, while {part} accuracy changes by {rise:+.1f} points"
        )
        if change.n_seeds < ENOUGH_SEEDS:
            return Verdict(claim, UNDECIDED, f"fewer than {ENOUGH_SEEDS} seeds; {reason}")
        if not rise >= RISE_POINTS:
            return Verdict(claim, UNDECIDED, f"the model does not come to generalise; {reason}")
        notes = [f"step {size.checkpoint}: {size.note}" for size in (first, last) if size.note]
        if notes:
            reason = f"the margin means nothing at {notes[0]}; {reason}"
            if meant is not None:
                reason += f"; where it means something, {_written(meant)}"
            return Verdict(claim, UNDECIDED, reason)
        if points.low > 0 and points.value >= self.step:
            return Verdict(claim, CONTRADICTED, reason)
        if points.high < 0 and -points.value >= self.step:
            if last.at_most and self.data in ("adversarial", "mixed"):
                lean = "in the end even the sparsest will do, which a lean to one label can bring"
                return Verdict(claim, UNDECIDED, f"{lean}; {reason}")
            return Verdict(claim, SUPPORTED, reason)
        return Verdict(claim, UNDECIDED, reason)

    @property
    def step(self) -> float:
        """The grid's step, in points: a smaller change cannot be told from none."""
        levels = next(iter(self.grids.values())).columns.to_numpy(dtype=np.float64)
        return 100 * float(np.median(np.diff(levels))) if len(levels) > 1 else 0.0


def _written(change: SizeChange) -> str:
    points = change.points
    return (
        f"from step {change.before} to {change.after} it changes by {points.value:+.1f} % of the "
        f"units{ends_text(points, '+.1f')}"
    )
