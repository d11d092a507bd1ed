from __future__ import annotations

from datetime import UTC, datetime

import pytest
import yaml
from pyspark.sql import functions as F

from recsys_spark.config import load_settings
from recsys_spark.config.describing import CleaningSettings
from recsys_spark.errors import SourceError
from recsys_spark.events.clean import judge
from recsys_spark.sources.files import read_files
from recsys_spark.sources.guess import guess_settings
from recsys_spark.sources.sample import format_of
from recsys_spark.sources.synonyms import category_levels, match
from recsys_spark.sources.times import needs_no_pattern, time_patterns


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
    pattern = time_patterns(values)[0]
    rows = spark.createDataFrame([(v,) for v in values], "v string")
    assert [r[0] for r in rows.select(F.try_to_timestamp("v", F.lit(pattern)).isNull()).collect()] == [False, False]


@pytest.mark.parametrize(
    "values",
    [("2024-01-31", "2024-01-31T10:00:00+01:00"), ("2019-10-01 00:00:00 UTC",), ("1704103200", "1704103201")],
)
def test_iso_8601_and_seconds_need_no_pattern(values):
    assert needs_no_pattern(values)
    assert time_patterns(values) == []


def test_codes_that_only_python_takes_for_numbers_are_no_measures(spark, tmp_path):
    seasons = "".join(f"s{n},{2000 + n}_{n % 12 + 1:02d}\n" for n in range(40))
    (tmp_path / "items.csv").write_text("sku,season\n" + seasons)
    (tmp_path / "events.csv").write_text("user_id,sku,ts,price\nu1,s1,2024-01-01,1\n")
    text = guess_settings(spark, str(tmp_path / "events.csv"), items=str(tmp_path / "items.csv"))
    assert "measures" not in yaml.safe_load(text)["source"]["items"]


def guessed(spark, folder, **files):
    """The text for files of that content (events, users, items), and the source settings that it loads as."""
    for name, content in files.items():
        (folder / f"{name}.csv").write_text(content)
    text = guess_settings(spark, **{name: str(folder / f"{name}.csv") for name in files})
    (folder / "shop.yaml").write_text(text)
    return text, load_settings(folder / "shop.yaml").source


EVENTS = "user_id,sku,ts,quantity\nu1,s1,2024-01-01,1\n"


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("List_Price", ("12,99", "€5", "$5")),
        ("price", ("12,99", "€5", "$5")),
        ("Price", ("-1", "nan", "inf")),
        ("InStock", ("25", "0", "3")),
        ("available", ("on", "off", "on")),
        ("release_date", ("01-Jan-1995", "02-Feb-1995", "03-Mar-1995")),
        ("launch_ts", ("2019", "2020", "2021")),
    ],
)
def test_item_columns_that_cleaning_could_not_read_are_left_out(spark, tmp_path, column, values):
    items = f"sku,{column}\n" + "".join(f's{n},"{v}"\n' for n, v in enumerate(values, 1))
    text, source = guessed(spark, tmp_path, events=EVENTS, items=items)
    assert f'# left out: {column} (it reads like "{values[0]}"; ' in text
    raw = read_files(spark, source)
    judged = judge(raw.events, raw.users, raw.items, datetime(2024, 2, 1, tzinfo=UTC), CleaningSettings()).items
    assert [r["_reasons"] for r in judged.collect()] == [[], [], []]


def test_item_columns_that_cleaning_reads_are_mapped(spark, tmp_path):
    items = "sku,InStock,ListPrice,release_date\ns1,Yes,1e2,31/1/2019\ns2,0,0.5,1/2/2019\n"
    _, source = guessed(spark, tmp_path, events=EVENTS, items=items)
    raw = read_files(spark, source)
    judged = judge(raw.events, raw.users, raw.items, datetime(2024, 2, 1, tzinfo=UTC), CleaningSettings()).items
    found = sorted((r["item_id"], r["available"], r["price"], r["launch_ts"].month) for r in judged.collect())
    assert found == [("s1", True, 100.0, 1), ("s2", False, 0.5, 2)]


def test_one_odd_price_among_many_is_for_the_quarantine(spark, tmp_path):
    events = "user_id,sku,ts,price\n" + "u1,s1,2024-01-01,1\n" * 150
    _, source = guessed(spark, tmp_path, events=events + "u1,s1,2024-01-01,N/A\n")
    assert "price" not in source.events.constants
    _, source = guessed(spark, tmp_path, events=events + "u1,s1,2024-01-01,N/A\n" * 2)
    assert source.events.constants == {"price": "", "event_type": "purchase"}


def test_one_odd_time_among_many_is_for_the_quarantine(spark, tmp_path):
    events = "user_id,sku,timestamp,date\n" + "u1,s1,31.01.2024 10:00,2024-01-31\n" * 150
    _, source = guessed(spark, tmp_path, events=events + "u1,s1,NULL,2024-01-31\n")
    assert (source.events.columns["ts"], source.events.timestamp_format) == ("timestamp", "d.M.yyyy H:m")
    text, source = guessed(spark, tmp_path, events=events + "u1,s1,NULL,2024-01-31\n" * 2)
    assert (source.events.columns["ts"], source.events.timestamp_format) == ("date", None)
    assert 'left out: timestamp (it reads like "NULL"' in text


@pytest.mark.parametrize(
    ("text", "pattern"), [("2024013123", "yyyyMMddHH"), ("20240131", "yyyyMMdd"), ("1704164645", None)]
)
def test_digits_are_a_day_an_hour_or_seconds(spark, tmp_path, text, pattern):
    _, source = guessed(spark, tmp_path, events=f"user_id,sku,ts\nu1,s1,{text}\n")
    assert source.events.timestamp_format == pattern


def test_day_and_month_are_told_by_rows_beyond_the_sample(spark, tmp_path, monkeypatch):
    monkeypatch.setattr("recsys_spark.sources.sample.ROWS", 3)
    first = "user_id,sku,ts\n" + "u1,s1,12/1/2010 8:26\n" * 5
    text, source = guessed(spark, tmp_path, events=first + "u1,s1,12/13/2010 8:26\nu1,s1,\nu1,s1,soon\n")
    assert source.events.timestamp_format == "M/d/yyyy H:m"
    text, source = guessed(spark, tmp_path, events=first + "u1,s1,13/12/2010 8:26\n")
    assert source.events.timestamp_format == "d/M/yyyy H:m"
    text, source = guessed(spark, tmp_path, events=first)
    assert source.events.timestamp_format is None
    assert '"12/1/2010 8:26", and as many rows fit "d/M/yyyy H:m" or "M/d/yyyy H:m"; set the one' in text


@pytest.mark.parametrize(
    ("head", "row", "ts"),
    [
        ("date,time", "2024-01-02,10:00:00", "date"),
        ("time,day", "09:15,2/1/2024", "day"),
        ("timestamp,date", "1704103200,2024-01-02", "timestamp"),
        ("time", "2. Januar", "time"),
    ],
)
def test_the_time_of_an_event_is_a_column_with_its_date(spark, tmp_path, head, row, ts):
    _, source = guessed(spark, tmp_path, events=f"user_id,sku,{head}\nu1,s1,{row}\n")
    assert source.events.columns["ts"] == ts


def test_a_name_that_both_files_have_is_the_id(spark, tmp_path):
    _, source = guessed(
        spark,
        tmp_path,
        events="product,sku,customer,user,ts\ntea,s1,c1,u1,2024-01-01\n",
        users="id,user\n1,u1\n",
        items="sku,product\ns1,tea\n",
    )
    assert (source.events.columns["item_id"], source.items.columns["item_id"]) == ("sku", "sku")
    assert (source.events.columns["user_id"], source.users.columns["user_id"]) == ("user", "user")


def test_words_for_kinds_of_events_are_translated_or_named(spark, tmp_path):
    words = ("pv", "pv", "Add to Cart ", "transaction", "view", "fav", "Add to wishlist")
    events = "user_id,sku,ts,event\n" + "".join(f"u1,s{n},2024-01-01,{w}\n" for n, w in enumerate(words))
    text, source = guessed(spark, tmp_path, events=events)
    assert source.events.event_types == {"pv": "view", "add to cart": "cart", "transaction": "purchase"}
    assert 'event also says "fav": such events count little' in text
    assert 'event also says "add to wishlist": such events are refused' in text
    found = read_files(spark, source).events.orderBy("item_id").collect()
    assert [r["event_type"] for r in found] == [
        "view", "view", "cart", "purchase", "view", "fav", "Add to wishlist"
    ]  # fmt: skip


@pytest.mark.parametrize(("ending", "found"), [("csv", "csv"), ("JSONL", "jsonl"), ("Parquet", "parquet")])
def test_the_format_is_told_by_endings_of_a_name_or_of_the_files_there(spark, tmp_path, ending, found):
    folder = tmp_path / "events" / "day=1"
    folder.mkdir(parents=True)
    (folder / f"A.{ending}").touch()
    (folder / "_notes.json").touch()
    for path in (folder / f"A.{ending}", folder, folder.parent, f"{tmp_path}/ev*", f"{folder}/A*"):
        assert format_of(spark, str(path)) == found
    (folder / "B.ndjson" if found == "csv" else folder / "B.csv").touch()
    with pytest.raises(SourceError, match=r"holds files of .* and .*; name those of one format"):
        format_of(spark, str(folder))
