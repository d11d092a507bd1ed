import numpy as np
import pytest
import scipy.sparse as sp

from recsys_spark.blocks.ease import regression, weights
from tests.frames import local_frame

ALL = {"items": 100, "users": 100, "history": 100, "neighbours": 100, "penalty": 2.0}


def interactions(spark, met):
    """Rows (user, item, strength) of each user and item of a matrix that met."""
    rows = [(f"u{u:02}", f"i{i:02}", float(met[u, i])) for u, i in np.argwhere(met)]
    return local_frame(spark, rows, "user_id string, item_id string, strength double")


def found_in(frame, n_items):
    values = np.zeros((n_items, n_items))
    for row in frame.collect():
        assert row.scorer == "ease"
        values[int(row.item_id[1:]), int(row.other_id[1:])] = row.value
    return values


def regressed(met, penalty):
    """Each item on all others by a ridge regression of its own."""
    n_items = met.shape[1]
    values = np.zeros((n_items, n_items))
    for j in range(n_items):
        others = np.arange(n_items) != j
        x = met[:, others].astype(float)
        values[others, j] = np.linalg.solve(x.T @ x + penalty * np.eye(n_items - 1), x.T @ met[:, j])
    return values


@pytest.fixture
def met():
    return (np.random.default_rng(5).random((40, 9)) < 0.4).astype(float)


def test_weights_are_those_of_a_ridge_regression_of_each_item_on_all_others(met):
    assert weights(sp.csr_matrix(met), 2.0) == pytest.approx(regressed(met, 2.0), abs=1e-12)


def test_the_table_holds_them_rounded(spark, met):
    found = found_in(regression(interactions(spark, met), **ALL), 9)
    assert found == pytest.approx(regressed(met, 2.0), abs=6e-7)


def test_the_largest_of_each_item_are_kept_whatever_their_sign(spark, met):
    found = found_in(regression(interactions(spark, met), **ALL | {"neighbours": 3}), 9)
    whole = regressed(met, 2.0)
    assert (whole < 0).any()
    for item in range(9):
        kept = np.flatnonzero(found[item])
        assert sorted(kept) == sorted(np.argsort(-np.abs(whole[item]))[:3])
        assert found[item, kept] == pytest.approx(whole[item, kept], abs=6e-7)


def test_only_the_items_with_most_users_have_weights(spark):
    met = np.array([[1, 1, 1, 0], [1, 1, 0, 1], [1, 1, 0, 0], [1, 0, 1, 0]])
    found = found_in(regression(interactions(spark, met), **ALL | {"items": 2}), 4)
    assert set(np.argwhere(found).ravel()) == {0, 1}
    assert found[:2, :2] == pytest.approx(regressed(met[:, :2], 2.0), abs=6e-7)


def test_a_long_history_counts_by_its_strongest_items(spark):
    met = np.array([[3, 2, 1], [3, 2, 1], [3, 2, 1]])
    found = found_in(regression(interactions(spark, met), **ALL | {"history": 2}), 3)
    assert found == pytest.approx(regressed((met > 1).astype(float), 2.0), abs=6e-7)


def test_a_sample_of_users_is_the_same_on_every_run(spark, met):
    some = [found_in(regression(interactions(spark, met), **ALL | {"users": 10}), 9) for _ in range(2)]
    assert (some[0] == some[1]).all()
    assert np.abs(some[0] - regressed(met, 2.0)).max() > 0.01


@pytest.mark.parametrize("shape", [(0, 0), (1, 1)], ids=["nobody", "one item"])
def test_where_there_are_no_two_items_there_are_no_weights(spark, shape):
    assert regression(interactions(spark, np.ones(shape)), **ALL).collect() == []
