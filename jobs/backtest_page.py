"""The backtest's figures for people: one HTML page, and one table on the terminal."""

from __future__ import annotations

from pathlib import Path

from pyspark.sql import SparkSession
from rich.console import Console

from jobs.context import Job, log
from recsys_spark.evaluate.report import render
from recsys_spark.evaluate.summary import summary
from recsys_spark.storage import located

TABLES = ("metrics", "training_log", "data_quality", "route_weights")


def show(job: Job) -> None:
    """Write the page from the tables of the job's fold (backtest), print the summary and say where the page is."""
    tables = {name: [row.asDict() for row in job.read(name).collect()] for name in TABLES}
    meta = {"run": job.run_id, "as of": job.commit.as_of, "settings": job.commit.settings_sha256[:12]}
    page = render(**tables, meta=meta)
    Console().print(summary(tables["metrics"]))
    asked = getattr(job.arguments, "report", None)
    path = page_path(job.lake.root, asked)
    try:
        _write(job.spark, path, page)
    except OSError as error:
        if asked:
            raise
        # Nobody asked for the page here, and all that it shows is in the tables: a refresh goes on without it.
        again = f"recsys backtest --run-id {job.run_id} --report PATH"
        log.warning("  no report: %s cannot be written (%s); %s writes it elsewhere", path, error.strerror, again)
    else:
        log.info("  report: %s", path)


def page_path(lake_root: str, asked: str | None) -> str:
    """What was asked for, else beside the tables of a local lake, else in the working folder: a local path or a URI.

    >>> page_path("s3a://bucket/lake", None), page_path("file:/x/lake", None)
    ('report.html', '/x/lake/report.html')
    >>> page_path("/x/lake", "s3a://bucket/page.html"), page_path("/x/lake", "file:///y/page.html")
    ('s3a://bucket/page.html', '/y/page.html')
    """
    if asked:
        return _without_file(asked)
    root = _without_file(lake_root)
    return "report.html" if _has_scheme(root) else str(Path(root) / "report.html")


def _write(spark: SparkSession, path: str, page: str) -> None:
    """Write the page in the place of what is there, and the folders above it."""
    if not _has_scheme(path):
        local = Path(path)
        local.parent.mkdir(parents=True, exist_ok=True)
        local.write_text(page, encoding="utf-8")
        return
    files, place = located(spark, path)
    stream = files.create(place, True)
    try:
        stream.write(bytearray(page, "utf-8"))
    finally:
        stream.close()


def _without_file(uri: str) -> str:
    return uri.removeprefix("file://").removeprefix("file:")


def _has_scheme(path: str) -> bool:
    return ":/" in path
