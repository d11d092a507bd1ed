import numpy as np
import pyarrow as pa
import pytest

from recsys_spark.blocks.as_new import PARTS, as_new, part_of
from recsys_spark.config.learning import BlockSettings

LOOSE = BlockSettings(ridge_items=1e-3)
LAYOUT = {"factors": (0, 2), "popularity": (2, 1), "deep": (3, 2)}


@pytest.fixture
def items():
    """60 items of two kinds; factors and demand go with the kind."""
    kind = np.arange(60) % 2
    count = np.where(kind == 0, 30.0, 2.0)
    vectors = np.column_stack([1.0 - kind, kind, np.log1p(count), np.full((60, 2), 9.0)]).astype(np.float32)
    return pa.table(
        {
            "item_id": [f"i{n}" for n in range(60)],
            "feature_idx": pa.array([[int(k)] for k in kind], pa.list_(pa.int32())),
            "n_users": count.astype(np.int64),
            "popularity": count,
            "vector": pa.array(vectors.tolist(), pa.list_(pa.float32())),
        }
    )


def test_what_goes_with_the_attributes_is_predicted_and_the_rest_is_zero(items):
    found = as_new(items, LAYOUT, np.zeros(2, bool), LOOSE)
    kind = np.arange(60) % 2
    np.testing.assert_allclose(found[:, :2], np.column_stack([1.0 - kind, kind]), atol=1e-3)
    # sqrt(n / mean n), where the mean is 16.
    np.testing.assert_allclose(found[:, 2], np.sqrt(np.where(kind == 0, 30, 2) / 16), atol=1e-3)
    assert not found[:, 3:].any()


def test_an_item_does_not_predict_itself(items):
    odd = items["vector"].to_pylist()
    odd[7][0] = 1000.0
    changed = items.set_column(4, "vector", pa.array(odd, pa.list_(pa.float32())))
    before, after = (as_new(table, LAYOUT, np.zeros(2, bool), LOOSE) for table in (items, changed))
    own = part_of(items["item_id"]) == part_of(items["item_id"])[7]
    np.testing.assert_allclose(after[own], before[own])
    assert np.abs(after[~own] - before[~own]).max() > 1


def test_parts_hang_on_the_id_alone_and_fill_evenly():
    ids = pa.chunked_array([[f"i{n}" for n in range(5000)]])
    sizes = np.bincount(part_of(ids), minlength=PARTS)
    assert sizes.min() > 800
    np.testing.assert_array_equal(part_of(ids.slice(100, 50)), part_of(ids)[100:150])
