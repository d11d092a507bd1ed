import numpy as np
import pytest

from recsys_spark.blocks.svd import fit_svd, orthonormal, user_vectors
from recsys_spark.kernels.grid import Grid
from recsys_spark.kernels.keep import keeping


def sessions(seed, users, items):
    """Counts [users, items] of three kinds of users with different tastes, of different liveliness."""
    rng = np.random.default_rng(seed)
    taste = rng.gamma(0.4, 2.0, (3, items))[rng.integers(0, 3, users)]
    return rng.poisson(taste * rng.gamma(2.0, 0.5, (users, 1)))


def met(rows, counts):
    pairs = [
        {"user_id": f"u{u:02}", "item_id": f"i{i:02}", "n_sessions": int(counts[u, i])} for u, i in np.argwhere(counts)
    ]
    return rows("interactions", *pairs)


def decomposed(interactions, rank, grid):
    """Vectors of users and of items by id."""
    with keeping() as keep:
        items = fit_svd(interactions, interactions.select("item_id").distinct(), rank=rank, grid=grid, keep=keep)
        users = user_vectors(interactions, items, rank=rank, grid=grid)
        sides = users.select("user_id", "svd").collect(), items.select("item_id", "svd").collect()
    return tuple({row[0]: np.array(row.svd) for row in side} for side in sides)


def projected(matrix, rank):
    """A V V' by the dense decomposition."""
    _, _, right = np.linalg.svd(matrix, full_matrices=False)
    return matrix @ right[:rank].T @ right[:rank]


def scored(users, items, shape):
    """Scores [users, items]; 0 for ids that were never met."""
    none = np.zeros(len(next(iter(items.values()))))
    left = np.array([users.get(f"u{u:02}", none) for u in range(shape[0])])
    return left @ np.array([items.get(f"i{i:02}", none) for i in range(shape[1])]).T


@pytest.mark.parametrize(
    ("shape", "rank", "tolerance", "grid"),
    # Fewer items than test vectors leave nothing to chance; else three kinds of users stand out of the noise.
    [((30, 14), 9, 1e-5, Grid(1, 1)), ((90, 60), 3, 2e-3, Grid(3, 2))],
)
def test_scores_are_the_projection_on_the_first_singular_vectors(rows, shape, rank, tolerance, grid):
    counts = sessions(1, *shape)
    users, items = decomposed(met(rows, counts), rank, grid)
    expected = projected(np.log1p(counts), rank)
    np.testing.assert_allclose(scored(users, items, shape), expected, atol=tolerance * np.abs(expected).max())


def test_vectors_of_items_are_orthonormal_and_those_of_users_as_long_as_the_singular_values(rows):
    counts = sessions(2, 40, 25)
    users, items = decomposed(met(rows, counts), 4, Grid(2, 2))
    right, left = np.array(list(items.values())), np.array(list(users.values()))
    np.testing.assert_allclose(right.T @ right, np.eye(4), atol=1e-5)
    singular = np.linalg.svd(np.log1p(counts), compute_uv=False)[:4]
    np.testing.assert_allclose(np.linalg.norm(left, axis=0), singular, rtol=1e-3)


def test_what_a_small_shop_lacks_in_rank_is_zero(rows):
    # Two users of the same taste and one of another: three items of rank two.
    counts = np.array([[1, 2, 0], [1, 2, 0], [0, 0, 3]])
    users, items = decomposed(met(rows, counts), 6, Grid(2, 1))
    right = np.array([items[f"i0{i}"] for i in range(3)])
    assert right.shape == (3, 6)
    assert not right[:, 2:].any()
    np.testing.assert_allclose(scored(users, items, (3, 3)), np.log1p(counts), atol=1e-5)


def test_the_same_rows_on_other_partitions_give_the_same_vectors(rows):
    # Two equal kinds of users: singular values come in pairs, whose vectors could be turned at will.
    one = sessions(3, 12, 8)
    frame = met(rows, np.block([[one, np.zeros_like(one)], [np.zeros_like(one), one]]))
    runs = [decomposed(f, 4, Grid(2, 1)) for f in (frame, frame.repartition(5, "n_sessions").orderBy("item_id"))]
    for first, second in zip(*runs, strict=True):
        assert first.keys() == second.keys()
        np.testing.assert_allclose(*[[run[key] for key in first] for run in (first, second)], atol=1e-5)


def test_vectors_that_are_lost_with_their_executors_are_computed_again(spark, rows):
    frame = met(rows, sessions(4, 12, 8))
    with keeping() as keep:
        items = fit_svd(frame, frame.select("item_id").distinct(), rank=3, grid=Grid(2, 2), keep=keep)
        expected = {row.item_id: row.svd for row in items.collect()}
        held = [rdd.id() for rdd in spark.sparkContext._jsc.sc().getRDDStorageInfo() if rdd.numCachedPartitions()]
        assert held
        for rdd in held:
            spark._jvm.org.apache.spark.SparkEnv.get().blockManager().master().removeRdd(rdd, True)
        assert {row.item_id: row.svd for row in items.collect()} == expected


def test_without_events_there_are_no_vectors(rows):
    users, items = decomposed(rows("interactions"), 3, Grid(2, 1))
    assert users == items == {}


def test_columns_become_orthonormal_and_dependent_ones_zero():
    columns = np.random.default_rng(0).normal(size=(50, 3)) * [100.0, 1.0, 0.1]
    turned = np.column_stack([columns, columns[:, 0] - columns[:, 1]])
    found = turned @ orthonormal(turned.T @ turned)
    np.testing.assert_allclose(found.T @ found, np.diag([1.0, 1.0, 1.0, 0.0]), atol=1e-3)
    assert not orthonormal(np.zeros((2, 2))).any()
