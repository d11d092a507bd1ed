"""Look at your files and write a first settings file, with each guess explained in it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from jobs.command import with_storage_told
from jobs.command_line import told
from recsys_spark.config import load_settings
from recsys_spark.config.running import SparkSettings
from recsys_spark.errors import SettingsError
from recsys_spark.session import open_session
from recsys_spark.sources.guess import guess_settings


def parser() -> argparse.ArgumentParser:
    """The arguments of ``recsys init``."""
    arguments = argparse.ArgumentParser(prog="recsys init", description=__doc__)
    arguments.add_argument("--events", required=True, help="file, folder or glob: Parquet, CSV, JSON lines or Delta")
    arguments.add_argument("--users", help="the same for users; without it, users are the ids of the events")
    arguments.add_argument("--items", help="the same for items; without it, items are the ids of the events")
    arguments.add_argument("--lake", default="lake/shop", help="where the tables will be (default: %(default)s)")
    arguments.add_argument("--out", type=Path, default=Path("conf/shop.yaml"), help="file to write; never overwritten")
    return arguments


def run(arguments: argparse.Namespace) -> None:
    """Write the settings file and read it back, so that what is written is known to load."""
    if arguments.out.exists():
        raise SettingsError(f"{arguments.out} is there already; remove it, or name another file with --out")
    spark = open_session(SparkSettings(driver_memory="1g"), "recsys init")
    text = guess_settings(spark, arguments.events, arguments.users, arguments.items, arguments.lake)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(text, encoding="utf-8")
    load_settings(arguments.out)
    print(f"wrote {arguments.out}; read its comments, then run: recsys refresh --conf {arguments.out}")


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of ``recsys init``."""
    arguments = parser().parse_args(argv)
    return told(lambda: with_storage_told(lambda: run(arguments)))


if __name__ == "__main__":
    raise SystemExit(main())
