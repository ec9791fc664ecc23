"""Every option's default is in its help; completion in a shell, and the version, are fast."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from command import hcore
from heuristic_core.cli import COMMANDS
from heuristic_core.commands.lazy import load

#: Options without a value by default, where that says all: nothing is chosen or changed.
NOTHING = {"--set", "--task-option", "--subnetwork", "--without"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_default_is_in_the_help(name, tmp_path):
    shown = hcore(name, "--help", cwd=tmp_path).stdout
    # One line for each option, whatever the width of the terminal.
    words = " ".join(shown.replace("│", " ").split())
    command = load(name, COMMANDS[name])
    for parameter in command.params:
        if parameter.param_type_name != "option" or parameter.required:
            continue
        option = max(parameter.opts, key=len)
        text = words[words.index(f" {option} ") :]
        text = text[: _next(text, command, option)]
        default, said = parameter.default, parameter.show_default
        if isinstance(said, str):
            assert f"[default: ({said})]" in text, option
        elif default is None or default is False:
            assert (default is False and parameter.is_flag) or option in NOTHING | {"--help"}, (
                option
            )
        else:
            assert f"[default: {default}]" in text, option
        assert "[default" not in (parameter.help or ""), f"{option}: rich would leave it out"


def _next(text: str, command, option: str) -> int:
    others = [max(p.opts, key=len) for p in command.params if p.param_type_name == "option"]
    # As the heading of its own entry; texts name options, too.
    found = [re.search(rf" {o} (--\S+ )?[<A-Z]", text[1:]) for o in others if o != option]
    return min([1 + match.start() for match in found if match], default=len(text))


def _complete(words: str, place: int) -> tuple[list[str], bool]:
    """What bash is told to complete with, and whether a library was loaded for it."""
    code = (
        "import sys; sys.argv = ['hcore']\n"
        "from heuristic_core.cli import main\n"
        "try:\n    main()\n"
        "finally:\n    print('loaded', any(m in sys.modules for m in ('torch', 'pandas')))"
    )
    more = {"_HCORE_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(place)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | more
    )
    *found, loaded = done.stdout.split("\n")[:-1]
    return [word for word in found if word], loaded == "loaded True"


def test_words_are_completed_without_loading_what_runs_them():
    assert _complete("hcore ex", 1) == (["export"], False)
    found, loaded = _complete("hcore report RUN --f", 3)
    assert (found, loaded) == (["--format"], False)
    found, loaded = _complete("hcore evaluate RUN --", 3)
    assert {"--suite", "--precision", "--json"} <= set(found)
    assert not loaded
    # After an option that takes a value comes the value, after a flag an option.
    assert "--plan" not in _complete("hcore run --out x", 3)[0]
    assert "--out" in _complete("hcore run --plan --", 3)[0]


def test_the_script_for_a_shell_is_printed(tmp_path, monkeypatch):
    # The shell is told from the processes above this one, which need not hold any.
    monkeypatch.setattr("shellingham.detect_shell", lambda: ("bash", "/bin/bash"))
    done = hcore("--show-completion", "bash", cwd=tmp_path)
    assert "=complete_bash" in done.stdout
    assert "complete -o default -F" in done.stdout


def test_the_version_loads_nothing():
    code = (
        "import sys; sys.argv = ['hcore', '--version']\n"
        "from heuristic_core.cli import main\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert stop.code == 0\n"
        "print([m for m in ('torch', 'pandas', 'numpy', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    version, loaded = done.stdout.splitlines()
    assert re.fullmatch(r"hcore \d+\.\d+\.\d+", version)
    assert loaded == "[]"
