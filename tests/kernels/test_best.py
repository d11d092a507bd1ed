"""The largest scores of a matrix, of all at once and of blocks, against a sort."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_spark.kernels import best
from recsys_spark.kernels.best import Best, largest


@pytest.mark.parametrize("count", [1, 2, 3, 4, 9])
def test_largest_prefers_the_lower_column_among_ties_and_never_takes_minus_infinity(count):
    scores = np.array([[1, 2, 2, 2, -np.inf], [-np.inf] * 5, [0, 0, 0, 0, 0]], np.float32)
    rows, columns = largest(scores, count)
    by_row = [sorted(columns[rows == row].tolist()) for row in range(3)]
    assert by_row == [sorted([1, 2, 3, 0][:count]), [], list(range(min(count, 5)))]


def test_largest_of_groups_takes_what_a_search_of_all_columns_takes():
    # Few values and many columns: maxima of groups tie in some rows and not in others; 7 columns lie in no group.
    random = np.random.default_rng(4)
    spread = np.geomspace(3, 1e6, 40)[:, None]
    scores = np.floor(random.random((40, 16 * 60 + 7)) * spread).astype(np.float32)
    scores[0] = -np.inf
    scores[1, 5:] = -np.inf
    scores[2:20, ::3] = -np.inf
    for count in (1, 3, 15):
        expected = [(row, column) for row in range(40) for column in sorted(_best_columns(scores[row], count))]
        assert sorted(zip(*map(np.ndarray.tolist, largest(scores, count)), strict=True)) == expected


def _best_columns(row, count):
    best = np.argsort(-row, kind="stable")[:count]
    return best[row[best] > -np.inf].tolist()


def test_rows_without_any_group_that_is_clearly_best_are_searched_whole():
    count, n_columns = 2, 8 * best.GROUP * 2
    silent = np.full((3, n_columns), -np.inf, np.float32)
    tied = np.zeros((2, n_columns), np.float32)
    assert [len(found) for found in largest(silent, count)] == [0, 0]
    rows, columns = largest(tied, count)
    assert (rows.tolist(), sorted(columns.tolist())) == ([0, 0, 1, 1], [0, 0, 1, 1])


@settings(deadline=None, max_examples=80)
@given(
    seed=st.integers(0, 2**31),
    count=st.integers(1, 9),
    widths=st.lists(st.integers(1, 30), min_size=1, max_size=6),
    spread=st.sampled_from([1, 3, 1000]),
)
def test_blocks_give_what_the_whole_matrix_gives(seed, count, widths, spread):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, spread, (5, sum(widths))).astype(np.float32)
    scores[rng.random(scores.shape) < 0.2] = -np.inf
    scores[0] = np.sort(scores[0])  # each block better than all before
    found = Best(5, count)
    for part in np.split(np.arange(sum(widths)), np.cumsum(widths)[:-1]):
        found.push(scores[:, part], part, np.arange(5))
    rows, columns = found.found()
    assert list(zip(rows, columns, strict=True)) == sorted(zip(*largest(scores, count), strict=True))


def test_without_blocks_nothing_is_found():
    assert [len(found) for found in Best(3, 2).found()] == [0, 0]
