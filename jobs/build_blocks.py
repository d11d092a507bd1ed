"""Put all scorers of each user and item side by side, and write the sparse boosts.

Reads events, interactions, profiles and item vectors, the features of both, the ALS factors and the tower vectors;
writes blocks, user_blocks, item_blocks and boosts.
"""

from __future__ import annotations

from collections.abc import Sequence

from jobs.command import run_job
from jobs.context import Job
from recsys_spark.blocks.build import Inputs, make_blocks, make_boosts, make_layout, make_targets
from recsys_spark.contracts import table
from recsys_spark.contracts.spark import spark_schema
from recsys_spark.kernels.keep import keeping
from recsys_spark.vectors.describe import pair_mask

OUTPUTS = ("blocks", "user_blocks", "item_blocks", "boosts")
TABLES = ("events", "interactions", "user_profiles", "item_vectors", "user_factors", "item_factors", "tower_vectors")


def run(job: Job) -> None:
    """Fit the maps from attributes, assemble the vectors, write the four tables."""
    settings, inputs = job.settings.blocks, inputs_of(job)
    layout = make_layout(inputs, settings, rank=job.settings.als.rank, deep_width=deep_width(job))
    with keeping() as keep:
        targets = make_targets(inputs, settings, layout, keep)
        users, items = make_blocks(inputs, settings, layout, targets, keep)
        job.write("blocks", job.spark.createDataFrame(layout.rows, spark_schema(table("blocks"))))
        job.write("user_blocks", users)
        job.write("item_blocks", items)
    grid = job.grid(inputs.user_profiles.count(), inputs.item_vectors.count())
    job.write("boosts", make_boosts(inputs, settings, grid, seed=job.settings.backtest.seed))


def inputs_of(job: Job) -> Inputs:
    """The tables of the job's fold that the blocks are made of."""
    return Inputs(
        **{name: job.read(name) for name in TABLES},
        n_user_features=job.read("user_features").count(),
        paired=pair_mask(job.read("item_features")),
    )


def deep_width(job: Job) -> int:
    """Length of the tower vectors; 0 where no deep model is trained."""
    return job.settings.coldstart.width if job.settings.coldstart.enabled else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the step from the command line."""
    return run_job("build_blocks", __doc__, run, argv)


if __name__ == "__main__":
    raise SystemExit(main())
