import pytest

from recsys_spark.profiles.habits import habits
from tests.conftest import at

AS_OF = at("2024-01-11")


def found_in(rows, events=(), met=(), items=(), half_life_days=10.0):
    """Rows by user of what users did and met."""
    found = habits(rows("events", *events), rows("interactions", *met), rows("items", *items), AS_OF, half_life_days)
    return {r.user_id: r for r in found.collect()}


def test_activity_counts_sessions_and_spends_on_purchases_only(rows):
    found = found_in(
        rows,
        [
            dict(user_id="u", event_type="purchase", ts=at("2024-01-01"), quantity=2.0, price=3.0, session_id="a"),
            dict(user_id="u", event_type="purchase", ts=at("2024-01-02"), quantity=1.0, price=None, session_id="a"),
            dict(user_id="u", event_type="view", ts=at("2024-01-09"), quantity=1.0, price=50.0, dwell_seconds=8.0),
        ],
    )["u"]
    assert (found.n_events, found.n_purchases, found.n_sessions) == (3, 2, 2)
    assert (found.spend, found.dwell_seconds, found.recency_days) == (6.0, 8.0, 2.0)


def test_a_session_on_two_platforms_is_one_session_and_the_same_name_of_two_users_is_two(rows):
    events = [
        dict(user_id=user, ts=AS_OF, session_id="a", platform=platform)
        for user, platform in [("u", "web"), ("u", "app"), ("v", "web")]
    ]
    assert {u: (r.n_events, r.n_sessions) for u, r in found_in(rows, events).items()} == {"u": (2, 1), "v": (1, 1)}


def test_platform_shares_leave_out_unknown_platforms(rows):
    platforms = ["web", "web", "app", None]
    events = [*[dict(user_id="u", ts=AS_OF, platform=p) for p in platforms], dict(user_id="v", ts=AS_OF)]
    found = found_in(rows, events)
    assert found["u"].platform_shares == pytest.approx({"web": 2 / 3, "app": 1 / 3})
    assert found["v"].platform_shares == {}


def test_taste_weighs_categories_brands_and_prices_by_strength(rows):
    items = [
        dict(item_id="a", brand="X", category_path=["Care", "Serum"], price=None),
        dict(item_id="b", brand=None, category_path=["Care", "Cream"], price=9.0),
        dict(item_id="c", brand="X", category_path=[]),
    ]
    met = [("a", 3.0), ("b", 1.0), ("c", 1.0), ("gone", 1.0)]
    found = found_in(rows, met=[dict(user_id="u", item_id=i, strength=s) for i, s in met], items=items)["u"]
    assert found.n_items == 4
    assert found.category_shares == {"Serum": 0.75, "Cream": 0.25}
    assert found.brand_shares == {"X": 1.0}
    assert found.price_log_mean == pytest.approx(2.302585)
    assert found.price_log_std == 0.0
    assert (found.n_events, found.n_sessions, found.recency_days) == (None, None, None)


def test_only_the_top_twenty_brands_are_kept_ties_by_name_and_shares_sum_to_one(rows):
    names = [f"b{n:02d}" for n in range(25)]
    items = [dict(item_id=n, brand=n) for n in names]
    met = [dict(user_id=u, item_id=n, strength=1.0) for u in ("u", "v") for n in reversed(names)]
    for found in found_in(rows, met=met, items=items).values():
        assert sorted(found.brand_shares) == names[:20]
        assert sum(found.brand_shares.values()) == pytest.approx(1.0)


def test_strength_zero_gives_no_share(rows):
    found = found_in(
        rows, met=[dict(user_id="u", item_id="a", strength=0.0)], items=[dict(item_id="a", brand="X", price=1.0)]
    )["u"]
    assert found.brand_shares == {}
    assert found.price_log_mean is None


def test_query_terms_are_words_with_decay(rows):
    events = [
        dict(user_id="u", event_type="search", ts=AS_OF, query_text="Crème, SERUM a"),
        dict(user_id="u", event_type="search", ts=at("2024-01-01"), query_text="serum"),
        dict(user_id="v", event_type="search", ts=AS_OF, query_text=" ! "),
    ]
    found = found_in(rows, events)
    assert found["u"].query_terms == {"crème": 1.0, "serum": 1.5}
    assert found["v"].query_terms == {}


def test_nothing_at_all_gives_no_row(rows):
    assert found_in(rows) == {}
