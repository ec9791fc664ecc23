"""Sharing on the hub, against a stub of the hub client's public interface."""

from __future__ import annotations

import fnmatch
import inspect
import shutil
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
from huggingface_hub import ModelCard
from huggingface_hub.errors import HTTPError, LocalEntryNotFoundError

import heuristic_core as hc
from heuristic_core.hub.cards import run_card
from heuristic_core.units import UnitSpace

KEPT_RUN = Path(__file__).parents[1] / "docs/results/minilm-mnli-hans/natural"
REAL = {
    name: inspect.signature(getattr(huggingface_hub.HfApi, name))
    for name in ("create_repo", "create_branch", "upload_folder")
}
DOWNLOAD = inspect.signature(huggingface_hub.snapshot_download)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub in a folder: repositories by kind and name, branches as folders, and what was asked."""
    asked = []

    class Stub:
        def __init__(self, **options):
            inspect.signature(huggingface_hub.HfApi).bind(**options)
            self.token = options["token"]

        def _bound(self, method, *args, **kwargs):
            values = REAL[method].bind(self, *args, **kwargs).arguments
            asked.append((method, self.token, values))
            return values

        def create_repo(self, *args, **kwargs):
            values = self._bound("create_repo", *args, **kwargs)
            (tmp_path / "hub" / values["repo_type"] / values["repo_id"] / "main").mkdir(
                parents=True, exist_ok=values["exist_ok"]
            )
            return f"https://example.invalid/{values['repo_id']}"

        def create_branch(self, *args, **kwargs):
            values = self._bound("create_branch", *args, **kwargs)
            (tmp_path / "hub" / values["repo_type"] / values["repo_id"] / values["branch"]).mkdir(
                exist_ok=values["exist_ok"]
            )

        def upload_folder(self, *args, **kwargs):
            values = self._bound("upload_folder", *args, **kwargs)
            place = tmp_path / "hub" / values["repo_type"] / values["repo_id"]
            branch = place / (values["revision"] or "main")
            assert branch.is_dir()
            shutil.copytree(values["folder_path"], branch, dirs_exist_ok=True)

    def snapshot_download(*args, **kwargs):
        values = DOWNLOAD.bind(*args, **kwargs).arguments
        asked.append(("snapshot_download", values["token"], values))
        place = tmp_path / "hub" / values["repo_type"] / values["repo_id"]
        place /= values["revision"] or "main"
        if not place.is_dir():
            raise LocalEntryNotFoundError("no network")
        target = tmp_path / "cache" / values["repo_id"]
        for file in place.rglob("*"):
            name = file.relative_to(place).as_posix()
            if file.is_file() and any(fnmatch.fnmatch(name, p) for p in values["allow_patterns"]):
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target / name)
        return str(target)

    monkeypatch.setattr(huggingface_hub, "HfApi", Stub)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    stub = type("Hub", (), {"folder": tmp_path / "hub", "asked": asked})
    return stub


def subnetwork():
    space = UnitSpace((2, 2))
    return hc.Subnetwork(
        space,
        frozenset(["L0H1", "L1H0", "L1MLP"]),
        values={"L0.heads": np.arange(4, dtype=np.float32).reshape(2, 2)},
        soft=np.linspace(0, 1, 6),
        provenance={
            "model": "someone/bert|x",
            "method": "learned",
            "seed": 3,
            "task": "mnli+hans",
            "weights": {"float32": "0" * 64},
        },
    )


def test_a_subnetwork_goes_up_and_comes_back(hub):
    mine = subnetwork()
    address = mine.push_to_hub("me/core", private=True, token="secret")
    assert address == "https://example.invalid/me/core"
    assert [(name, token) for name, token, _ in hub.asked] == [
        ("create_repo", "secret"),
        ("upload_folder", "secret"),
    ]
    assert hub.asked[0][2]["private"] is True
    files = {path.name for path in (hub.folder / "model/me/core/main").iterdir()}
    assert files == {"README.md", "subnetwork.json", "subnetwork.safetensors"}
    back = hc.Subnetwork.from_pretrained("me/core")
    assert back == mine
    assert back.provenance == mine.provenance
    np.testing.assert_array_equal(back.values["L0.heads"], mine.values["L0.heads"])


def test_the_card_says_what_it_is_and_how_to_load_it(hub):
    subnetwork().push_to_hub("me/core")
    card = ModelCard.load(hub.folder / "model/me/core/main/README.md")
    assert card.data.to_dict()["library_name"] == "heuristic-core"
    assert "subnetwork" in card.data.tags
    assert card.data.to_dict().get("base_model") is None  # no name that the hub could have
    assert "2 of 4 attention heads" in card.text.replace("\n", " ")
    assert "  0 .# ---\n  1 #. MLP" in card.text
    assert "| model | someone/bert\\|x |" in card.text
    assert 'from_pretrained("me/core")' in card.text


def test_branches(hub):
    mine = subnetwork()
    mine.push_to_hub("me/core", revision="v2")
    with pytest.raises(hc.InputError, match="no subnetwork in"):
        hc.Subnetwork.from_pretrained("me/core")
    assert hc.Subnetwork.from_pretrained("me/core", revision="v2") == mine


def test_a_folder_needs_no_hub(hub, tmp_path):
    mine = subnetwork()
    mine.save(tmp_path / "sub")
    assert hc.Subnetwork.from_pretrained(tmp_path / "sub") == mine
    assert hub.asked == []


@pytest.mark.parametrize("name", ["core", "../core", "a/b/c", "me/", "", "me/co re", 3])
def test_names_that_are_none_of_the_hub(hub, name):
    with pytest.raises(hc.InputError, match="is no name on the hub; give namespace/name"):
        subnetwork().push_to_hub(name)
    assert hub.asked == []


def test_what_the_hub_refuses_is_one_line(hub, monkeypatch):
    with pytest.raises(hc.InputError, match="cannot get me/none: the hub cannot be reached"):
        hc.Subnetwork.from_pretrained("me/none")

    def refuse(*args, **kwargs):
        raise HTTPError("[Errno -2] Name or service not known")

    monkeypatch.setattr(huggingface_hub.HfApi, "create_repo", refuse)
    with pytest.raises(hc.InputError, match=r"cannot push to me/core: .* not known; check"):
        subnetwork().push_to_hub("me/core")


@pytest.mark.slow
def test_a_run_goes_up_and_comes_back(hub):
    run = hc.load_run(KEPT_RUN)
    run.push_to_hub("me/study")
    place = hub.folder / "dataset/me/study/main"
    assert (place / "report/report.html").is_file()
    assert not list(place.rglob("*.safetensors"))
    assert "Verdicts" in (place / "README.md").read_text(encoding="utf-8")
    back = hc.LoadedRun.from_hub("me/study")
    assert back.name == run.name
    assert back.verdicts.equals(run.verdicts)
    assert Path(back.path).parts[-2:] == ("me", "study")


def test_a_run_card_escapes_what_it_shows():
    text = run_card("a\nb", "A story.", [("a | b", "50 %", "supported")], "me/x")
    assert "| a \\| b | 50 % | supported |" in text
    assert text.startswith("---\n")
