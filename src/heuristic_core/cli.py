"""The command map of ``hcore``: every command and where it lives."""

from __future__ import annotations

import typer

from .commands import check, evaluation, lists, steps, study
from .commands.console import run_app, version_option

app = typer.Typer(
    name="hcore",
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.callback()(version_option)

WHOLE, ONE, SEE = "A whole study", "One step on a model of your own", "What there is"

app.command("run", rich_help_panel=WHOLE)(study.run)
app.command("show", rich_help_panel=WHOLE)(study.show)
app.command("analyze", rich_help_panel=WHOLE)(study.analyze)
app.command("report", rich_help_panel=WHOLE)(study.report)
app.command("finetune", rich_help_panel=ONE)(steps.finetune)
app.command("prune", rich_help_panel=ONE)(steps.prune)
app.command("evaluate", rich_help_panel=ONE)(evaluation.evaluate)
app.command("check", rich_help_panel=ONE)(check.check)
app.command("tasks", rich_help_panel=SEE)(lists.tasks)
app.command("models", rich_help_panel=SEE)(lists.models)
app.command("published", rich_help_panel=SEE)(lists.published)


def main() -> None:
    """Run ``hcore``; errors that a user can cause end in one line and exit code 2."""
    run_app(app)


if __name__ == "__main__":
    main()
