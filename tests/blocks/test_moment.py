from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from recsys_spark.blocks.moment import calendar, item_moments, user_moments

START = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture
def met(rows):
    """Ice in the first months, skates in the last; 40 users each."""
    pairs = []
    for user in range(80):
        item, day = ("ice", user) if user < 40 else ("skates", 200 + user)
        when = START + timedelta(days=day)
        pairs.append({"user_id": f"u{user:02}", "item_id": item, "first_ts": when, "last_ts": when})
    return rows("interactions", *pairs)


def test_an_item_scores_high_for_those_who_were_here_when_it_was_in_demand(met):
    when = calendar(met, 8, 30.0)
    items = {r.item_id: np.array(r.moment) for r in item_moments(met, when).collect()}
    users = {r.user_id: r.moment_idx for r in user_moments(met, when.edges).collect()}
    assert items["ice"][users["u00"]] > 0 > items["ice"][users["u79"]]
    assert items["skates"][users["u79"]] > 0 > items["skates"][users["u00"]]
    assert sorted(set(users.values())) == list(range(8))


def test_buckets_hold_equally_many_meetings(met):
    when = calendar(met, 4, 1e-3)
    assert when.edges == (19.75 + START.timestamp() / 86_400, *when.edges[1:])
    np.testing.assert_allclose(when.count, [20, 20, 20, 20])


def test_a_shop_of_one_day_has_one_moment_that_tells_nothing(rows):
    day = {"first_ts": START, "last_ts": START}
    met = rows("interactions", *[{"user_id": u, "item_id": i, **day} for u, i in ("aX", "bX", "bY")])
    when = calendar(met, 4, 30.0)
    moments = {r.item_id: r.moment for r in item_moments(met, when).collect()}
    for user in user_moments(met, when.edges).collect():
        assert moments["X"][user.moment_idx] == pytest.approx(0.0, abs=1e-5)
        assert moments["Y"][user.moment_idx] == pytest.approx(0.0, abs=1e-5)


def test_without_interactions_there_is_no_moment(met):
    when = calendar(met.limit(0), 4, 30.0)
    assert item_moments(met.limit(0), when).collect() == []
