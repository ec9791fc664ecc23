"""What the authors' files hold for each task, and what the paper prints of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..tasks.grammar import SUBCASES
from ..tasks.hans import HANS_KINDS, HANS_PER_CASE
from ..tasks.paraphrase import PAWS_KINDS

#: The ends of the names of the files that both tasks have. The names of the two files on twelve
#: subnetworks end in a sparsity.
OVER_SPARSITY, OVER_STEPS, GRID = "acc_vs_sparsity", "acc_over_ft", "sparsity-grid-acc"
_LISTS = "lists, one number a subnetwork, named by `seed`, `sparsity` and cases"
_SHAPES = {
    OVER_SPARSITY: "seed -> sparsity in per cent -> case -> accuracy",
    OVER_STEPS: "step -> case -> accuracy",
    GRID: "seed -> step -> sparsity in per cent -> case -> accuracy",
}


class Whole(NamedTuple):
    """Examples that the files give an accuracy of, together with that of a part of them.

    Args:
        case: What they are called here; they are no case of the tables.
        n: Their number.
        part: The case that is the part.
        rest: The case that is the others.
    """

    case: str
    n: int
    part: str
    rest: str

    @property
    def known(self) -> tuple[str, str]:
        """Return what the files give accuracies of."""
        return self.case, self.part


class Printed(NamedTuple):
    """Accuracies that the paper prints, in per cent; empty where it prints none.

    Args:
        full: The full model's.
        subnetworks: The range of the subnetworks'.
        mean: Their mean.
    """

    full: str = ""
    subnetworks: str = ""
    mean: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class PaperTask:
    """One of the paper's tasks.

    Args:
        name: What its files' names begin with.
        title: Its data, for headings.
        ood: What its out-of-domain data are called.
        last_step: The last step of its fine-tuning; the files without steps are about this model.
        levels: The sparsities of the twelve subnetworks.
        margins: Margins of in-domain accuracy, in points, at which these are compared.
        cases: What tables say of each case.
        written: Cases by their names in the files.
        whole: Examples whose accuracy says how many of a case without one are right.
        followed: The adversarial cases that the paper follows.
        rankings: Adversarial cases that are asked together whether they rank subnetworks alike.
        means: What the means over sparsities are over, as a sentence.
        printed: What the paper prints, by sparsity and case.
    """

    name: str
    title: str
    ood: str
    last_step: int
    levels: tuple[float, float]
    margins: tuple[float, ...] = (3.0,)
    cases: Mapping[str, Mapping[str, Any]]
    written: Mapping[str, str]
    whole: Whole | None = None
    followed: tuple[str, ...]
    rankings: Mapping[str, tuple[str, ...]]
    means: str
    printed: Mapping[tuple[float, str], Printed] = field(default_factory=dict)

    @property
    def files(self) -> dict[str, str]:
        """Return the shapes of its files by their names."""
        shapes = {f"sp{100 * level:.0f}": _LISTS for level in self.levels} | _SHAPES
        return {self.file(end): shape for end, shape in shapes.items()}

    @property
    def sizes(self) -> dict[str, int]:
        """Return the numbers of examples by case, those of a whole among them."""
        whole = {self.whole.case: self.whole.n} if self.whole else {}
        return {case: about["n"] for case, about in self.cases.items()} | whole

    def file(self, end: str | float) -> str:
        """Name one of its files.

        Args:
            end: How the name ends, or the sparsity of twelve subnetworks.
        """
        return f"{self.name}-{end if isinstance(end, str) else f'sp{100 * end:.0f}'}.json"


def _case(suite: str, case: str, kind: str, n: int) -> tuple[str, dict[str, Any]]:
    role = "id" if kind == "id" else "ood"
    return case, {"suite": suite, "role": role, "case": case, "case_kind": kind, "n": n}


_HANS_FOLLOWED = (
    "ln_subject/object_swap",
    "ln_preposition",
    "cn_embedded_under_if",
    "cn_embedded_under_verb",
)
_MNLI = PaperTask(
    name="mnli",
    title="MNLI and HANS",
    ood="HANS",
    last_step=61_360,
    levels=(0.5, 0.7),
    # Within 3.3 points lie all subnetworks at 50 %.
    margins=(3.0, 3.3),
    cases=dict(
        [
            _case("mnli", "matched", "id", 9815),
            _case("mnli", "mismatched", "id", 9832),
            *(_case("hans", case, kind, HANS_PER_CASE) for case, kind in HANS_KINDS.items()),
        ]
    ),
    written={
        f"{before}{case}": case
        for case in ("matched", "mismatched")
        for before in ("mnli-", "validation_")
    }
    | {f"{of.heuristic}_{case.replace('/', '-')}": case for case, of in SUBCASES.items()},
    followed=_HANS_FOLLOWED,
    rankings={
        "all adversarial cases of HANS": tuple(
            case for case, kind in HANS_KINDS.items() if kind == "adversarial"
        ),
        "the four cases of the paper": _HANS_FOLLOWED,
    },
    means="Means over three subnetworks and, OOD, over the four cases, in per cent.",
    printed={
        (0.5, "matched"): Printed("83.3", "1.4–3.3 points lower"),
        (0.5, "mismatched"): Printed("84.2", "1.4–3.3 points lower"),
        (0.5, "ln_subject/object_swap"): Printed("86.7", "2.2–36.1"),
        (0.5, "ln_preposition"): Printed("73.5"),
        (0.5, "cn_embedded_under_if"): Printed("33.0", "4.1–50.2"),
        (0.5, "cn_embedded_under_verb"): Printed("33.4"),
        (0.7, "matched"): Printed("83.3", "74–76"),
        (0.7, "mismatched"): Printed("84.2", "74–76"),
    },
)

_NOT_DUPLICATE, _DUPLICATE = "paws_not_duplicate", "paws_duplicate"
_N_PAWS, _N_NOT_DUPLICATE = 12_663, 8_696
_QQP = PaperTask(
    name="qqp",
    title="QQP and PAWS",
    ood="PAWS",
    last_step=40_000,
    levels=(0.3, 0.6),
    cases=dict(
        [
            _case("qqp", "qqp", "id", 40_430),
            _case("paws-all", _NOT_DUPLICATE, PAWS_KINDS[_NOT_DUPLICATE], _N_NOT_DUPLICATE),
            _case("paws-all", _DUPLICATE, PAWS_KINDS[_DUPLICATE], _N_PAWS - _N_NOT_DUPLICATE),
        ]
    ),
    written={"qqp": "qqp", "paws-qqp": "paws", "paws-qqp_0": _NOT_DUPLICATE},
    whole=Whole("paws", _N_PAWS, part=_NOT_DUPLICATE, rest=_DUPLICATE),
    followed=(_NOT_DUPLICATE,),
    rankings={"the adversarial pairs of PAWS": (_NOT_DUPLICATE,)},
    means=(
        "Means over three subnetworks, in per cent: OOD is the adversarial pairs of PAWS, balanced "
        "the mean\nof these and of its friendly pairs."
    ),
    printed={
        (0.3, "qqp"): Printed("91.2"),
        (0.3, _NOT_DUPLICATE): Printed("14.8", "3.1–12.2"),
        (0.6, "qqp"): Printed("91.2", mean="86.6"),
        (0.6, _NOT_DUPLICATE): Printed("14.8"),
    },
)
#: The tasks in the order of the page.
PAPER_TASKS = (_MNLI, _QQP)
