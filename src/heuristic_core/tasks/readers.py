"""Readers of published data sets: MNLI and SNLI, HANS, QQP and PAWS."""

from __future__ import annotations

import re
from functools import partial

from .detokenise import detokenise as detokenised
from .grammar import SUBCASES
from .labels import HANS_LABELS, NLI_LABELS, PARAPHRASE_LABELS
from .reading import Source, read_examples
from .task import Examples

_read_inference = partial(
    read_examples,
    text=("sentence1", "premise"),
    text_pair=("sentence2", "hypothesis"),
    label=("gold_label", "label"),
)


def read_nli(
    source: Source,
    split: str | None = None,
    *,
    case: str = "all",
    case_column: str | None = None,
    notes: list[str] | None = None,
) -> Examples:
    """Read MNLI, SNLI or data in their format, with labels in MNLI's class order.

    Args:
        source: A file or a name on the hub, as for ``read_examples``, with the official columns
            ``sentence1``, ``sentence2``, ``gold_label``, or ``premise``, ``hypothesis``,
            ``label``.
        split: The split, if there are several.
        case: The case of all pairs, without a column of cases.
        case_column: The column of the cases, such as ``genre``.
        notes: A list to which a sentence on pairs without gold label is added.

    Returns:
        The pairs.

    Raises:
        InputError: As for ``read_examples``.

    Source:
        Williams, Nangia and Bowman 2018 (MNLI); Bowman et al. 2015 (SNLI).
    """
    return _read_inference(
        source,
        labels=NLI_LABELS,
        case=case,
        case_column=case_column,
        split=split,
        notes=notes,
    )


def read_hans(
    source: Source,
    split: str = "validation",
    *,
    tidy: bool = True,
    notes: list[str] | None = None,
) -> Examples:
    """Read HANS; the case of each pair is its subcase.

    Args:
        source: A file or a name on the hub, as for ``read_examples``: the official text or jsonl
            file, or a table with the columns ``premise``, ``hypothesis``, ``label``, ``subcase``.
        split: The split. An official file is one split and is read whole.
        tidy: Replace ``The doctor danced .`` by ``The doctor danced.``, as in the training data.
            Only some versions of HANS have these spaces.
        notes: A list to which sentences on changes and dropped rows are added.

    Returns:
        The pairs.

    Raises:
        InputError: As for ``read_examples``.

    Source:
        McCoy, Pavlick and Linzen 2019, "Right for the Wrong Reasons".
    """
    if tidy and notes is not None:
        notes.append("HANS: spaces before punctuation, where there are any, removed")
    return _read_inference(
        source,
        labels=HANS_LABELS,
        case_column="subcase",
        known_cases=SUBCASES,
        split=split,
        tidy=close_punctuation if tidy else None,
        notes=notes,
    )


def read_qqp(
    source: Source,
    split: str | None = None,
    *,
    config: str | None = None,
    case: str = "all",
    case_column: str | None = None,
    notes: list[str] | None = None,
) -> Examples:
    """Read Quora question pairs; rows without a question or a label are dropped.

    Args:
        source: A file or a name on the hub, as for ``read_examples``, with GLUE's columns
            ``question1``, ``question2``, ``is_duplicate``, or ``sentence1``, ``sentence2``,
            ``label``.
        split: The split, if there are several.
        config: The configuration of a data set on the hub.
        case: The case of all pairs, without a column of cases.
        case_column: The column of the cases.
        notes: A list to which sentences on dropped rows are added.

    Returns:
        The pairs.

    Raises:
        InputError: As for ``read_examples``.

    Source:
        Iyer, Dandekar and Csernai 2017; Wang et al. 2018 (GLUE), whose file has broken lines.
    """
    return read_examples(
        source,
        text=("question1", "sentence1"),
        text_pair=("question2", "sentence2"),
        label=("is_duplicate", "label"),
        labels=PARAPHRASE_LABELS,
        case=case,
        case_column=case_column,
        split=split,
        config=config,
        drop_incomplete=True,
        notes=notes,
    )


def read_paws(
    source: Source, *, detokenise: bool = True, notes: list[str] | None = None
) -> Examples:
    """Read PAWS-QQP; the case of each pair is ``paws_`` followed by its label.

    Args:
        source: A file or a name on the hub, as for ``read_examples``, with the columns
            ``sentence1``, ``sentence2``, ``label``.
        detokenise: Replace ``does n't`` by ``doesn't``, as in QQP.
        notes: A list to which a sentence on changed texts is added.

    Returns:
        The pairs.

    Raises:
        InputError: As for ``read_examples``.

    Source:
        Zhang, Baldridge and He 2019, "PAWS: Paraphrase Adversaries from Word Scrambling".
    """
    if detokenise and notes is not None:
        notes.append("PAWS: the tokeniser's spaces removed")
    examples = read_examples(
        source,
        text="sentence1",
        text_pair="sentence2",
        label="label",
        labels=PARAPHRASE_LABELS,
        tidy=detokenised if detokenise else None,
        notes=notes,
    )
    cases = "paws_" + examples.table["label"]
    return Examples(examples.table.assign(case=cases.astype(object)), examples.labels)


def close_punctuation(text: str) -> str:
    """Remove the spaces before full stops and commas."""
    return re.sub(r"\s+([.,])", r"\1", text)
