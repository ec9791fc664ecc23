"""States of unfinished training that were damaged or lead elsewhere."""

from __future__ import annotations

import json

import pytest
from refusal import pickled, refused

from heuristic_core.models.loading import new_classifier
from heuristic_core.training.finetune import finetune
from tiny import LABELS

RECIPE = {"steps": 12, "checkpoints": [12], "seed": 1, "batch_size": 4}

STATES = {
    "a path outside": {"state": "../../elsewhere", "seconds": 1},
    "an absolute path": {"state": "/etc", "seconds": 1},
    "a list": ["checkpoint-10"],
    "time a text": {"state": "checkpoint-10", "seconds": "long"},
    "no name": {"seconds": 1},
}


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_training_starts_anew(tiny_folder, pairs, tmp_path, state):
    (tmp_path / "elsewhere").mkdir()
    unfinished = tmp_path / "unfinished"
    (unfinished / "trainer").mkdir(parents=True)
    (unfinished / "state.json").write_text(json.dumps(state))
    seen = []
    model = new_classifier(tiny_folder, LABELS, seed=1)
    folder = tmp_path / "out"
    folder.mkdir()
    finetune(
        model,
        pairs,
        folder,
        **RECIPE,
        unfinished=unfinished,
        progress=lambda done, of: seen.append(done),
    )
    assert seen == list(range(1, 13))
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_pickle_in_a_state_is_not_run(tiny_folder, pairs, tmp_path):
    marker, unfinished = tmp_path / "marker", tmp_path / "unfinished"

    def stop(done, of):
        if done == 11:
            raise KeyboardInterrupt

    def train(progress=None):
        model = new_classifier(tiny_folder, LABELS, seed=1)
        finetune(
            model,
            pairs,
            tmp_path,
            **RECIPE,
            unfinished=unfinished,
            save_seconds=0,
            progress=progress,
        )

    with pytest.raises(KeyboardInterrupt):
        train(stop)
    (unfinished / "trainer" / "checkpoint-10" / "optimizer.pt").write_bytes(pickled(marker))
    refused(train, "cannot resume the training in .*; remove .*unfinished and run", tmp_path)
    assert not marker.exists()
