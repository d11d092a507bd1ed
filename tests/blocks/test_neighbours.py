from collections import defaultdict

import numpy as np
import pytest

from recsys_spark.blocks.neighbours import TYPICAL, neighbour_boosts, similarities
from recsys_spark.kernels.grid import Grid
from tests.frames import boost_pairs, local_frame

SIMILAR = "item_id string, other_id string, similarity double"
ONE_CELL = Grid(1, 1)


@pytest.fixture
def met(rows):
    baskets = {"u1": "ab", "u2": "ab", "u3": "abc", "u4": "c"}
    return rows(
        "interactions",
        *[{"user_id": user, "item_id": item, "strength": 1.0} for user, items in baskets.items() for item in items],
    )


def test_similarity_is_the_share_of_users_who_met_the_other_item_too(met):
    found = {
        (r.item_id, r.other_id): r.similarity
        for r in similarities(met, neighbours=5, history=10, shrinkage=2.0).collect()
    }
    # All three users of a met b, one of them c; c has two users. Two further users are added to each.
    expected = {"ab": 3 / 5, "ba": 3 / 5, "ac": 1 / 5, "bc": 1 / 5, "ca": 1 / 4, "cb": 1 / 4}
    assert found == {tuple(pair): pytest.approx(share) for pair, share in expected.items()}


def test_neighbours_are_cut_with_ties_to_the_smaller_id(rows):
    met = rows(
        "interactions",
        *[{"user_id": u, "item_id": i, "strength": 1.0} for u in ("u1", "u2") for i in ("a", "b", "c")],
    )
    found = similarities(met, neighbours=1, history=10, shrinkage=0.0).collect()
    assert {r.item_id: r.other_id for r in found} == {"a": "b", "b": "a", "c": "a"}


def test_history_counts_only_the_strongest_items(rows):
    met = rows(
        "interactions",
        *[
            {"user_id": u, "item_id": i, "strength": s}
            for u in ("u1", "u2")
            for i, s in (("a", 3.0), ("b", 2.0), ("weak", 1.0))
        ],
    )
    found = similarities(met, neighbours=5, history=2, shrinkage=0.0).collect()
    assert {r.item_id for r in found} == {"a", "b"}


def test_a_boost_names_the_item_of_the_history_that_adds_most(spark, rows):
    met = rows(
        "interactions",
        {"user_id": "u", "item_id": "a", "strength": 1.0},
        {"user_id": "u", "item_id": "b", "strength": 1.0},
    )
    similar = local_frame(spark, [("a", "x", 0.2), ("b", "x", 0.5), ("x", "a", 0.9)], SIMILAR)
    (row,) = neighbour_boosts(met, similar, per_user=5, history=5, grid=ONE_CELL).collect()
    assert (row.item_ids, row.because_item_ids) == (["x"], ["b"])
    assert row.scores == pytest.approx([np.log1p(0.7 / 0.02)], rel=1e-5)


def test_neighbours_of_a_faded_history_count_like_those_of_a_fresh_one(spark, rows):
    met = rows(
        "interactions",
        *[
            {"user_id": user, "item_id": item, "strength": strength * faded}
            for user, faded in (("fresh", 1.0), ("faded", 1e-6))
            for item, strength in (("a", 1.0), ("b", 0.5))
        ],
    )
    similar = local_frame(spark, [("a", "x", 0.2), ("b", "y", 0.2)], SIMILAR)
    lists = neighbour_boosts(met, similar, per_user=5, history=5, grid=ONE_CELL).collect()
    found = {(r.user_id, r.item_id): r.value for r in boost_pairs(lists)}
    assert found["fresh", "x"] == found["faded", "x"] > found["fresh", "y"] == found["faded", "y"] > 0


@pytest.fixture
def drawn(spark, rows):
    """Interactions and similarities by chance, many alike, as (user, item, strength) and (met, other, value)."""
    random = np.random.default_rng(3)
    strengths = random.choice([1.0, 2.0, 4.0], (40, 30)) * (random.random((40, 30)) < 0.3)
    shares = random.choice([0.1, 0.2, 0.25], (30, 50)) * (random.random((30, 50)) < 0.2)
    met = [(f"u{u:02}", f"i{i:02}", float(strengths[u, i])) for u, i in np.argwhere(strengths)]
    near = [(f"i{i:02}", f"i{o:02}", float(shares[i, o])) for i, o in np.argwhere(shares)]
    return met, near


def expected(met, near, per_user, history):
    """Each user's best items by hand: item, value, and what adds most, of several the one with the largest id."""
    similar, of_user = defaultdict(list), defaultdict(list)
    for item, other, share in near:
        similar[item].append((other, share))
    for user, item, strength in met:
        of_user[user].append((-strength, item))
    found = {}
    for user, theirs in of_user.items():
        strong = sorted(theirs)[:history]
        terms = defaultdict(list)
        for strength, item in strong:
            for other, share in similar[item]:
                terms[other].append((share * strength / strong[0][0], item))
        sums = {other: np.log1p(sum(term for term, _ in some) / TYPICAL) for other, some in terms.items()}
        best = sorted(sums, key=lambda other: (-round(sums[other], 6), other))[:per_user]
        found[user] = [(other, pytest.approx(sums[other], abs=1e-6), max(terms[other])[1]) for other in best]
    return {user: best for user, best in found.items() if best}


@pytest.mark.parametrize("grid", [ONE_CELL, Grid(3, 1), Grid(2, 4)], ids=str)
def test_lists_are_those_of_a_sum_by_hand_in_whatever_cells(grid, drawn, rows, spark):
    met, near = drawn
    interactions = rows("interactions", *[{"user_id": u, "item_id": i, "strength": s} for u, i, s in met])
    found = neighbour_boosts(
        interactions, local_frame(spark, near, SIMILAR), per_user=7, history=6, grid=grid
    ).collect()
    lists = {
        row.user_id: list(zip(row.item_ids, row.scores, row.because_item_ids, strict=True))
        for row in found
        if (row.scorer, row.item_group) == ("neighbours", "established")
    }
    assert len(found) == len(lists) == 40
    assert lists == expected(met, near, 7, 6)


def test_who_met_nothing_with_neighbours_has_no_list(spark, rows):
    met = rows("interactions", {"user_id": "u", "item_id": "alone", "strength": 1.0})
    similar = local_frame(spark, [("a", "x", 0.2), ("b", "alone", 0.5)], SIMILAR)
    assert neighbour_boosts(met, similar, per_user=5, history=5, grid=ONE_CELL).collect() == []


def test_an_item_of_no_strength_brings_no_neighbours(spark, rows):
    met = rows("interactions", *[{"user_id": "u", "item_id": i, "strength": s} for i, s in (("a", 1.0), ("b", 0.0))])
    similar = local_frame(spark, [("a", "x", 0.2), ("b", "y", 0.2)], SIMILAR)
    (row,) = neighbour_boosts(met, similar, per_user=5, history=5, grid=ONE_CELL).collect()
    assert row.item_ids == ["x"]
