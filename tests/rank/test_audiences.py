"""Audiences of new items against a brute-force search."""

from __future__ import annotations

import math

import pytest
from shops import LAYOUT, mixed_variant, small_shop

from recsys_spark.contracts import table
from recsys_spark.contracts.spark import differences
from recsys_spark.kernels.grid import Grid
from recsys_spark.rank import audiences as audiences_module
from recsys_spark.rank.audiences import audiences
from recsys_spark.rank.cells import ScorerNames
from recsys_spark.rank.pairs import sparse_pairs
from tests.frames import boost_lists


def brute_force(shop, variant, length):
    """item_id to [(user_id, probability)], best first."""
    found = {}
    for item in (item for item in shop.items if item["item_group"] == "new"):
        scored = []
        for user in shop.users:
            pair = (user["route"], "new")
            named = variant.weights[pair].items()
            raw = sum(shop.score(user, item, scorer) * weight / scale for scorer, (scale, weight) in named)
            slope, intercept = variant.calibration[pair]
            scored.append((-(slope * raw + intercept), user["user_id"]))
        found[item["item_id"]] = [(user, 1 / (1 + math.exp(logit))) for logit, user in sorted(scored)[:length]]
    return found


def test_audiences_equal_brute_force_whatever_the_grid(rows):
    shop = small_shop(n_users=14, n_items=20, seed=2)
    frames = [
        rows(name, *part)
        for name, part in (
            ("user_blocks", shop.users),
            ("item_blocks", shop.items),
            ("boosts", boost_lists(shop.boosts)),
        )
    ]
    for grid in (Grid(3, 2), Grid(3, 1), Grid(1, 1)):
        made = audiences(*frames, LAYOUT, mixed_variant(), 5, grid)
        assert differences(table("item_audiences"), made.schema) == []
        lists = {}
        for row in made.orderBy("item_id", "rank").collect():
            lists.setdefault(row["item_id"], []).append((row["user_id"], pytest.approx(row["score"])))
        assert brute_force(shop, mixed_variant(), 5) == lists


def test_an_audience_is_the_same_among_few_items_at_once_as_among_all(rows, monkeypatch):
    shop = small_shop(n_users=9, n_items=20, seed=3)
    names, variant = ScorerNames.of(LAYOUT, mixed_variant().scorers()), mixed_variant()
    users, boosts = rows("user_blocks", *shop.users), rows("boosts", *boost_lists(shop.boosts))
    pairs = sparse_pairs(boosts, None, names.sparse)
    items = rows("item_blocks", *shop.items).where("item_group = 'new'").toArrow()
    plan = audiences_module.Plan(names.spans, len(names.sparse), variant.mixture(names.all), 4)
    asked = plan, items, users.toArrow(), pairs.toArrow()
    at_once = audiences_module.audiences_of_cell(*asked)
    monkeypatch.setattr(audiences_module, "PLACES_AT_ONCE", 3 * 4)
    few = audiences_module.audiences_of_cell(*asked)
    assert items.num_rows == 4
    assert few["item_id"].num_chunks == 2  # an audience has four places, so three items at once
    assert few.equals(at_once)


def test_known_items_and_a_shop_without_new_ones_have_no_audience(rows):
    shop = small_shop(n_users=3, n_items=5)
    known = [{**item, "item_group": "established"} for item in shop.items]
    made = audiences(
        rows("user_blocks", *shop.users),
        rows("item_blocks", *known),
        rows("boosts"),
        LAYOUT,
        mixed_variant(),
        5,
        Grid(2, 1),
    )
    assert made.collect() == []
