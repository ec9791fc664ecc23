"""The command map of ``hcore``: every command, where it lives, and what it does."""

from __future__ import annotations

import typer

from .commands.console import run_app, version_option
from .commands.lazy import Entry, group

WHOLE, ONE, SEE = "A whole study", "One step on a model of your own", "What there is"

#: A command's module is imported when it is called, so that ``hcore --help`` loads none of them.
COMMANDS = {
    "run": Entry("study:run", WHOLE, "Run a whole study; finished cells are not computed again."),
    "show": Entry("results:show", WHOLE, "Show a run's verdicts in the terminal, or more."),
    "status": Entry(
        "status:status",
        WHOLE,
        "Show how far a run is, from any shell or machine: done, running, failed, time left.",
    ),
    "analyze": Entry(
        "study:analyze",
        WHOLE,
        "Run the analyses of a finished run, which resume, and draw all conclusions.",
    ),
    "merge": Entry(
        "merging:merge",
        WHOLE,
        "Join runs of one study that were made apart; `hcore run` then finishes the joined run.",
    ),
    "report": Entry(
        "results:report",
        WHOLE,
        "Write a run's report again: one HTML page, its figures and its tables.",
    ),
    "compare": Entry(
        "results:compare",
        WHOLE,
        "Compare finished runs of other tasks, fine-tunings or searches, from stored tables.",
    ),
    "export": Entry(
        "results:export",
        WHOLE,
        "Write a run as one archive without weights, or its tables as CSV or LaTeX.",
    ),
    "finetune": Entry(
        "steps:finetune",
        ONE,
        "Fine-tune a classifier on a task and save checkpoints, in a run folder that resumes.",
    ),
    "prune": Entry(
        "steps:prune",
        ONE,
        "Find subnetworks of a model and save them, one folder each; finished seeds are skipped.",
    ),
    "evaluate": Entry(
        "evaluation:evaluate",
        ONE,
        "Evaluate a run's models and subnetworks, or one model, on every case of a suite.",
    ),
    "validate": Entry(
        "validity:validate",
        ONE,
        "Test a subnetwork beside random ones: is it enough, is it needed, unit by unit?",
    ),
    "check": Entry(
        "check:check", ONE, "Check that a model can be studied; exit code 1 if a check fails."
    ),
    "tasks": Entry(
        "lists:tasks",
        SEE,
        "List the tasks with their settings and the suites, or show one task's data.",
    ),
    "study-keys": Entry(
        "keys:keys",
        SEE,
        "List the keys of a study file with their defaults and meanings, or print its JSON schema.",
    ),
    "suites": Entry(
        "lists:suites",
        SEE,
        "List the suites that `hcore evaluate --suite` takes, with size, licence and source.",
    ),
    "models": Entry(
        "lists:models",
        SEE,
        "List the supported model families, packaged weights and search methods.",
    ),
    "published": Entry(
        "published:published",
        SEE,
        "Recompute the paper's results from its published accuracies and compare the two.",
    ),
}

app = typer.Typer(name="hcore", cls=group(COMMANDS), pretty_exceptions_enable=False)
app.callback()(version_option)


def main() -> None:
    """Run ``hcore``; errors that a user can cause end in one line and exit code 2."""
    run_app(app)


if __name__ == "__main__":
    main()
