"""Print versions, jars, memory and Horovod's state, and what is wrong with its remedy. Exit code 8 if anything is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from jobs import checks
from jobs.checks import Check
from jobs.command_line import settings_parser
from recsys_spark.errors import PrerequisiteError


def examine(conf: str, overrides: Sequence[str], constraints: Path) -> list[Check]:
    """All checks, from the machine to the settings."""
    return [
        checks.python_check(),
        checks.java_check(),
        checks.cores_check(),
        checks.blas_check(),
        checks.memory_check(),
        *checks.package_checks(),
        checks.pins_check(constraints),
        checks.jars_check(),
        checks.horovod_check(),
        *checks.settings_checks(conf, overrides),
    ]


def report(found: Sequence[Check], console: Console) -> int:
    """Print the checks and return the exit code."""
    table = Table("", "what", "found", "remedy")
    for check in found:
        mark = Text("wrong", style="red") if check.remedy else Text("ok", style="green")
        table.add_row(mark, check.name, Text(check.found), Text(check.remedy))
    console.print(table, soft_wrap=False)
    wrong = [check.name for check in found if check.remedy]
    console.print(f"wrong: {', '.join(wrong)}" if wrong else "nothing is wrong")
    return PrerequisiteError.exit_code if wrong else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run as a command."""
    parser = settings_parser("doctor", __doc__, "settings file to check", "override one setting")
    parser.add_argument("--constraints", type=Path, default=Path("constraints.txt"), help="default: constraints.txt")
    arguments = parser.parse_args(argv)
    return report(examine(arguments.conf, arguments.overrides, arguments.constraints), Console())


if __name__ == "__main__":
    raise SystemExit(main())
