"""The task on paraphrases: Quora question pairs in domain, PAWS out of domain."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from .labels import PARAPHRASE_LABELS
from .parts import hold_out, note_draws, without_tests
from .published import data_folder, paws_test, qqp_test, qqp_train
from .task import CaseKind, Examples, Suite, Task

Folder = str | os.PathLike[str] | None

#: Both questions of a pair hold the same words. Overlap says "duplicate", which fails on the pairs
#: that are none (the only ones that the paper uses) and succeeds on the others.
PAWS_KINDS: dict[str, CaseKind] = {
    "paws_not_duplicate": "adversarial",
    "paws_duplicate": "friendly",
}


class ParaphraseOptions(BaseModel):
    """Settings of the task on paraphrases."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    train_size: int | None = Field(None, ge=1, description="Pairs to fine-tune on; all if unset.")
    search_size: int = Field(
        2000, ge=1, description="Pairs to learn masks on, held out from fine-tuning."
    )
    id_size: int | None = Field(
        1000, ge=1, description="In-domain test pairs of each case, at most; all if none."
    )
    per_case: int | None = Field(
        1000, ge=1, description="PAWS pairs of each case, at most; all if none."
    )
    friendly: bool = Field(
        False,
        description="Also test on PAWS's duplicates, friendly cases beside the adversarial.",
    )
    detokenise: bool = Field(
        True, description="Remove the tokeniser's spaces from PAWS, as QQP has none."
    )


def qqp_and_paws(options: ParaphraseOptions, data: Folder, seed: int) -> Task:
    """Build the task ``qqp+paws``."""
    folder, notes = data_folder(data), list[str]()
    in_domain = qqp_test(folder, notes)
    paws = paws_test(folder, notes, detokenise=options.detokenise)
    # PAWS was made from QQP's questions, which also occur in pairs to train on.
    train = without_tests(qqp_train(folder, notes), [in_domain], notes)
    train = without_tests(train, [paws], notes, texts=True)
    train, search = hold_out(train, options.search_size, options.train_size, seed, notes)
    chosen = _chosen(paws, options.friendly)
    suites = (
        _in_domain(in_domain, options.id_size, seed),
        _paws(chosen, options.per_case, seed, options.friendly),
    )
    note_draws(suites, (in_domain, chosen), notes)
    return Task("qqp+paws", PARAPHRASE_LABELS, train, search, suites, tuple(notes))


def load_qqp(data: Folder, per_case: int | None, seed: int) -> Suite:
    """Load the suite ``qqp``."""
    return _in_domain(qqp_test(data_folder(data), []), per_case, seed)


def load_paws(friendly: bool) -> Callable[[Folder, int | None, int], Suite]:
    """Give what loads the suite ``paws``, or ``paws-all`` with the friendly case."""

    def load(data: Folder, per_case: int | None, seed: int) -> Suite:
        paws = paws_test(data_folder(data), [], detokenise=True)
        return _paws(_chosen(paws, friendly), per_case, seed, friendly)

    return load


def _in_domain(examples: Examples, per_case: int | None, seed: int) -> Suite:
    if per_case is not None:
        examples = examples.sample_per_case(per_case, seed)
    return Suite("qqp", "id", examples)


def _chosen(paws: Examples, friendly: bool) -> Examples:
    if friendly:
        return paws
    adversarial = paws.table["case"].map(PAWS_KINDS) == "adversarial"
    return paws.take(np.flatnonzero(adversarial.to_numpy()))


def _paws(examples: Examples, per_case: int | None, seed: int, friendly: bool) -> Suite:
    if per_case is not None:
        examples = examples.sample_per_case(per_case, seed)
    kinds = {case: PAWS_KINDS[case] for case in dict.fromkeys(examples.table["case"])}
    groups = dict.fromkeys(kinds, "paws")
    return Suite("paws-all" if friendly else "paws", "ood", examples, kinds, groups=groups)
