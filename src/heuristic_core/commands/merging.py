"""The command that joins runs."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from ..errors import remark
from ..study.journal import read_log
from ..study.merge import merge_runs
from .console import JsonOption, out, print_json


def merge(
    folders: Annotated[list[Path], typer.Argument(help="Run folders.", metavar="RUN RUN ...")],
    out_folder: Annotated[Path, typer.Option("--out", help="The joined run folder.")],
    as_json: JsonOption = False,
) -> None:
    """Join runs of one study that were made apart; `hcore run` then finishes the joined run."""
    merged = merge_runs(folders, out_folder)
    for what, cells in (
        ("damaged and not taken from there", merged.damaged),
        (
            "set aside in the joined run (as cells/.damaged-NAME-1): they were damaged, or rest on "
            "another copy of a cell than it holds now",
            merged.aside,
        ),
        (
            "not taken: they differ from the copy of a run named earlier, which was kept, or rest "
            "on a copy that the joined run does not hold",
            merged.other,
        ),
        (
            "found with seeds that the joined study searches in other passes (its "
            f"search.seeds_per_pass is {merged.config.search.seeds_per_pass}), and are not used by "
            "it; to use them, split the seeds where passes begin, and name the runs in that order",
            merged.unused,
        ),
        ("taken unchecked, as their version recorded no digests", merged.unchecked),
    ):
        if cells:
            more = " ..." if len(cells) > 3 else ""
            remark(f"{len(cells)} cells were {what}: {', '.join(cells[:3])}{more}")
    seeds = {"search.seeds": merged.config.search.seeds}
    if merged.config.finetune is not None:
        seeds["finetune.seeds"] = merged.config.finetune.seeds
    if as_json:
        copied = {str(folder): n for folder, n in merged.copied.items()}
        names = ("damaged", "aside", "other", "unused", "unchecked")
        rest = {name: getattr(merged, name) for name in names}
        print_json({"run": str(out_folder), "copied": copied, "seeds": seeds, **rest})
        return
    for folder, n in merged.copied.items():
        out().print(f"{n} cells copied from {folder}", markup=False, soft_wrap=True)
    sets = _sets_of([out_folder, *folders], but=seeds)
    sets += [f"{key}=[{','.join(map(str, values))}]" for key, values in seeds.items()]
    words = [word for change in sets for word in ("--set", change)]
    command = shlex.join(["hcore", "run", "STUDY", *words, "--out", str(out_folder)])
    out().print(f"Finish it with: {command}", markup=False, soft_wrap=True)


def _sets_of(folders: Sequence[Path], but: Mapping[str, object]) -> list[str]:
    """List the settings that the last `hcore run` of the first run that logged one changed.

    Args:
        folders: The runs.
        but: Keys of settings that are left out.
    """
    for folder in folders:
        for said in reversed(read_log(folder)):
            try:
                program, command, *words = shlex.split(str(said.get("command", "")))
            except ValueError:  # too few words, or a quotation that does not end
                continue
            if (program, command) == ("hcore", "run"):
                sets = _sets_in(words)
                return [change for change in sets if change.partition("=")[0].strip() not in but]
    return []


def _sets_in(words: Sequence[str]) -> list[str]:
    """List the settings that a command's words change."""
    options = {"--set": "", "--dtype": "model.dtype="}
    found = []
    for word, following in zip(words, [*words[1:], ""], strict=True):
        option, equals, value = word.partition("=")
        if option in options:
            found.append(options[option] + (value if equals else following))
    return found
