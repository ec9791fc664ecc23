"""What accuracies alone hide: answers that are all the same, and labels in the wrong order."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment
from scipy.stats import binomtest

from ..errors import one_line
from ..tasks.task import Suite

#: Fewer answers may be all the same by chance.
_FEWEST = 10

#: In-domain accuracy is far below chance if it is below this share of it, and significantly.
_FAR, _LEVEL = 0.8, 0.001


def majorities(suite: Suite) -> pd.DataFrame:
    """Return what a system scores that always gives the label most frequent in a case.

    Returns:
        One row per case with the columns case, majority (its share of the examples) and
        majority_label.
    """
    rows = []
    for case, labels in suite.examples.table.groupby("case", sort=False)["label"]:
        counts = labels.value_counts()
        rows.append((case, counts.iloc[0] / len(labels), str(counts.index[0])))
    return pd.DataFrame(rows, columns=["case", "majority", "majority_label"])


def remarks(
    suite: Suite, model_labels: tuple[str, ...], logits: Float[np.ndarray, "example label"]
) -> list[str]:
    """Say in sentences what is odd about a system's answers on a suite.

    That is: one label given to all examples though others occur; and in-domain accuracy far below
    chance (below 80 % of it, and p < 0.001 in a one-sided binomial test), as where the model's
    labels are in the wrong order.

    Args:
        suite: The suite.
        model_labels: The model's label names in the order of its classes.
        logits: The system's logits on the suite.

    Returns:
        The sentences; none where nothing is odd.
    """
    names, right = suite.examples.labels, suite.examples.label_ids
    chosen = logits.argmax(1)
    answers = suite.class_map(model_labels)[chosen]
    n, n_right, where = len(right), int((answers == right).sum()), one_line(suite.name, 80)
    said = []
    if n >= _FEWEST and len(np.unique(right)) > 1 and len(np.unique(answers)) == 1:
        label = names[answers[0]]
        said.append(
            f"{where}: all {n} answers are {one_line(label, 60)!r}, which is the label of "
            f"{np.mean(right == answers[0]):.1%} of the examples"
        )
    chance = 1 / len(names)
    far = n > 0 and n_right / n < _FAR * chance
    if suite.role == "id" and far and binomtest(n_right, n, chance, "less").pvalue < _LEVEL:
        said.append(
            f"{where}: {n_right / n:.1%} right in-domain is far below chance ({chance:.1%}): are "
            f"the labels in order?{_better_order(suite, model_labels, chosen)}"
        )
    return said


def _better_order(suite: Suite, model_labels: tuple[str, ...], chosen: np.ndarray) -> str:
    """Name the order of the labels with which most answers would be right."""
    names, right = suite.examples.labels, suite.examples.label_ids
    if sorted(suite.label_map.get(name, name) for name in model_labels) != sorted(names):
        return ""  # several classes count as one label
    counts = np.zeros((len(names), len(names)))
    np.add.at(counts, (chosen, right), 1)
    classes, labels = linear_sum_assignment(counts, maximize=True)
    order = ", ".join(one_line(names[label], 40) for label in labels)
    share = counts[classes, labels].sum() / len(right)
    return f" With its classes in the order {order}, {share:.1%} would be right"
