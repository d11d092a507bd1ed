"""Learn how much each scorer counts for each kind of user and item, on the learning half of the backtest's split."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.context import Job, log, run_job
from recsys_spark.contracts import table
from recsys_spark.contracts.spark import spark_schema
from recsys_spark.rank.candidates import Draw, candidates
from recsys_spark.rank.cells import Grid, ScorerNames, layout_of
from recsys_spark.rank.shelves import available, purchased
from recsys_spark.rank.weights import learn

OUTPUTS = ("route_weights",)


def run(job: Job) -> None:
    """Always on the backtest fold: only there are simulated users and items."""
    fold, settings = job.with_fold("backtest"), job.settings
    user_blocks, boosts = fold.read("user_blocks"), fold.read("boosts")
    # An item that nobody ever met cannot be a hidden one: as a negative it would teach only noise.
    met = job.with_fold("full").read("events").select("item_id").distinct()
    item_blocks = available(fold.read("item_blocks"), fold.read("items")).join(met, on="item_id", how="left_semi")
    layout = layout_of(fold.read("blocks").collect())
    sparse = {row["scorer"] for row in boosts.select("scorer").distinct().collect()}
    names = ScorerNames.of(layout, set(layout) | sparse)
    grid = Grid.of(
        user_blocks.count(),
        item_blocks.count(),
        settings.rank.users_per_task,
        settings.rank.items_per_task,
        job.spark.sparkContext.defaultParallelism,
    )
    excluded = purchased(fold.read("interactions")) if settings.rank.discovery_only else None
    draw = Draw(users=settings.backtest.learn_users, seed=settings.backtest.seed)
    job.describe("learn_weights: candidates of simulated users")
    sample = candidates(user_blocks, item_blocks, boosts, names, fold.read("truth"), excluded, draw, grid)
    rows = learn(sample.toArrow(), names.all)
    log.info("  %d weights from %d scorers", len(rows), len(names.all))
    fold.write("route_weights", job.spark.createDataFrame(rows, spark_schema(table("route_weights"))))


def main(argv: Sequence[str] | None = None) -> int:
    """Run as a job; see --help."""
    return run_job("learn_weights", __doc__ or "", run, argv)


if __name__ == "__main__":
    raise SystemExit(main())
