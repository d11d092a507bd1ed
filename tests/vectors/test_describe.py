from pyspark.sql import functions as F

from recsys_spark.vectors.describe import attributes_of, described, item_encoding, paired_in
from tests.conftest import at
from tests.frames import local_frame


def features(rows, *items, pairs=False):
    frame = rows("items", *items)
    frame = described(frame, item_encoding(frame, price_bins=2, id_order=True), pairs=pairs)
    return {r.item_id: set(r.features) for r in frame.collect()}


SERUM = dict(
    item_id="a",
    brand="X",
    category_path=["Care", "Serum"],
    price=5.0,
    attributes={"vegan": ["yes"], "for": ["dry", "oily"]},
    measures={"ml": 30.0, "price": 999.0},
)
CREAM = dict(item_id="b", brand=" ", category_path=["Care"], price=50.0)
BARE = dict(item_id="c")


def test_brand_categories_attributes_and_bins_are_named(rows):
    found = features(rows, SERUM, CREAM, BARE)
    assert found["a"] == {
        "brand=X",
        "category_1=Care",
        "category_2=Care/Serum",
        "vegan=yes",
        "for=dry",
        "for=oily",
        "ml=bin_1",
        "price=bin_1",
    }
    assert found["b"] == {"category_1=Care", "price=bin_2", "vegan=?", "for=?"}
    assert found["c"] == {"vegan=?", "for=?"}


def test_launches_are_binned_and_ids_by_their_order(rows):
    launches = [at("2024-01-01"), at("2024-06-01"), None]
    items = [dict(item_id=f"P100000{n}", launch_ts=launch) for n, launch in enumerate(launches)]
    found = features(rows, *items, dict(item_id="7f3a9c"))
    first, second, third = (f"P100000{n}" for n in range(3))
    assert found[first] >= {"item_id/8=bin_1", "item_id/512=bin_1", "launch_day=bin_1"}
    assert found[second] >= {"item_id/8=bin_4", "item_id/32=bin_16", "launch_day=bin_2"}
    assert found[third] == {f"item_id/{level}=bin_{level}" for level in (8, 32, 128, 512)}
    assert found["7f3a9c"] == set()


def test_pairs_join_brand_category_price_and_single_valued_attributes(rows):
    found = features(rows, SERUM, CREAM, BARE, pairs=True)
    assert {f for f in found["a"] if " * " in f} == {
        "brand=X * category_1=Care",
        "brand=X * category_2=Care/Serum",
        "brand=X * price=bin_1",
        "category_2=Care/Serum * price=bin_1",
        "category_2=Care/Serum * vegan=yes",
    }
    assert {f for f in found["b"] if " * " in f} == {"category_1=Care * price=bin_2"}
    assert not {f for f in found["c"] if " * " in f}


def test_a_feature_is_a_value_of_its_attribute_or_pair_whatever_signs_the_value_holds(spark):
    named = {
        "brand=X": "brand",
        "size=5 * 3": "size",
        "note=a=b": "note",
        "brand=X * category_1=Care": "brand * category_1",
        "brand=5 * 3 * price=bin_1": "brand * price",
        "brand=a * b=c * price=bin_1": "brand * price",
    }
    frame = local_frame(spark, list(enumerate(named)), "feature_idx int, feature string").orderBy(F.desc("feature_idx"))
    found = attributes_of(frame)
    assert found.tolist() == list(named.values())
    assert paired_in(found).tolist() == [False, False, False, True, True, True]
