"""Output streams, options that commands share, and exit codes."""

from __future__ import annotations

import io
import json
import os
import shlex
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from ..errors import InputError, Remark, one_line

DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        envvar="HCORE_DATA",
        help="Folder of data files; the only option or setting with a path to data.",
        show_default="none: from the hub",
    ),
]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or mps.")]
PrecisionOption = Annotated[
    str | None,
    typer.Option(
        "--precision",
        help="What the model computes in: float32, bfloat16 or float16, the last two where that is "
        "safe.",
        show_default="float32; for a run, its own",
    ),
]
RunArgument = Annotated[
    Path, typer.Argument(help="A run folder, or an archive of one.", metavar="RUN")
]
LabelsOption = Annotated[
    str | None,
    typer.Option(
        "--labels",
        help="Names of the model's classes where its own say nothing, such as "
        "LABEL_0=entailment,LABEL_1=neutral,LABEL_2=contradiction.",
        show_default="the model's own",
    ),
]
MaxLengthOption = Annotated[
    int | None,
    typer.Option(
        "--max-length", help="Longest text in tokens; longer ones are cut.", show_default="128"
    ),
]
TaskOptionsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--task-option",
        metavar="NAME=VALUE",
        help="A setting of the task, as `hcore tasks` lists them; none for no value; repeatable.",
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print the result as JSON on the output stream.")
]

#: Exit codes for invalid input, and for a stop by Ctrl-C or a termination signal.
MISTAKE, INTERRUPTED = 2, 130

#: Columns of output to a file or pipe.
_PIPED = 400

# The base class of all errors on the command line. typer exports only some of its subclasses, and
# its version decides whether they are click's classes or copies.
_CommandLineError: type[Exception] = typer.BadParameter.__mro__[2]


def out() -> Console:
    """Return the console for results."""
    # Piped output has no width and must not be truncated.
    return Console(highlight=False, width=None if sys.stdout.isatty() else _width())


def err() -> Console:
    """Return the console for progress and errors."""
    return Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else _width())


def print_json(value: Any) -> None:
    """Print a value as JSON on the output stream."""
    from ..storage import plain  # loads pandas, which some commands do not need

    # JSON has its own way to write what an encoding lacks.
    ascii_only = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
    print(json.dumps(plain(value), indent=2, ensure_ascii=ascii_only))


def command_line() -> str:
    """Return the command being run, as a user would type it again."""
    return shlex.join(["hcore", *sys.argv[1:]])


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"hcore {version('heuristic-core')}")
        raise typer.Exit


def version_option(
    _: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """How a fine-tuned transformer generalises, from the subnetworks inside it."""


def run_app(app: typer.Typer) -> None:
    """Run the command line and end with the right exit code."""
    signal.signal(signal.SIGTERM, _as_interrupt)
    _print_anything()
    # Fork warnings of the tokenizers library would break the progress bars.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        with _remarks_as_lines():
            code = app(args=sys.argv[1:] or ["--help"], prog_name="hcore", standalone_mode=False)
    except InputError as error:
        _fail(str(error))
    except _CommandLineError as error:
        _fail(f"{error.format_message()} (try `{_usage(error)} --help`)")  # type: ignore[attr-defined]
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    if code == INTERRUPTED:  # typer also returns it for a Ctrl-C that it caught
        print(
            f"hcore: stopped; what is finished is kept. Go on with: {command_line()}",
            file=sys.stderr,
        )
    sys.exit(code if isinstance(code, int) else 0)


@contextmanager
def _remarks_as_lines() -> Iterator[None]:
    """Print remarks as plain lines on the error stream."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", Remark)
        show = warnings.showwarning

        said: set[str] = set()

        def showing(message: Any, category: type[Warning], *place: Any, **more: Any) -> None:
            if issubclass(category, Remark):
                # A command may load its task several times, and says once what it left out.
                if str(message) not in said:
                    print(f"hcore: note: {message}", file=sys.stderr)
                said.add(str(message))
            else:
                show(message, category, *place, **more)

        warnings.showwarning = showing  # type: ignore[assignment]
        yield


def _print_anything() -> None:
    """Let any text be printed to streams of any encoding, such as that of the locale C."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors="backslashreplace")


def _fail(message: str) -> None:
    print(f"hcore: error: {one_line(message, 1000)}", file=sys.stderr)
    sys.exit(MISTAKE)


def _usage(error: Exception) -> str:
    context = getattr(error, "ctx", None)
    if context is not None:
        return str(context.command_path)
    # Errors of the parser itself do not know the command, which comes first.
    return " ".join(["hcore", *(word for word in sys.argv[1:2] if not word.startswith("-"))])


def _as_interrupt(signum: int, frame: Any) -> None:
    raise KeyboardInterrupt


def _width() -> int:
    try:
        return int(os.environ.get("COLUMNS", _PIPED))
    except ValueError:
        return _PIPED
