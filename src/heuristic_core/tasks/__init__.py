"""Training and test data: tasks and suites by name, readers, and the grammar."""

from .describe import describe
from .hans import hans_suite
from .labels import HANS_LABELS, NLI_LABELS, NLI_TO_HANS, PARAPHRASE_LABELS
from .nli import NliOptions
from .paraphrase import ParaphraseOptions
from .readers import read_hans, read_nli, read_paws, read_qqp
from .reading import read_examples
from .registry import (
    SUITES,
    TASKS,
    HansGrammarOptions,
    TaskEntry,
    load_suite,
    load_task,
    suite_names,
)
from .shelf import shelf_entries
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
    "ParaphraseOptions",
    "Suite",
    "Task",
    "TaskEntry",
    "describe",
    "hans_suite",
    "load_suite",
    "load_task",
    "read_examples",
    "read_hans",
    "read_nli",
    "read_paws",
    "read_qqp",
    "shelf_entries",
    "suite_names",
]
