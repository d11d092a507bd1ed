import numpy as np
import pytest

from recsys_spark.vectors.text import item_terms, projected, text_vectors

WIDTH = 64


def vectors(rows, *items, seed=0):
    frame = rows("items", *items)
    return {r.item_id: np.array(r.text_vector) for r in text_vectors(frame, item_terms(frame), WIDTH, seed).collect()}


TITLES = {"a": "Red matte lipstick", "b": "matte RED lipstick!", "c": "Night cream, rich", "d": "rich night balm"}
ITEMS = [dict(item_id=i, title=t) for i, t in TITLES.items()]


def test_equal_words_give_equal_vectors_whatever_their_order_and_case(rows):
    found = vectors(rows, *ITEMS)
    assert found["a"] @ found["b"] == pytest.approx(1.0, rel=1e-6)
    assert found["c"] @ found["d"] > found["c"] @ found["a"] + 0.4


def test_vectors_have_unit_length_and_follow_the_seed(rows):
    first, again, other = vectors(rows, *ITEMS), vectors(rows, *ITEMS), vectors(rows, *ITEMS, seed=1)
    for name, vector in first.items():
        assert np.linalg.norm(vector) == pytest.approx(1.0, rel=1e-6)
        np.testing.assert_array_equal(vector, again[name])
    assert not np.allclose(first["a"], other["a"])


def test_brand_and_category_are_text_and_items_without_a_shared_word_are_left_out(rows):
    found = vectors(
        rows,
        dict(item_id="a", brand="Acme", category_path=["Care"]),
        dict(item_id="b", title="acme", description="care"),
        dict(item_id="c", title="unique"),
        dict(item_id="d", title=" ! x"),
    )
    assert sorted(found) == ["a", "b"]
    assert found["a"] @ found["b"] == pytest.approx(1.0, rel=1e-6)


def test_projection_keeps_angles_and_leaves_rows_without_terms_zero():
    rng = np.random.default_rng(0)
    terms = rng.integers(-(2**63), 2**63, 100)
    hashes = np.concatenate([terms, terms[:50], rng.integers(-(2**63), 2**63, 50)])
    found = projected(hashes, np.ones(200), np.repeat([0, 1], 100), 3, 512)
    assert found.shape == (3, 512)
    assert found[0] @ found[1] == pytest.approx(0.5, abs=0.15)
    assert not found[2].any()
