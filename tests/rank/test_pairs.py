"""Sparse scores and what is left out, by user."""

from __future__ import annotations

from recsys_spark.rank.pairs import about, sparse_pairs
from tests.frames import local_frame

HABIT = {"scorer": "habit", "item_group": "any"}
LISTS = (
    {"user_id": "u", **HABIT, "item_ids": ["a", "b"], "scores": [2.0, 1.0]},
    {"user_id": "v", **HABIT, "item_ids": ["b"], "scores": [3.0]},
    {"user_id": "u", "scorer": "content", "item_group": "new", "item_ids": ["b", "c"], "scores": [5.0, 4.0]},
)


def pairs_of(boosts, excluded=None, scorers=("content", "habit")):
    found = sparse_pairs(boosts, excluded, scorers).collect()
    return sorted((r.user_id, i, r.code, value) for r in found for i, value in zip(r.others, r["values"], strict=True))


def test_lists_have_the_place_of_their_scorer_and_what_is_left_out_comes_behind(spark, rows):
    excluded = local_frame(spark, [("w", "a")], "user_id string, item_id string")
    assert pairs_of(rows("boosts", *LISTS), excluded) == [
        ("u", "a", 1, 2.0),
        ("u", "b", 0, 5.0),
        ("u", "b", 1, 1.0),
        ("u", "c", 0, 4.0),
        ("v", "b", 1, 3.0),
        ("w", "a", 2, 1.0),
    ]


def test_scorers_that_nobody_weighs_have_no_pairs(rows):
    assert pairs_of(rows("boosts", *LISTS), scorers=("habit",)) == [
        ("u", "a", 0, 2.0),
        ("u", "b", 0, 1.0),
        ("v", "b", 0, 3.0),
    ]
    assert pairs_of(rows("boosts", *LISTS), scorers=()) == []


def test_what_is_told_about_some_items_is_all_of_it_and_nothing_else(spark, rows):
    some = local_frame(spark, [("b",), ("unheard of",)], "item_id string")
    assert pairs_of(about(rows("boosts", *LISTS), some)) == [("u", "b", 0, 5.0), ("u", "b", 1, 1.0), ("v", "b", 1, 3.0)]
