"""Tables that the shop reads, and the count of users who are short of rows."""

from __future__ import annotations

from pyspark.sql import Row

from recsys_spark.contracts import table
from recsys_spark.contracts.spark import differences
from recsys_spark.rank.lists import coverage_gaps, model_version, recommendations
from tests.frames import local_frame

TOP = (
    "variant string, shelf string, user_id string, rank int, item_id string, score double, route string, "
    "evidence map<string,double>"
)


def test_recommendations_match_their_contract(spark, rows):
    top = [
        ("recsys", "for_you", "u", 1, "a", 0.5, "warm", {"deep": 3.0, "factors": 1.0}),
        ("recsys", "for_you", "u", 2, "b", 0.1, "warm", {}),
    ]
    profile, item = rows("user_profiles", {"user_id": "u"}), rows("items", {"item_id": "a"})
    found = recommendations(
        local_frame(spark, top, TOP), profile, item, rows("interactions"), rows("boosts"), "m1", "run as of then"
    )
    assert differences(table("recommendations"), found.schema) == []
    assert [tuple(row) for row in found.orderBy("rank").collect()] == [
        (
            "for_you",
            "u",
            1,
            "a",
            0.5,
            "warm",
            "Fits your profile",
            {"deep": 0.75, "factors": 0.25},
            "m1",
            "run as of then",
        ),
        ("for_you", "u", 2, "b", 0.1, "warm", "New for you to discover", {}, "m1", "run as of then"),
    ]


def test_coverage_counts_users_with_fewer_rows_than_length_and_candidates_allow(spark, rows):
    users = rows("user_profiles", *[{"user_id": user} for user in ("full", "short", "none", "barred")])
    shelf_items = local_frame(
        spark,
        [(shelf, item) for shelf in ("all", "fresh") for item in "abc"] + [("tiny", "a")],
        "shelf string, item_id string",
    )
    lists = [(shelf, "full", item) for shelf in ("all", "fresh") for item in "ab"] + [("tiny", "full", "a")]
    lists += [("all", "short", "a"), ("fresh", "short", "a"), ("tiny", "short", "a")]
    # Two of three items are barred, so one row is all there can be on the shelf that leaves them out.
    lists += [("all", "barred", "a"), ("fresh", "barred", "c"), ("tiny", "barred", "a")]
    made = rows("recommendations", *[{"shelf": s, "user_id": u, "item_id": i} for s, u, i in lists])
    barred = [("barred", "a"), ("barred", "b"), ("barred", "a"), ("none", "gone")]
    excluded = local_frame(spark, barred, "user_id string, item_id string")
    shelves = {"all": (2, False), "fresh": (2, True), "tiny": (9, False), "empty": (5, False)}
    found = coverage_gaps(made, users, shelf_items, excluded, shelves).collect()
    assert {row["shelf"]: tuple(row)[1:] for row in found} == {
        "all": (2, 4, 3),
        "fresh": (2, 4, 2),
        "tiny": (1, 4, 1),
        "empty": (0, 4, 0),
    }


def test_model_version_changes_with_any_weight_and_any_epoch_but_not_with_the_order():
    weights = [Row(route="warm", weight=1.0), Row(route="cold", weight=2.0)]
    epochs = [Row(epoch=1, weights_sha256="x"), Row(epoch=2, weights_sha256="y")]
    same = model_version(weights, epochs)
    assert model_version(weights[::-1], epochs[::-1]) == same
    assert model_version(weights[:1], epochs) != same
    assert model_version(weights, epochs[:1]) != same
    assert len(same) == 16


def test_a_shop_without_the_deep_model_has_a_version_too():
    assert model_version([Row(route="warm")], []) != model_version([Row(route="cold")], [])
