"""What a model is trained and tested on: tasks and suites by name, readers, the grammar."""

from .hans import hans_suite
from .labels import HANS_LABELS, NLI_LABELS, NLI_TO_HANS, PARAPHRASE_LABELS
from .readers import read_hans, read_nli, read_pairs
from .registry import (
    SUITES,
    TASKS,
    HansGrammarOptions,
    NliOptions,
    TaskEntry,
    load_suite,
    load_task,
)
from .task import Examples, Suite, Task

__all__ = [
    "HANS_LABELS",
    "NLI_LABELS",
    "NLI_TO_HANS",
    "PARAPHRASE_LABELS",
    "SUITES",
    "TASKS",
    "Examples",
    "HansGrammarOptions",
    "NliOptions",
    "Suite",
    "Task",
    "TaskEntry",
    "hans_suite",
    "load_suite",
    "load_task",
    "read_hans",
    "read_nli",
    "read_pairs",
]
