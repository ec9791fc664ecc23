"""What is said in short of the published study's arms: models, subnetworks, and other spreads."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from heuristic_core.report import Results
from heuristic_core.report.wording import listing, percent
from published_parts import PARTS, UNSEEN, by_part, with_parts
from published_tables import last_of, with_accuracy

#: Standard errors that a number is away from another when it is called different: two-sided 5 %.
_Z = 1.96


def in_short(arms: Mapping[str, Results], seeds: pd.DataFrame) -> dict[str, list[str]]:
    """Say for each arm how good its last model and its subnetworks are, and on what."""
    return {arm: _sentences(results, seeds) for arm, results in arms.items()}


def _sentences(results: Results, seeds: pd.DataFrame) -> list[str]:
    last = with_parts(last_of(with_accuracy(results.evaluations)), results)
    full, found = last[last["sparsity"] == 0], last[last["sparsity"] > 0]
    low = _low_in_short(full, found)
    return [
        _model_in_short(full),
        _separation_in_short(results),
        *([low] if low else []),
        _subnetworks_in_short(full, found),
        _seeds_in_short(full, found, seeds),
    ]


def _model_in_short(full: pd.DataFrame) -> str:
    in_domain = [
        f"{percent(one.accuracy, 1)} of `{one.case}`"
        for one in full[full["role"] == "id"].itertuples()
    ]
    means = {part: some["accuracy"].mean() for part, some in by_part(full)}
    said = [f"{percent(mean, 1)} of {part} cases" for part, mean in means.items()]
    adversarial = full[full["case_kind"] == "adversarial"]
    balanced = (means[UNSEEN] + means["friendly"]) / 2
    n_low = int((adversarial["accuracy"] < 0.05).sum())
    return (
        f"The model of step {full['checkpoint'].iloc[0]:,} is right on {listing(in_domain)}, and "
        f"on HANS on {listing(said)}. The mean of {UNSEEN} and friendly cases is "
        f"{percent(balanced, 1)}, where always giving one answer makes 50.0%. Of "
        f"{len(adversarial)} adversarial cases it is right on less than 5% in {n_low}."
    )


def _separation_in_short(results: Results) -> str:
    told = last_of(results.measured["discrimination"])
    told = told[told["sparsity"] == 0]
    kinds = results.evaluations[["case", "case_kind", "role", "suite"]].drop_duplicates("case")
    told = with_parts(told.merge(kinds[["case", "case_kind", "role"]], on="case"), results)
    error = _Z * told["auc_se"]
    told = told.assign(better=told["auc"] - error > 0.5, worse=told["auc"] + error < 0.5)
    said = []
    for part, some in by_part(told):
        best, worst = some.loc[some["auc"].idxmax()], some.loc[some["auc"].idxmin()]
        said.append(
            f"{some['auc'].mean():.2f} on average in {part} cases, above chance in "
            f"{some['better'].sum()} of {len(some)} (`{best['case']}` most: {best['auc']:.2f}) and "
            f"below it in {some['worse'].sum()} (`{worst['case']}` lowest: {worst['auc']:.2f})"
        )
    return (
        "What it tells apart even where it always gives one answer: the area under the curve "
        f"between a case and friendly pairs of its group is {'; '.join(said)}. Below chance it is "
        "surer of entailment where it does not follow."
    )


def _low_in_short(full: pd.DataFrame, found: pd.DataFrame) -> str:
    """Name friendly cases that the model gets wrong, and what pruning makes of them."""
    friendly = full[(full["case_kind"] == "friendly") & (full["accuracy"] < 0.5)]
    said = []
    for one in friendly.itertuples():
        pruned = found[found["case"] == one.case].groupby("sparsity")["accuracy"].mean()
        means = [f"{percent(mean, 1)} at {percent(sparsity)}" for sparsity, mean in pruned.items()]
        seen = ", with examples in training" if one.seen else ""
        said.append(
            f"`{one.case}` ({percent(one.accuracy, 1)}{seen}; "
            f"subnetworks {listing(means)} sparsity)"
        )
    return (
        f"It gets friendly cases wrong that it should find easy: {listing(said)}." if said else ""
    )


def _subnetworks_in_short(full: pd.DataFrame, found: pd.DataFrame) -> str:
    model = full[full["role"] == "id"].set_index("suite")["accuracy"]
    said = []
    for sparsity, some in found.groupby("sparsity"):
        known = some[some["role"] == "id"]
        away = (known["accuracy"] - known["suite"].map(model)) * 100
        widest = []
        for part in PARTS[:2]:
            cases = some[some["part"] == part].groupby("case")["accuracy"]
            if cases.ngroups:
                case = (cases.max() - cases.min()).idxmax()
                low, high = cases.min()[case], cases.max()[case]
                widest.append(
                    f"`{case}` ({percent(low, 1)} to {percent(high, 1)}) among {part} cases"
                )
        said.append(
            f"At {percent(sparsity)} sparsity {some['seed'].nunique()} subnetworks are "
            f"{away.min():+.1f} to {away.max():+.1f} points off the model in-domain, and differ "
            f"most on {listing(widest)}."
        )
    return " ".join(said)


def _seeds_in_short(full: pd.DataFrame, found: pd.DataFrame, seeds: pd.DataFrame) -> str:
    """Hold the spread between subnetworks against that between fine-tunings of BERT-base."""
    spread = seeds.set_index("column")
    sparsest = found[found["sparsity"] == found["sparsity"].max()]
    sparsest = sparsest[sparsest["case_kind"] == "adversarial"]
    deviations = sparsest.groupby("case")["accuracy"].std()
    wider = [case for case, own in deviations.items() if own > spread.loc[case, "std"]]
    model = full[full["case_kind"] == "adversarial"].set_index("case")["accuracy"]
    below = int((model < spread.loc[model.index, "min"]).sum())
    named = f" ({listing([f'`{case}`' for case in wider])})" if wider else ""
    return (
        f"Beside 100 fine-tunings of BERT-base: subnetworks at "
        f"{percent(sparsest['sparsity'].iloc[0])} sparsity vary more than those (by standard "
        f"deviation) in {len(wider)} of {len(deviations)} adversarial cases{named}; the model is "
        f"below all hundred in {below}."
    )
