from __future__ import annotations

import pytest
import yaml
from pyspark.sql import functions as F

from recsys_spark.config import load_settings
from recsys_spark.errors import SourceError
from recsys_spark.sources.files import read_files
from recsys_spark.sources.guess import guess_settings
from recsys_spark.sources.sample import ColumnSample, time_pattern
from recsys_spark.sources.synonyms import category_levels, match


@pytest.fixture
def shop(tmp_path):
    events = "Customer_No,SKU,Order Date,Qty\n" + "".join(f"c{n},s{n % 3},{13 + n}/01/2024,1\n" for n in range(5))
    users = "Customer_No,age_group,income,email\n" + "".join(
        f"c{n},{'old' if n % 2 else 'young'},{n}.5,c{n}@x.org\n" for n in range(50)
    )
    items = '{"sku": "s%d", "name": "Tea %d", "department": "Food", "category": "%s", "tags": "hot|green"}\n'
    items = "".join(items % (n, n, "ab"[n % 2]) for n in range(30))
    for name, text in (("events.csv", events), ("users.csv", users), ("items.jsonl", items)):
        (tmp_path / name).write_text(text)
    return {name.split(".")[0]: str(tmp_path / name) for name in ("events.csv", "users.csv", "items.jsonl")}


def test_the_guess_loads_and_reads_the_files(spark, shop, tmp_path):
    text = guess_settings(spark, **shop)
    path = tmp_path / "shop.yaml"
    path.write_text(text)
    source = load_settings(path).source
    assert source.events.columns == {"user_id": "Customer_No", "item_id": "SKU", "ts": "Order Date", "quantity": "Qty"}
    assert source.events.constants == {"event_type": "purchase"}
    assert source.events.timestamp_format == "d/M/yyyy"
    assert (source.users.attributes, source.users.measures) == (("age_group",), ("income",))
    assert source.items.columns == {"item_id": "sku", "title": "name", "category_path": "department,category"}
    assert (source.items.attributes, source.items.list_separator) == (("tags",), "|")
    raw = read_files(spark, source)
    assert raw.events.first()["ts"].startswith("2024-01-13T")
    assert raw.items.first()["attributes"] == {"tags": ["hot", "green"]}


def test_each_guess_is_explained(spark, shop):
    text = guess_settings(spark, **shop)
    assert "no column tells the kind of event, and rows have a quantity or price" in text
    assert "# left out: email (nearly every row has a value of its own)" in text
    assert yaml.safe_load(text)["source"]["kind"] == "files"


def test_a_file_without_users_is_refused(spark, tmp_path):
    path = tmp_path / "odd.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(SourceError, match=r"no column that looks like user_id or item_id or ts; found a, b"):
        guess_settings(spark, str(path))


def test_names_are_matched_once_and_the_most_telling_wins():
    assert match("events", ["user", "UserID", "item", "date", "timestamp"]) == {
        "user_id": "UserID",
        "item_id": "item",
        "ts": "timestamp",
    }
    assert category_levels(["primary_category", "price", "secondary_category"]) == [
        "primary_category",
        "secondary_category",
    ]


def column_of(*values):
    return ColumnSample("when", is_list=False, is_scalar=True, is_number=False, values=values)


@pytest.mark.parametrize(
    "values",
    [
        ("1/2/2024 8:05", "13/12/2024 18:05"),
        ("12/1/2010 8:26:00", "12/31/2010 18:26:09"),
        ("3.1.2024", "13.12.2024"),
        ("2024/1/3", "2024/12/31"),
        ("20240131", "20241201"),
    ],
)
def test_every_time_that_a_pattern_was_found_by_is_read_by_it(spark, values):
    pattern = time_pattern(column_of(*values))
    rows = spark.createDataFrame([(v,) for v in values], "v string")
    assert [r[0] for r in rows.select(F.try_to_timestamp("v", F.lit(pattern)).isNull()).collect()] == [False, False]


def test_iso_8601_and_seconds_need_no_pattern():
    assert time_pattern(column_of("2024-01-31", "2024-01-31T10:00:00+01:00")) is None
    assert time_pattern(column_of("1704103200", "1704103201")) is None


def test_codes_that_only_python_takes_for_numbers_are_no_measures(spark, tmp_path):
    seasons = "".join(f"s{n},{2000 + n}_{n % 12 + 1:02d}\n" for n in range(40))
    (tmp_path / "items.csv").write_text("sku,season\n" + seasons)
    (tmp_path / "events.csv").write_text("user_id,sku,ts,price\nu1,s1,2024-01-01,1\n")
    text = guess_settings(spark, str(tmp_path / "events.csv"), items=str(tmp_path / "items.csv"))
    assert "measures" not in yaml.safe_load(text)["source"]["items"]
