from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from recsys_spark.blocks import rhythm
from recsys_spark.blocks.rhythm import FEATURES, described, purchases

START = datetime(2024, 1, 1, tzinfo=UTC)


def at_day(day):
    return START.timestamp() + day * 86_400


@pytest.fixture
def events(rows):
    bought = [("u", "milk", 0), ("u", "milk", 10), ("u", "bread", 10), ("v", "milk", 20), ("u", "milk", 40)]
    # Two lines of one basket, a view, and a purchase of nothing known.
    others = [("u", "milk", 10, "purchase"), ("u", "tea", 5, "view"), ("u", None, 5, "purchase")]
    return rows(
        "events",
        *[
            {"event_id": f"e{n}", "user_id": u, "item_id": i, "event_type": kind, "ts": START + timedelta(days=day)}
            for n, (u, i, day, kind) in enumerate([(*one, "purchase") for one in bought] + others)
        ],
    )


def test_features_of_a_pair_by_hand(events):
    found = {(r.user_id, r.item_id): r for r in described(purchases(events), [at_day(30)], 14.0, 6).collect()}
    assert set(found) == {("u", "milk"), ("u", "bread"), ("v", "milk")}
    milk = found["u", "milk"]
    assert (milk.n, milk.last, milk.first, milk.gap, milk.overdue, milk.rate) == (2, 20, 30, 10, 2, 1)
    assert milk.decayed_30 == pytest.approx(0.5 ** (20 / 30) + 0.5)
    assert (milk.baskets, milk.user_last, milk.user_gap, milk.user_recent) == (2, 20, 10, 1)
    assert (milk.item_users, milk.item_repeat) == (2, 1.5)
    assert milk.item_recent == pytest.approx(2 / 3)
    assert (milk.active, milk.label) == (True, True)
    assert (found["u", "bread"].active, found["u", "bread"].label) == (True, False)
    assert found["v", "milk"].overdue == -1
    assert not found["v", "milk"].active


def test_each_cut_is_described_by_itself_whatever_the_buckets(events, monkeypatch):
    both = described(purchases(events), [at_day(30), at_day(5)], 14.0, 6).collect()
    assert {(r.cut, r.user_id, r.item_id) for r in both if r.cut == at_day(5)} == {(at_day(5), "u", "milk")}
    monkeypatch.setattr(rhythm, "PURCHASES_PER_TASK", 1)
    dealt = described(purchases(events), [at_day(30), at_day(5)], 14.0, 6).collect()
    key = lambda r: (r.cut, r.user_id, r.item_id)  # noqa: E731
    for one, other in zip(sorted(both, key=key), sorted(dealt, key=key), strict=True):
        np.testing.assert_array_equal([one[name] for name in FEATURES], [other[name] for name in FEATURES])


def test_before_the_first_purchase_there_is_nothing(events):
    assert described(purchases(events), [at_day(-1)], 14.0, 6).collect() == []
