from __future__ import annotations

from datetime import UTC, datetime, time

import pandas as pd
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from recsys_spark.config.source import SourceSettings, TableSource
from recsys_spark.contracts.raw import UNPARSED, raw_columns
from recsys_spark.errors import ContractError, SourceError
from recsys_spark.sources.files import read_files
from recsys_spark.sources.formats import readable

EVENTS = "customer,sku,when,qty\nu1,i1,31/12/2023 23:59,2\nu2,i2,1/1/2024,1,extra\nu3,i3,soon,1\n"
COLUMNS = {"user_id": "customer", "item_id": "sku", "ts": "when", "quantity": "qty"}


@pytest.fixture
def events(tmp_path):
    path = tmp_path / "events.csv"
    path.write_text(EVENTS)
    return TableSource(
        path=str(path),
        format="csv",
        columns=COLUMNS,
        constants={"event_type": "purchase"},
        timestamp_format="dd/MM/yyyy HH:mm",
    )


def files(events, **tables) -> SourceSettings:
    return SourceSettings(kind="files", events=events, **tables)


def test_csv_is_mapped_and_rows_that_do_not_fit_are_kept_apart(spark, events):
    raw = read_files(spark, files(events))
    assert raw.events.columns == raw_columns("events")
    good, broken, odd = sorted(raw.events.collect(), key=lambda r: r["user_id"])
    assert (good["item_id"], good["event_type"], good["quantity"]) == ("i1", "purchase", "2")
    assert datetime.fromisoformat(good["ts"]) == datetime(2023, 12, 31, 23, 59, tzinfo=UTC)
    assert good["_source_file"].endswith("/events.csv")
    assert broken[UNPARSED] == "u2,i2,1/1/2024,1,extra"
    assert (odd["ts"], odd[UNPARSED]) == ("soon", None)


def test_users_and_items_without_files_are_the_ids_of_the_events(spark, events):
    raw = read_files(spark, files(events))
    assert sorted(r["user_id"] for r in raw.users.collect()) == ["u1", "u2", "u3"]
    assert raw.items.columns == raw_columns("items")


def test_json_lines_with_attributes_measures_and_a_path(spark, events, tmp_path):
    path = tmp_path / "items.jsonl"
    path.write_text(
        '{"item_id": "i1", "dept": "Tea", "shelf": "Green", "tags": ["a", "b"], "made_of": "tin|tea", "kg": 0.25}\n'
        "{broken\n"
    )
    items = TableSource(
        path=str(path),
        format="jsonl",
        columns={"category_path": "dept,shelf"},
        attributes=("tags", "material=made_of"),
        measures=("kg",),
        list_separator="|",
    )
    found = read_files(spark, files(events, items=items)).items.collect()
    row = next(r for r in found if r["item_id"] == "i1")
    assert row["category_path"] == ["Tea", "Green"]
    assert row["attributes"] == {"tags": ["a", "b"], "material": ["tin", "tea"]}
    assert row["measures"] == {"kg": "0.25"}
    assert [r[UNPARSED] for r in found if r["item_id"] is None] == ["{broken"]


@pytest.mark.parametrize("file_format", ["parquet", "delta"])
def test_typed_formats_keep_their_types(spark, tmp_path, file_format):
    path = str(tmp_path / "typed")
    frame = spark.sql("SELECT 7L AS user_id, 'i1' AS item_id, 'view' AS event_type, timestamp'2024-01-02' AS ts")
    frame.write.format(file_format).save(path)
    row = read_files(spark, files(TableSource(path=path, format=file_format))).events.first()
    assert (row["user_id"], row["ts"]) == (7, datetime(2024, 1, 2))
    assert row["_source_file"].startswith("file:")


def test_all_faults_of_a_mapping_come_in_one_error(spark, events):
    columns = COLUMNS | {"colour": "qty", "price": "cost"}
    wrong = events.model_copy(update={"columns": columns, "attributes": ("age",), "constants": {}})
    with pytest.raises(ContractError) as caught:
        read_files(spark, files(wrong))
    message = str(caught.value)
    for part in (
        "table events",
        "colour: is no column to map",
        "price: expected the source column cost",
        "attribute age: expected",
        "event_type: required",
        "The source has the columns customer, sku, when, qty",
    ):
        assert part in message


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot be read"), ("", "has zero bytes"), ("customer,sku,when,qty\n", "holds no rows")],
)
def test_a_missing_or_empty_file_is_named(spark, events, tmp_path, content, message):
    path = tmp_path / "other.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SourceError, match=rf"table events: .*other\.csv {message}"):
        read_files(spark, files(events.model_copy(update={"path": str(path)})))


@pytest.mark.parametrize("header", [",customer,sku,when,qty", "customer,sku,when,qty,"])
def test_a_column_of_csv_without_a_name_is_passed_over(spark, events, tmp_path, header):
    row = "u1,i1,31/12/2023 23:59,2"
    path = tmp_path / "pandas.csv"
    path.write_text(f"{header}\n" + (f"0,{row}\n" if header.startswith(",") else f"{row},\n"))
    (found,) = read_files(spark, files(events.model_copy(update={"path": str(path)}))).events.collect()
    assert (found["user_id"], found["item_id"], found["quantity"], found[UNPARSED]) == ("u1", "i1", "2", None)


@pytest.mark.parametrize(("header", "message"), [("sku,qty,SKU", "the name SKU"), (",sku,", "no name")])
def test_columns_of_csv_that_cannot_be_told_apart_are_named(spark, events, tmp_path, header, message):
    path = tmp_path / "twice.csv"
    path.write_text(f"{header}\na,b,c\n")
    with pytest.raises(SourceError, match=f"column 3 has {message}, as another has before it"):
        read_files(spark, files(events.model_copy(update={"path": str(path)})))


def test_summaries_beside_parquet_files_are_no_rows(spark, tmp_path):
    folder = tmp_path / "events"
    spark.createDataFrame([("u1", "i1", 1)], "user_id string, item_id string, ts bigint").write.parquet(str(folder))
    pq.write_metadata(pq.read_schema(next(folder.glob("part-*.parquet"))), folder / "_metadata")
    source = TableSource(path=str(folder), format="parquet", constants={"event_type": "view"})
    assert read_files(spark, files(source)).events.count() == 1
    (folder / "part-1.parquet").touch()
    with pytest.raises(SourceError, match=r"part-1\.parquet has zero bytes"):
        read_files(spark, files(source))


@pytest.mark.parametrize("naive", [True, False])
def test_times_in_nanoseconds_as_pandas_writes_them_are_times(spark, tmp_path, naive):
    when = pd.to_datetime(["2024-01-02 03:04:05.123456789", None], utc=None if naive else True)
    frame = pd.DataFrame({"user_id": [1, 2], "item_id": ["a", "b"], "ts": when, "loaded": [10**18, 1]})
    folder = tmp_path / "with space"
    folder.mkdir()
    frame.to_parquet(folder / "events.parquet")
    source = TableSource(path=str(folder), format="parquet", constants={"event_type": "view"})
    raw = read_files(spark, files(source))
    first, second = sorted(raw.events.collect(), key=lambda r: r["user_id"])
    assert (first["ts"], second["ts"]) == (datetime(2024, 1, 2, 3, 4, 5, 123456), None)
    assert first["_source_file"].endswith("/events.parquet")
    assert {c.source_column: c.type for c in raw.columns}.items() >= {("ts", "timestamp"), ("loaded", "bigint")}
    frame.assign(ts=frame["ts"].astype("datetime64[us]" if naive else "datetime64[us, UTC]")).to_parquet(
        folder / "later.parquet"
    )
    with pytest.raises(SourceError, match=r"_MERGE_|FAILED_READ_FILE|PARQUET_TYPE"), readable("the source"):
        read_files(spark, files(source)).events.collect()


def test_a_type_of_parquet_that_spark_does_not_have_is_named(spark, tmp_path):
    path = tmp_path / "events.parquet"
    pd.DataFrame({"user_id": ["u1"], "ts": [time(10)]}).to_parquet(path)
    with pytest.raises(SourceError, match=r"events\.parquet .*cannot be read: .*PARQUET_TYPE_"):
        read_files(spark, files(TableSource(path=str(path))))


def test_csv_in_folders_that_name_a_column(spark, events, tmp_path):
    for day in ("2024-01-01", "2024-01-02"):
        (tmp_path / "days" / f"day={day}").mkdir(parents=True)
        (tmp_path / "days" / f"day={day}" / "part.csv").write_text(f"customer,sku,qty\nu1,of {day},2\n")
    columns = COLUMNS | {"ts": "day"}
    source = events.model_copy(
        update={"path": str(tmp_path / "days"), "columns": columns, "timestamp_format": "yyyy-MM-dd"}
    )
    found = read_files(spark, files(source)).events.orderBy("item_id").collect()
    assert [(r["item_id"], r["ts"][:10], r["quantity"]) for r in found] == [
        ("of 2024-01-01", "2024-01-01", "2"),
        ("of 2024-01-02", "2024-01-02", "2"),
    ]
    for file in (tmp_path / "days").glob("*/*.csv"):
        file.write_text("customer,Day\nu1,1\n")
    with pytest.raises(SourceError, match="column 2 has the name Day, as folders of it have"):
        read_files(spark, files(source))


def test_words_for_kinds_of_events_become_those_of_the_settings(spark, tmp_path):
    path = tmp_path / "events.csv"
    path.write_text("user_id,item_id,ts,event_type\nu1,i1,x, Transaction\nu1,i2,x,addToCart\nu1,i3,x,Fav\nu1,i4,x,\n")
    source = TableSource(
        path=str(path),
        format="csv",
        event_types={" TRANSACTION ": "purchase", "addtocart": "cart"},
    )
    found = read_files(spark, files(source)).events.orderBy("item_id").collect()
    assert [r["event_type"] for r in found] == ["purchase", "cart", "Fav", None]


def test_kinds_of_events_are_checked(spark, events):
    for wrong in ({"buy": "Big purchase"}, {"": "view"}, {"Buy": "purchase", "buy ": "cart"}):
        with pytest.raises(ValidationError):
            TableSource(path="x", event_types=wrong)
    with pytest.raises(ContractError, match="event_types: translates a column, and event_type is under constants"):
        read_files(spark, files(events.model_copy(update={"event_types": {"buy": "purchase"}})))
    users = events.model_copy(
        update={"constants": {}, "columns": {"user_id": "customer"}, "event_types": {"a": "view"}}
    )
    with pytest.raises(ContractError, match="event_types: only events are of a kind"):
        read_files(spark, files(events, users=users))


def test_a_broken_parquet_file_is_named(spark, tmp_path):
    spark.range(2).write.parquet(str(tmp_path / "good"))
    (tmp_path / "good" / "part-broken.parquet").write_bytes(b"PAR1 this is no Parquet file PAR1")
    with pytest.raises(SourceError, match=r"holds a file that cannot be read: .*part-broken\.parquet"), readable("x"):
        spark.read.schema("id bigint").parquet(str(tmp_path / "good")).collect()


@pytest.mark.parametrize("file_format", ["csv", "jsonl", "parquet"])
def test_a_column_with_a_name_that_reading_uses_is_named(spark, tmp_path, file_format):
    rows = spark.createDataFrame([("u1", "i1", "a.csv")], "user_id string, item_id string, _source_file string")
    path = str(tmp_path / "events")
    writer = rows.write.option("header", True)
    {"csv": writer.csv, "jsonl": writer.json, "parquet": writer.parquet}[file_format](path)
    with pytest.raises(SourceError, match="has the column _source_file, a name that reading uses itself"):
        read_files(spark, files(TableSource(path=path, format=file_format)))


def test_other_failures_are_left_alone():
    with pytest.raises(ZeroDivisionError), readable("x"):
        _ = 1 / 0
