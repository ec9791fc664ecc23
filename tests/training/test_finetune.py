from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file

from heuristic_core.errors import InputError
from heuristic_core.models.loading import new_classifier
from heuristic_core.training.finetune import checkpoint_folder, finetune, seconds_so_far
from tiny import LABELS, save_tiny, some_pairs

#: More than two epochs of 48 examples, so that training is also gone on with in a later one.
RECIPE = {"steps": 40, "checkpoints": [0, 15, 40], "seed": 3, "batch_size": 4}


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return save_tiny(tmp_path_factory.mktemp("encoder"), classifier=False)


@pytest.fixture(scope="module")
def pairs_to_learn():
    return some_pairs(48, seed=5)


def fresh(encoder, labels=LABELS):
    return new_classifier(encoder, labels, seed=1)


def killed_at(step):
    def progress(done, of):
        if done == step:
            raise Killed

    return progress


def weights(folder, step):
    return load_file(checkpoint_folder(folder, step) / "model.safetensors")


def same(one, other):
    return one.keys() == other.keys() and all(one[k].equal(other[k]) for k in one)


@pytest.mark.parametrize("by_length", [False, True])
def test_training_goes_on_where_it_was_killed_and_ends_in_the_same_weights(
    encoder, pairs_to_learn, tmp_path, by_length
):
    recipe = RECIPE | {"by_length": by_length}
    whole, pieces, unfinished = (tmp_path / name for name in ("whole", "pieces", "unfinished"))
    for folder in (whole, pieces):
        folder.mkdir()
    expected = finetune(fresh(encoder), pairs_to_learn, whole, **recipe)
    states = []
    for kill in (14, 33):
        with pytest.raises(Killed):
            finetune(
                fresh(encoder),
                pairs_to_learn,
                pieces,
                **recipe,
                unfinished=unfinished,
                save_seconds=0,
                progress=killed_at(kill),
            )
        states.append(json.loads((unfinished / "state.json").read_text())["state"])
        assert [path.name for path in unfinished.glob("trainer/*")] == states[-1:]
    assert states == ["checkpoint-10", "checkpoint-30"]
    assert seconds_so_far(unfinished) > 0
    seen = []
    table = finetune(
        fresh(encoder),
        pairs_to_learn,
        pieces,
        **recipe,
        unfinished=unfinished,
        progress=lambda done, of: seen.append(done),
    )
    assert seen == list(range(31, 41))
    assert table.equals(expected)
    assert len(table) == 4
    for step in RECIPE["checkpoints"]:
        assert same(weights(pieces, step), weights(whole, step))
    assert not same(weights(whole, 15), weights(whole, 40))
    # Killed before its caller had kept the result, it goes on from the last state again.
    again = tmp_path / "again"
    finetune(
        fresh(encoder),
        pairs_to_learn,
        again,
        **recipe,
        unfinished=unfinished,
        progress=lambda done, of: seen.append(done),
    )
    assert seen == 2 * list(range(31, 41))
    for step in RECIPE["checkpoints"]:
        assert same(weights(again, step), weights(whole, step))


def test_a_state_without_the_checkpoints_before_it_is_not_gone_on_from(
    encoder, pairs_to_learn, tmp_path
):
    unfinished, seen = tmp_path / "unfinished", []
    with pytest.raises(Killed):
        finetune(
            fresh(encoder),
            pairs_to_learn,
            tmp_path / "pieces",
            **RECIPE,
            unfinished=unfinished,
            save_seconds=0,
            progress=killed_at(33),
        )
    shutil.rmtree(checkpoint_folder(unfinished, 15))
    finetune(
        fresh(encoder),
        pairs_to_learn,
        tmp_path / "pieces",
        **RECIPE,
        unfinished=unfinished,
        progress=lambda done, of: seen.append(done),
    )
    assert seen == list(range(1, 41))
    for step in RECIPE["checkpoints"]:
        assert checkpoint_folder(tmp_path / "pieces", step).is_dir()


def test_batches_by_length_pad_less_and_hold_every_example(encoder, pairs_to_learn, tmp_path):
    padded = {}
    for by_length in (False, True):
        seen = []
        model = fresh(encoder)
        model.hf.register_forward_pre_hook(
            lambda _, args, given, seen=seen: seen.append(given["attention_mask"]), with_kwargs=True
        )
        settings = {"steps": 12, "checkpoints": [], "seed": 0, "by_length": by_length}
        finetune(model, pairs_to_learn, tmp_path, batch_size=4, **settings)
        lengths = sorted(int(n) for mask in seen for n in mask.sum(1))
        assert lengths == sorted(model.encode(pairs_to_learn).lengths)  # one epoch
        padded[by_length] = sum(mask.numel() for mask in seen)
    assert padded[True] < padded[False]


def test_a_state_that_is_not_whole_is_not_gone_on_from(encoder, pairs_to_learn, tmp_path):
    unfinished = tmp_path / "unfinished"
    half = unfinished / "trainer" / "checkpoint-10"
    half.mkdir(parents=True)
    (half / "model.safetensors").write_bytes(b"half")
    seen = []
    finetune(
        fresh(encoder),
        pairs_to_learn,
        tmp_path,
        **RECIPE | {"steps": 12, "checkpoints": [12]},
        unfinished=unfinished,
        progress=lambda done, of: seen.append(done),
    )
    assert seen == list(range(1, 13))
    assert checkpoint_folder(tmp_path, 12).is_dir()


def test_what_cannot_be_trained_is_refused(encoder, pairs_to_learn, tmp_path):
    with pytest.raises(InputError, match="checkpoint 41 is not a step"):
        finetune(fresh(encoder), pairs_to_learn, tmp_path, **RECIPE | {"checkpoints": [41]})
    with pytest.raises(InputError, match="are not the model's"):
        finetune(fresh(encoder, ("a", "b")), pairs_to_learn, tmp_path, **RECIPE)


def test_each_training_of_a_model_has_its_own_precision(encoder, pairs_to_learn, tmp_path):
    model, seen = fresh(encoder), []
    before = {name: set(module.__dict__) for name, module in model.hf.named_modules()}
    query = model.anatomy.layers[0].attention.self.query
    handle = query.register_forward_hook(lambda m, args, output: seen.append(output.dtype))
    for precision in ("float32", "bfloat16", "float32"):
        seen.clear()
        recipe = {"steps": 2, "checkpoints": [], "seed": 3, "batch_size": 4}
        finetune(model, pairs_to_learn, tmp_path, **recipe, precision=precision)
        assert set(seen) == {getattr(torch, precision)}
        model.logits(model.encode(pairs_to_learn))
        assert seen[-1] is torch.float32
    handle.remove()
    assert {name: set(module.__dict__) for name, module in model.hf.named_modules()} == before
