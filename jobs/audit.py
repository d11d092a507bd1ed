"""Whether a refresh is fit to be published: its lists by themselves, and beside the release that it follows."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import DataFrame

from jobs.context import Job, log
from jobs.recommend import gaps
from recsys_spark.errors import NotFoundError
from recsys_spark.evaluate.audit import COUNTED, falls, findings, headline
from recsys_spark.kernels.together import together
from recsys_spark.lake import Release, release_before


def audit(job: Job) -> list[str]:
    """Everything that speaks against publishing, in words; runs Spark jobs."""
    job.describe("audit")
    own, beside = together(
        job.spark,
        [lambda: findings(job.read("recommendations"), job.read("item_audiences"), gaps(job)), lambda: _falls(job)],
    )
    return [*own, *beside]


def _falls(job: Job) -> list[str]:
    """How far this refresh falls behind the release that it follows, where that is more than the settings allow."""
    before, allowed = release_before(job.lake, job.cutoff), job.settings.audit
    if before is None:
        return []
    rows = _counted(job, {name: job.read(name) for name in COUNTED})
    reached = headline(job.with_fold("backtest").read("metrics"), job.settings.backtest.k, at_best=True)
    return [
        *falls("rows", rows, _rows(job, before), allowed.max_row_fall, "audit.max_row_fall"),
        *falls("metric", reached, before.metrics, allowed.max_metric_fall, "audit.max_metric_fall"),
    ]


def _counted(job: Job, tables: Mapping[str, DataFrame]) -> dict[str, int]:
    return dict(zip(tables, together(job.spark, [frame.count for frame in tables.values()]), strict=True))


def _rows(job: Job, release: Release) -> dict[str, int]:
    """Rows of a release's tables; one whose tables are gone has nothing to compare with."""
    try:
        return _counted(job, {name: release.read(job.lake, name) for name in COUNTED if name in release.tables})
    except NotFoundError as error:
        log.warning("  rows are not compared with release %s: %s", release.run_id, error)
        return {}
