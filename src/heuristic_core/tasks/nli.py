"""The tasks on inference data: MNLI or SNLI in domain, HANS out of domain."""

from __future__ import annotations

import os
from collections.abc import Callable

from pydantic import BaseModel, ConfigDict, Field

from .hans import hans_suite
from .labels import NLI_LABELS
from .parts import hold_out, note_draws, without_tests
from .published import data_folder, hans_test, nli_test, nli_train
from .task import Examples, Suite, Task

Folder = str | os.PathLike[str] | None


class NliOptions(BaseModel):
    """Settings of the tasks on published inference data."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    train_size: int | None = Field(None, ge=1, description="Pairs to fine-tune on; all if unset.")
    search_size: int = Field(
        10_000, ge=1, description="Pairs to learn masks on, held out from fine-tuning."
    )
    id_size: int | None = Field(
        1000, ge=1, description="In-domain test pairs of each case, at most; all if none."
    )
    per_case: int | None = Field(
        100, ge=1, description="Test pairs of each HANS subcase, at most; all if none."
    )


def nli_and_hans(name: str) -> Callable[[NliOptions, Folder, int], Task]:
    """Give what builds the task on ``mnli`` or ``snli``."""

    def build(options: NliOptions, data: Folder, seed: int) -> Task:
        folder, notes = data_folder(data), list[str]()
        in_domain = nli_test(name, folder, notes)
        hans = hans_test(folder, notes)
        train = without_tests(nli_train(name, folder, notes), [in_domain, hans], notes)
        train, search = hold_out(train, options.search_size, options.train_size, seed, notes)
        suites = (
            _in_domain(name, in_domain, options.id_size, seed),
            hans_suite(hans, options.per_case, seed),
        )
        note_draws(suites, (in_domain, hans), notes)
        return Task(f"{name}+hans", NLI_LABELS, train, search, suites, tuple(notes))

    return build


def load_nli(name: str) -> Callable[[Folder, int | None, int], Suite]:
    """Give what loads the in-domain suite of ``mnli`` or ``snli``."""

    def load(data: Folder, per_case: int | None, seed: int) -> Suite:
        return _in_domain(name, nli_test(name, data_folder(data), []), per_case, seed)

    return load


def load_hans(data: Folder, per_case: int | None, seed: int) -> Suite:
    """Load the suite ``hans``."""
    return hans_suite(hans_test(data_folder(data), []), per_case, seed)


def _in_domain(name: str, examples: Examples, per_case: int | None, seed: int) -> Suite:
    if per_case is not None:
        examples = examples.sample_per_case(per_case, seed)
    return Suite(name, "id", examples)
