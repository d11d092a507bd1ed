import pytest

from recsys_spark.config.ranking import ShelfSettings
from recsys_spark.rank.diversity import RESERVE, searched_length, with_caps
from tests.frames import local_frame

BRANDS = {"a": "X", "b": "X", "c": "X", "d": "Y", "e": None, "f": None}
CATEGORIES = {"a": ["Care"], "b": ["Care"], "c": [], "d": ["Care", "Gel"], "e": ["Care"], "f": ["Care"]}


@pytest.fixture
def items(rows):
    return rows("items", *[{"item_id": i, "brand": BRANDS[i], "category_path": CATEGORIES[i]} for i in BRANDS])


@pytest.fixture
def top(spark):
    """One user's six best items on one shelf."""
    places = [("recsys", "for_you", "u", rank, item, 1.0 - rank / 10) for rank, item in enumerate("abcdef", start=1)]
    return local_frame(
        spark, places, "variant string, shelf string, user_id string, rank int, item_id string, score double"
    )


def listed(top, items, **caps):
    found = with_caps(top, items, [ShelfSettings(name="for_you", **caps)]).orderBy("rank").collect()
    assert [row["rank"] for row in found] == list(range(1, len(found) + 1))
    return "".join(row["item_id"] for row in found)


def test_a_brand_has_at_most_its_places_and_items_without_a_brand_any(top, items):
    assert listed(top, items, length=4, max_per_brand=1) == "adef"
    assert listed(top, items, length=4, max_per_brand=2) == "abde"


def test_a_category_is_its_whole_path(top, items):
    assert listed(top, items, length=4, max_per_category=1) == "acdb"


def test_what_the_brand_cap_moves_back_takes_no_place_of_its_category(top, items):
    # b and c are moved back for their brand, so the second place of Care goes to e.
    assert listed(top, items, length=3, max_per_brand=1, max_per_category=2) == "ade"


def test_capped_items_come_back_where_nothing_else_is_left(top, items):
    assert listed(top, items, length=6, max_per_brand=1) == "adefbc"


def test_without_caps_the_lists_stay_as_they_are(top, items):
    shelf = ShelfSettings(name="for_you", length=6)
    assert with_caps(top, items, [shelf]) is top
    assert searched_length(shelf) == 6
    assert searched_length(ShelfSettings(name="for_you", length=6, max_per_brand=2)) == 6 * RESERVE
