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


def pairs(id_accuracy, paws, adversarial):
    """Accuracies on QQP, on all of PAWS and on its adversarial pairs."""
    return {"qqp": id_accuracy, "paws-qqp": paws, "paws-qqp_0": adversarial}


#: A search on QQP that failed has no accuracy on the adversarial pairs of PAWS.
FAILED_PAIRS = {"qqp": -1.0, "paws-qqp": -1.0}


def qqp_lists(target=0.3):
    return {
        "seed": ["original", "42", "43"],
        "sparsity": [0, target - 0.01, target + 0.005],
        # In right answers: 36,387, 36,000 and 35,800; 6,000, 5,000 and 4,800; 2,174, 1,500 and 900.
        "qqp": [36_387 / 40_430, 36_000 / 40_430, 35_800 / 40_430],
        "paws-qqp": [6_000 / 12_663, 5_000 / 12_663, 4_800 / 12_663],
        "paws-qqp_0": [2_174 / 8_696, 1_500 / 8_696, 900 / 8_696],
    }


MNLI = {
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
QQP = {
    "qqp-sp30.json": qqp_lists(),
    "qqp-sp60.json": qqp_lists(0.6),
    "qqp-acc_vs_sparsity.json": {
        seed: {
            "0": pairs(0.9, 0.4, 0.15),
            "5": pairs(0.88, 0.33, 0.05),
            "30": pairs(0.9, 0.36, 0.1),
        }
        for seed in ("42", "43")
    },
    "qqp-acc_over_ft.json": {
        "500": pairs(0.8, 0.32, 0.03),
        "1000": pairs(0.85, 0.35, 0.08),
        "2000": pairs(0.9, 0.5, 0.3),
    },
    "qqp-sparsity-grid-acc.json": {
        seed: {
            "500": {"5": pairs(0.8, 0.32, 0.03), "65": pairs(0.79, 0.32, 0.03)},
            "2000": {"5": pairs(0.9, 0.49, 0.29), "65": late},
        }
        for seed, late in (
            ("42", FAILED_PAIRS),
            ("43", pairs(0.8, 0.32, 0.01)),
            ("44", pairs(0.8, 0.4, 0.2)),
        )
    },
}
CONTENT = MNLI | QQP


def write(folder: Path, files=MNLI, **changed) -> Path:
    """Write files, some of them with another content and those with none left out."""
    folder.mkdir(exist_ok=True)
    for name, content in (files | changed).items():
        if content is not None:
            (folder / name).write_text(json.dumps(content))
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
