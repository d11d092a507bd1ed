"""Judge the lists on what the split hid, beside the baselines; write the metrics and one HTML page.

Run by itself it first makes the tables of the backtest where they are missing.
"""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence

from pyspark.sql import DataFrame

from jobs.backtest_page import show
from jobs.context import Job, run_job
from jobs.pipeline import BACKTEST, Step, run_steps
from recsys_spark.evaluate import comparison, metrics
from recsys_spark.rank.cells import layout_of
from recsys_spark.rank.shelves import purchased
from recsys_spark.rank.topn import top_n
from recsys_spark.rank.variants import Variant

OUTPUTS = ("metrics",)


def run(job: Job) -> None:
    """Lists for the users of the report half under every contender, their metrics, the page."""
    fold, backtest = job.with_fold("backtest"), job.settings.backtest
    truth, interactions = fold.read("truth").where("half = 'report'").persist(), fold.read("interactions")
    candidates = comparison.candidate_items(fold.read("item_blocks"), job.with_fold("full").read("events")).persist()
    n_candidates = comparison.candidates_by_slice(candidates)
    job.describe("backtest: lists of every contender")
    lists = comparison.judged_lists(_lists(fold, truth, candidates), truth).persist()
    measured = metrics.measure(
        lists,
        truth,
        fold.read("item_vectors").select("item_id", "n_users"),
        metrics.interaction_buckets(truth, interactions),
        k=backtest.k,
        n_candidates=n_candidates,
        n_users=interactions.select("user_id").distinct().count(),
        bootstrap=backtest.bootstrap,
        seed=backtest.seed,
    )
    full_lists = comparison.full_lists(lists, truth, backtest.k, n_candidates)
    fold.write("metrics", measured.unionByName(full_lists))
    show(fold)
    for frame in (lists, candidates, truth):
        frame.unpersist()


def _lists(fold: Job, truth: DataFrame, candidates: DataFrame) -> DataFrame:
    """The best k of both item groups for each user of the truth, under every contender."""
    settings, users = fold.settings, truth.select("user_id").distinct()
    discovery, grid = settings.rank.discovery_only, fold.grid(users.count(), candidates.count())
    contenders = comparison.contenders(row.asDict() for row in fold.read("route_weights").collect())
    return top_n(
        fold.read("user_blocks").join(users, "user_id", "left_semi"),
        fold.read("item_blocks"),
        fold.read("boosts"),
        layout_of(fold.read("blocks").collect()),
        candidates,
        purchased(fold.read("interactions")) if discovery else None,
        [Variant.from_rows(name, rows) for name, rows in contenders.items()],
        {"established": (settings.backtest.k, discovery), "new": (settings.backtest.k, False)},
        grid.user_buckets,
        grid.item_shards,
    )


def _with_missing_steps(job: Job) -> None:
    if not job.lake.with_fold("backtest").exists("route_weights"):
        job = run_steps(job, (Step("ingest", "full"), *BACKTEST))
    fold = job.with_fold("backtest")
    if fold.finished(OUTPUTS):
        show(fold)
    else:
        run(job)


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--report", metavar="PATH", help="where the HTML page goes; default: report.html in the lake")


def main(argv: Sequence[str] | None = None) -> int:
    """Run as a job; see --help."""
    return run_job("backtest", __doc__, _with_missing_steps, argv, _add_arguments)


if __name__ == "__main__":
    raise SystemExit(main())
