"""A summary of each arm of the published study: its last model and its subnetworks."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from heuristic_core.report import Results
from heuristic_core.report.wording import listing, percent
from published_parts import PARTS, UNSEEN, by_part, with_parts
from published_tables import last_of, with_accuracy

#: A number differs from chance if it is so many standard errors away: two-sided 5 %.
_Z = 1.96


def in_short(arms: Mapping[str, Results], seeds: pd.DataFrame) -> dict[str, list[str]]:
    """Say in a few sentences how accurate each arm's last model and its subnetworks are.

    Args:
        arms: The arms' results.
        seeds: The accuracies of 100 fine-tunings of BERT-base, as ``seeds`` keeps them.
    """
    return {arm: _sentences(results, seeds) for arm, results in arms.items()}


def _sentences(results: Results, seeds: pd.DataFrame) -> list[str]:
    last = with_parts(last_of(with_accuracy(results.measured["evaluations"])), results)
    full, pruned = last[last["sparsity"] == 0], last[last["sparsity"] > 0]
    low = _low_in_short(full, pruned)
    return [
        _model_in_short(full),
        _separation_in_short(results),
        *([low] if low else []),
        _subnetworks_in_short(full, pruned),
        _seeds_in_short(full, pruned, seeds),
    ]


def _model_in_short(full: pd.DataFrame) -> str:
    in_domain = [
        f"{percent(one.accuracy, 1)} of `{one.case}`"
        for one in full[full["role"] == "id"].itertuples()
    ]
    means = {part: some["accuracy"].mean() for part, some in by_part(full)}
    on_hans = [f"{percent(mean, 1)} of {part} cases" for part, mean in means.items()]
    adversarial = full[full["case_kind"] == "adversarial"]
    balanced = (means[UNSEEN] + means["friendly"]) / 2
    n_low = int((adversarial["accuracy"] < 0.05).sum())
    return (
        f"The model of step {full['checkpoint'].iloc[0]:,} is right on {listing(in_domain)}, and "
        f"on HANS on {listing(on_hans)}. The mean of {UNSEEN} and friendly cases is "
        f"{percent(balanced, 1)}; a constant answer gives 50.0%. In {n_low} of "
        f"{len(adversarial)} adversarial cases it is right on less than 5%."
    )


def _separation_in_short(results: Results) -> str:
    separation = last_of(results.measured["discrimination"])
    separation = separation[separation["sparsity"] == 0]
    kinds = results.measured["evaluations"][["case", "case_kind", "role"]].drop_duplicates("case")
    separation = with_parts(separation.merge(kinds, on="case"), results)
    error = _Z * separation["auc_se"]
    separation = separation.assign(
        above=separation["auc"] - error > 0.5, below=separation["auc"] + error < 0.5
    )
    parts = []
    for part, some in by_part(separation):
        best, worst = some.loc[some["auc"].idxmax()], some.loc[some["auc"].idxmin()]
        parts.append(
            f"{some['auc'].mean():.2f} on average in {part} cases, above chance in "
            f"{some['above'].sum()} of {len(some)} (highest in `{best['case']}`: "
            f"{best['auc']:.2f}) and below it in {some['below'].sum()} (lowest in "
            f"`{worst['case']}`: {worst['auc']:.2f})"
        )
    return (
        "Its AUROC between a case and friendly pairs of the case's group, which does not depend on "
        f"label bias, is {'; '.join(parts)}. Below chance, it gives entailment a higher "
        "probability where it does not follow."
    )


def _low_in_short(full: pd.DataFrame, pruned: pd.DataFrame) -> str:
    """Name friendly cases that the model gets wrong, and how accurate subnetworks are on them."""
    friendly = full[(full["case_kind"] == "friendly") & (full["accuracy"] < 0.5)]
    parts = []
    for one in friendly.itertuples():
        by_sparsity = pruned[pruned["case"] == one.case].groupby("sparsity")["accuracy"].mean()
        means = [f"{percent(mean, 1)} at {percent(level)}" for level, mean in by_sparsity.items()]
        seen = ", with examples in training" if one.seen else ""
        parts.append(
            f"`{one.case}` ({percent(one.accuracy, 1)}{seen}; "
            f"subnetworks {listing(means)} sparsity)"
        )
    return f"Friendly cases on which it is mostly wrong: {listing(parts)}." if parts else ""


def _subnetworks_in_short(full: pd.DataFrame, pruned: pd.DataFrame) -> str:
    model = full[full["role"] == "id"].set_index("suite")["accuracy"]
    parts = []
    for sparsity, some in pruned.groupby("sparsity"):
        in_domain = some[some["role"] == "id"]
        away = (in_domain["accuracy"] - in_domain["suite"].map(model)) * 100
        widest = []
        for part in PARTS[:2]:
            cases = some[some["part"] == part].groupby("case")["accuracy"]
            if cases.ngroups:
                case = (cases.max() - cases.min()).idxmax()
                low, high = cases.min()[case], cases.max()[case]
                widest.append(
                    f"`{case}` ({percent(low, 1)} to {percent(high, 1)}) among {part} cases"
                )
        parts.append(
            f"At {percent(sparsity)} sparsity the in-domain accuracy of {some['seed'].nunique()} "
            f"subnetworks differs by {away.min():+.1f} to {away.max():+.1f} points from the "
            f"model's; they differ most on {listing(widest)}."
        )
    return " ".join(parts)


def _seeds_in_short(full: pd.DataFrame, pruned: pd.DataFrame, seeds: pd.DataFrame) -> str:
    """Compare the spread between subnetworks with that between fine-tunings of BERT-base."""
    spread = seeds.set_index("column")
    sparsest = pruned[pruned["sparsity"] == pruned["sparsity"].max()]
    sparsest = sparsest[sparsest["case_kind"] == "adversarial"]
    deviations = sparsest.groupby("case")["accuracy"].std()
    wider = [case for case, own in deviations.items() if own > spread.loc[case, "std"]]
    model = full[full["case_kind"] == "adversarial"].set_index("case")["accuracy"]
    below = int((model < spread.loc[model.index, "min"]).sum())
    named = f" ({listing([f'`{case}`' for case in wider])})" if wider else ""
    return (
        f"Compared with 100 fine-tunings of BERT-base: subnetworks at "
        f"{percent(sparsest['sparsity'].iloc[0])} sparsity have a larger standard deviation in "
        f"{len(wider)} of {len(deviations)} adversarial cases{named}; the model is less accurate "
        f"than all hundred in {below}."
    )
