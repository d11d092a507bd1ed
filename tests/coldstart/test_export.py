"""Vectors that are written for users and items that nothing tells apart."""

import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from recsys_spark.coldstart.catalogue import catalogue
from recsys_spark.coldstart.export import ROWS_AT_A_TIME, export
from recsys_spark.coldstart.model import TwoTowers
from recsys_spark.coldstart.ranks import Ranks

N_ITEMS, N_USERS = ROWS_AT_A_TIME + 37, 41


@pytest.fixture(scope="module")
def model():
    """Every other item has the content of the last one."""
    draw = np.random.default_rng(0)
    features, dense = draw.integers(1, 9, (N_ITEMS, 2)), draw.normal(size=(N_ITEMS, 5))
    features[::2], dense[::2] = features[-1], dense[-1]
    tf.keras.utils.set_random_seed(1)
    items = {
        "item_idx": np.arange(1, N_ITEMS + 1),
        "feature_idx": features,
        "dense": dense,
        "log_q": np.zeros(N_ITEMS),
        "is_held_out": np.zeros(N_ITEMS, bool),
    }
    return TwoTowers(catalogue(items), n_attributes=4, width=64, hidden=(128,), temperature=0.5)


def exported(model, folder, users, first_item=1):
    """Side and idx to vector; no item is known."""
    blocks = {
        "user_idx": np.asarray(users),
        "attribute_idx": np.array([[1 + user % 2, 0] for user in users], np.int32),
        "history_idx": np.array([[1 + user % 2, 3] for user in users], np.int32),
    }
    export(model, np.zeros(N_ITEMS + 1, np.int32), iter([blocks]), Ranks(), folder, first_item)
    rows = pq.read_table(folder).to_pylist()
    return {(row["side"], row["idx"]): tuple(row["vector"]) for row in rows}


def test_equal_items_and_users_get_one_vector_and_keep_it_in_an_update(model, tmp_path):
    every = exported(model, tmp_path / "all", range(N_USERS))
    assert len(every) == N_ITEMS + N_USERS
    assert len({every["item", idx] for idx in range(0, N_ITEMS, 2)}) == 1
    assert len({every["user", idx] for idx in range(N_USERS)}) == 2
    few = exported(model, tmp_path / "few", [7, 8], first_item=N_ITEMS - 2)
    assert few == {key: every[key] for key in few}
    assert len(few) == 5
