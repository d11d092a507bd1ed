"""The ``recsys`` command: one command a job, and a few tools beside them.

Nothing but the command's own module is imported, so that help appears at once and Spark starts only where it works.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence

import typer

from jobs.steps import STEPS, Command

app = typer.Typer(
    name="recsys",
    help="Batch recommendations over a Delta Lake, for new users, new items and everyone else.",
    epilog="recsys COMMAND --help lists the options of a command.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

# The options belong to each job's own parser, which spark-submit and wheel tasks use as well.
FORWARD = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}

TOOLS = {
    "init": "Look at your files and write a first settings file, with each guess explained.",
    "show": "Print a user's or an item's portrait: attributes, habits, history, lists with reason and evidence.",
    "export": "Copy a table of the current release to Parquet, CSV or JSON.",
    "rollback": "Return readers to an earlier release, in one commit.",
    "erase": "Take users out of every table, file and log of the lake, and put that on record without their ids.",
    "vacuum": "Remove files of earlier versions that nothing may still be reading.",
    "doctor": "Print versions, jars, memory and Horovod's state, and what is wrong with its remedy.",
}


def run_module(module: str, argv: Sequence[str]) -> int:
    """Import the module of one command, run its ``main`` and return the exit code."""
    return int(importlib.import_module(module).main(list(argv)))


def tables_of(step: Command) -> str:
    """What ``--help`` says below the options: the tables that go in and come out."""
    of_steps = "every table of the steps above, and one row in claims and in releases"
    writes = of_steps if step.name == "refresh" else ", ".join(step.writes)
    return f"\nreads:  {', '.join(step.reads)}\nwrites: {writes}\n        (docs/tables.md describes every column)"


def _forwarding(module: str, footer: str = "") -> Callable[[typer.Context], None]:
    def command(context: typer.Context) -> None:
        try:
            code = run_module(module, context.args)
        except SystemExit as stopped:  # argparse ends this way, after --help and after a wrong option
            if stopped.code in (0, None) and footer:
                typer.echo(footer)
            raise
        raise typer.Exit(code)

    return command


for _step in STEPS.values():
    app.command(_step.name, help=_step.about, context_settings=FORWARD, rich_help_panel="Jobs")(
        _forwarding(_step.module, tables_of(_step))
    )
for _tool, _about in TOOLS.items():
    app.command(_tool, help=_about, context_settings=FORWARD, rich_help_panel="Tools")(_forwarding(f"jobs.{_tool}"))


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point of ``recsys`` and of wheel tasks.

    Returns after success, because a notebook environment reads even ``SystemExit(0)`` as a failure.

    Raises:
        SystemExit: the command failed; the code is the error's (see ``recsys_spark.errors``).
    """
    try:
        app(args=list(sys.argv[1:] if argv is None else argv), prog_name="recsys")
    except SystemExit as stopped:
        if stopped.code:
            raise


if __name__ == "__main__":
    main()
