"""Is the core necessary: does no faithful subnetwork do without its heads?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..columns import Column, Table
from ..writing import p_text
from .evidence import Evidence
from .intervals import wilson
from .nulls import at_least, labelled_sum
from .power import for_most
from .question import Answer, Figure, Question, Row, Verdict, decide
from .systems import BY_SPARSITY, by_system

#: Fewer searches make no core, and a share of fewer heads says little.
ENOUGH_SEARCHES, ENOUGH_HEADS = 3, 4


def necessity(evidence: Evidence) -> list[Answer]:
    """Set the core by frequency beside the core by necessity.

    Returns:
        One answer per fine-tuning, checkpoint, method and sparsity at which the best subnetwork
        without each unit was searched for.
    """
    answers = []
    for key, rows in by_system(evidence["necessity"], BY_SPARSITY):
        units = rows.assign(
            in_core=rows["times"] == rows["n_searches"],
            # Beyond the bound by more than the error over examples.
            needed=rows["divergence"] - 1.645 * rows["divergence_se"].fillna(0) > rows["bound"],
        )
        answers.append(
            Answer(
                subject=dict(zip(BY_SPARSITY, key, strict=True)),
                verdict=_verdict(units),
                rows={"necessity": _listed(units), "cores": [_agreement(units)]},
            )
        )
    return answers


def _listed(units: pd.DataFrame) -> list[Row]:
    columns = ["unit", "times", "kept", "divergence", "necessity", "p", "shared", "needed"]
    ordered = units.sort_values("necessity", ascending=False, kind="stable")
    return ordered[columns].to_dict("records")


def _agreement(units: pd.DataFrame) -> Row:
    heads = units[units["head"] >= 0]
    core, needed = (set(heads.loc[heads[name], "unit"]) for name in ("in_core", "needed"))
    others = heads[~heads["in_core"]]
    return {
        "core": len(core),
        "needed": len(needed),
        "both": len(core & needed),
        "jaccard": len(core & needed) / max(1, len(core | needed)) if core | needed else 1.0,
        "core_necessity": _mean(heads.loc[heads["in_core"], "necessity"]),
        "other_necessity": _mean(others["necessity"]),
        "members": " ".join(sorted(needed)),
    }


def _mean(values: pd.Series) -> float | None:
    return float(values.mean()) if len(values) else None


def _verdict(units: pd.DataFrame) -> Verdict:
    claim = QUESTION.claim
    heads = units[units["head"] >= 0]
    core = heads[heads["in_core"]]
    n_searches = int(units["n_searches"].iloc[0])
    if n_searches < ENOUGH_SEARCHES or len(core) < ENOUGH_HEADS:
        takes = f"it takes {ENOUGH_SEARCHES} searches and {ENOUGH_HEADS} heads in all of them"
        return decide(claim, f"{len(core)} heads are in {n_searches} searches", open_because=takes)
    n_needed = int(core["needed"].sum())
    share = wilson(n_needed, len(core))
    chance = at_least(
        labelled_sum(
            heads["needed"].to_numpy(dtype=np.int64),
            heads["layer"].to_numpy(dtype=np.int64),
            heads["in_core"].to_numpy(dtype=bool),
        ),
        n_needed,
    )
    return decide(
        claim,
        f"without {n_needed} of {len(core)} core heads no subnetwork was found within "
        f"{units['bound'].iloc[0]:.3g} nats, where as many heads of the same layers would give "
        f"{chance.expected:.1f} ({p_text(chance.p_value)})",
        supported=share.low > 0.5 and chance.p_value < 0.05,
        contradicted=share.high < 0.5,
        measure="share of core heads that are necessary",
        effect=share,
        p=chance.p_value,
        power=for_most("heads in the core (lower sparsities give more)", len(core)),
    )


QUESTION = Question(
    key="necessity",
    asks="Does no faithful subnetwork do without the heads of the core?",
    claim="most heads of the core are necessary: no faithful subnetwork does without them",
    page="faithful_sets",
    subject=BY_SPARSITY,
    needs=("necessity",),
    answer=necessity,
    tables=(
        Table(
            "cores",
            "The core by frequency beside the core by necessity.",
            Column("core", "heads that all searches keep", "int", "core", brief=True),
            Column(
                "needed",
                "heads without which no subnetwork was found within the bound",
                "int",
                "necessary",
                brief=True,
            ),
            Column("both", "heads in both", "int", "both", brief=True),
            Column(
                "jaccard",
                "heads in both over heads in either",
                title="Jaccard",
                brief=True,
                low=0,
                high=1,
            ),
            Column(
                "core_necessity",
                "mean necessity of a head of the core, nats",
                title="necessity in the core",
                digits=3,
                form="signed",
                optional=True,
            ),
            Column(
                "other_necessity",
                "mean necessity of another head, nats",
                title="of others",
                digits=3,
                form="signed",
                optional=True,
            ),
            Column("members", "the necessary heads", "str", "members", optional=True),
            title="Core by frequency and core by necessity",
        ),
        Table(
            "necessity",
            "What the best subnetwork loses without a unit.",
            Column("unit", "the unit", "str", "unit", brief=True, key=True),
            Column("times", "searches that keep it", "int", "searches"),
            Column("kept", "whether the best subnetwork keeps it", "bool", "kept"),
            Column(
                "divergence",
                "mean KL divergence of the best one without it on the judging examples, nats",
                title="KL without",
                digits=3,
                brief=True,
                low=0,
            ),
            Column(
                "necessity",
                "this minus that of the best subnetwork, nats",
                title="necessity",
                digits=3,
                form="signed",
                brief=True,
            ),
            Column(
                "p",
                "probability of such a loss if the unit were not needed, by a paired t-test over "
                "examples, Holm-corrected",
                title="p",
                form="probability",
                brief=True,
            ),
            Column(
                "shared",
                "share of the best one's other units that the best one without it keeps",
                title="shared",
                digits=0,
                form="percent",
            ),
            Column(
                "needed",
                "whether no subnetwork without it was found within the bound",
                "bool",
                "necessary",
            ),
            title="What the best subnetwork loses without each unit",
            folded=True,
            top=12,
        ),
    ),
    figures=(
        Figure(
            kind="units",
            table="necessity",
            columns={"unit": "unit", "value": "necessity", "outline": "needed", "bold": "kept"},
            title="What the best subnetwork loses without each unit",
            caption="Layers run down, heads across, MLPs stand apart. A number says by how many "
            "nats the KL divergence from the full model is larger for the best subnetwork without "
            "the unit. Outlined: no subnetwork without it was found within the bound. Bold: the "
            "best subnetwork keeps it.",
            label="KL without the unit minus KL of the best, nats",
        ),
    ),
    limits=(
        "A better subnetwork without a unit may exist that the search does not find, so that "
        "necessity is at most what is shown.",
    ),
)
