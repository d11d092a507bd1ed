"""Events into the figures of user profiles and item vectors: the rooms' functions, against a groupBy a feature.

Both sides sum strengths by user and item once; ours writes them as the table interactions, the baseline caches them.
Then both compute the same figures, the baseline each by a grouping of its own. What is no aggregate of events is left
out on both sides: positions, encoded attributes, text and session vectors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import numpy as np
import pandas as pd
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from benchmarks.harness import Benchmark, Work
from benchmarks.session import local_session
from recsys_spark.config.describing import ProfileSettings
from recsys_spark.config.source import SyntheticSource
from recsys_spark.contracts import table
from recsys_spark.profiles.habits import habits
from recsys_spark.profiles.interactions import interactions
from recsys_spark.sources.catalogue import END
from recsys_spark.sources.synthetic import make_shop
from recsys_spark.vectors.item_vectors import demand

EVENTS_PER_USER = 30.0
SETTINGS = ProfileSettings()
USER_NUMBERS = (
    "n_events",
    "n_purchases",
    "n_sessions",
    "recency_days",
    "spend",
    "dwell_seconds",
    "n_items",
    "price_log_mean",
    "price_log_std",
)
USER_MAPS = ("platform_shares", "category_shares", "brand_shares", "query_terms")
ITEM_NUMBERS = ("n_events", "n_users", "popularity")
TOLERANCE = 1e-5
"""Profiles are rounded to nine digits, standard deviations to six places."""


@dataclass(frozen=True)
class Size:
    """How many users and items the made-up shop has."""

    users: int
    items: int


def prepare(size: Size, data: Path) -> None:
    """The shop's raw tables with the contract's columns; they are clean, so they need no ingest.

    Events lie in the order that ingest leaves them in, which finds those of one event_id: no user's lie together.
    """
    source = SyntheticSource(users=size.users, items=size.items, events_per_user=EVENTS_PER_USER)
    raw = make_shop(local_session(), source)
    number = F.monotonically_increasing_id().cast("string")
    for name, frame in (("users", raw.users), ("items", raw.items), ("events", raw.events)):
        kept = frame.withColumn("event_id", number).repartition("event_id") if name == "events" else frame
        kept.select(*table(name).columns).write.parquet(str(data / name))


def ours(size: Size, data: Path, out: Path) -> Work:
    """Interactions, then habits and demand, as build_profiles and build_item_vectors make them."""
    spark = local_session()
    events, users, items = (spark.read.parquet(str(data / name)) for name in ("events", "users", "items"))

    def work() -> None:
        summed = interactions(
            events,
            END,
            event_weights=SETTINGS.event_weights,
            default_event_weight=SETTINGS.default_event_weight,
            dwell_weight=SETTINGS.dwell_weight,
            half_life_days=SETTINGS.half_life_days,
        )
        summed.write.parquet(str(out / "interactions"))
        met = spark.read.parquet(str(out / "interactions"))
        did = habits(events, met, items, END, SETTINGS.half_life_days)
        _joined(users.select("user_id"), [did]).write.parquet(str(out / "user_profiles"))
        met_by = demand(met, END, SETTINGS.half_life_days)
        _joined(items.select("item_id"), [met_by]).write.parquet(str(out / "item_vectors"))

    return work


def by_feature(size: Size, data: Path, out: Path) -> Work:
    """One grouping a feature, joined to the ids in the end."""
    spark = local_session()
    events, users, items = (spark.read.parquet(str(data / name)) for name in ("events", "users", "items"))

    def work() -> None:
        met = events.where(F.col("item_id").isNotNull()).select("*", _strength().alias("strength"))
        pairs = met.groupBy("user_id", "item_id").agg(F.sum("strength").alias("strength")).cache()
        per_user = [*_activity(events), *_taste(pairs, items), _query_terms(events)]
        _joined(users.select("user_id"), per_user).write.parquet(str(out / "user_profiles"))
        _joined(items.select("item_id"), _demand(met)).write.parquet(str(out / "item_vectors"))

    return work


def check(size: Size, data: Path, outs: Mapping[str, Path]) -> str:
    """Every figure of every user and item agrees."""
    differences = {}
    for name, key, numbers, maps in (
        ("user_profiles", "user_id", USER_NUMBERS, USER_MAPS),
        ("item_vectors", "item_id", ITEM_NUMBERS, ()),
    ):
        ours, theirs = (
            pd.read_parquet(outs[side] / name, columns=[key, *numbers, *maps]).set_index(key).sort_index()
            for side in ("ours", "by_feature")
        )
        assert ours.index.equals(theirs.index), f"{name}: {len(ours)} and {len(theirs)} rows with other ids"
        for column in numbers:
            left, right = (frame[column].fillna(0.0).to_numpy(float) for frame in (ours, theirs))
            differences[column] = float((np.abs(left - right) / np.maximum(1.0, np.abs(right))).max())
        for column in maps:
            differences[column] = max(map(_difference, ours[column], theirs[column]))
    worst = max(differences, key=lambda column: differences[column])
    assert differences[worst] <= TOLERANCE, f"{worst} differs by {differences[worst]:.2e}, expected {TOLERANCE:g}"
    return f"largest difference {differences[worst]:.1e} ({worst})"


def _difference(left: list | None, right: list | None) -> float:
    """Of two maps, as Parquet gives them; 1 where their keys differ."""
    ours, theirs = dict(left if left is not None else ()), dict(right if right is not None else ())
    return max((abs(ours[key] - theirs[key]) for key in ours), default=0.0) if ours.keys() == theirs.keys() else 1.0


def _joined(ids: DataFrame, features: list[DataFrame]) -> DataFrame:
    return reduce(lambda left, right: left.join(right, left.columns[0], "left"), features, ids)


def _strength() -> Column:
    weights = [F.when(F.col("event_type") == name, weight) for name, weight in SETTINGS.event_weights.items()]
    weight = F.coalesce(*weights, F.lit(SETTINGS.default_event_weight))
    dwell = 1 + SETTINGS.dwell_weight * F.log1p(F.coalesce("dwell_seconds", F.lit(0.0)) / 30)
    amount = F.least(F.log2(1 + F.greatest(F.col("quantity"), F.lit(1.0))), F.lit(3.0))
    return weight * F.when(F.col("event_type") == "view", dwell).otherwise(1.0) * amount * _decay("ts")


def _age(ts: str) -> Column:
    return F.greatest((F.lit(END.timestamp()) - F.col(ts).cast("double")) / 86_400, F.lit(0.0))


def _decay(ts: str) -> Column:
    return F.pow(F.lit(0.5), _age(ts) / SETTINGS.half_life_days)


def _activity(events: DataFrame) -> list[DataFrame]:
    bought = events.where("event_type = 'purchase'")
    session = F.coalesce("session_id", F.to_date("ts").cast("string"))
    platforms = events.where("platform IS NOT NULL").groupBy("user_id", F.col("platform").alias("name"))
    return [
        events.groupBy("user_id").agg(F.count("*").alias("n_events")),
        bought.groupBy("user_id").agg(F.count("*").alias("n_purchases")),
        events.groupBy("user_id").agg(F.count_distinct(session).alias("n_sessions")),
        events.groupBy("user_id").agg(F.max("ts").alias("last")).select("user_id", _age("last").alias("recency_days")),
        bought.groupBy("user_id").agg(F.sum(F.col("quantity") * F.col("price")).alias("spend")),
        events.groupBy("user_id").agg(F.sum("dwell_seconds").alias("dwell_seconds")),
        _largest(platforms.agg(F.count("*").alias("weight")), 20, "platform_shares", share=True),
    ]


def _taste(pairs: DataFrame, items: DataFrame) -> list[DataFrame]:
    category = F.element_at("category_path", -1).alias("category")
    described = pairs.join(items.select("item_id", category, "brand", F.log1p("price").alias("price")), "item_id")
    shares = []
    for kind in ("category", "brand"):
        named = described.where(F.col(kind).isNotNull()).groupBy("user_id", F.col(kind).alias("name"))
        shares.append(_largest(named.agg(F.sum("strength").alias("weight")), 20, f"{kind}_shares", share=True))
    priced = described.where("price IS NOT NULL").groupBy("user_id")
    mean = F.sum(F.col("strength") * F.col("price")) / F.sum("strength")
    square = F.sum(F.col("strength") * F.col("price") * F.col("price")) / F.sum("strength")
    return [
        *shares,
        pairs.groupBy("user_id").agg(F.count("*").alias("n_items")),
        priced.agg(mean.alias("price_log_mean")),
        priced.agg(F.sqrt(F.greatest(square - mean * mean, F.lit(0.0))).alias("price_log_std")),
    ]


def _query_terms(events: DataFrame) -> DataFrame:
    words = F.explode(F.split(F.lower("query_text"), r"[^\p{L}\p{M}\p{N}]+")).alias("name")
    terms = events.where("query_text IS NOT NULL").select("user_id", words, _decay("ts").alias("weight"))
    weights = terms.where(F.length("name") >= 2).groupBy("user_id", "name").agg(F.sum("weight").alias("weight"))
    return _largest(weights, 50, "query_terms", share=False)


def _demand(met: DataFrame) -> list[DataFrame]:
    last = met.groupBy("user_id", "item_id").agg(F.max("ts").alias("last"))
    return [
        met.groupBy("item_id").agg(F.count("*").alias("n_events")),
        met.groupBy("item_id").agg(F.count_distinct("user_id").alias("n_users")),
        last.groupBy("item_id").agg(F.sum(_decay("last")).alias("popularity")),
    ]


def _largest(weights: DataFrame, count: int, name: str, *, share: bool) -> DataFrame:
    """user_id, and the heaviest names with their weights, or with the shares that they have of these, as a map."""
    entries = F.array_sort(F.collect_list(F.struct((-F.col("weight")).alias("rank"), "name")))
    top = weights.groupBy("user_id").agg(F.slice(entries, 1, count).alias("top"))
    total = F.aggregate("top", F.lit(0.0), lambda total, one: total + one["rank"]) if share else F.lit(-1.0)
    return top.select(
        "user_id", F.map_from_arrays("top.name", F.transform("top", lambda one: one["rank"] / total)).alias(name)
    )


BENCHMARK = Benchmark(
    name="profiles",
    task="events of {users:,} users with {items:,} items, about 30 a user, into the figures of users and items",
    baseline="the same aggregates in Spark, one groupBy a feature",
    equality=f"every aggregate of every user and item agrees to {TOLERANCE:g}",
    must_reach=2,
    aim=4,
    sizes={
        "small": Size(users=60, items=40),
        "medium": Size(users=66_000, items=10_000),
        "full": Size(users=330_000, items=50_000),
    },
    prepare=prepare,
    sides={"ours": ours, "by_feature": by_feature},
    check=check,
    repeats=2,
    warm_up=True,
    note="Events lie in the order that ingest leaves them in, by event_id: no user's lie together.",
)
