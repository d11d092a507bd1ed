from __future__ import annotations

import pytest
from pyspark.sql import functions as F

from recsys_spark.config.source import SyntheticSource
from recsys_spark.contracts.raw import raw_columns
from recsys_spark.sources.catalogue import DEPARTMENTS, END
from recsys_spark.sources.synthetic import AGE_GROUPS, GENDERS, TASTE_SHARE, make_shop

SOURCE = SyntheticSource(users=300, items=200, events_per_user=20, seed=3)


@pytest.fixture(scope="module")
def shop(spark):
    found = make_shop(spark, SOURCE)
    events = found.events.cache()
    yield type(found)(events, found.users, found.items)
    events.unpersist()


def test_frames_have_the_raw_columns(shop):
    for name in ("events", "users", "items"):
        assert getattr(shop, name).columns == raw_columns(name)


def test_all_kinds_of_events_are_there_with_what_belongs_to_them(shop):
    kinds = {
        r["event_type"]: r
        for r in shop.events.groupBy("event_type")
        .agg(
            F.count("*").alias("n"),
            F.count("item_id").alias("items"),
            F.count("query_text").alias("queries"),
            F.count("dwell_seconds").alias("dwells"),
            F.max("ts").alias("last"),
        )
        .collect()
    }
    assert set(kinds) == {"view", "search", "cart", "purchase"}
    assert kinds["search"]["items"] == 0
    assert kinds["search"]["queries"] == kinds["search"]["n"]
    assert kinds["view"]["dwells"] == kinds["view"]["n"] > kinds["cart"]["n"] > kinds["purchase"]["n"] > 0
    assert max(k["last"].timestamp() for k in kinds.values()) < END.timestamp()


def test_rows_do_not_depend_on_partitioning(spark, shop):
    digest = F.sum(F.xxhash64("user_id", "item_id", "event_type", "ts", "price", "query_text").cast("decimal(38,0)"))
    before = spark.conf.get("spark.sql.leafNodeDefaultParallelism", None)
    spark.conf.set("spark.sql.leafNodeDefaultParallelism", "7")
    try:
        again = make_shop(spark, SOURCE).events.agg(digest, F.count("*")).first()
    finally:
        if before is None:
            spark.conf.unset("spark.sql.leafNodeDefaultParallelism")
        else:
            spark.conf.set("spark.sql.leafNodeDefaultParallelism", before)
    assert again == shop.events.agg(digest, F.count("*")).first()


def test_another_seed_is_another_shop(spark):
    a, b = (make_shop(spark, SyntheticSource(users=5, items=5, seed=seed)).users.collect() for seed in (1, 2))
    assert a != b


def test_some_users_and_items_have_no_event(shop):
    users, items = shop.events.agg(F.countDistinct("user_id"), F.countDistinct("item_id")).first()
    assert 0.8 * SOURCE.users < users < 0.97 * SOURCE.users
    assert 0.5 * SOURCE.items < items < 0.97 * SOURCE.items


def test_age_groups_favour_their_department(shop):
    """Each age group takes TASTE_SHARE and its fair share of the rest from its own department."""
    events = shop.events.where("event_type = 'view'")
    ages = shop.users.select("user_id", F.col("attributes.age_group")[0].alias("age"))
    departments = shop.items.select("item_id", F.col("category_path")[0].alias("department"))
    favourite = F.create_map(*[F.lit(x) for pair in zip(AGE_GROUPS, DEPARTMENTS, strict=True) for x in pair])
    hits = F.avg((F.col("department") == F.element_at(favourite, F.col("age"))).cast("double"))
    share = events.join(ages, "user_id").join(departments, "item_id").agg(hits).first()[0]
    by_chance = 1 / len(DEPARTMENTS)
    assert share == pytest.approx(TASTE_SHARE + (1 - TASTE_SHARE) * by_chance, abs=0.08)


def test_genders_favour_their_brands(shop):
    pairs = (
        shop.events.where("event_type = 'view'")
        .join(shop.users.select("user_id", F.col("attributes.gender")[0].alias("gender")), "user_id")
        .join(shop.items.select("item_id", "brand"), "item_id")
    )
    counts = {(r["gender"], r["brand"]): r["count"] for r in pairs.groupBy("gender", "brand").count().collect()}
    for gender, brand in zip(GENDERS, ("Acorn", "Birch"), strict=True):
        other = next(g for g in GENDERS if g != gender)
        assert counts[gender, brand] > 1.5 * counts[other, brand]
