"""Make every user's lists, and the audience of every new item, with the weights that the backtest fold taught."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pyspark.sql import DataFrame

from jobs.command import run_job
from jobs.context import Job
from recsys_spark.kernels.grid import Grid
from recsys_spark.kernels.keep import Keep, keeping
from recsys_spark.kernels.together import together
from recsys_spark.rank.audiences import audiences
from recsys_spark.rank.cells import layout_of
from recsys_spark.rank.diversity import is_capped, searched_length, with_caps
from recsys_spark.rank.lists import coverage_gaps, model_version, recommendations
from recsys_spark.rank.pairs import about
from recsys_spark.rank.renewal import shelf_changes, with_arrivals, with_gone, with_lost_boosts
from recsys_spark.rank.shelves import available, purchased, shelf_items
from recsys_spark.rank.topn import TopN
from recsys_spark.rank.variants import Variant

OUTPUTS = ("recommendations", "item_audiences")


def run(job: Job) -> None:
    """Lists and audiences, both from the same blocks and weights.

    An update makes the lists of users who changed, and of those whose lists items have left or might come into, or
    hold an item that lost its boost.
    """
    items, users = job.read("items"), job.read("user_blocks")
    blocks = available(job.read("item_blocks"), items)
    asked = (
        job.read("route_weights"),
        job.read("blocks"),
        blocks.groupBy("item_group").count(),
        users.groupBy().count(),
        job.read("training_log"),
    )
    weights, layout, counts, [(n_users,)], log = together(job.spark, [frame.collect for frame in asked])
    n_items = {row["item_group"]: row["count"] for row in counts}
    learned, version = Variant.from_rows("recsys", weights), model_version(weights, log)
    scoring = Scoring(blocks, job.read("boosts"), layout_of(layout), learned, version)
    together(
        job.spark,
        [
            lambda: _write_lists(job, scoring, job.grid(n_users, sum(n_items.values()))),
            lambda: _write_audiences(job, scoring, job.grid_across(n_items.get("new", 0), n_users)),
        ],
    )


@dataclass(frozen=True)
class Scoring:
    """What scores a user with an item: the items that may be recommended, boosts, layout and weights.

    ``version`` is that of all that was learned.
    """

    blocks: DataFrame
    boosts: DataFrame
    layout: dict[str, tuple[int, int]]
    learned: Variant
    version: str


def _write_lists(job: Job, scoring: Scoring, grid: Grid) -> None:
    job.describe("recommend: lists")
    shelves = shelf_items(job.read("items"), job.read("item_vectors"), job.settings.rank.shelves)
    with keeping() as keep:
        listed = keep(_listed(job, scoring, shelves, grid).select("user_id"))
        found = _lists(job, scoring, shelves, grid, listed, keep)
        before = job.before("recommendations")
        if before is not None:
            found = found.unionByName(before.join(listed, "user_id", "left_anti").select(*found.columns))
        job.write("recommendations", found)


def _write_audiences(job: Job, scoring: Scoring, grid: Grid) -> None:
    job.describe("recommend: audiences of new items")
    users, length = job.read("user_blocks"), job.settings.rank.audience_length
    found = audiences(users, scoring.blocks, scoring.boosts, scoring.layout, scoring.learned, length, grid)
    job.write("item_audiences", found)


def _lists(job: Job, scoring: Scoring, shelves: DataFrame, grid: Grid, listed: DataFrame, keep: Keep) -> DataFrame:
    """The rows of recommendations of the users in ``listed``."""

    def theirs(frame: DataFrame) -> DataFrame:
        return frame if job.base is None else frame.join(listed, "user_id", "left_semi")

    rank, items, met = job.settings.rank, job.read("items"), theirs(job.read("interactions"))
    searched = {shelf.name: (searched_length(shelf), shelf.exclude_purchased) for shelf in rank.shelves}
    boosts = theirs(scoring.boosts)
    if job.base and not job.base.everyone:
        boosts = keep(boosts)  # the search and the reasons read them; those of all others are passed over once
    search = TopN(
        theirs(job.read("user_blocks")),
        scoring.blocks,
        boosts,
        scoring.layout,
        shelves,
        purchased(met),
        [scoring.learned],
        searched,
    )
    top = with_caps(search.ranked(grid), items, rank.shelves)
    source = f"{job.run_id} as of {job.as_of.isoformat() if job.as_of else 'the latest event'}"
    return recommendations(top, theirs(job.read("user_profiles")), items, met, boosts, scoring.version, source)


def _listed(job: Job, scoring: Scoring, shelves: DataFrame, grid: Grid) -> DataFrame:
    """user_id: whose lists this run makes."""
    users, before = job.read("user_blocks"), job.before("recommendations")
    items, vectors = job.before("items"), job.before("item_vectors")
    if before is None or items is None or vectors is None:
        return users
    changed = job.read("changed_users").select("user_id")
    arrived, gone = shelf_changes(shelf_items(items, vectors, job.settings.rank.shelves), shelves)
    if not gone.isEmpty():
        changed = changed.unionByName(with_gone(before, gone))
    boosts = job.before("boosts")
    if boosts is not None and not job.stays("item_vectors"):
        changed = changed.unionByName(with_lost_boosts(before, boosts, scoring.boosts))
    if not arrived.isEmpty():
        if any(is_capped(shelf) for shelf in job.settings.rank.shelves):
            return users  # what an arrival moves down may itself have been held back
        others = users.join(changed, "user_id", "left_anti")
        blocks, boosts = scoring.blocks.join(arrived, "item_id", "left_semi"), about(scoring.boosts, arrived)
        asked = _shelves(job)
        best = {name: (1, exclude) for name, (_, exclude) in asked.items()}
        bought = purchased(job.read("interactions"))
        search = TopN(others, blocks, boosts, scoring.layout, arrived, bought, [scoring.learned], best)
        top = search.ranked(replace(grid, item_shards=job.grid(0, blocks.count()).item_shards))
        lengths = {name: length for name, (length, _) in asked.items()}
        changed = changed.unionByName(with_arrivals(before, top, lengths))
    return changed.distinct()


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
