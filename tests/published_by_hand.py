"""Files of accuracies like those that the paper's authors published, and where theirs lie."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from real_data import REPOSITORY

SWAP = "lexical_overlap_ln_subject-object_swap"


def lists(target=0.5):
    return {
        "seed": ["original", "42", "43"],
        "sparsity": [0.0, target - 0.02, target + 0.01],
        "mnli-matched": [0.8334, 0.82, 0.81],
        SWAP: [0.9, 0.2, 0.35],
        "constituent_ce_adverb": [1.0, 0.999, 1.0],
        "subsequence_sn_NP-Z": [0.1, 0.0, 0.05],
    }


def run(id_accuracy, swap):
    return {"validation_matched": id_accuracy, SWAP: swap}


CONTENT = {
    "mnli-sp50.json": lists(),
    "mnli-sp70.json": lists(0.7),
    "mnli-acc_vs_sparsity.json": {
        seed: {"0": run(0.8, 0.9), "5": run(0.8, 0.5), "50": run(0.7, 0.2)} for seed in ("42", "43")
    },
    "mnli-acc_over_ft.json": {"500": run(0.7, 0.01), "6500": run(0.8, 0.9)},
    "mnli-sparsity-grid-acc.json": {
        "42": {
            "500": {"50": run(0.7, 0.0), "5": run(0.7, 0.0)},
            "6500": {"50": run(-1.0, -1.0), "5": run(0.8, 0.88)},
        },
        "43": {
            "500": {"50": run(0.7, 0.0), "5": run(0.7, 0.0)},
            "6500": {"5": run(0.8, 0.2)},
        },
    },
}


def write(folder: Path, **changed) -> Path:
    """Write the five files, some of them with another content."""
    folder.mkdir(exist_ok=True)
    for name, content in CONTENT.items():
        (folder / name).write_text(json.dumps(changed.get(name, content)))
    return folder


def real_folder() -> Path:
    """The authors' files, or a skipped test where they are absent.

    The folder is the environment variable ``HCORE_PAPER``, or ``../shared/paper_eval`` beside the
    repository.
    """
    default = REPOSITORY.parent / "shared" / "paper_eval"
    folder = Path(os.environ.get("HCORE_PAPER") or default)
    if not (folder / "mnli-sp50.json").is_file():
        pytest.skip(f"needs the authors' accuracies, which are not in {folder}; set HCORE_PAPER")
    return folder
