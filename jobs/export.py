"""Copy a table of the current release to Parquet, CSV or JSON, for tools that know no Delta."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence

from jobs.command import with_storage_told
from jobs.command_line import told
from jobs.reading import open_release, reading_parser
from recsys_spark.contracts import ALL_TABLES
from recsys_spark.lake.export import FORMATS, write_files

ABOUT_RELEASES = ("claims", "erasures", "releases")
"""Tables that say what was done to the lake; no release has versions of them."""


def run(arguments: Namespace) -> None:
    """Read the table at the release's version and write it."""
    out = arguments.out or f"out/{arguments.table}.{arguments.format}"
    reading = open_release("export", arguments)
    name = arguments.table if arguments.fold == "full" else f"{arguments.fold}/{arguments.table}"
    write_files(reading.table(name), arguments.format, out)
    print(f"{name} of release {reading.release.run_id}: {out}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run as a command."""
    parser = reading_parser("export", __doc__ or "")
    tables = sorted(set(ALL_TABLES) - set(ABOUT_RELEASES))
    parser.add_argument("table", choices=tables, metavar="TABLE", help="a table of docs/tables.md that releases hold")
    parser.add_argument("--format", choices=FORMATS, default="parquet", help="default: parquet")
    parser.add_argument("--out", help="folder to write, read by pandas and Spark as one; default: out/TABLE.FORMAT")
    parser.add_argument("--fold", choices=("full", "backtest"), default="full", help="default: full")
    arguments = parser.parse_args(argv)
    return told(lambda: with_storage_told(lambda: run(arguments)))


if __name__ == "__main__":
    raise SystemExit(main())
