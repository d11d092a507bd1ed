from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from pyspark.sql import functions as F

from recsys_spark.blocks import rhythm
from recsys_spark.blocks.rhythm import OF_USERS, described, described_now, item_rhythm, purchases

START = datetime(2024, 1, 1, tzinfo=UTC)


def at_day(day):
    return START.timestamp() + day * 86_400


def by_pair(pairs):
    return {(r.user_id, r.item_id): r for r in pairs.collect()}


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
    pairs = described(purchases(events), [at_day(30)], 14.0, 6)
    found = by_pair(pairs)
    assert set(found) == {("u", "milk"), ("u", "bread"), ("v", "milk")}
    milk = found["u", "milk"]
    assert (milk.n, milk.last, milk.first, milk.gap, milk.overdue, milk.rate) == (2, 20, 30, 10, 2, 1)
    assert milk.decayed_30 == pytest.approx(0.5 ** (20 / 30) + 0.5)
    assert (milk.baskets, milk.user_last, milk.user_gap, milk.user_recent) == (2, 20, 10, 1)
    assert (milk.n_recent, milk.active, milk.label) == (1, True, True)
    assert (found["u", "bread"].active, found["u", "bread"].label) == (True, False)
    assert found["v", "milk"].overdue == -1
    assert not found["v", "milk"].active
    of_milk = item_rhythm(pairs).where("item_id = 'milk'").first()
    assert (of_milk.cut, of_milk.item_users, of_milk.item_repeat) == (at_day(30), 2, 1.5)
    assert of_milk.item_recent == pytest.approx(2 / 3)


def test_each_cut_is_described_by_itself_whatever_the_buckets(events, monkeypatch):
    both = described(purchases(events), [at_day(30), at_day(5)], 14.0, 6).collect()
    assert {(r.cut, r.user_id, r.item_id) for r in both if r.cut == at_day(5)} == {(at_day(5), "u", "milk")}
    monkeypatch.setattr(rhythm, "PURCHASES_PER_TASK", 1)
    dealt = described(purchases(events), [at_day(30), at_day(5)], 14.0, 6).collect()
    key = lambda r: (r.cut, r.user_id, r.item_id)  # noqa: E731
    for one, other in zip(sorted(both, key=key), sorted(dealt, key=key), strict=True):
        np.testing.assert_array_equal([one[name] for name in OF_USERS], [other[name] for name in OF_USERS])


def test_items_are_counted_at_each_cut_by_itself(events):
    counted = item_rhythm(described(purchases(events), [at_day(30), at_day(5)], 14.0, 6)).collect()
    users = {(r.cut, r.item_id): r.item_users for r in counted}
    assert users == {(at_day(30), "milk"): 2, (at_day(30), "bread"): 1, (at_day(5), "milk"): 1}


def test_before_the_first_purchase_there_is_nothing(events):
    assert described(purchases(events), [at_day(-1)], 14.0, 6).collect() == []


def test_behind_all_purchases_now_is_a_cut_like_any_other(events):
    bought, now = purchases(events), at_day(40) + 1
    columns = ["cut", "user_id", "item_id", *OF_USERS, "n_recent", "active", "label"]
    cut = sorted(described(bought, [now], 14.0, 6).select(*columns).collect())
    assert sorted(described_now(bought, now, 6).select(*columns).collect()) == cut


def test_purchases_after_now_move_the_now_of_their_user_alone(events):
    found = by_pair(described_now(purchases(events), at_day(30), 6))
    milk = found["u", "milk"]
    second = 1 / 86_400
    assert (milk.cut, milk.n, milk.baskets) == (at_day(40) + 1, 3, 3)
    assert (milk.last, milk.first) == (pytest.approx(second), pytest.approx(40 + second))
    assert (found["v", "milk"].cut, found["v", "milk"].last) == (at_day(30), 10)


def test_a_user_is_described_alone_as_among_all(events):
    bought = purchases(events)
    among = sorted(r for r in described_now(bought, at_day(30), 6).collect() if r.user_id == "u")
    assert sorted(described_now(bought.where(F.col("user_id") == "u"), at_day(30), 5).collect()) == among
