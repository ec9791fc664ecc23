"""Do the subnetworks that searches find stand the tests of validity?"""

from __future__ import annotations

import pandas as pd

from ..card_tables import CARD, CASES, SUFFICIENCY, UNITS
from ..columns import Column, Table
from .evidence import Evidence
from .intervals import wilson
from .power import for_most
from .question import Answer, Question, Row, Verdict, decide
from .systems import BY_SPARSITY, by_system

#: Wilson's interval of fewer shares, all or none, reaches one half.
ENOUGH = 4


def validity(evidence: Evidence) -> list[Answer]:
    """Count the tests that subnetworks pass, and the units that they need.

    Returns:
        One answer per fine-tuning, checkpoint, method and sparsity of subnetworks that were
        tested.
    """
    units, cases = evidence["validity_units"], evidence["validity_cases"]
    answers = []
    for key, rows in by_system(evidence["validity"], BY_SPARSITY):
        own_units, own_cases = (
            table[(table[list(BY_SPARSITY)] == list(key)).all(axis=1)] for table in (units, cases)
        )
        tests = [_test(pair, some) for pair, some in rows.groupby(["test", "drawn"])]
        answers.append(
            Answer(
                subject=dict(zip(BY_SPARSITY, key, strict=True)),
                verdict=_verdict(rows),
                rows={
                    "validity-tests": tests,
                    "validity-cards": [
                        _card(int(seed), some, own_units[own_units["seed"] == seed])
                        for seed, some in rows.groupby("seed")
                    ],
                    "validity-units": _units(own_units),
                    "validity-transfer": [
                        _case(case, some)
                        for case, some in own_cases.groupby(["suite", "case"], sort=False)
                    ],
                },
            )
        )
    return answers


def _test(pair: tuple[str, str], rows: pd.DataFrame) -> Row:
    test, drawn = pair
    means = rows[["value", "random", "random_low", "random_high"]].mean().to_dict()
    passed = {"passed": int(rows["passed"].sum()), "n": len(rows)}
    return {"test": test, "drawn": drawn} | means | passed | {"p": float(rows["p_corrected"].max())}


def _card(seed: int, tests: pd.DataFrame, units: pd.DataFrame) -> Row:
    # Of two kinds of random sets, the harder one.
    hardest = tests.groupby("test")["p_corrected"].max()
    beats = tests.groupby("test")["passed"].all()
    passed, failed = ([t for t in TESTS if t in beats and beats[t] == yes] for yes in (True, False))
    return {
        "seed": seed,
        "passed": ", ".join(passed),
        "failed": ", ".join(failed),
        "p": float(hardest.get(SUFFICIENCY, 1.0)),
        "kept": len(units),
        "needed": int(units["needed"].sum()),
    }


def _units(units: pd.DataFrame) -> list[Row]:
    rows = [
        {
            "unit": unit,
            "n": len(some),
            "needed": int(some["needed"].sum()),
            "cost": float(some["cost"].mean()),
        }
        for unit, some in units.groupby("unit")
    ]
    return sorted(rows, key=lambda row: -float(row["cost"]))


def _case(case: tuple[str, str], rows: pd.DataFrame) -> Row:
    return {
        "suite": case[0],
        "case": case[1],
        "kl": float(rows["kl"].mean()),
        "kl_most": float(rows["kl"].max()),
        "difference": float(rows["difference"].mean()),
        "difference_least": float(rows["difference"].min()),
    }


def _verdict(rows: pd.DataFrame) -> Verdict:
    claim = QUESTION.claim
    of_test = rows[rows["test"] == SUFFICIENCY]
    passed = of_test.groupby("seed")["passed"].all()
    n, n_passed = len(passed), int(passed.sum())
    if not n:
        return decide(claim, "", open_because="their sufficiency was not tested")
    share = wilson(n_passed, n)
    draws = int(of_test["n"].min())
    return decide(
        claim,
        f"{n_passed} of {n} are closer to the full model than {draws} random sets of as many "
        "units, drawn from all layers alike and with as many heads in every layer",
        supported=share.low > 0.5,
        contradicted=share.high < 0.5,
        measure="share of subnetworks that are sufficient",
        effect=share,
        open_because=f"it takes {ENOUGH} subnetworks" if n < ENOUGH else "",
        power=for_most("subnetworks", n, least=ENOUGH),
    )


#: The tests in the order in which they are named.
TESTS = CARD["test"].choices

QUESTION = Question(
    key="validity",
    asks="Are the subnetworks better than random ones, and are all their units needed?",
    claim="most subnetworks are closer to the model than random ones of their size",
    page="validity",
    subject=BY_SPARSITY,
    needs=("validity", "validity_units", "validity_cases"),
    answer=validity,
    tables=(
        Table(
            "validity-tests",
            "One test of all subnetworks beside one kind of random sets.",
            CARD["test"],
            CARD["drawn"],
            Column("passed", "subnetworks that pass it", "int", "passed", brief=True),
            Column("n", "subnetworks", "int", "n", low=1, brief=True),
            Column(
                "value",
                "mean of the subnetworks: KL divergence from the full model, nats; for stability "
                "the Jaccard index of heads",
                title="value",
                digits=3,
            ),
            Column("random", "median of random sets, mean over subnetworks", title="random"),
            Column("random_low", "2.5 % quantile of random sets, likewise", title="from"),
            Column("random_high", "97.5 % quantile of random sets, likewise", title="to"),
            Column("p", "the highest corrected p of a subnetwork", title="p", form="probability"),
            title="Subnetworks beside random sets of their size",
        ),
        Table(
            "validity-cards",
            "One subnetwork and the tests that it passes.",
            Column("seed", "search seed", "int", "seed", key=True),
            Column("passed", "tests passed beside both kinds of random sets", "str", "passed"),
            Column("failed", "tests not passed", "str", "not passed"),
            Column(
                "p",
                "corrected p of sufficiency beside the random sets that are harder to beat",
                title="p of sufficiency",
                form="probability",
            ),
            Column("kept", "units kept", "int", "units"),
            Column("needed", "units shown to be needed", "int", "needed"),
            title="Every subnetwork and the tests that it passes",
        ),
        Table(
            "validity-units",
            "One unit, in the subnetworks that keep it.",
            Column("unit", UNITS["unit"].meaning, "str", "unit", key=True),
            Column("n", "subnetworks that keep it", "int", "kept by", low=1),
            Column("needed", "those that need it", "int", "needed by"),
            Column(
                "cost",
                "by how much KL rises if it is dropped, mean over these, nats",
                title="cost",
                digits=3,
                form="signed",
            ),
            title="What each unit is needed for",
            folded=True,
            top=12,
        ),
        Table(
            "validity-transfer",
            "The subnetworks on one case of a suite.",
            Column("suite", CASES["suite"].meaning, "str", "suite", key=True),
            Column("case", CASES["case"].meaning, "str", "case", key=True),
            Column("kl", "mean KL divergence from the full model, nats", title="KL", digits=3),
            Column("kl_most", "that of the farthest subnetwork", title="farthest", digits=3),
            Column(
                "difference",
                "accuracy minus that of the full model, mean over subnetworks, points",
                title="accuracy",
                digits=1,
                form="signed",
            ),
            Column(
                "difference_least",
                "that of the subnetwork that loses most, points",
                title="lowest",
                digits=1,
                form="signed",
            ),
            title="Transfer to every case",
            folded=True,
        ),
    ),
    limits=(
        "Random sets are no rival searches: to beat them shows that a search found something, not "
        "that it found the best.",
    ),
)
