"""Reasons in words and shares in numbers."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pyspark.sql import functions as F

from recsys_spark.rank.reasons import shares, strongest, with_reasons
from tests.frames import local_frame

CASES = {
    # item: (evidence, reason for the known user, reason for the stranger)
    "bought": ({"habit": 2.0, "deep": 1.0}, "You bought it 12 times", "You looked at it before"),
    "once": ({"habit": 2.0}, "You bought it before", "You looked at it before"),
    "seen": ({"habit": 2.0}, "You looked at it before", "You looked at it before"),
    "goes": ({"neighbours": 1.0}, "Goes with Filter paper", "Goes with what you chose before"),
    "untitled": ({"neighbours": 1.0}, "Goes with once", "Goes with what you chose before"),
    "gone": ({"neighbours": 1.0}, "Goes with sold out", "Goes with what you chose before"),
    "branded": ({"content": 1.0}, "Matches your liking for Acme", "Matches your taste"),
    "shelved": ({"content": 1.0}, "Matches your liking for tea", "Matches your taste"),
    "plain": ({"content": 1.0}, "Matches your taste", "Matches your taste"),
    "alike": ({"demographic": 1.0}, "Liked by people like you", "Liked by people like you"),
    "basket": ({"factors": 1.0, "deep": -3.0}, *["People with a similar basket chose it"] * 2),
    "singular": ({"svd": 1.0}, *["People with a similar basket chose it"] * 2),
    "company": ({"similar_users": 1.0}, *["People with a similar basket chose it"] * 2),
    "deep": ({"deep": 1.0}, "Fits your profile", "Fits your profile"),
    "popular": ({"popularity": 1.0}, "Popular right now", "Popular with everyone"),
    "other": ({"weather": 1.0}, "Suggested by weather", "Suggested by weather"),
    "nothing": ({}, "New for you to discover", "New for you to discover"),
    "against": ({"deep": -1.0}, "New for you to discover", "New for you to discover"),
}


@pytest.fixture
def reasons(spark, rows):
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    met = {"user_id": "known", "first_ts": long_ago, "last_ts": long_ago}
    top = [(user, item, case[0]) for user in ("known", "stranger") for item, case in CASES.items()]
    found = with_reasons(
        local_frame(spark, top, "user_id string, item_id string, evidence map<string,double>"),
        rows(
            "user_profiles",
            {"user_id": "known", "n_events": 9, "brand_shares": {"Acme": 0.6}, "category_shares": {"tea": 0.4}},
            {"user_id": "stranger"},
        ),
        rows(
            "items",
            *({"item_id": item, "title": "x"} for item in CASES if item not in ("branded", "shelved", "once")),
            {"item_id": "branded", "brand": "Acme", "category_path": ["drinks", "tea"]},
            {"item_id": "shelved", "brand": "Other", "category_path": ["drinks", "tea"]},
            {"item_id": "once"},
            {"item_id": "paper", "title": "Filter paper"},
        ),
        rows(
            "interactions",
            {**met, "item_id": "bought", "n_purchases": 12},
            {**met, "item_id": "once", "n_purchases": 1},
            {**met, "item_id": "seen"},
        ),
        rows(
            "boosts",
            {
                "user_id": "known",
                "scorer": "neighbours",
                "item_ids": ["goes", "untitled", "plain", "gone"],
                "because_item_ids": ["paper", "once", "bought", "sold out"],
            },
            {"user_id": "known", "scorer": "habit", "item_ids": ["goes", "once"]},
        ),
    )
    assert found.columns == ["user_id", "item_id", "evidence", "reason"]
    return [(row["user_id"], row["item_id"], row["reason"]) for row in found.collect()]


def test_each_scorer_has_its_words_and_no_row_is_lost_or_doubled(reasons):
    expected = [("known", item, case[1]) for item, case in CASES.items()]
    expected += [("stranger", item, case[2]) for item, case in CASES.items()]
    assert sorted(reasons) == sorted(expected)


def test_shares_are_parts_of_what_speaks_for_the_pair_and_a_tie_goes_to_the_later_name(spark):
    given = [
        ("a", {"deep": 3.0, "content": 1.0}),
        ("b", {"deep": 2.0, "content": -1.0}),
        ("c", {"deep": -3.0, "content": -1.0}),
        ("d", {}),
        ("tied", {"deep": 1.0, "content": 1.0, "habit": 1.0}),
    ]
    frame = local_frame(spark, given, "name string, evidence map<string,double>")
    evidence = F.col("evidence")
    rows = frame.select("name", shares(evidence).alias("shares"), strongest(evidence).alias("best")).collect()
    assert {row["name"]: (row["shares"], row["best"]) for row in rows} == {
        "a": ({"deep": 0.75, "content": 0.25}, "deep"),
        "b": ({"deep": 1.0, "content": -0.5}, "deep"),
        "c": ({"deep": -0.75, "content": -0.25}, None),
        "d": ({}, None),
        "tied": ({"deep": 0.3333, "content": 0.3333, "habit": 0.3333}, "habit"),
    }
