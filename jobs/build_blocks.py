"""Put all scorers of each user and item side by side, and write the sparse boosts.

Reads events, interactions, profiles and item vectors, the features of both, the ALS factors and the tower vectors;
writes blocks, user_blocks, item_blocks and boosts, and what was learned to make them. An update makes those of changed
users and new items with what the last full refresh learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from pyspark.sql import DataFrame

from jobs.command import run_job
from jobs.context import Job
from recsys_spark.blocks.build import (
    Inputs,
    check_width,
    learn_items,
    learn_spreads,
    learn_tables,
    make_boosts,
    make_calendar,
    make_content_boosts,
    make_item_blocks,
    make_layout,
    make_user_blocks,
    make_user_svd,
)
from recsys_spark.blocks.content import without_new
from recsys_spark.blocks.layout import Layout
from recsys_spark.blocks.learned import TABLES as LEARNED
from recsys_spark.blocks.learned import Learned
from recsys_spark.contracts import table
from recsys_spark.contracts.spark import spark_schema
from recsys_spark.kernels.keep import keeping
from recsys_spark.kernels.together import together
from recsys_spark.vectors.describe import attributes_of, paired_in

OUTPUTS = ("item_blocks", *LEARNED, "blocks", "user_blocks", "boosts")
TABLES = ("events", "interactions", "user_profiles", "item_vectors", "user_factors", "item_factors", "tower_vectors")


def run(job: Job) -> None:
    """Learn of everyone, where this is no update; then the vectors and boosts of those to describe."""
    inputs = inputs_of(job)
    layout, learned = _learn(job, inputs) if job.base is None else _learned_before(job)
    if job.stays("item_vectors"):
        job.leave("item_blocks")
    elif job.base is not None:
        new = replace(inputs, item_vectors=job.new("item_vectors", "item_id"))
        found = make_item_blocks(new, layout, learned.maps.item_blocks, None, None)
        job.write("item_blocks", job.with_new("item_blocks", found))
    theirs = _of_changed(job, inputs)
    together(
        job.spark,
        [
            lambda: _write_user_blocks(job, theirs, layout, learned),
            lambda: _write_boosts(job, inputs, learned, theirs),
        ],
    )


def _learn(job: Job, inputs: Inputs) -> tuple[Layout, Learned]:
    """What was learned of everyone; the items' blocks and the layout are written on the way."""
    settings = job.settings.blocks
    layout = make_layout(inputs, settings, rank=job.settings.als.rank, deep_width=deep_width(job))
    check_width(layout, settings)
    when = make_calendar(inputs, settings, layout)
    with keeping() as keep:
        predicted, items = learn_items(inputs, settings, layout, when, keep)
        job.write("item_blocks", items)
    items, seed = job.read("item_blocks"), job.settings.backtest.seed
    svd = make_user_svd(inputs, items, layout)
    found = learn_tables(inputs, settings, layout, predicted, when, svd, seed=seed)
    kept = together(job.spark, [partial(job.keep_for_updates, name, frame) for name, frame in found.items()])
    learned = Learned.read(dict(zip(found, kept, strict=True)), {})
    spreads = learn_spreads(inputs, layout, learned, svd, items)
    rows = [(name, start, width, spreads[name]) for name, start, width in layout.rows]
    job.write("blocks", job.spark.createDataFrame(rows, spark_schema(table("blocks"))))
    return layout, replace(learned, spreads=spreads)


def _learned_before(job: Job) -> tuple[Layout, Learned]:
    """What the base of an update learned."""
    blocks = job.read("blocks").collect()
    spreads = {row["block"]: row["spread"] for row in blocks}
    return Layout.of_rows(blocks), Learned.read({name: job.read(name) for name in LEARNED}, spreads)


def _of_changed(job: Job, inputs: Inputs) -> Inputs:
    """The inputs with the rows of those users alone whom this run describes."""
    return replace(
        inputs,
        events=job.changed(inputs.events),
        interactions=job.changed(inputs.interactions),
        user_profiles=job.changed(inputs.user_profiles),
        user_factors=job.changed(inputs.user_factors),
    )


def _write_user_blocks(job: Job, theirs: Inputs, layout: Layout, learned: Learned) -> None:
    job.describe("build_blocks: users")
    svd = make_user_svd(theirs, job.read("item_blocks"), layout)
    job.write("user_blocks", job.with_unchanged("user_blocks", make_user_blocks(theirs, layout, learned, svd)))


def _write_boosts(job: Job, inputs: Inputs, learned: Learned, theirs: Inputs) -> None:
    """In an update, the boosts of all others stay as they were, but new items compete for places among the new."""
    job.describe("build_blocks: boosts")
    grid = job.grid(theirs.user_profiles.count(), inputs.item_vectors.count())
    found = make_boosts(theirs, job.settings.blocks, learned, grid)
    boosts = job.before("boosts")
    if job.base is None or boosts is None or job.base.everyone:
        job.write("boosts", found)
    elif job.stays("item_vectors"):
        job.replace_changed("boosts", found)
    else:
        job.write("boosts", found.unionByName(_of_others(job, inputs, learned, job.unchanged(boosts))))


def _of_others(job: Job, inputs: Inputs, learned: Learned, boosts: DataFrame) -> DataFrame:
    """The boosts of unchanged users, where there are items that their base lacks."""
    among = inputs.item_vectors.where("n_events = 0")
    grid = job.grid(inputs.user_profiles.count(), among.count())
    unchanged = replace(inputs, interactions=job.unchanged(inputs.interactions))
    found = make_content_boosts(unchanged, job.settings.blocks, learned.taste, among, grid)
    return boosts if found is None else without_new(boosts).unionByName(found)


def inputs_of(job: Job) -> Inputs:
    """The tables of the job's fold that the blocks are made of."""
    attributes = attributes_of(job.read("item_features"))
    return Inputs(
        **{name: job.read(name) for name in TABLES},
        n_user_features=job.read("user_features").count(),
        attributes=attributes,
        paired=paired_in(attributes),
    )


def deep_width(job: Job) -> int:
    """Length of the tower vectors; 0 where no deep model is trained."""
    return job.settings.coldstart.width if job.settings.coldstart.enabled else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the step from the command line."""
    return run_job("build_blocks", __doc__, run, argv)


if __name__ == "__main__":
    raise SystemExit(main())
