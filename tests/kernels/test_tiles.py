"""Exact top-N of a tile against a brute-force search in plain Python."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_spark.kernels import tiles
from recsys_spark.kernels.best import largest
from recsys_spark.kernels.tiles import Mixture, Pairs, Scorers, Shelf, Side, top_n

NONE = Pairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))


def brute_force(users, items, scorers, mixture, shelf, excluded):
    """(user, item, rank) by sorting every pair."""
    banned = set(zip(excluded.users, excluded.items, strict=True)) if shelf.exclude else set()
    found = []
    for user in range(len(users.kinds)):
        scored = []
        for item in (i for i in shelf.items if (user, i) not in banned):
            parts = [users.vectors[user, s : s + w] @ items.vectors[item, s : s + w] for s, w in scorers.spans]
            parts += [
                dict(zip(zip(p.users, p.items, strict=True), p.values, strict=True)).get((user, item), 0.0)
                for p in scorers.sparse
            ]
            kinds = users.kinds[user], items.kinds[item]
            raw = float(np.dot(mixture.coefficients[kinds], parts))
            scored.append((-(mixture.slope[kinds] * raw + mixture.intercept[kinds]), int(item)))
        found += [(user, item, rank) for rank, (_, item) in enumerate(sorted(scored)[: shelf.length], start=1)]
    return found


def chosen_of(chosen, shelf):
    mask = chosen.shelf == shelf
    return [tuple(map(int, row)) for row in zip(chosen.user[mask], chosen.item[mask], chosen.rank[mask], strict=True)]


def random_case(seed, n_users, n_items, value_range):
    """Small integers, so that scores are exact and ties are many."""
    rng = np.random.default_rng(seed)
    users = Side(rng.integers(0, value_range, (n_users, 5)).astype(np.float32), rng.integers(0, 2, n_users))
    items = Side(rng.integers(0, value_range, (n_items, 5)).astype(np.float32), rng.integers(0, 2, n_items))
    pairs = [Pairs.of(*np.nonzero(mask := rng.random((n_users, n_items)) < 0.2), np.ones(mask.sum())) for _ in "bx"]
    scorers = Scorers(((0, 3), (3, 2)), (pairs[0],))
    mixture = Mixture(
        rng.integers(0, 3, (2, 2, 3)).astype(float),
        rng.integers(1, 3, (2, 2)).astype(float),
        rng.integers(-2, 2, (2, 2)).astype(float),
    )
    some = np.flatnonzero(rng.random(n_items) < 0.6)
    shelves = [Shelf(np.arange(n_items), 4), Shelf(some, 3, exclude=True), Shelf(some[:0], 5)]
    return users, items, scorers, mixture, shelves, pairs[1]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), n_users=st.integers(1, 6), n_items=st.integers(1, 40), spread=st.integers(1, 4))
def test_top_n_equals_brute_force_with_ties_masks_exclusions_and_boosts(seed, n_users, n_items, spread):
    users, items, scorers, mixture, shelves, excluded = random_case(seed, n_users, n_items, spread)
    chosen = top_n(users, items, scorers, mixture, shelves, excluded)
    for place, shelf in enumerate(shelves):
        assert chosen_of(chosen, place) == brute_force(users, items, scorers, mixture, shelf, excluded)


def test_tiles_of_one_row_find_what_one_tile_finds(monkeypatch):
    case = random_case(7, 9, 30, 3)
    whole = top_n(*case)
    monkeypatch.setattr(tiles, "MAX_TILE_ROWS", 1)
    by_row = top_n(*case)
    for place in range(3):
        assert chosen_of(by_row, place) == chosen_of(whole, place)
    np.testing.assert_array_equal(by_row.contributions, whole.contributions)


def test_contributions_add_up_to_the_raw_score_and_the_logit_follows_the_calibration():
    users = Side(np.array([[1, 2]], np.float32), np.array([0]))
    items = Side(np.array([[3, 1], [0, 5]], np.float32), np.array([0, 0]))
    mixture = Mixture(np.array([[[2.0, 1.0, 0.5]]]), np.array([[3.0]]), np.array([[-1.0]]))
    boost = Pairs(np.array([0]), np.array([1]), np.array([4.0]))
    chosen = top_n(users, items, Scorers(((0, 1), (1, 1)), (boost,)), mixture, [Shelf(np.arange(2), 2)], NONE)
    assert chosen.item.tolist() == [1, 0]
    np.testing.assert_allclose(chosen.contributions, [[0, 10, 2], [6, 2, 0]])
    np.testing.assert_allclose(chosen.contributions.sum(axis=1), [12, 8])
    np.testing.assert_allclose(chosen.logit, [35, 23])


def test_saturated_probabilities_still_rank_by_the_logit():
    users = Side(np.ones((1, 1), np.float32), np.array([0]))
    items = Side(np.array([[100], [200]], np.float32), np.array([0, 0]))
    mixture = Mixture(np.ones((1, 1, 1)), np.ones((1, 1)), np.zeros((1, 1)))
    assert top_n(users, items, Scorers(((0, 1),)), mixture, [Shelf(np.arange(2), 1)], NONE).item.tolist() == [1]


def test_roles_can_be_swapped():
    users, items, scorers, mixture, _, _ = random_case(3, 8, 6, 3)
    swapped = Scorers(
        scorers.spans, (Pairs.of(scorers.sparse[0].items, scorers.sparse[0].users, scorers.sparse[0].values),)
    )
    shelf = Shelf(np.arange(8), 3)
    chosen = top_n(items, users, swapped, mixture.transposed(), [shelf], NONE)
    assert chosen_of(chosen, 0) == brute_force(items, users, swapped, mixture.transposed(), shelf, NONE)


def test_no_users_give_no_rows_but_all_columns():
    users, items, scorers, mixture, shelves, _ = random_case(1, 1, 5, 2)
    chosen = top_n(users.rows(0, 0), items, scorers.rows(0, 0), mixture, shelves, NONE)
    assert chosen.contributions.shape == (0, 3)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**31), st.integers(1, 6))
def test_the_largest_pairs_are_those_of_the_whole_matrix(seed, count):
    rng = np.random.default_rng(seed)
    held = np.argwhere(rng.random((5, 12)) < 0.4)
    pairs = Pairs.of(held[:, 0], held[:, 1], rng.integers(0, 4, len(held)).astype(float))
    whole = np.full((5, 12), -np.inf)
    whole[pairs.users, pairs.items] = pairs.values
    assert sorted(zip(*pairs.largest(count), strict=True)) == sorted(zip(*largest(whole, count), strict=True))
