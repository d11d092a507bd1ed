"""Learn how much each scorer counts for each kind of user and item, on what the backtest's split hid.

The backtest's weights come from one half of the hidden users, so that the other half can judge them; the lists that are
published use weights learned on both.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql.functions import lit

from jobs.command import run_job
from jobs.context import Job, log
from recsys_spark.blocks.as_new import PARTS, as_new, part_of
from recsys_spark.contracts import table
from recsys_spark.contracts.spark import spark_schema
from recsys_spark.kernels.arrow import list_column
from recsys_spark.kernels.keep import keeping
from recsys_spark.rank.candidates import Draw, asked_users, candidates, candidates_here, item_hash
from recsys_spark.rank.cells import ScorerNames, layout_of
from recsys_spark.rank.shelves import available, purchased
from recsys_spark.rank.weights import learn
from recsys_spark.vectors.describe import attributes_of, paired_in

OUTPUTS = ("route_weights",)


def run(job: Job) -> None:
    """Always from the tables of the backtest fold: only there are simulated users and items."""
    fold = job.with_fold("backtest")
    layout = layout_of(fold.read("blocks").collect())
    sparse = {row["scorer"] for row in fold.read("boosts").select("scorer").distinct().collect()}
    names = ScorerNames.of(layout, set(layout) | sparse)
    sample = _sample(fold, names, _stand_ins(fold, layout))
    _write(job.with_fold("full"), learn(sample, names.all))
    _write(fold, learn(sample.filter(pc.equal(sample["half"], "learn")), names.all))
    log.info("  weights of %d scorers from %d candidates", len(names.all), len(sample))


def _met_items(fold: Job) -> DataFrame:
    """Blocks of the items on sale that anybody ever met; any other cannot be hidden and would teach only noise."""
    met = fold.with_fold("full").read("events").select("item_id").distinct()
    items = available(fold.read("item_blocks"), fold.read("items"))
    return items.join(met, on="item_id", how="left_semi")


def _sample(fold: Job, names: ScorerNames, stand_ins: pa.Table) -> pa.Table:
    """Candidates of a bounded number of users, among hidden and held-out items and among stand-ins for new ones."""
    backtest, users, boosts = fold.settings.backtest, fold.read("user_blocks"), fold.read("boosts")
    excluded = purchased(fold.read("interactions")) if fold.settings.rank.discovery_only else None
    truth, items = fold.read("truth"), _met_items(fold)
    draw = Draw(users=backtest.learn_users, seed=backtest.seed)
    fold.describe("learn_weights: candidates")
    with keeping() as keep:
        asked = asked_users(users, items, boosts, names, truth, excluded, draw, keep)
        drawn = asked.users.count()  # a bounded number: by that of all, items would travel to far more tasks
        hidden = candidates(asked, items, names, draw, fold.grid(drawn, items.count())).toArrow()
        as_if_new = items.select("item_id", lit("new").alias("item_group"))
        cold = truth.where("slice = 'cold_user'")
        strangers = asked_users(users, as_if_new, boosts, names, cold, None, draw, keep)
        who, theirs = strangers.users.toArrow(), strangers.pairs.toArrow()
    part = part_of(stand_ins["item_id"])
    parts = [stand_ins.filter(pa.array(part == n)) for n in range(PARTS)]
    among = [_as_others(candidates_here(who, theirs, some, names, draw), n) for n, some in enumerate(parts)]
    return pa.concat_tables([hidden, *among])


def _stand_ins(fold: Job, layout: dict[str, tuple[int, int]]) -> pa.Table:
    """Known items as if they were new, from a bounded sample of them."""
    blocks = fold.settings.blocks
    known = fold.read("item_vectors").where("n_users > 0").select("item_id", "feature_idx", "n_users", "popularity")
    vectors = available(fold.read("item_blocks"), fold.read("items")).select("item_id", "vector")
    found = known.join(vectors, on="item_id", how="inner").select("*", item_hash())
    items = found.orderBy("hash", "item_id").limit(blocks.map_sample).toArrow()
    paired = paired_in(attributes_of(fold.read("item_features")))
    vectors_as_new = list_column(as_new(items, layout, paired, blocks))
    group = pa.array(["new"] * items.num_rows, pa.string())
    return items.select(["item_id", "hash"]).append_column("vector", vectors_as_new).append_column("item_group", group)


def _as_others(found: pa.Table, part: int) -> pa.Table:
    """Candidates among one part of the stand-ins; a user is another one in each part."""
    renamed = pc.binary_join_element_wise(pa.scalar(f"part {part}"), found["user_id"], " ")
    return found.set_column(found.schema.get_field_index("user_id"), "user_id", renamed)


def _write(job: Job, rows: list[dict[str, object]]) -> None:
    job.write("route_weights", job.spark.createDataFrame(rows, spark_schema(table("route_weights"))))


def main(argv: Sequence[str] | None = None) -> int:
    """Run as a job; see --help."""
    return run_job("learn_weights", __doc__ or "", run, argv)


if __name__ == "__main__":
    raise SystemExit(main())
