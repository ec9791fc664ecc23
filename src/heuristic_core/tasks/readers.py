"""Readers of published data sets: MNLI and SNLI, HANS, QQP and PAWS."""

from __future__ import annotations

import re

from .detokenise import detokenise as put_back
from .grammar import SUBCASES
from .labels import HANS_LABELS, NLI_LABELS, PARAPHRASE_LABELS
from .reading import Source, read_examples
from .task import Examples

_FIRST = ("sentence1", "premise")
_SECOND = ("sentence2", "hypothesis")
_LABEL = ("gold_label", "label")


def read_nli(
    source: Source,
    split: str | None = None,
    *,
    case: str = "all",
    case_column: str | None = None,
    notes: list[str] | None = None,
) -> Examples:
    """Read MNLI, SNLI or data in their style, labels in MNLI's class order.

    Args:
        source: A file or a name on the hub, as for ``read_examples``. Columns are the official
            ``sentence1``, ``sentence2``, ``gold_label``, or ``premise``, ``hypothesis``,
            ``label``.
        split: Which split, of data that has several.
        case: The case of all pairs, if there is no column for it.
        case_column: The column of the cases, such as ``genre``.
        notes: A list to which a sentence is added if pairs without gold label were dropped.

    Returns:
        The pairs.

    Raises:
        InputError: As for ``read_examples``.

    Source:
        Williams, Nangia and Bowman 2018 (MNLI); Bowman et al. 2015 (SNLI).
    """
    return read_examples(
        source,
        text=_FIRST,
        text_pair=_SECOND,
        label=_LABEL,
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
        split: Which split; an official file is one split and is read whole.
        tidy: Write ``The doctor danced.`` for ``The doctor danced .``, as the model's training
            data does; some versions of HANS have the spaces, others do not.
        notes: A list to which sentences on what was changed or dropped are added.

    Returns:
        The pairs.

    Raises:
        InputError: As for ``read_examples``.

    Source:
        McCoy, Pavlick and Linzen 2019, "Right for the Wrong Reasons".
    """
    if tidy and notes is not None:
        notes.append("HANS: spaces before punctuation, where there are any, removed")
    return read_examples(
        source,
        text=_FIRST,
        text_pair=_SECOND,
        label=_LABEL,
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
    """Read Quora question pairs; rows that lack a question or a label are left out.

    Args:
        source: A file or a name on the hub, as for ``read_examples``. Columns are GLUE's
            ``question1``, ``question2``, ``is_duplicate``, or ``sentence1``, ``sentence2``,
            ``label``.
        split: Which split, of data that has several.
        config: Which configuration of a data set on the hub.
        case: The case of all pairs, if there is no column for it.
        case_column: The column of the cases.
        notes: A list to which sentences on what was dropped are added.

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
    """Read PAWS-QQP; the case of each pair is ``paws_`` and its label.

    Args:
        source: A file or a name on the hub, as for ``read_examples``, with the columns
            ``sentence1``, ``sentence2``, ``label``.
        detokenise: Write ``doesn't`` for ``does n't``, as QQP does.
        notes: A list to which a sentence is added if texts were changed.

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
        tidy=put_back if detokenise else None,
        notes=notes,
    )
    cases = "paws_" + examples.table["label"]
    return Examples(examples.table.assign(case=cases.astype(object)), examples.labels)


def close_punctuation(text: str) -> str:
    """Remove the spaces before full stops and commas."""
    return re.sub(r"\s+([.,])", r"\1", text)
