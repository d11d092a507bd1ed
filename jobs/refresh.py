"""Run all steps in order, audit what they made, and publish it as one release.

A full refresh learns everything anew. Where refresh.full_every_days allows it, a refresh is an update: it describes and
scores the users and items that changed since the current release, with what the last full refresh learned.

A refresh that was stopped resumes after its last finished step when it is run again with the same --run-id. Readers see
the last published release until the new one is complete.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from jobs.audit import audit
from jobs.base import MODES, with_base
from jobs.command import run_job
from jobs.context import Job, log
from jobs.pipeline import REFRESH, UPDATE, require_same_start, run_steps
from jobs.train_coldstart import clear, require_launcher
from recsys_spark.coldstart.launch import kept_epoch
from recsys_spark.config.load import require_source, settings_json
from recsys_spark.contracts import ALL_TABLES, table
from recsys_spark.contracts.spark import spark_schema
from recsys_spark.evaluate.audit import headline
from recsys_spark.lake import Release, publish, refuse, require_not_ended, title_of
from recsys_spark.rank.shelves import shelf_items

OUTPUTS = ("releases",)


def run(job: Job) -> None:
    """All steps, the audit, and one row in releases."""
    require_source(job.settings)
    job = job.with_fold("full")
    if job.finished(OUTPUTS):
        require_same_start(job, reads_source=False)
        log.info("run %s was published before; nothing to do", job.run_id)
        return
    job = with_base(job)
    _require_shelves(job)
    require_launcher(job)
    job = run_steps(job, UPDATE if job.base else REFRESH)
    for fold in ("full", "backtest") if job.settings.coldstart.enabled else ():
        clear(job.with_fold(fold))  # a training that was stopped behind its last commit has left its files
    release = _release(job)
    found = audit(job)
    job.require_claim()
    if found:
        refuse(job.lake, release, job.commit, found)
    require_not_ended(job.lake, job.run_id)
    publish(job.lake, release, job.commit)
    log.info("published release %s as of %s", job.run_id, job.commit.as_of)


def _require_shelves(job: Job) -> None:
    """A filter that is no condition is told before the first step; the last one is the first to use it."""
    items, item_vectors = (job.spark.createDataFrame([], spark_schema(table(n))) for n in ("items", "item_vectors"))
    shelf_items(items, item_vectors, job.settings.rank.shelves)


def _release(job: Job) -> Release:
    trained = job.read("training_log").collect()
    return Release(
        run_id=job.run_id,
        as_of=job.cutoff,
        state="",
        detail="",
        tables=_versions(job),
        model_sha256=kept_epoch(trained)["weights_sha256"] if trained else "",
        settings_sha256=job.commit.settings_sha256,
        settings=settings_json(job.settings),
        metrics=headline(job.with_fold("backtest").read("metrics"), job.settings.backtest.k),
    )


def _versions(job: Job) -> dict[str, int]:
    """Version of each table as this run committed it, else as its base has it; an update writes the full fold alone."""
    versions = dict(job.base.release.tables) if job.base else {}
    for fold in ("full",) if job.base else ("full", "backtest"):
        folded = job.with_fold(fold)
        for name in folded.outputs(list(ALL_TABLES)):
            if name not in OUTPUTS and folded.finished([name]):
                versions[title_of(fold, name)] = folded.versions[(fold, name)]
    return versions


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--mode",
        choices=MODES,
        default="auto",
        help="auto: an update where refresh.full_every_days allows it; full: learn everything anew; update: what "
        "changed since the current release; rescore: everyone, with what the last full refresh learned",
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the refresh from the command line."""
    return run_job("refresh", __doc__, run, argv, _arguments)


if __name__ == "__main__":
    raise SystemExit(main())
