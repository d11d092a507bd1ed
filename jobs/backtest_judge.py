"""Lists for the users that the split set aside for the report, and what they are worth."""

from __future__ import annotations

from collections.abc import Collection

from pyspark.sql import DataFrame

from jobs.context import Job
from recsys_spark.evaluate import comparison, metrics
from recsys_spark.rank.cells import layout_of
from recsys_spark.rank.shelves import purchased
from recsys_spark.rank.topn import TopN
from recsys_spark.rank.variants import Variant

PLACES = 200
"""Places of lists without evidence that count as a user of rank.users_per_task. They take as much room as the thirty of
three shelves with evidence do: 40 to 50 bytes each, mostly the id, where evidence of eight scorers adds 200."""


def judge(job: Job, models: Collection[str] | None = None) -> None:
    """Lists for the users of the report half and their metrics, under the named contenders or all."""
    fold, backtest = job.with_fold("backtest"), job.settings.backtest
    truth, interactions = fold.read("truth").where("half = 'report'").persist(), fold.read("interactions")
    candidates = comparison.candidate_items(fold.read("item_blocks"), job.with_fold("full").read("events")).persist()
    n_candidates = comparison.candidates_by_slice(candidates)
    job.describe("backtest: lists of every contender")
    lists = comparison.judged_lists(_lists(fold, truth, candidates, models), truth).persist()
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
    for frame in (lists, candidates, truth):
        frame.unpersist()


def _lists(fold: Job, truth: DataFrame, candidates: DataFrame, models: Collection[str] | None) -> DataFrame:
    """The best k of both item groups for each user of the truth, under each contender."""
    settings, users = fold.settings, truth.select("user_id").distinct()

    def theirs(frame: DataFrame) -> DataFrame:
        return frame.join(users, "user_id", "left_semi")

    discovery = settings.rank.discovery_only
    contenders = comparison.contenders(row.asDict() for row in fold.read("route_weights").collect())
    variants = [Variant.from_rows(name, rows) for name, rows in contenders.items() if models is None or name in models]
    search = TopN(
        theirs(fold.read("user_blocks")),
        fold.read("item_blocks"),
        theirs(fold.read("boosts")),
        layout_of(fold.read("blocks").collect()),
        candidates,
        theirs(purchased(fold.read("interactions"))) if discovery else None,
        variants,
        {"established": (settings.backtest.k, discovery), "new": (settings.backtest.k, False)},
        evidence=False,
    )
    # A task holds its users' lists under all contenders.
    places = len(variants) * sum(length for length, _ in search.shelves.values())
    return search.ranked(fold.grid(-(-users.count() * max(places, PLACES) // PLACES), candidates.count()))
