"""Remove files of earlier versions that are older than lake.retention_hours; releases that need them cannot be read."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence

from jobs.command import with_storage_told
from jobs.command_line import told
from jobs.reading import reading_parser
from recsys_spark.config import load_settings
from recsys_spark.lake import Lake, vacuum
from recsys_spark.session import open_session


def run(arguments: Namespace) -> None:
    """Vacuum every table that readers see at its newest version, and say which ones were left alone."""
    settings = load_settings(arguments.conf, arguments.overrides)
    lake = Lake(open_session(settings.spark, "recsys vacuum"), settings.lake.path)
    done = vacuum(lake, settings.lake.retention_hours, settings.lake.longest_job_hours)
    print(f"vacuumed {sum(done.values())} tables; kept are {settings.lake.retention_hours:g} hours of replaced files")
    for title in (title for title, vacuumed in done.items() if not vacuumed):
        print(f"left alone: {title}; readers see an older version than the newest, until the next release")


def main(argv: Sequence[str] | None = None) -> int:
    """Run as a command."""
    arguments = reading_parser("vacuum", __doc__ or "").parse_args(argv)
    return told(lambda: with_storage_told(lambda: run(arguments)))


if __name__ == "__main__":
    raise SystemExit(main())
