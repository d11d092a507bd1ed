"""Exact top-N of a tile against a brute-force search in plain Python."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_spark.kernels import alike, search, tiles
from recsys_spark.kernels.best import Best, largest
from recsys_spark.kernels.scoring import Mixture, Pairs, Scorers, Shelf, Side
from recsys_spark.kernels.tiles import top_n

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


def random_case(seed, n_users, n_items, value_range, copies=1):
    """Small integers, so that scores are exact and ties are many; of each vector so many items, here and there."""
    rng = np.random.default_rng(seed)
    users = Side(
        rng.integers(1 - value_range, value_range, (n_users, 5)).astype(np.float32), rng.integers(0, 2, n_users)
    )
    items = Side(
        rng.integers(1 - value_range, value_range, (n_items, 5)).astype(np.float32), rng.integers(0, 2, n_items)
    )
    if copies > 1:
        items = Side(items.vectors[rng.integers(0, -(-n_items // copies), n_items)], items.kinds)
    pairs = [Pairs.of(*np.nonzero(mask := rng.random((n_users, n_items)) < 0.2), np.ones(mask.sum())) for _ in "bx"]
    scorers = Scorers(((0, 4), (4, 1)), (pairs[0],))
    mixture = Mixture(
        rng.integers(0, 3, (2, 2, 3)).astype(float),
        rng.integers(1, 3, (2, 2)).astype(float),
        rng.integers(-2, 2, (2, 2)).astype(float),
    )
    some = np.flatnonzero(rng.random(n_items) < 0.6)
    shelves = [Shelf(np.arange(n_items), 4), Shelf(some, 3, exclude=True), Shelf(some[:0], 5)]
    return users, items, scorers, mixture, shelves, pairs[1]


CASES = {
    "seed": st.integers(0, 10_000),
    "n_users": st.integers(1, 6),
    "n_items": st.integers(1, 40),
    "spread": st.integers(1, 4),
    "copies": st.integers(1, 9),
}


def assert_equals_brute_force(seed, n_users, n_items, spread, copies):
    users, items, scorers, mixture, shelves, excluded = random_case(seed, n_users, n_items, spread, copies)
    chosen = top_n(users, items, scorers, mixture, shelves, excluded)
    for place, shelf in enumerate(shelves):
        assert chosen_of(chosen, place) == brute_force(users, items, scorers, mixture, shelf, excluded)


@settings(max_examples=60, deadline=None)
@given(**CASES)
def test_top_n_equals_brute_force_with_ties_masks_exclusions_and_boosts(**case):
    assert_equals_brute_force(**case)


@settings(max_examples=200, deadline=None)
@given(largest_block=st.integers(1, 7), **CASES)
def test_what_is_left_out_of_blocks_of_a_few_items_changes_nothing(largest_block, **case):
    # Nothing is scored again beyond the list's length, so that a list's last place decides what is left out.
    with (
        mock.patch.multiple(search, SMALLEST=largest_block // 2 + 1, LARGEST=largest_block, SLACK=0),
        mock.patch.object(tiles, "SLACK", 0),
    ):
        assert_equals_brute_force(**case)


@pytest.fixture
def scored(monkeypatch):
    """How many scores each block of a search had."""
    counts = []

    class Counting(Best):
        def push(self, scores, columns, rows):
            counts.append(scores.size)
            super().push(scores, columns, rows)

    monkeypatch.setattr(search, "Best", Counting)
    return counts


def with_copies(n_users=300, n_vectors=20, copies=40, width=67):
    """Vectors of ordinary numbers, of each many items here and there; users have habits and bought items among them."""
    rng = np.random.default_rng(5)
    n_items = n_vectors * copies
    of = rng.permutation(np.arange(n_items) % n_vectors)
    vectors = rng.standard_normal((n_vectors, width)).astype(np.float32)
    users = Side(rng.standard_normal((n_users, width)).astype(np.float32), rng.integers(0, 2, n_users))
    boosts, bought = (Pairs.of(*np.nonzero(mask := rng.random((n_users, n_items)) < 0.1), 3 * mask[mask]) for _ in "bx")
    mixture = Mixture(np.ones((2, 1, 2)), np.ones((2, 1)), np.zeros((2, 1)))
    launched = np.flatnonzero(rng.random(n_items) < 0.3)
    shelves = [Shelf(np.arange(n_items), 10), Shelf(launched, 10, exclude=True), Shelf(np.arange(n_items), 60, True)]
    scores = (users.vectors.astype(float) @ vectors.astype(float).T)[:, of]
    scores[boosts.users, boosts.items] += boosts.values
    items = Side(vectors[of], np.zeros(n_items, np.int64))
    return (users, items, Scorers(((0, width),), (boosts,)), mixture, shelves, bought), scores


def test_of_items_with_one_vector_the_lower_ids_come_first_whoever_else_is_asked():
    (users, items, scorers, mixture, shelves, bought), scores = with_copies()
    chosen = top_n(users, items, scorers, mixture, shelves, bought)
    few = slice(100, 137)
    alone = top_n(users.rows(100, 137), items, scorers.rows(100, 137), mixture, shelves, bought.rows(100, 137))
    without = scores.copy()
    without[bought.users, bought.items] = -np.inf
    for place, shelf in enumerate(shelves):
        theirs = (without if shelf.exclude else scores)[:, shelf.items]
        best = shelf.items[np.argsort(-theirs, axis=1, kind="stable")[:, : shelf.length]]
        np.testing.assert_array_equal(chosen.item[chosen.shelf == place].reshape(best.shape), best)
        np.testing.assert_array_equal(alone.item[alone.shelf == place].reshape(best[few].shape), best[few])
    told = scores[chosen.user, chosen.item]
    np.testing.assert_allclose(chosen.contributions.sum(axis=1), told, rtol=1e-9)
    np.testing.assert_allclose(chosen.logit, told, rtol=1e-9)


def test_of_equal_items_one_is_searched(scored):
    case, _ = with_copies(n_users=3)
    top_n(*case)
    assert sum(scored) <= 3 * 3 * 2 * 20  # users, shelves, items on and off one shelf, vectors


def test_items_whose_marks_meet_by_chance_are_told_apart(monkeypatch):
    case, _ = with_copies(n_users=3)
    expected = top_n(*case)
    monkeypatch.setattr(alike, "_marks", lambda rows, seed: np.zeros(len(rows), np.uint64))
    np.testing.assert_array_equal(top_n(*case).item, expected.item)


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


def of_falling_length(n_items=20_000, width=8):
    """Two users, and items the later the shorter, in an order that tells nothing of it."""
    rng = np.random.default_rng(0)
    lengths = rng.permutation(1 / np.arange(1, n_items + 1))
    items = rng.standard_normal((n_items, width)).astype(np.float32) * lengths[:, None].astype(np.float32)
    users = rng.standard_normal((2, width)).astype(np.float32)
    mixture = Mixture(np.ones((1, 1, 2)), np.ones((1, 1)), np.zeros((1, 1)))
    return Side(users, np.zeros(2, np.int64)), Side(items, np.zeros(n_items, np.int64)), lengths, mixture


def test_items_that_are_too_short_for_a_list_are_not_multiplied(scored):
    users, items, _, mixture = of_falling_length()
    shelves = [Shelf(np.arange(len(items.kinds)), 10)]
    chosen = top_n(users, items, Scorers(((0, 8),), (NONE,)), mixture, shelves, NONE)
    scores = users.vectors.astype(float) @ items.vectors.astype(float).T
    assert chosen.item.reshape(2, 10).tolist() == np.argsort(-scores, axis=1)[:, :10].tolist()
    assert sum(scored) < 0.05 * scores.size


def test_a_short_item_with_a_boost_is_found_where_its_block_is_left_out(scored):
    users, items, lengths, mixture = of_falling_length()
    shortest = np.argsort(lengths)[:3]
    boosts = Pairs.of(np.array([1, 1, 0]), shortest, np.array([50.0, 40.0, 1e-6]))
    barred = Pairs.of(np.array([1]), shortest[:1], np.ones(1))
    shelves = [Shelf(np.arange(len(items.kinds)), 10), Shelf(np.arange(len(items.kinds)), 10, exclude=True)]
    chosen = top_n(users, items, Scorers(((0, 8),), (boosts,)), mixture, shelves, barred)
    first = [chosen.item[(chosen.shelf == shelf) & (chosen.user == 1)][:2].tolist() for shelf in (0, 1)]
    assert first[0] == shortest[:2].tolist()
    assert first[1][0] == shortest[1]
    assert shortest[0] not in chosen.item[chosen.shelf == 1]
    assert shortest[2] not in chosen.item
    assert sum(scored) < 0.1 * 2 * len(items.kinds)  # of each of two shelves


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
