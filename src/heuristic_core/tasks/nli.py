"""The tasks on inference data: MNLI or SNLI in domain, HANS out of domain."""

from __future__ import annotations

from pydantic import Field

from .hans import hans_suite
from .parts import PublishedOptions, published_task, without_tests
from .published import Folder, data_folder, hans_test, nli_test, nli_train
from .task import Suite, Task


class NliOptions(PublishedOptions):
    """Settings of the tasks on published inference data."""

    per_case: int | None = Field(
        100, ge=1, description="Test pairs of each HANS subcase, at most; all if none."
    )


def nli_and_hans(name: str, options: NliOptions, data: Folder, seed: int) -> Task:
    """Build the task on ``mnli`` or ``snli``."""
    folder, notes = data_folder(data), list[str]()
    in_domain = nli_test(name, folder, notes)
    hans = hans_test(folder, notes)
    train = without_tests(nli_train(name, folder, notes), {name: in_domain, "hans": hans}, notes)
    suites = (
        Suite(name=name, role="id", examples=in_domain.sample_per_case(options.id_size, seed)),
        hans_suite(hans, options.per_case, seed),
    )
    whole = (in_domain, hans)
    return published_task(
        f"{name}+hans", train, suites, whole, options=options, seed=seed, notes=notes
    )


def load_nli(name: str, data: Folder, per_case: int | None, seed: int) -> Suite:
    """Load the in-domain suite of ``mnli`` or ``snli``."""
    examples = nli_test(name, data_folder(data), [])
    return Suite(name=name, role="id", examples=examples.sample_per_case(per_case, seed))


def load_hans(data: Folder, per_case: int | None, seed: int) -> Suite:
    """Load the suite ``hans``."""
    return hans_suite(hans_test(data_folder(data), []), per_case, seed)
