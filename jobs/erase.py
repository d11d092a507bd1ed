"""Erase the users that a file lists, one id per line: from every table and file of the lake, and from Delta's log.

Let no other job run on the lake meanwhile. Run it again with the same --run-id if it was stopped. With a key in
privacy.pseudonym_key later refreshes leave these users out even if the source still has them; without one, erase them
at the source first, or the next refresh brings them back. --as-of is put on record as the time of the request.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import replace

from jobs.command import run_job
from jobs.context import Job, log
from jobs.hiding import keys_of_lake, mark_of_lake
from jobs.train_coldstart import drop_models
from recsys_spark.events.pseudonyms import digests_of, forms_of
from recsys_spark.lake import Request, erase
from recsys_spark.sources.ids import read_ids

OUTPUTS = ("erasures",)


def run(job: Job) -> None:
    """Erase, and tell how many rows went from which table."""
    keys = keys_of_lake(job.lake, job.settings.privacy)
    users = read_ids(job.spark, job.arguments.user_ids)
    request = Request(forms_of(users, keys), digests_of(users, keys), users.count(), job.arguments.as_of)
    # The log entries go that say which key made the ids.
    commit = replace(job.commit, key_mark=mark_of_lake(job.lake))
    erased = erase(job.lake, request, commit)
    # Not before: an erasure that is refused leaves trainings that were stopped as they are.
    drop_models(job.lake)  # checkpoints, and vectors by user
    job.lake.drop_trials()  # copies of users that nothing needs
    for name, rows in sorted(erased.items()):
        log.info("  %s: %d rows erased", name, rows)
    if not keys:
        log.warning("  no privacy.pseudonym_key is set: erase these users at the source too, or they come back")


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--user-ids", required=True, metavar="FILE", help="text file with one user id per line")


def main(argv: Sequence[str] | None = None) -> int:
    """Run as a command."""
    return run_job("erase", __doc__, run, argv, _add_arguments)


if __name__ == "__main__":
    raise SystemExit(main())
