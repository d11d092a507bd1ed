"""Return readers to an earlier release: the releases above it are withdrawn in one commit, their tables stay.

A release that was withdrawn stays so. The next refresh, under a run id of its own, is published as usual.
"""

from __future__ import annotations

import uuid
from argparse import Namespace
from collections.abc import Sequence

from jobs.command import with_storage_told
from jobs.command_line import told
from jobs.reading import open_release, reading_parser
from recsys_spark.lake import Commit, roll_back


def run(arguments: Namespace) -> None:
    """Withdraw what stands above the asked release and say what readers see now."""
    reading = open_release("rollback", arguments)
    before = reading.release
    commit = Commit(f"rollback-{uuid.uuid4()}", "full", before.as_of.isoformat(), before.settings_sha256)
    target = roll_back(reading.lake, arguments.to, commit)
    print(f"release {target.run_id} as of {target.as_of.isoformat()} is current again; before it was {before.run_id}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run as a command."""
    parser = reading_parser("rollback", __doc__ or "")
    parser.add_argument("--to", metavar="RUN_ID", help="release to return to; default: the one below the current one")
    arguments = parser.parse_args(argv)
    return told(lambda: with_storage_told(lambda: run(arguments)))


if __name__ == "__main__":
    raise SystemExit(main())
