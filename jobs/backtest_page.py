"""The backtest's figures for people: one HTML page, and one table on the terminal."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from jobs.context import Job, log
from recsys_spark.evaluate.report import render
from recsys_spark.evaluate.summary import summary

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
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        if asked:
            raise
        # Nobody asked for the page here, and all that it shows is in the tables: a refresh goes on without it.
        again = f"recsys backtest --run-id {job.run_id} --report PATH"
        log.warning("  no report: %s cannot be written (%s); %s writes it elsewhere", path, error.strerror, again)
    else:
        log.info("  report: %s", path)


def page_path(lake_root: str, asked: str | None) -> Path:
    """What was asked for, else beside the tables of a local lake, else in the working folder.

    >>> page_path("s3a://bucket/lake", None), page_path("file:/x/lake", None)
    (PosixPath('report.html'), PosixPath('/x/lake/report.html'))
    """
    if asked:
        return Path(asked)
    root = lake_root.removeprefix("file://").removeprefix("file:")
    return Path("report.html") if ":/" in root else Path(root) / "report.html"
