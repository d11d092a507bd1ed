"""Print a user's or an item's portrait from the current release: attributes, habits, history, lists and why."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence

from rich.console import Console

from jobs.backtest_page import page_path
from jobs.command_line import told
from jobs.portrait_tables import item_parts, user_parts
from jobs.reading import Reading, open_release, reading_parser
from recsys_spark.lake.portrait import item_portrait, sample_users, user_portrait


def run(arguments: Namespace, console: Console) -> None:
    """Read the release and print the portrait, or those of a few users and where everything lies."""
    reading = open_release("show", arguments)
    release = reading.release
    console.print(f"release {release.run_id}, events before {release.as_of:%Y-%m-%d %H:%M:%S} UTC", style="dim")
    if arguments.kind == "sample":
        show_sample(reading, arguments.count, console)
    elif arguments.kind == "user":
        user_id = reading.user_id(arguments.id)
        console.print(*user_parts(user_portrait(reading.table, user_id, arguments.count)), sep="\n")
    else:
        console.print(*item_parts(item_portrait(reading.table, arguments.id, arguments.count)), sep="\n")


def show_sample(reading: Reading, count: int, console: Console) -> None:
    """Portraits of a few users, of each state in turn, then where the tables and the report are."""
    for user_id in sample_users(reading.table, count):
        console.print(*user_parts(user_portrait(reading.table, user_id, history=5)), sep="\n")
    console.print("tables:", style="bold")
    for path in reading.paths():
        console.print(f"  {path}", soft_wrap=True, highlight=False)
    console.print(f"report: {page_path(reading.lake.root, None)}", soft_wrap=True, highlight=False)


def arguments_of(argv: Sequence[str] | None) -> Namespace:
    """The command's arguments, checked together."""
    parser = reading_parser("show", __doc__ or "")
    parser.add_argument("kind", choices=("user", "item", "sample"), help="sample: a few users, and the tables' folders")
    parser.add_argument("id", nargs="?", metavar="ID", help="external id of the user or item")
    parser.add_argument("--count", type=int, default=10, help="events, audience or sampled users; default: 10")
    arguments = parser.parse_args(argv)
    if (arguments.kind == "sample") != (arguments.id is None):
        parser.error("recsys show user ID, recsys show item ID, or recsys show sample")
    if arguments.count < 1:
        parser.error(f"--count {arguments.count}: expected at least 1")
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Run as a command."""
    arguments = arguments_of(argv)
    return told(lambda: run(arguments, Console()))


if __name__ == "__main__":
    raise SystemExit(main())
