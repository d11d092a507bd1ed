import numpy as np
import pytest

from recsys_spark.vectors import sessions
from recsys_spark.vectors.sessions import session_vectors
from tests.conftest import at


def visits(*baskets, session=True):
    """Events of baskets, each one session of its own user, or one day of it."""
    return [
        dict(user_id=f"u{n}", item_id=item, ts=at("2024-01-01"), session_id=f"s{n}" if session else None)
        for n, basket in enumerate(baskets)
        for item in basket
    ]


def vectors(frame, seed=0):
    return {r.item_id: np.array(r.session_vector) for r in session_vectors(frame, 8, seed).collect()}


def test_items_of_sessions_get_unit_vectors_that_a_seed_repeats(rows):
    events = rows("events", *visits(*[["tea", "milk"], ["tent", "stove"]] * 6))
    first, again = vectors(events), vectors(events.repartition(5))
    assert sorted(first) == ["milk", "stove", "tea", "tent"]
    for item, vector in first.items():
        assert np.linalg.norm(vector) == pytest.approx(1.0, rel=1e-6)
        np.testing.assert_allclose(vector, again[item], rtol=1e-5)


def test_days_stand_in_for_sessions_and_rare_items_are_left_out(rows):
    baskets = [["tea", "milk"]] * 5 + [["tea", "milk", "rare"]]
    assert sorted(vectors(rows("events", *visits(*baskets, session=False)))) == ["milk", "tea"]


def test_sessions_of_one_item_and_no_events_give_no_vectors(rows):
    assert vectors(rows("events", *visits(*[["tea"]] * 8))) == {}
    assert vectors(rows("events")) == {}


def test_beyond_the_bound_a_sample_of_whole_sessions_is_learned_from(rows, monkeypatch):
    monkeypatch.setattr(sessions, "MAX_SESSIONS", 20)
    kept = sessions._sampled(rows("events", *visits(*[["tea", "milk"]] * 60))).collect()
    sizes = {}
    for row in kept:
        sizes[row.session] = sizes.get(row.session, 0) + 1
    assert 5 < len(sizes) < 35
    assert set(sizes.values()) == {2}
