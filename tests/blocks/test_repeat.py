from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from recsys_spark.blocks.repeat import repeat_boosts

START = datetime(2024, 1, 1, tzinfo=UTC)
SETTINGS = dict(horizon_days=14.0, sample_pairs=100_000, per_user=5, seed=0)


def purchases(rows, bought):
    """Events from (user, item, day)."""
    return rows(
        "events",
        *[
            {
                "event_id": f"e{n}",
                "user_id": user,
                "item_id": item,
                "event_type": "purchase",
                "ts": START + timedelta(days=float(day)),
            }
            for n, (user, item, day) in enumerate(bought)
        ],
    )


@pytest.fixture(scope="module")
def grocer(rows):
    """60 users buy milk every week until the end, and each of 20 gadgets at most once."""
    rng = np.random.default_rng(0)
    bought = [(f"u{user:02}", "milk", 7 * week + user % 7) for user in range(60) for week in range(16)]
    bought += [(f"u{user:02}", f"gadget{g:02}", int(rng.integers(0, 112))) for user in range(60) for g in range(8)]
    return purchases(rows, bought)


def test_what_is_bought_every_week_is_likelier_than_what_was_bought_once(grocer):
    best = {}
    for row in repeat_boosts(grocer, **SETTINGS).collect():
        assert row.value >= 0
        best.setdefault(row.user_id, []).append((row.value, row.item_id))
    assert len(best) == 60
    assert all(max(found)[1] == "milk" and len(found) == 5 for found in best.values())


def test_the_same_events_give_the_same_boosts(grocer):
    first, second = (sorted(repeat_boosts(grocer, **SETTINGS).collect()) for _ in range(2))
    assert first == second


def test_a_shop_without_repeats_has_no_boosts(rows):
    once = purchases(rows, [(f"u{user}", f"i{user}", user) for user in range(40)])
    assert repeat_boosts(once, **SETTINGS).collect() == []


def test_a_shop_without_purchases_has_no_boosts(rows):
    assert repeat_boosts(rows("events"), **SETTINGS).collect() == []
