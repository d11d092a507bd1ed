"""What every command has on its command line, and how each ends on an error that a user can act on."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from recsys_spark.errors import RecsysError


def settings_parser(name: str, about: str | None, conf: str, override: str) -> argparse.ArgumentParser:
    """A parser with --conf and --set.

    Args:
        name: of the command, behind ``recsys``.
        about: its description.
        conf: help of --conf.
        override: help of --set, which may be repeated.
    """
    arguments = argparse.ArgumentParser(prog=f"recsys {name}", description=about)
    arguments.add_argument("--conf", default="conf/demo.yaml", help=conf)
    arguments.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help=f"{override}; may be repeated",
    )
    return arguments


def told(work: Callable[[], None]) -> int:
    """Do the work; an error that a user can act on becomes one message and its exit code."""
    try:
        work()
    except RecsysError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0
