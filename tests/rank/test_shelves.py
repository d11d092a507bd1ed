"""Which items stand on which shelf."""

from __future__ import annotations

import pytest

from recsys_spark.config.ranking import ShelfSettings
from recsys_spark.errors import SettingsError
from recsys_spark.rank.shelves import available, purchased, shelf_items


@pytest.fixture
def shop(rows):
    items = rows(
        "items",
        {"item_id": "sold", "brand": "Acme", "available": True},
        {"item_id": "new", "available": True},
        {"item_id": "unknown", "brand": "Acme", "available": True},
        {"item_id": "gone", "brand": "Acme", "available": False},
    )
    vectors = rows(
        "item_vectors",
        {"item_id": "sold", "n_events": 3, "n_users": 2, "popularity": 1.5},
        {"item_id": "new"},
        {"item_id": "gone", "n_events": 9},
    )
    return items, vectors


def test_filters_see_attributes_and_counts_and_leave_out_what_is_not_available(shop):
    shelves = [
        ShelfSettings(name="all"),
        ShelfSettings(name="established", filter="item_group = 'established'"),
        ShelfSettings(name="new_acme", filter="item_group = 'new' and brand = 'Acme'"),
        ShelfSettings(name="popular", filter="popularity > 1 and n_users >= 2"),
        ShelfSettings(name="empty", filter="false"),
    ]
    found = {(row["shelf"], row["item_id"]) for row in shelf_items(*shop, shelves).collect()}
    assert found == {
        ("all", "sold"),
        ("all", "new"),
        ("all", "unknown"),
        ("established", "sold"),
        ("new_acme", "unknown"),  # no vector, so no events; "new" has no brand and null is no match
        ("popular", "sold"),
    }


@pytest.mark.parametrize(
    ("condition", "complaint"),
    [("brnd = 'Acme'", "brnd"), ("brand = = 'x'", "Spark cannot read it"), ("n_events + 1", "it gives bigint")],
)
def test_a_wrong_filter_names_shelf_filter_and_columns(shop, condition, complaint):
    with pytest.raises(SettingsError) as error:
        shelf_items(*shop, [ShelfSettings(name="mine", filter=condition)])
    for part in ("shelf mine", condition, complaint, "category_path", "item_group", "popularity"):
        assert part in str(error.value)


def test_available_keeps_the_rows_of_items_on_sale(shop, rows):
    blocks = rows("item_blocks", {"item_id": "sold"}, {"item_id": "gone"}, {"item_id": "elsewhere"})
    assert [row["item_id"] for row in available(blocks, shop[0]).collect()] == ["sold"]


def test_purchased_leaves_out_pairs_that_were_only_looked_at(rows):
    pairs = rows(
        "interactions",
        {"user_id": "u", "item_id": "bought", "n_purchases": 1},
        {"user_id": "u", "item_id": "seen", "n_events": 4},
    )
    assert [tuple(row) for row in purchased(pairs).collect()] == [("u", "bought")]
