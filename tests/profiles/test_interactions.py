from math import log1p, log2

import pytest

from recsys_spark.contracts import table
from recsys_spark.contracts.spark import conform
from recsys_spark.profiles.interactions import interactions
from tests.conftest import at

AS_OF = at("2024-01-11")


def strengths(events, **changed):
    given = {
        "event_weights": {"view": 0.1, "purchase": 1.0},
        "default_event_weight": 0.2,
        "dwell_weight": 0.5,
        "half_life_days": 10.0,
    } | changed
    found = conform(table("interactions"), interactions(events, AS_OF, **given))
    return {(r.user_id, r.item_id): r for r in found.collect()}


def event(event_type="purchase", user="u", item="i", ts=AS_OF, **more):
    return {"user_id": user, "item_id": item, "event_type": event_type, "ts": ts, "quantity": 1.0} | more


def test_a_purchase_at_the_as_of_time_counts_one_and_half_a_half_life_before(rows):
    found = strengths(rows("events", event(), event(ts=at("2024-01-01"))))
    assert found["u", "i"].strength == pytest.approx(1.5)
    assert found["u", "i"].first_ts < found["u", "i"].last_ts


def test_views_grow_with_dwell_and_unknown_types_take_the_default(rows):
    found = strengths(
        rows("events", event("view", item="v", dwell_seconds=30.0), event("wishlist", item="w", dwell_seconds=30.0))
    )
    assert found["u", "v"].strength == pytest.approx(0.1 * (1 + 0.5 * log1p(1)))
    assert found["u", "w"].strength == pytest.approx(0.2)


def test_quantity_counts_by_its_logarithm_up_to_three(rows):
    quantities = {"one": 1.0, "none": 0.0, "two": 2.0, "bulk": 1000.0}
    found = strengths(rows("events", *[event(item=name, quantity=q) for name, q in quantities.items()]))
    assert {i: r.strength for (_, i), r in found.items()} == pytest.approx(
        {"one": 1.0, "none": 1.0, "two": log2(3), "bulk": 3.0}
    )


def test_events_without_an_item_are_no_interactions(rows):
    assert strengths(rows("events", event("search", item=None, query_text="serum"))) == {}


def test_sessions_with_a_purchase_count_where_there_are_any(rows):
    bought = [event(session_id="s1"), event(session_id="s1"), event("view", session_id="s2"), event(session_id="s3")]
    times = ("2024-01-01T09:00:00", "2024-01-01T21:00:00", "2024-01-02")
    viewed = [event("view", item="v", ts=at(time)) for time in times]
    found = strengths(rows("events", *bought, *viewed))
    assert (found["u", "i"].n_sessions, found["u", "i"].n_events, found["u", "i"].n_purchases) == (2, 4, 3)
    assert (found["u", "v"].n_sessions, found["u", "v"].n_purchases) == (2, 0)


def test_without_weights_every_type_takes_the_default(rows):
    assert strengths(rows("events", event()), event_weights={})["u", "i"].strength == pytest.approx(0.2)
