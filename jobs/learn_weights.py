"""Learn how much each scorer counts for each kind of user and item, on what the backtest's split hid.

The backtest's weights come from one half of the hidden users, so that the other half can judge them; the lists that are
published use weights learned on both.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from jobs.context import Job, log, run_job
from recsys_spark.contracts import table
from recsys_spark.contracts.spark import spark_schema
from recsys_spark.kernels.grid import Grid
from recsys_spark.rank.candidates import Draw, candidates
from recsys_spark.rank.cells import ScorerNames, layout_of
from recsys_spark.rank.shelves import available, purchased
from recsys_spark.rank.weights import learn

OUTPUTS = ("route_weights",)


def run(job: Job) -> None:
    """Always from the tables of the backtest fold: only there are simulated users and items."""
    fold = job.with_fold("backtest")
    names = _scorers(fold)
    halves = {half: _sample(job, names, half) for half in ("learn", "report")}
    _write(job.with_fold("full"), learn(pa.concat_tables(halves.values()), names.all))
    _write(fold, learn(halves["learn"], names.all))
    log.info("  weights of %d scorers from %d candidates", len(names.all), sum(len(s) for s in halves.values()))


def _scorers(fold: Job) -> ScorerNames:
    layout = layout_of(fold.read("blocks").collect())
    sparse = {row["scorer"] for row in fold.read("boosts").select("scorer").distinct().collect()}
    return ScorerNames.of(layout, set(layout) | sparse)


def _sample(job: Job, names: ScorerNames, half: str) -> pa.Table:
    """Candidates of a bounded number of the half's users."""
    fold, rank, backtest = job.with_fold("backtest"), job.settings.rank, job.settings.backtest
    # An item that nobody ever met cannot be a hidden one: as a negative it would teach only noise.
    met = job.with_fold("full").read("events").select("item_id").distinct()
    users, items = fold.read("user_blocks"), available(fold.read("item_blocks"), fold.read("items"))
    items = items.join(met, on="item_id", how="left_semi")
    size, cores = (rank.users_per_task, rank.items_per_task), job.spark.sparkContext.defaultParallelism
    grid = Grid.of(users.count(), items.count(), *size, cores)
    excluded = purchased(fold.read("interactions")) if rank.discovery_only else None
    truth, draw = fold.read("truth").where(f"half = '{half}'"), Draw(users=backtest.learn_users, seed=backtest.seed)
    job.describe(f"learn_weights: candidates of the {half} half")
    return candidates(users, items, fold.read("boosts"), names, truth, excluded, draw, grid).toArrow()


def _write(job: Job, rows: list[dict[str, object]]) -> None:
    job.write("route_weights", job.spark.createDataFrame(rows, spark_schema(table("route_weights"))))


def main(argv: Sequence[str] | None = None) -> int:
    """Run as a job; see --help."""
    return run_job("learn_weights", __doc__ or "", run, argv)


if __name__ == "__main__":
    raise SystemExit(main())
