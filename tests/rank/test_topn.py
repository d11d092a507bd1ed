"""Distributed top-N against a brute-force search over the same rows."""

from __future__ import annotations

import math

import pytest
from pyspark.sql import Row
from pyspark.sql import functions as F
from shops import LAYOUT, SCORERS, mixed_variant, small_shop

from recsys_spark.errors import SettingsError
from recsys_spark.kernels.grid import Grid
from recsys_spark.rank import topn
from recsys_spark.rank.cells import ScorerNames
from recsys_spark.rank.pairs import sparse_pairs
from recsys_spark.rank.topn import TopN
from recsys_spark.rank.variants import Variant
from tests.frames import boost_lists, local_frame

SHELVES = {"for_you": (4, False), "fresh": (3, True)}


def brute_force(shop, variant, length, eligible, banned):
    """user_id to [(item_id, logit, contributions)], best first."""
    lists = {}
    for user in shop.users:
        scored = []
        for item in shop.items:
            if item["item_id"] not in eligible or (user["user_id"], item["item_id"]) in banned:
                continue
            pair = (user["route"], item["item_group"])
            weights = variant.weights[pair]
            parts = {s: shop.score(user, item, s) * weights[s][1] / weights[s][0] for s in SCORERS if s in weights}
            raw = sum(parts.values())
            slope, intercept = variant.calibration[pair]
            scored.append((-(slope * raw + intercept), item["item_id"], parts))
        best = sorted(scored, key=lambda row: row[:2])[:length]
        lists[user["user_id"]] = [(item_id, -logit, parts) for logit, item_id, parts in best]
    return lists


@pytest.fixture
def frames(spark, rows):
    shop = small_shop()
    fresh = [item["item_id"] for item in shop.items if item["n_events"] != 1]
    on_shelves = [("for_you", item["item_id"]) for item in shop.items] + [("fresh", item_id) for item_id in fresh]
    bought = [(boost["user_id"], boost["item_id"]) for boost in shop.boosts]
    return {
        "shop": shop,
        "fresh": set(fresh),
        "bought": set(bought),
        "user_blocks": rows("user_blocks", *shop.users),
        "item_blocks": rows("item_blocks", *shop.items),
        "boosts": rows("boosts", *boost_lists(shop.boosts)),
        "shelf_items": local_frame(spark, on_shelves, "shelf string, item_id string"),
        # Twice the same pair, and one of an item nobody sells.
        "excluded": local_frame(spark, [*bought, bought[0], ("u0", "gone")], "user_id string, item_id string"),
    }


def run(frames, variants, shelves=SHELVES, excluded=True, *, user_buckets, item_shards, **options):
    search = TopN(
        frames["user_blocks"],
        frames["item_blocks"],
        frames["boosts"],
        LAYOUT,
        frames["shelf_items"],
        frames["excluded"] if excluded else None,
        variants,
        shelves,
        **options,
    )
    return search.ranked(Grid(user_buckets, item_shards)).collect()


def listed(found, variant, shelf):
    lists = {}
    for row in sorted(found, key=lambda row: row["rank"]):
        if (row["variant"], row["shelf"]) == (variant, shelf):
            lists.setdefault(row["user_id"], []).append(row)
    assert all([row["rank"] for row in rows] == list(range(1, len(rows) + 1)) for rows in lists.values())
    return lists


@pytest.mark.parametrize("grid", [{"user_buckets": 1, "item_shards": 1}, {"user_buckets": 3, "item_shards": 2}])
def test_lists_equal_brute_force_for_every_variant_shelf_and_grid(frames, grid):
    variants = [mixed_variant(), Variant.single("popularity"), Variant.single("habit")]
    found = run(frames, variants, **grid)
    everything = {item["item_id"] for item in frames["shop"].items}
    for variant in variants:
        for shelf, eligible, banned in (("for_you", everything, set()), ("fresh", frames["fresh"], frames["bought"])):
            expected = brute_force(frames["shop"], variant, SHELVES[shelf][0], eligible, banned)
            lists = listed(found, variant.name, shelf)
            assert {u: [r["item_id"] for r in rows] for u, rows in lists.items()} == {
                u: [item_id for item_id, _, _ in rows] for u, rows in expected.items()
            }


def test_score_is_the_probability_and_evidence_the_parts_of_the_score(frames):
    found = run(frames, [mixed_variant()], user_buckets=2, item_shards=1)
    expected = brute_force(frames["shop"], mixed_variant(), 4, {i["item_id"] for i in frames["shop"].items}, set())
    for user_id, rows in listed(found, "mixed", "for_you").items():
        for row, (_, logit, parts) in zip(rows, expected[user_id], strict=True):
            assert row["score"] == pytest.approx(1 / (1 + math.exp(-logit)))
            assert row["evidence"] == pytest.approx({s: part for s, part in parts.items() if part != 0})
            assert row["route"] == next(u["route"] for u in frames["shop"].users if u["user_id"] == user_id)


def test_a_user_short_of_items_gets_the_ones_there_are(frames):
    found = run(frames, [Variant.single("factors")], {"for_you": (100, False)}, False, user_buckets=2, item_shards=3)
    assert {len(rows) for rows in listed(found, "factors", "for_you").values()} == {25}


def test_excluded_pairs_are_not_read_where_no_shelf_leaves_them_out(frames):
    unread = F.raise_error(F.lit("excluded pairs were read")).cast("string").alias("item_id")
    excluded = frames["excluded"].select("user_id", unread)
    shelves = {"for_you": (4, False)}
    found = run(dict(frames, excluded=excluded), [mixed_variant()], shelves, user_buckets=2, item_shards=1)
    assert sorted(found) == sorted(run(frames, [mixed_variant()], shelves, False, user_buckets=2, item_shards=1))


@pytest.mark.parametrize("item_shards", [1, 2])
def test_without_evidence_the_places_are_the_same(frames, item_shards):
    grid = {"user_buckets": 2, "item_shards": item_shards}
    whole, bare = (run(frames, [mixed_variant()], **grid, evidence=told) for told in (True, False))
    assert "evidence" not in bare[0]
    assert sorted(bare) == sorted(Row(**{k: v for k, v in r.asDict().items() if k != "evidence"}) for r in whole)


def test_lists_are_the_same_of_few_users_at_once_as_of_all(frames, monkeypatch):
    variants = {name: mixed_variant(name) for name in ("one", "other")}
    names = ScorerNames.of(LAYOUT, mixed_variant().scorers())
    mixtures = tuple((name, variant.mixture(names.all)) for name, variant in variants.items())
    plan = topn._Plan(names.spans, names.all, mixtures, (("for_you", 4, False), ("fresh", 3, True)), topn.FOUND)
    items = topn._shelved(frames["item_blocks"], frames["shelf_items"], list(SHELVES))
    pairs = sparse_pairs(frames["boosts"], frames["excluded"].distinct(), names.sparse)
    asked = plan, frames["user_blocks"].toArrow(), items.toArrow(), pairs.toArrow()
    at_once = topn._best_of_cell(*asked)
    monkeypatch.setattr(topn, "PLACES_AT_ONCE", 4 * (4 + 3))
    few = topn._best_of_cell(*asked)
    assert few["user_id"].num_chunks == 2 * 3  # nine users, four at once, under each variant
    keys = [(name, "ascending") for name in ("variant", "shelf", "user_id")]
    assert few.sort_by(keys).to_pylist() == at_once.sort_by(keys).to_pylist()


def test_repeated_variant_names_are_refused(frames):
    with pytest.raises(SettingsError, match="different names"):
        run(frames, [Variant.single("habit"), Variant.single("habit")], user_buckets=1, item_shards=1)


def test_a_vector_with_nan_stops_the_run(frames, rows):
    broken = dict(frames, user_blocks=rows("user_blocks", {"user_id": "u", "route": "warm", "vector": [math.nan] * 4}))
    with pytest.raises(Exception, match="NaN or infinite"):
        run(broken, [Variant.single("factors")], user_buckets=1, item_shards=1)
