"""Do equally faithful subnetworks generalise differently, if one looks for the extremes?"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ..columns import Column, Table
from .bounded import mean_share
from .evidence import Evidence
from .intervals import change_text
from .paired import over_both
from .power import ErrorSource, outlook
from .question import Answer, Figure, Question, Row, Verdict, decide
from .systems import BY_SPARSITY, by_system

#: AUROCs that differ by less than this are of one kind.
ASKED = 0.1
#: Fewer pairs of subnetworks decide nothing.
ENOUGH_PAIRS = 2
PLAIN, WELL, BADLY, APART = "none", "well", "badly", "apart"
FAITHFUL, BEYOND = "within the bound", "beyond the bound"


def generalisation_range(evidence: Evidence) -> list[Answer]:
    """Compare subnetworks that were searched for to generalise well with those to do so badly.

    Returns:
        One answer per fine-tuning, checkpoint, method and sparsity at which there were searches
        with an aim.
    """
    answers = []
    for key, rows in by_system(evidence["targeted"], BY_SPARSITY):
        systems = aimed_systems(rows)
        subject = dict(zip(BY_SPARSITY, key, strict=True))
        answers.append(
            Answer(
                subject=subject,
                verdict=_verdict(systems, error_of(evidence, key, WELL, BADLY)),
                rows={
                    "generalisation-range": [
                        {"aim": aim} | _summary(some, error_of(evidence, key, str(aim)))
                        for aim, some in systems.groupby("aim", sort=False)
                    ],
                    "aimed-subnetworks": list(_listed(systems)),
                },
            )
        )
    return answers


def aimed_systems(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a row per subnetwork with an aim, in the order of the aims.

    The columns are ``aim``, ``seed``, ``divergence``, ``faithful`` (whether it is within the
    bound), accuracy ``in_domain``, and the mean AUROCs ``aimed_auc`` and ``held_out_auc``.

    Args:
        rows: Rows as in ``tables.TARGETED`` of one model, method and sparsity.
    """
    of_case = rows.assign(accuracy=rows["correct"] / rows["n"])
    by = ["aim", "seed"]
    systems = of_case.groupby(by)[["divergence", "bound"]].first()
    systems["faithful"] = systems["divergence"] <= systems["bound"]
    in_domain = of_case[of_case["role"] == "id"]
    systems["in_domain"] = in_domain.groupby(by)["accuracy"].mean()
    others = of_case[(of_case["role"] == "ood") & of_case["auc"].notna()]
    several = not others["aimed"].all()
    for name, aimed in (("aimed_auc", True), ("held_out_auc", False)):
        # A suite of one case is aimed at and judged by the same case, on other examples.
        side = others[others["aimed"] == aimed] if several else others
        systems[name] = side.groupby(by)["auc"].mean()
    order = {aim: i for i, aim in enumerate((PLAIN, WELL, BADLY, APART))}
    return systems.reset_index().sort_values(by, key=lambda c: c.map(order).fillna(c))


def error_of(evidence: Evidence, key: tuple[Any, ...], aim: str, other: str = "") -> float:
    """Return the error over examples of how two aims differ on held-out cases, or of one's mean.

    Args:
        evidence: What was measured.
        key: Model, method and sparsity.
        aim: One aim.
        other: The other one; empty for the mean of the first.

    Returns:
        The standard error; 0 if it is not known.
    """
    table = evidence["targeted_contrasts"]
    chosen = (table["aim"] == aim) & (table["other_aim"] == other) & ~table["aimed"]
    for name, value in zip(BY_SPARSITY, key, strict=True):
        chosen &= table[name] == value
    known = table.loc[chosen, "se"].dropna()
    return float(known.iloc[0]) if len(known) else 0.0


def paired_difference(systems: pd.DataFrame, aim: str, other: str) -> pd.Series:
    """Return by seed how the held-out AUROCs of two aims differ where both are faithful."""
    faithful = systems[systems["faithful"]].set_index(["aim", "seed"])["held_out_auc"]
    aims = faithful.index.get_level_values("aim")
    if aim not in aims or other not in aims:
        return pd.Series(dtype=np.float64)
    return (faithful[aim] - faithful[other]).dropna()


def _summary(some: pd.DataFrame, error: float) -> Row:
    return {
        "n": len(some),
        "n_faithful": int(some["faithful"].sum()),
        "divergence": float(some["divergence"].mean()),
        "in_domain": float(some["in_domain"].mean()),
        "aimed_auc": float(some["aimed_auc"].mean()),
        "held_out_auc": mean_share(some["held_out_auc"], error**2),
    }


def _listed(systems: pd.DataFrame) -> list[Row]:
    columns = ["aim", "seed", "divergence", "in_domain", "aimed_auc", "held_out_auc"]
    match = systems["faithful"].map({True: FAITHFUL, False: BEYOND})
    return systems[columns].assign(match=match).to_dict("records")


def _verdict(systems: pd.DataFrame, error: float) -> Verdict:
    claim = QUESTION.claim
    pairs = paired_difference(systems, WELL, BADLY)
    bound = float(systems["bound"].iloc[0])
    n = {aim: int((systems["aim"] == aim).sum()) for aim in (PLAIN, WELL, BADLY)}
    within = f"{len(pairs)} of {n[WELL]} pairs are both within {bound:.3g} nats"
    if systems["held_out_auc"].isna().all():
        takes = "no case has friendly counterparts, so that label bias could be all that differs"
        return decide(claim, within, open_because=takes)
    if len(pairs) < ENOUGH_PAIRS:
        return decide(claim, within, open_because=f"it takes {ENOUGH_PAIRS} pairs that are")
    effect = over_both(pairs, error**2, (-1.0, 1.0))
    plain = systems.loc[systems["aim"] == PLAIN, "held_out_auc"]
    differ = effect.low > 0 and effect.value >= ASKED
    alike = effect.high < ASKED
    kinds = "; there is one kind only" if alike else ""
    return decide(
        claim,
        f"{within}; on held-out cases the AUROC of those that generalise well is "
        f"{change_text(effect, 3)} above that of those that do so badly, where {n[PLAIN]} plain "
        f"searches span {plain.max() - plain.min():.3f}{kinds}",
        supported=differ,
        contradicted=alike,
        measure="difference of held-out AUROCs",
        effect=effect,
        power=outlook(
            f"a difference of {ASKED:g}",
            ASKED,
            ErrorSource("searches with each aim", pairs.var(ddof=1) / len(pairs), len(pairs)),
            ErrorSource("examples of each case", error**2, 100, counted=False),
        ),
    )


_AIM = Column(
    "aim",
    "what the searches aimed at: nothing but to agree with the model, to generalise well, badly, "
    "or well without the heads of those that do so badly",
    "str",
    "aim",
    brief=True,
    choices=(PLAIN, WELL, BADLY, APART),
    key=True,
)
_AIMED_AUC = Column(
    "aimed_auc",
    "mean AUROC over the adversarial cases aimed at, on examples that no search saw",
    title="AUROC, aimed at",
    optional=True,
    low=0,
    high=1,
)
_IN_DOMAIN = Column(
    "in_domain",
    "mean accuracy over in-domain cases",
    title="in-domain",
    digits=1,
    form="percent",
    optional=True,
)
_DIVERGENCE = Column(
    "divergence",
    "mean KL divergence from the full model on mask-learning examples, nats",
    title="KL",
    digits=3,
    low=0,
)

QUESTION = Question(
    key="generalisation_range",
    asks="Do equally faithful subnetworks generalise differently, if one looks for the extremes?",
    claim="subnetworks that match the model in-domain generalise well and badly, if one looks for "
    "both",
    page="faithful_sets",
    subject=BY_SPARSITY,
    needs=("targeted", "targeted_contrasts"),
    answer=generalisation_range,
    tables=(
        Table(
            "generalisation-range",
            "The subnetworks that were searched for with one aim.",
            _AIM,
            Column("n", "subnetworks, one per seed", "int", "n", low=0),
            Column("n_faithful", "those within the bound on the divergence", "int", "faithful"),
            _DIVERGENCE,
            _IN_DOMAIN,
            _AIMED_AUC,
            Column(
                "held_out_auc",
                "mean AUROC over the adversarial cases that no search aimed at; interval over "
                "seeds and examples",
                title="AUROC, held out",
                interval=True,
                brief=True,
                optional=True,
                low=0,
                high=1,
            ),
            title="How well subnetworks of equal fidelity generalise",
        ),
        Table(
            "aimed-subnetworks",
            "One subnetwork that was searched for with an aim.",
            _AIM,
            Column("seed", "search seed", "int", "seed", key=True),
            _DIVERGENCE,
            Column(
                "match",
                "whether the divergence is within the bound",
                "str",
                "match",
                choices=(FAITHFUL, BEYOND),
            ),
            _IN_DOMAIN,
            _AIMED_AUC,
            Column(
                "held_out_auc",
                "mean AUROC over the adversarial cases that no search aimed at",
                title="AUROC, held out",
                optional=True,
                low=0,
                high=1,
            ),
            title="Every subnetwork that was searched for with an aim",
            folded=True,
        ),
    ),
    figures=(
        Figure(
            kind="strips",
            table="aimed-subnetworks",
            columns={"y": "aim", "x": "held_out_auc", "series": "match"},
            title="How well subnetworks of equal fidelity generalise",
            caption="Each mark is a subnetwork: its mean AUROC over adversarial cases that no "
            "search aimed at. The line marks chance.",
            reference=0.5,
            label="AUROC on held-out cases",
        ),
    ),
    limits=(
        "A search that finds no better or worse subnetwork does not prove that there is none.",
        "What generalises to held-out cases of a suite need not generalise to other suites.",
    ),
)
