from collections import defaultdict

import numpy as np
import pytest

from recsys_spark.blocks.history import TYPICAL, history_boosts
from recsys_spark.kernels.grid import Grid
from tests.frames import boost_pairs, local_frame

SIMILAR = "scorer string, item_id string, other_id string, value double"
ONE_CELL = Grid(1, 1)


def by(scorer, *near):
    """Rows (item met, other item, value) of item_neighbours."""
    return [(scorer, *row) for row in near]


def test_a_boost_names_the_item_of_the_history_that_adds_most(spark, rows):
    met = rows(
        "interactions",
        {"user_id": "u", "item_id": "a", "strength": 1.0},
        {"user_id": "u", "item_id": "b", "strength": 1.0},
    )
    similar = local_frame(spark, by("neighbours", ("a", "x", 0.2), ("b", "x", 0.5), ("x", "a", 0.9)), SIMILAR)
    (row,) = history_boosts(met, similar, per_user=5, history=5, grid=ONE_CELL).collect()
    assert (row.item_ids, row.because_item_ids) == (["x"], ["b"])
    assert row.scores == pytest.approx([np.log1p(0.7 / 0.02)], rel=1e-5)


@pytest.mark.parametrize("fading", [1e-6, 1e-18, 1e-280])
def test_neighbours_of_a_faded_history_count_like_those_of_a_fresh_one(spark, rows, fading):
    met = rows(
        "interactions",
        *[
            {"user_id": user, "item_id": item, "strength": strength * faded}
            for user, faded in (("fresh", 1.0), ("faded", fading))
            for item, strength in (("a", 1.0), ("b", 0.5))
        ],
    )
    similar = local_frame(spark, by("neighbours", ("a", "x", 0.2), ("b", "y", 0.2)), SIMILAR)
    lists = history_boosts(met, similar, per_user=5, history=5, grid=ONE_CELL).collect()
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


def expected(met, near, per_user, history, valued):
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
        added = {other: (sum(term for term, _ in some), max(some)[1]) for other, some in terms.items()}
        sums = {other: (valued(total), most) for other, (total, most) in added.items() if total > 1e-9}
        best = sorted(sums, key=lambda other: (-round(sums[other][0], 6), other))[:per_user]
        found[user] = [(other, pytest.approx(sums[other][0], abs=1e-6), sums[other][1]) for other in best]
    return {user: best for user, best in found.items() if best}


VALUED = {"neighbours": lambda total: np.log1p(total / TYPICAL["neighbours"]), "ease": lambda total: total}


@pytest.mark.parametrize("grid", [ONE_CELL, Grid(3, 1), Grid(2, 4)], ids=str)
def test_lists_are_those_of_a_sum_by_hand_in_whatever_cells(grid, drawn, rows, spark):
    met, near = drawn
    interactions = rows("interactions", *[{"user_id": u, "item_id": i, "strength": s} for u, i, s in met])
    # Some weights of a regression speak against an item.
    signed = [(item, other, value - 0.2 * (n % 4 == 0)) for n, (item, other, value) in enumerate(near)]
    of = {"neighbours": near, "ease": signed}
    table = local_frame(spark, [row for scorer, some in of.items() for row in by(scorer, *some)], SIMILAR)
    found = history_boosts(interactions, table, per_user=7, history=6, grid=grid).collect()
    lists = defaultdict(dict)
    for row in found:
        assert row.item_group == "established"
        lists[row.scorer][row.user_id] = list(zip(row.item_ids, row.scores, row.because_item_ids, strict=True))
    assert len(found) == sum(map(len, lists.values()))
    assert len(lists["neighbours"]) == 40
    assert lists == {scorer: expected(met, some, 7, 6, VALUED[scorer]) for scorer, some in of.items()}


def test_who_met_nothing_with_neighbours_has_no_list(spark, rows):
    met = rows("interactions", {"user_id": "u", "item_id": "alone", "strength": 1.0})
    similar = local_frame(spark, by("neighbours", ("a", "x", 0.2), ("b", "alone", 0.5)), SIMILAR)
    assert history_boosts(met, similar, per_user=5, history=5, grid=ONE_CELL).collect() == []


def test_an_item_of_no_strength_brings_no_neighbours(spark, rows):
    strengths = ("u", "a", 1.0), ("u", "b", 0.0), ("all gone", "a", 0.0)
    met = rows("interactions", *[{"user_id": u, "item_id": i, "strength": s} for u, i, s in strengths])
    similar = local_frame(spark, by("neighbours", ("a", "x", 0.2), ("b", "y", 0.2)), SIMILAR)
    (row,) = history_boosts(met, similar, per_user=5, history=5, grid=ONE_CELL).collect()
    assert (row.user_id, row.item_ids) == ("u", ["x"])
