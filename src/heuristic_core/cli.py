"""The command map of ``hcore``: every command, where it lives, and what it does."""

from __future__ import annotations

import typer

from .commands.console import run_app, version_option
from .commands.lazy import Entry, group

WHOLE, ONE, SEE = "A whole study", "One step on a model of your own", "What there is"

#: A command's module is imported when it is called, so that ``hcore --help`` loads none of them.
COMMANDS = {
    "run": Entry("study:run", WHOLE, "Run a whole study; what is finished is not computed again."),
    "show": Entry("results:show", WHOLE, "Show a run's findings in the terminal."),
    "analyze": Entry(
        "study:analyze", WHOLE, "Measure what a finished run's analyses need, and conclude."
    ),
    "report": Entry(
        "results:report", WHOLE, "Write a run's report again: page, figures and tables."
    ),
    "finetune": Entry(
        "steps:finetune", ONE, "Fine-tune a classifier on a task and keep checkpoints."
    ),
    "prune": Entry("steps:prune", ONE, "Find subnetworks of a model and save them."),
    "evaluate": Entry(
        "evaluation:evaluate", ONE, "Measure a run, a model or a subnetwork on every case."
    ),
    "check": Entry("check:check", ONE, "Check that the program works on a model, unit by unit."),
    "tasks": Entry("lists:tasks", SEE, "List the tasks and suites, or show one task's data."),
    "models": Entry("lists:models", SEE, "List model families, packaged weights and methods."),
    "published": Entry(
        "published:published", SEE, "Recompute the paper's figures from its published accuracies."
    ),
}

app = typer.Typer(
    name="hcore", cls=group(COMMANDS), add_completion=False, pretty_exceptions_enable=False
)
app.callback()(version_option)


def main() -> None:
    """Run ``hcore``; errors that a user can cause end in one line and exit code 2."""
    run_app(app)


if __name__ == "__main__":
    main()
