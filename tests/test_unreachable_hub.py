"""A hub that does not answer is asked once, and one line says so."""

from __future__ import annotations

import logging
import shutil
import socket
import threading
import time

import datasets
import pytest
from huggingface_hub import constants
from huggingface_hub.utils import logging as hub_logging

import heuristic_core as hc
from command import mistake
from heuristic_core.errors import Remark
from heuristic_core.tasks.hub import read_hub
from tiny import some_pairs

TASK = """
labels = ["entailment", "non-entailment"]
columns = { text = "text", label = "label" }
[train]
hub = "org/none"
[search]
hub = "org/none"
[[suites]]
name = "id"
role = "id"
hub = "org/none"
"""

STUDY = """
name = "of-the-hub"
[model]
source = "org/none"
[task]
name = "hans-grammar"
options = { train_size = 16, search_size = 8, id_size = 4, per_case = 1 }
[finetune]
steps = 1
checkpoints = [1]
[search]
sparsities = [0.5]
seeds = [1]
"""

ONCE = "HEAD / HTTP/1.1"


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """A hub that answers nothing: the requests for it. Nobody may wait for it."""
    requests = []
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                requests.append(connection.makefile("rb").readline().decode().strip())

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{server.getsockname()[1]}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(datasets.config, "HF_ENDPOINT", address)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "data"))

    def sleep(seconds):
        raise AssertionError(f"waited {seconds} s to try again")

    monkeypatch.setattr(time, "sleep", sleep)
    yield requests
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join()


def about_models_and_data(asked):
    """Leave out what the client asks on its own account, once a process."""
    return [line for line in asked if not line.startswith("GET /api/agent")]


def loading_of_a_model(folder):
    return ("check", "org/none")


def loading_of_a_revision(folder):
    return ("evaluate", "org/none@step2", "--suite", "hans")


def reading_of_data(folder):
    (folder / "task.toml").write_text(TASK)
    return ("evaluate", "minilm", "--task", "task.toml")


@pytest.mark.parametrize(
    "command",
    [loading_of_a_model, loading_of_a_revision, reading_of_data],
    ids=lambda c: c.__name__,
)
def test_a_command_says_so_in_one_line(asked, tmp_path, capfd, caplog, command):
    caplog.set_level(logging.WARNING)
    said = mistake(*command(tmp_path), cwd=tmp_path)
    assert "cannot be reached: Server disconnected" in said
    assert about_models_and_data(asked) == [ONCE]
    assert capfd.readouterr() == ("", "")  # what loggers of the client write
    assert caplog.records == []


def test_a_plan_says_so_too_and_tries_nothing_again(asked, tmp_path, capfd):
    (tmp_path / "study.toml").write_text(STUDY)
    said = mistake("run", "study.toml", "--plan", cwd=tmp_path)
    assert "cannot be reached: Server disconnected" in said
    # Once for the size of the model, and once for its classes.
    assert about_models_and_data(asked) == [ONCE, ONCE]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "read",
    [hc.Subnetwork.from_pretrained, hc.LoadedRun.from_hub, hc.load_model],
    ids=lambda read: read.__qualname__,
)
def test_all_that_reads_asks_once(asked, read):
    with pytest.raises(hc.InputError, match=r"the hub .*cannot be reached"):
        read("org/none")
    assert about_models_and_data(asked) == [ONCE]


def test_the_clients_settings_are_left_as_they_were(asked):
    before = hub_logging.get_verbosity(), datasets.logging.get_verbosity()
    with pytest.raises(hc.InputError):
        read_hub("org/none", ["text"])
    assert (hub_logging.get_verbosity(), datasets.logging.get_verbosity()) == before
    assert datasets.config.HF_HUB_OFFLINE is False


def test_data_that_were_read_before_are_read_again(asked, tmp_path):
    rows = some_pairs(4).table[["text", "label"]]
    rows.to_json(tmp_path / "rows.jsonl", orient="records", lines=True)
    datasets.load_dataset("json", data_files=str(tmp_path / "rows.jsonl"))
    (made,) = (tmp_path / "data/json").iterdir()
    (tmp_path / "data/org___some").mkdir()
    made.rename(tmp_path / "data/org___some/default")
    for file in (tmp_path / "data/org___some").rglob("json-*.arrow"):
        file.rename(file.with_name(file.name.replace("json-", "some-")))
    with pytest.warns(Remark, match=r"cannot be reached .*so hub:org/some is a copy that was read"):
        records = read_hub("org/some", ["text", "label"])
    assert list(records.columns["text"]) == list(rows["text"])
    assert about_models_and_data(asked) == [ONCE]


def test_a_model_in_the_cache_is_loaded_and_half_a_model_is_not(asked, tmp_path, tiny_folder):
    model = tmp_path / "hub/models--org--tiny"
    place = model / "snapshots" / ("0" * 40)
    (model / "refs").mkdir(parents=True)
    (model / "refs/main").write_text("0" * 40)
    shutil.copytree(tiny_folder, place)
    pairs = some_pairs(4)
    logits = [
        hc.predict(model, model.encode(pairs))
        for model in (hc.load_model("org/tiny"), hc.load_model(tiny_folder))
    ]
    assert (logits[0] == logits[1]).all()
    (place / "model.safetensors").unlink()
    with pytest.raises(hc.InputError, match=r"'org/tiny': no such folder, and the hub did not"):
        hc.load_model("org/tiny")
