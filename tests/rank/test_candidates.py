"""Candidates of simulated users: hidden pairs, each scorer's best, and a weighted rest."""

from __future__ import annotations

import numpy as np
import pytest
from shops import LAYOUT, small_shop

from recsys_spark.kernels.grid import Grid
from recsys_spark.kernels.keep import keeping
from recsys_spark.rank import candidates as candidates_module
from recsys_spark.rank.candidates import Draw, asked_users, candidates
from recsys_spark.rank.cells import ScorerNames
from tests.frames import boost_lists, local_frame

NAMES = ScorerNames.of(LAYOUT, {"factors", "popularity", "habit"})
DRAW = Draw(users=2, top=2, others=3, seed=1)


@pytest.fixture
def shop():
    return small_shop(n_users=12, n_items=30)


def found(shop, rows, truth, excluded=None, draw=DRAW, grid=None):
    users, items = rows("user_blocks", *shop.users), rows("item_blocks", *shop.items)
    boosts, hidden = rows("boosts", *boost_lists(shop.boosts)), rows("truth", *truth)
    with keeping() as keep:
        asked = asked_users(users, items, boosts, NAMES, hidden, excluded, draw, keep)
        return candidates(asked, items, NAMES, draw, grid or Grid(2, 1)).collect()


def truth_of(*pairs, half="learn", in_window=True):
    return [
        {"slice": "warm", "user_id": user, "item_id": item, "half": half, "in_window": in_window}
        for user, item in pairs
    ]


def test_every_group_of_items_has_its_own_rows_and_the_hidden_pairs_are_labelled(shop, rows):
    # i05 and i10 are new, i01 is established; a pair that occurs in two slices counts once.
    truth = [*truth_of(("u2", "i01"), ("u2", "i05")), *truth_of(("u2", "i10"), in_window=False)]
    truth.append({**truth[0], "slice": "cold_item"})
    by_group = {}
    for row in found(shop, rows, truth):
        assert row["route"] == "warm"
        by_group.setdefault(row["item_group"], []).append(row)
    established, new = by_group["established"], by_group["new"]
    assert {r["item_id"]: r["in_window"] for r in new if r["label"]} == {"i05": True, "i10": False}
    assert [r["item_id"] for r in established if r["label"]] == ["i01"]
    assert len({r["item_id"] for r in established}) == len(established)
    # What is drawn at random stands for the whole group.
    assert sum(r["sample_weight"] for r in established) == pytest.approx(24)
    assert sum(r["sample_weight"] for r in new) == pytest.approx(6)


def test_scores_are_each_scorers_own(shop, rows):
    items = {item["item_id"]: item for item in shop.items}
    users = {user["user_id"]: user for user in shop.users}
    for row in found(shop, rows, truth_of(("u1", "i01"), ("u6", "i03"))):
        expected = [shop.score(users[row["user_id"]], items[row["item_id"]], scorer) for scorer in NAMES.all]
        assert row["scores"] == pytest.approx(expected)


def test_the_best_of_each_scorer_is_among_the_candidates(shop, rows):
    user = shop.users[1]
    known = [item for item in shop.items if item["item_group"] == "established"]
    mine = {row["item_id"] for row in found(shop, rows, truth_of(("u1", "i01")))}
    for scorer in ("factors", "popularity"):
        best = min(known, key=lambda item: (-shop.score(user, item, scorer), item["item_id"]))
        assert best["item_id"] in mine


def test_where_a_scorer_finds_all_items_alike_those_that_the_tie_puts_first_are_candidates(shop, rows):
    for item in shop.items:
        start, width = LAYOUT["popularity"]
        item["vector"][start : start + width] = [1.0] * width
    mine = {row["item_id"] for row in found(shop, rows, truth_of(("u1", "i07")))}
    known = sorted(item["item_id"] for item in shop.items if item["item_group"] == "established")
    assert set(known[: DRAW.top]) <= mine


def test_of_equal_items_those_that_the_tie_puts_first_are_candidates(shop, rows):
    rng = np.random.default_rng(1)
    layout, vectors = {"factors": (0, 67)}, rng.standard_normal((3, 67))
    items = [{"item_id": f"i{n:03}", "item_group": "new", "vector": vectors[n % 3].tolist()} for n in range(411)]
    users = [{"user_id": f"u{n}", "route": "warm", "vector": rng.standard_normal(67).tolist()} for n in range(5)]
    names, draw = ScorerNames.of(layout, {"factors"}), Draw(users=9, top=10, others=1)
    hidden = rows("truth", *truth_of(*[(user["user_id"], "i400") for user in users]))
    user_blocks, item_blocks = rows("user_blocks", *users), rows("item_blocks", *items)
    with keeping() as keep:
        asked = asked_users(user_blocks, item_blocks, rows("boosts"), names, hidden, None, draw, keep)
        found = candidates(asked, item_blocks, names, draw, Grid(1, 1)).collect()
    for user in users:
        mine = {row["item_id"] for row in found if row["user_id"] == user["user_id"] and row["sample_weight"] == 1}
        best = int(np.argmax(vectors @ user["vector"]))
        assert mine - {"i400"} == {f"i{n:03}" for n in range(best, 30, 3)}


def test_the_draw_does_not_depend_on_the_buckets_and_respects_its_size(shop, rows):
    truth = truth_of(*[(user["user_id"], "i01") for user in shop.users])
    one, many = (found(shop, rows, truth, grid=Grid(buckets, 1)) for buckets in (1, 5))
    assert sorted(map(str, one)) == sorted(map(str, many))
    assert {(row["route"], row["user_id"]) for row in one} == {(r["route"], r["user_id"]) for r in many}
    assert len({row["user_id"] for row in one}) == 8  # two of each of the four routes


def test_of_a_user_with_many_hidden_items_some_are_drawn_and_the_others_are_no_candidates(shop, rows, monkeypatch):
    truth = truth_of(*[("u1", f"i{n:02}") for n in range(1, 10)], ("u2", "i01"))
    everything = Draw(users=5, top=30, others=30)
    whole = found(shop, rows, truth, draw=everything)
    monkeypatch.setattr(candidates_module, "MAX_HIDDEN", 3)
    one, many = (found(shop, rows, truth, draw=everything, grid=grid) for grid in (Grid(1, 1), Grid(4, 2)))
    assert sorted(map(str, one)) == sorted(map(str, many))
    assert [row for row in one if row["user_id"] == "u2"] == [row for row in whole if row["user_id"] == "u2"]
    known = {item["item_id"] for item in shop.items if item["item_group"] == "established"}
    mine = {row["item_id"]: row["label"] for row in one if row["user_id"] == "u1" and row["item_id"] in known}
    hidden = {f"i{n:02}" for n in range(1, 10)} & known
    assert sum(mine.values()) == len(hidden & mine.keys()) == 3
    assert len(mine) == len(known) - len(hidden) + 3


def test_excluded_pairs_are_neither_positives_nor_negatives(shop, rows, spark):
    excluded = local_frame(spark, [("u1", "i01"), ("u1", "i02")], "user_id string, item_id string")
    truth = truth_of(("u1", "i01"), ("u1", "i03"))
    everything = Draw(users=5, top=30, others=30)
    mine = {row["item_id"]: row["label"] for row in found(shop, rows, truth, excluded, everything)}
    assert not mine.keys() & {"i01", "i02"}
    assert [item for item, label in mine.items() if label] == ["i03"]
    assert len(mine) == 22


def test_shards_share_the_work_and_no_pair_comes_twice(shop, rows):
    whole = found(shop, rows, truth_of(("u1", "i01")), draw=Draw(users=5, top=30, others=30), grid=Grid(1, 3))
    assert sorted(r["item_id"] for r in whole) == [i["item_id"] for i in shop.items if i["item_group"] == "established"]
