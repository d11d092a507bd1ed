"""Make every user's lists, and the audience of every new item, with the weights that the backtest fold taught."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame

from jobs.command import run_job
from jobs.context import Job
from recsys_spark.rank.audiences import audiences
from recsys_spark.rank.cells import layout_of
from recsys_spark.rank.diversity import searched_length, with_caps
from recsys_spark.rank.lists import coverage_gaps, model_version, recommendations
from recsys_spark.rank.shelves import available, purchased, shelf_items
from recsys_spark.rank.topn import top_n
from recsys_spark.rank.variants import Variant

OUTPUTS = ("recommendations", "item_audiences")


def run(job: Job) -> None:
    """Lists first, then audiences, both from the same blocks and weights."""
    rank, items = job.settings.rank, job.read("items")
    users, blocks, boosts = job.read("user_blocks"), available(job.read("item_blocks"), items), job.read("boosts")
    interactions = job.read("interactions")
    weights = job.read("route_weights").collect()
    learned = Variant.from_rows("recsys", weights)
    layout = layout_of(job.read("blocks").collect())
    grid = job.grid(users.count(), blocks.count())
    on_shelves = shelf_items(items, job.read("item_vectors"), rank.shelves)
    bought = purchased(interactions)
    job.describe("recommend: lists")
    searched = {shelf.name: (searched_length(shelf), shelf.exclude_purchased) for shelf in rank.shelves}
    top = top_n(users, blocks, boosts, layout, on_shelves, bought, [learned], searched,
                grid.user_buckets, grid.item_shards)  # fmt: skip
    top = with_caps(top, items, rank.shelves)
    source = f"{job.run_id} as of {job.as_of.isoformat() if job.as_of else 'the latest event'}"
    made_by = model_version(weights, job.read("training_log").collect()), source
    job.write("recommendations",
              recommendations(top, job.read("user_profiles"), items, interactions, boosts, *made_by))  # fmt: skip
    job.describe("recommend: audiences of new items")
    job.write("item_audiences", audiences(users, blocks, boosts, layout, learned, rank.audience_length, grid))


def gaps(job: Job) -> DataFrame:
    """Shelves on which some user has fewer rows than there are candidates for: none, when all is well."""
    on_shelves = shelf_items(job.read("items"), job.read("item_vectors"), job.settings.rank.shelves)
    lists, users, bought = job.read("recommendations"), job.read("user_profiles"), purchased(job.read("interactions"))
    return coverage_gaps(lists, users, on_shelves, bought, _shelves(job)).where("short_users > 0")


def _shelves(job: Job) -> dict[str, tuple[int, bool]]:
    return {shelf.name: (shelf.length, shelf.exclude_purchased) for shelf in job.settings.rank.shelves}


def main(argv: Sequence[str] | None = None) -> int:
    """Run as a job; see --help."""
    return run_job("recommend", __doc__ or "", run, argv)


if __name__ == "__main__":
    raise SystemExit(main())
