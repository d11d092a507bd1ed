import numpy as np
import pytest

from recsys_spark.blocks.boosts import behaviour_boosts, similar_user_boosts, similar_users
from recsys_spark.blocks.learned import no_rows
from recsys_spark.kernels.grid import Grid
from tests.frames import local_frame

SIZES = {"per_user": 5, "neighbours": 1, "history": 1, "item_users": 5, "grid": Grid(1, 1)}


def nothing_near(frame):
    return no_rows(frame, "item_neighbours")


@pytest.fixture
def met(rows):
    baskets = {"u1": "ab", "u2": "ab", "u3": "abc", "u4": "c"}
    return rows(
        "interactions",
        *[
            {"user_id": user, "item_id": item, "strength": 1.0, "n_purchases": 1, "n_sessions": 1}
            for user, items in baskets.items()
            for item in items
        ],
    )


def test_habit_leaves_out_what_was_only_viewed(rows):
    met = rows(
        "interactions",
        {"user_id": "u", "item_id": "bought", "n_purchases": 2, "n_sessions": 2, "strength": 1.0},
        {"user_id": "u", "item_id": "viewed", "n_purchases": 0, "n_sessions": 5, "strength": 1.0},
    )
    found = behaviour_boosts(met, nothing_near(met), enabled=("habit", "recent"), **SIZES).collect()
    assert {(r.scorer, r.item_group, *r.item_ids) for r in found} == {
        ("habit", "any", "bought"),
        ("recent", "any", "bought"),
    }


def test_without_a_sparse_scorer_the_table_is_empty(met):
    assert behaviour_boosts(met, nothing_near(met), enabled=("factors",), **SIZES).collect() == []


def alike(met, **sizes):
    asked = {"neighbours": 9, "history": 9, "item_users": 9} | sizes
    return {(r.user_id, r.other_id): r.similarity for r in similar_users(met, **asked).collect()}


def test_users_are_as_similar_as_the_sets_of_their_items(met):
    # Sets ab, ab, abc and c: 2 of 2 and 2, 2 of 2 and 3, 1 of 3 and 1 items are common.
    apart = {("u1", "u2"): 1.0, ("u1", "u3"): 2 / 6**0.5, ("u2", "u3"): 2 / 6**0.5, ("u3", "u4"): 1 / 3**0.5}
    expected = apart | {(other, user): cosine for (user, other), cosine in apart.items()}
    assert alike(met) == {pair: pytest.approx(cosine) for pair, cosine in expected.items()}


def test_nearest_users_are_kept_with_ties_to_the_smaller_id(rows):
    met = rows("interactions", *[{"user_id": u, "item_id": "a", "strength": 1.0} for u in ("u1", "u2", "u3")])
    assert alike(met, neighbours=1).keys() == {("u1", "u2"), ("u2", "u1"), ("u3", "u1")}


def test_an_item_compares_users_with_a_bounded_number_of_the_same_others(rows):
    users = [f"u{n:02}" for n in range(40)]
    met = rows(
        "interactions",
        *[{"user_id": u, "item_id": i, "strength": 1.0} for u in users for i in ("everyone", "all")],
        *[{"user_id": u, "item_id": "rare", "strength": 1.0} for u in users[:2]],
    )
    found = alike(met, neighbours=99, item_users=3)
    rare = {("u00", "u01"), ("u01", "u00")}
    drawn = {other for _, other in found.keys() - rare}
    assert len(drawn) == 3
    # Everyone is compared with the drawn ones, by both items; a rare item brings its users together.
    assert found.keys() == {(user, other) for user in users for other in drawn if user != other} | rare


def test_similar_users_add_up_and_own_items_are_scored_too(spark, rows):
    baskets = {"u": ("own",), "v": ("own", "x"), "w": ("x", "y")}
    met = rows(
        "interactions",
        *[
            {"user_id": u, "item_id": i, "strength": 2.0 - n}
            for u, items in baskets.items()
            for n, i in enumerate(items)
        ],
    )
    near = local_frame(spark, [("u", "v", 0.5), ("u", "w", 0.25)], "user_id string, other_id string, similarity double")
    (row,) = similar_user_boosts(met, near, per_user=2, history=5).collect()
    # y, met by w alone, is the third.
    assert (row.user_id, row.scorer, row.item_ids, row.because_item_ids) == ("u", "similar_users", ["x", "own"], [])
    assert row.scores == pytest.approx([np.log1p(0.75 / 0.2), np.log1p(0.5 / 0.2)], rel=1e-5)
    # Of each near user only the strongest item.
    (row,) = similar_user_boosts(met, near, per_user=9, history=1).collect()
    assert sorted(row.item_ids) == ["own", "x"]


def test_similar_users_depend_on_rows_and_not_on_partitions(rows):
    pairs = np.argwhere(np.random.default_rng(0).random((30, 20)) < 0.3)
    met = rows("interactions", *[{"user_id": f"u{u}", "item_id": f"i{i}", "strength": 1.0} for u, i in pairs])
    asked = SIZES | {"neighbours": 4, "history": 6}
    first, second = (
        sorted(behaviour_boosts(frame, nothing_near(frame), enabled=("similar_users",), **asked).collect())
        for frame in (met, met.repartition(7).orderBy("item_id"))
    )
    assert first == second
    assert len(first) > 20
