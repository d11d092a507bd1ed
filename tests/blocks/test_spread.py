import numpy as np
import pytest

from recsys_spark.blocks.layout import Layout
from recsys_spark.blocks.spread import block_spreads
from tests.frames import local_frame

LAYOUT = Layout(factors=3, svd=0, demographic=0, popularity=1, trend=0, moment=0, deep=2)
WIDTH = LAYOUT.width


def frame(spark, vectors):
    return local_frame(spark, [(vector.tolist(),) for vector in vectors], "vector array<float>")


def test_a_spread_is_the_root_mean_variance_of_the_scores_of_a_user(spark):
    random = np.random.default_rng(1)
    users, items = (random.normal(2.0, 1.0, (n, WIDTH)).astype(np.float32) for n in (40, 70))
    found = block_spreads(frame(spark, users), frame(spark, items), LAYOUT)
    assert list(found) == ["factors", "popularity", "deep"]
    for name, start, width in LAYOUT.rows:
        scores = users[:, start : start + width].astype(float) @ items[:, start : start + width].astype(float).T
        assert found[name] == pytest.approx(np.sqrt(scores.var(axis=1).mean()), rel=1e-5)


def test_a_block_that_tells_no_items_apart_is_divided_by_nothing(spark):
    users = np.ones((3, WIDTH), np.float32)
    items = np.ones((5, WIDTH), np.float32)
    items[:, 3] = np.arange(5)
    found = block_spreads(frame(spark, users), frame(spark, items), LAYOUT)
    assert found == {"factors": 1.0, "popularity": pytest.approx(np.sqrt(2.0), rel=1e-5), "deep": 1.0}


def test_what_is_rounding_is_no_spread(spark):
    random = np.random.default_rng(10)
    users = random.normal(2.0, 1.0, (40, WIDTH)).astype(np.float32)
    items = np.tile((10 * random.random(WIDTH)).astype(np.float32), (500, 1))
    assert set(block_spreads(frame(spark, users), frame(spark, items), LAYOUT).values()) == {1.0}


def test_without_known_users_or_items_nothing_is_divided(spark):
    nobody, some = np.zeros((0, WIDTH), np.float32), np.eye(WIDTH, dtype=np.float32)
    for users, items in ((nobody, some), (some, nobody)):
        assert set(block_spreads(frame(spark, users), frame(spark, items), LAYOUT).values()) == {1.0}
