"""The task on paraphrases: Quora question pairs in domain, PAWS out of domain."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from .parts import PublishedOptions, published_task, without_tests
from .published import Folder, data_folder, paws_test, qqp_test, qqp_train
from .task import CaseKind, Examples, Suite, Task

#: The two questions of a pair have the same words. Overlap predicts "duplicate", which is wrong on
#: the pairs that are not duplicates (the only ones that the paper uses) and right on the others.
PAWS_KINDS: dict[str, CaseKind] = {
    "paws_not_duplicate": "adversarial",
    "paws_duplicate": "friendly",
}


class ParaphraseOptions(PublishedOptions):
    """Settings of the task on paraphrases."""

    search_size: int = Field(
        2000, ge=1, description="Pairs to learn masks on, held out from fine-tuning."
    )
    per_case: int | None = Field(
        1000, ge=1, description="PAWS pairs of each case, at most; all if none."
    )
    friendly: bool = Field(
        False, description="Also test on the duplicates in PAWS, which are a friendly case."
    )
    detokenise: bool = Field(
        True, description="Remove the tokeniser's spaces from PAWS, as QQP has none."
    )


def qqp_and_paws(options: ParaphraseOptions, data: Folder, seed: int) -> Task:
    """Build the task ``qqp+paws``."""
    folder, notes = data_folder(data), list[str]()
    in_domain = qqp_test(folder, notes)
    paws = paws_test(folder, notes, detokenise=options.detokenise)
    # PAWS was made from questions in QQP, which also occur in its training pairs.
    train = without_tests(qqp_train(folder, notes), {"qqp": in_domain}, notes)
    train = without_tests(train, {"paws": paws}, notes, texts=True)
    chosen = _chosen(paws, options.friendly)
    suites = (
        Suite(name="qqp", role="id", examples=in_domain.sample_per_case(options.id_size, seed)),
        _paws(chosen, options.per_case, seed, options.friendly),
    )
    whole = (in_domain, chosen)
    return published_task("qqp+paws", train, suites, whole, options=options, seed=seed, notes=notes)


def load_qqp(data: Folder, per_case: int | None, seed: int) -> Suite:
    """Load the suite ``qqp``."""
    examples = qqp_test(data_folder(data), [])
    return Suite(name="qqp", role="id", examples=examples.sample_per_case(per_case, seed))


def load_paws(friendly: bool, data: Folder, per_case: int | None, seed: int) -> Suite:
    """Load the suite ``paws``, or ``paws-all`` with the friendly case."""
    paws = paws_test(data_folder(data), [], detokenise=True)
    return _paws(_chosen(paws, friendly), per_case, seed, friendly)


def _chosen(paws: Examples, friendly: bool) -> Examples:
    if friendly:
        return paws
    adversarial = paws.table["case"].map(PAWS_KINDS) == "adversarial"
    return paws.take(np.flatnonzero(adversarial.to_numpy()))


def _paws(examples: Examples, per_case: int | None, seed: int, friendly: bool) -> Suite:
    kinds = {case: PAWS_KINDS[case] for case in dict.fromkeys(examples.table["case"])}
    return Suite(
        name="paws-all" if friendly else "paws",
        role="ood",
        examples=examples.sample_per_case(per_case, seed),
        kinds=kinds,
        groups=dict.fromkeys(kinds, "paws"),
    )
