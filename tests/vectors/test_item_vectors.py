import numpy as np
import pytest

from recsys_spark.contracts import table
from recsys_spark.contracts.spark import conform
from recsys_spark.vectors.describe import item_encoding
from recsys_spark.vectors.item_vectors import item_features, item_vectors
from recsys_spark.vectors.text import item_terms
from tests.conftest import at

AS_OF = at("2024-01-11")


def vectors(rows, items, events=(), met=(), text_width=8, session_width=8):
    frame = rows("items", *items)
    known = item_encoding(frame, price_bins=2, id_order=True)
    found = item_vectors(
        frame,
        rows("events", *events),
        rows("interactions", *met),
        known,
        item_features(frame, known, max_features=50, min_holders=1, pairs=True),
        item_terms(frame),
        AS_OF,
        kept=None,
        pairs=True,
        half_life_days=10.0,
        text_width=text_width,
        session_width=session_width,
    )
    return {r.item_id: r for r in conform(table("item_vectors"), found).collect()}


def test_every_item_has_a_row_and_popularity_counts_users_with_decay(rows):
    met = [
        dict(user_id="u", item_id="b", n_events=2, last_ts=AS_OF),
        dict(user_id="v", item_id="b", n_events=1, last_ts=at("2024-01-01")),
    ]
    found = vectors(rows, [dict(item_id="b", brand="X"), dict(item_id="a"), dict(item_id="c", brand="X")], met=met)
    assert {i: r.item_idx for i, r in found.items()} == {"a": 0, "b": 1, "c": 2}
    assert (found["b"].n_events, found["b"].n_users, found["b"].popularity) == (3, 2, pytest.approx(1.5))
    assert (found["a"].n_events, found["a"].n_users, found["a"].popularity) == (0, 0, 0.0)


def test_an_item_without_attributes_has_empty_features_and_zero_vectors(rows):
    found = vectors(rows, [dict(item_id="a"), dict(item_id="b", brand="X")])
    assert (found["a"].feature_idx, found["a"].feature_value) == ([], [])
    assert found["a"].text_vector == found["a"].session_vector == [0.0] * 8
    assert found["b"].feature_value == [1.0]


def test_vectors_that_are_switched_off_are_empty(rows):
    found = vectors(rows, [dict(item_id="a", title="red lipstick")], text_width=0, session_width=0)["a"]
    assert found.text_vector == found.session_vector == []


def test_features_have_unit_length(rows):
    items = [
        dict(item_id="a", brand="X", category_path=["Care", "Serum"], price=5.0, attributes={"vegan": ["yes"]}),
        dict(item_id="b", brand="Y", category_path=["Care"], price=50.0),
    ]
    for row in vectors(rows, items).values():
        assert np.linalg.norm(row.feature_value) == pytest.approx(1.0, rel=1e-6)
        assert row.feature_idx == sorted(row.feature_idx)
