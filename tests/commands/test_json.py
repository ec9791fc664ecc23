"""What ``--json`` prints: the keys and types of every command, in one table."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

import heuristic_core as hc
from command import SMALL, hcore
from heuristic_core.cli import COMMANDS
from heuristic_core.commands.lazy import load

NUMBER = (int, float)
NONE = type(None)
SCALAR = (str, int, float, bool, NONE)
#: A row of a table that `docs/reference/tables.md` lists.
ROW = {"*": SCALAR}
TEXTS = [str]
CONCLUSIONS = {"verdicts": [ROW], "tables": {"*": [ROW]}}
RESULTS = {"run": str, "report": (str, NONE)} | CONCLUSIONS
PLAN = {
    "run": str,
    "device": str,
    "cells": [
        {
            "cell": str,
            "finished": bool,
            "seconds": (int, float, NONE),
            "megabytes": NUMBER,
            "again": bool,
        }
    ],
    "missing_seconds": (int, float, NONE),
    "workers": int,
    "gpu": (str, NONE),
    "worker_bytes": (int, float, NONE),
    "whole_seconds": (int, float, NONE),
    "missing_megabytes": NUMBER,
    "planned_later": TEXTS,
    "hardly_decided": {"*": str},
}
WORST = {
    "worst_label": str,
    "worst_n": int,
    "worst_correct": int,
    "worst_accuracy": float,
    "worst_low": float,
    "worst_high": float,
}
MAJORITY = {"majority": float, "majority_label": str}
SCORED = {
    "suite": str,
    "role": str,
    "case": str,
    "case_kind": str,
    "n": int,
    "correct": int,
    "accuracy": float,
    "margin": float,
    "kl": float,
    "kl_se": (float, NONE),
} | MAJORITY | WORST  # fmt: skip
OF_SPARSITY = {f"{n}% {what}": float for n in (50, 70) for what in ("min", "mean", "max")}
SUMMARY = (
    {"suite": str, "case": str, "case_kind": str, "n": int, "full model": float}
    | OF_SPARSITY
    | MAJORITY
    | WORST
)


def evaluation(case: dict[str, Any]) -> dict[str, Any]:
    """One form, whatever is evaluated; only the columns of the cases differ."""
    model = {
        "finetune_seed": (int, NONE),
        "checkpoint": (int, NONE),
        "path": str,
        "new_head": bool,
    }
    return {"table": (str, NONE), "ablation": (str, NONE), "models": [model], "cases": [case]}


SETTING = {"default": (*SCALAR, list, dict), "description": str}
FEW = ("--suite", "hans-grammar", "--per-case", 1)
TINY = ("--set", "ramp_steps=2", "--set", "hold_steps=0")
ZERO = ("--without", "L0H1", "--ablation", "zero")
RANDOM = ("--draws", 20, "--examples", 4, "--unit-examples", 4, "--task-option", "per_case=1")

#: For each command: what it is called with, and the keys and types of what it prints.
SHAPES: dict[tuple[object, ...], dict[str, Any]] = {
    ("run", "smoke", "RUN"): RESULTS,
    ("run", "smoke", "RUN", "--plan"): PLAN,
    ("analyze", "runs/smoke", "--tables-only"): RESULTS,
    ("analyze", "runs/smoke", "--plan"): PLAN,
    ("show", "runs/smoke"): CONCLUSIONS,
    ("compare", "runs/smoke", "runs/other"): {
        "runs": [ROW], "differ_in": TEXTS, "report": (str, NONE), **CONCLUSIONS,
    },
    ("merge", "runs/smoke", "runs/other", "--out", "whole"): {
        "run": str,
        "copied": {"*": int},
        "seeds": {"*": [int]},
        "damaged": TEXTS,
        "aside": TEXTS,
        "other": TEXTS,
        "unused": TEXTS,
        "unchecked": TEXTS,
    },
    ("status", "runs/smoke"): {
        "study": str,
        "driver": NONE,
        "silent": float,
        "locked": (bool, NONE),
        "planned": (int, NONE),
        "done": int,
        "running": [],
        "failed": {"*": str},
        "finished": int,
        "elapsed": float,
        "left": (int, float, NONE),
        "per_hour": (float, NONE),
        "run": str,
    },
    ("evaluate", "runs/smoke"): evaluation(SUMMARY),
    ("evaluate", "runs/smoke", *ZERO): evaluation(
        {"finetune_seed": int, "checkpoint": int} | SCORED
    ),
    ("evaluate", "MODEL", *FEW): evaluation(SCORED),
    ("evaluate", "MODEL", *FEW, *ZERO): evaluation(SCORED),
    ("finetune", "MODEL", "--out", "tuned", "--steps", 2, "--batch-size", 4): {
        "checkpoints": {"*": str}
    },
    ("prune", "MODEL", "--out", "subs", *TINY): {
        "subnetworks": [
            {
                "folder": str,
                "seed": int,
                "sparsity": float,
                "head_sparsity": float,
                "heads": int,
                "mlps": int,
                "ablation": str,
            }
        ],
        "truncated": {"search": int},
        "unknown": {"search": int},
    },
    ("validate", "MODEL", "SUBNETWORK", *RANDOM): {
        "subnetwork": {"*": (*SCALAR, list, dict)},
        "about": {
            "task": str,
            "examples": str,
            "n": int,
            "n_of_units": int,
            "sha256": str,
            "core": TEXTS,
            "draws": int,
            "case_draws": int,
            "seed": int,
            "precision": str,
        },
        "tests": [ROW],
        "units": [ROW],
        "searches": [ROW],
        "cases": [ROW],
        "left_out": float,
        "needed": int,
    },
    ("check", "MODEL"): {
        "model": str,
        "ok": bool,
        "checks": [
            {
                "what": str,
                "result": str,
                "difference": (int, float, NONE),
                "tolerance": (int, float, NONE),
                "note": str,
            }
        ],
    },
    ("tasks",): {
        "tasks": {"*": {"description": str, "data": str, "options": {"*": SETTING}}},
        "suites": TEXTS,
    },
    ("tasks", "hans-grammar"): {
        "name": str,
        "labels": TEXTS,
        "form": str,
        "cases": [
            {"part": str, "case": str, "kind": str, "group": str, "n": int, "labels": {"*": int}}
        ],
        "examples": {"*": [{"label": str, "case": str, "texts": TEXTS}]},
        "notes": TEXTS,
    },
    ("study-keys", "search"): {
        "keys": [{"name": str, "values": str, "default": str, "meaning": str, "of": str}]
    },
    ("suites",): {
        "suites": [
            {
                "name": str,
                "about": str,
                "size": (int, NONE),
                "labels": (list, NONE),
                "licence": (str, NONE),
                "hub": (str, NONE),
                "sources": TEXTS,
            }
        ]
    },
    ("models",): {
        "families": {"*": {"kind": str, "note": str}},
        "packaged": {"*": str},
        "methods": {"*": str},
    },
}  # fmt: skip


def misfit(value: Any, shape: Any, at: str = "") -> str:
    """Say where a value has other keys or types than it should have; empty if nowhere."""
    if isinstance(shape, list):
        if not isinstance(value, list):
            return f"{at} is no list"
        items = enumerate(value)
        return next(filter(None, (misfit(v, shape[0], f"{at}[{i}]") for i, v in items)), "")
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return f"{at} is no object"
        inner = {key: shape.get("*", shape.get(key)) for key in value}
        if "*" not in shape and set(value) != set(shape):
            return f"{at} has the keys {sorted(value)}, not {sorted(shape)}"
        keys = value.items()
        return next(filter(None, (misfit(v, inner[k], f"{at}.{k}") for k, v in keys)), "")
    kinds = shape if isinstance(shape, tuple) else (shape,)
    return "" if type(value) in kinds else f"{at} is {value!r}"


@pytest.fixture(scope="module")
def found(tiny_loaded, tmp_path_factory):
    """The folder of a subnetwork of the tiny model."""
    sub = hc.removal(tiny_loaded, "L0H0", ablation="zero")
    return sub.save(tmp_path_factory.mktemp("found"))


@pytest.fixture(scope="module")
def other(place):
    """A second run beside the first."""
    shutil.copytree(place / "runs/smoke", place / "runs/other")
    return place


@pytest.mark.parametrize("arguments", SHAPES, ids=lambda given: " ".join(map(str, given[:3])))
def test_keys_and_types(other, tiny_folder, found, arguments):
    filled = []
    for word in arguments:
        in_place = {
            "MODEL": [tiny_folder],
            "SUBNETWORK": [found],
            "RUN": ["--set", f"model.source={tiny_folder}", *SMALL],
        }
        filled += in_place.get(word, [word])
    printed = json.loads(hcore(*filled, "--json", cwd=other).stdout)
    assert misfit(printed, SHAPES[arguments]) == ""


def test_every_command_with_the_option_is_in_the_table():
    with_json = {
        name
        for name, entry in COMMANDS.items()
        if any("--json" in option.opts for option in load(name, entry).params)
    }
    assert {arguments[0] for arguments in SHAPES} == with_json


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([], " is no object"),
        ({"a": 1}, " has the keys ['a'], not ['a', 'b']"),
        ({"a": True, "b": []}, ".a is True"),
        ({"a": 1, "b": [{"x": 1.0}, {"x": "y"}]}, ".b[1].x is 'y'"),
        ({"a": 1, "b": [{"x": 1.0}]}, ""),
    ],
)
def test_drift_is_seen(value, said):
    assert misfit(value, {"a": int, "b": [{"*": float}]}) == said
