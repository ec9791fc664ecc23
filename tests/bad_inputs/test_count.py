"""How many bad inputs there are over all tables."""

from __future__ import annotations

import test_api_refused as api
import test_commands_refused as commands
import test_models_refused as models
import test_runs_refused as runs
import test_subnetworks_refused as subnetworks
import test_training_refused as training


def test_there_are_many():
    tables = {
        "model folders": models.FOLDERS,
        "model names": models.NAMES,
        "devices": models.DEVICES,
        "damaged subnetworks": subnetworks.LOADED,
        "other models' subnetworks": subnetworks.APPLIED,
        "run folders, shown": runs.SHOWN,
        "run folders, analyzed": runs.ANALYZED,
        "run folders, resumed": runs.RESUMED,
        "states of training": training.STATES,
        "calls": api.CALLS,
        "commands": commands.COMMANDS,
        "study files": commands.STUDIES,
    }
    counts = {name: len(table) for name, table in tables.items()}
    print(sum(counts.values()), counts)
    assert sum(counts.values()) >= 180
