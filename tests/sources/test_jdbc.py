"""The jdbc source against a real PostgreSQL, and a real MariaDB."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import yaml
from pydantic import ValidationError

from jobs import ingest
from recsys_spark.config import load_settings
from recsys_spark.config.source import JdbcSource, SourceSettings
from recsys_spark.contracts.raw import raw_columns
from recsys_spark.errors import ContractError, SettingsError, SourceError
from recsys_spark.lake import Lake
from recsys_spark.sources.jdbc import read_jdbc
from tests import databases

SHOP = '''
CREATE SCHEMA shop;
CREATE TABLE shop.sales (
    sale_id bigint, customer varchar(20), sku int, sold timestamp, qty numeric(8, 2), loaded timestamptz, note text
);
INSERT INTO shop.sales
    SELECT n, 'u' || n % 7, n % 5, timestamp '2024-01-01' + n * interval '1 hour', 1 + n % 3,
           timestamptz '2024-01-01 00:00:00+00' + n * interval '1 hour', 'x'
    FROM generate_series(1, 100) n;
INSERT INTO shop.sales VALUES (NULL, 'u8', 1, '2024-01-02', 1, '2024-01-02 00:00:00+00', NULL);
CREATE VIEW shop.people AS
    SELECT DISTINCT customer AS user_id, upper(customer) AS "tow""n`s; DROP TABLE x --" FROM shop.sales;
CREATE TABLE shop.nothing (user_id text);
CREATE TABLE "odd ""name; DROP SCHEMA shop" ("it's.`an`-""id""" text);
INSERT INTO "odd ""name; DROP SCHEMA shop" VALUES ('i1');
'''
EVENTS = {
    "table": "shop.sales",
    "columns": {"user_id": "customer", "item_id": "sku", "ts": "sold", "quantity": "qty"},
    "constants": {"event_type": "purchase"},
}


@pytest.fixture(scope="module")
def shop(postgresql):
    postgresql.run(SHOP)
    return postgresql


@pytest.fixture
def source(shop, monkeypatch):
    """source(users={...}, num_partitions=4): settings of the shop's database; plain names change its events."""
    monkeypatch.setenv(databases.VARIABLE, databases.PASSWORD)

    def build(users=None, items=None, **events) -> JdbcSource:
        return JdbcSource(
            url=shop.url,
            user=shop.user,
            password=f"env:{databases.VARIABLE}",
            events=EVENTS | events,
            users=users,
            items=items,
        )

    return build


def asked_since(server, mark):
    """What the server was asked after it had logged so many characters."""
    return server.log.read_text()[mark:]


def test_a_table_is_mapped_as_files_are(spark, source):
    users = {"table": "shop.people", "attributes": ['town=tow"n`s; DROP TABLE x --']}
    raw = read_jdbc(spark, source(users=users), None)
    assert raw.events.columns == raw_columns("events")
    first = raw.events.where("user_id = 'u1'").orderBy("ts").first()
    assert (first["item_id"], first["event_type"], float(first["quantity"])) == (1, "purchase", 2.0)
    assert first["ts"] == datetime(2024, 1, 1, 1)
    assert raw.events.count() == 101
    assert {r["user_id"]: r["attributes"] for r in raw.users.collect()}["u3"] == {"town": ["U3"]}
    assert sorted(r["item_id"] for r in raw.items.collect()) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("column", "bounds"),
    [("sale_id", {}), ("qty", {}), ("sold", {}), ("sale_id", {"lower": 40, "upper": 60})],
)
def test_several_connections_read_every_row_once(spark, shop, source, column, bounds):
    mark = len(shop.log.read_text())
    events = read_jdbc(spark, source(partition_column=column, num_partitions=3, **bounds), None).events
    keys = ("user_id", "item_id", "ts", "quantity")
    whole = read_jdbc(spark, source(), None).events
    assert events.rdd.getNumPartitions() == (2 if column == "qty" else 3)
    assert sorted(map(str, events.select(*keys).collect())) == sorted(map(str, whole.select(*keys).collect()))
    asked = [line for line in asked_since(shop, mark).splitlines() if "min(" in line and "1=0" not in line]
    assert len(asked) == (0 if bounds else 1), "bounds are asked once, and only where they are not given"


def test_later_rows_stay_in_the_database(spark, shop, source):
    mark = len(shop.log.read_text())
    settings = source(watermark_column="loaded")
    events = read_jdbc(spark, settings, datetime(2024, 1, 2, tzinfo=UTC)).events
    assert events.count() == 23
    assert '"loaded" < ' in asked_since(shop, mark), "the database sees the condition"
    assert read_jdbc(spark, settings, None).events.count() == 101


@pytest.mark.parametrize(("column", "found"), [("customer", "has as string"), ("gone", "has not")])
def test_a_watermark_is_a_timestamp(spark, source, column, found):
    with pytest.raises(ContractError, match=f"watermark_column is {column}, which shop.sales {found}"):
        read_jdbc(spark, source(watermark_column=column), None)


def test_names_with_quotes_and_sql_are_names(spark, shop, source):
    items = {"table": 'odd "name; DROP SCHEMA shop', "columns": {"item_id": 'it\'s.`an`-"id"'}}
    raw = read_jdbc(spark, source(items=items), None)
    assert [r["item_id"] for r in raw.items.collect()] == ["i1"]
    shop.run("SELECT 1 FROM shop.sales")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"table": "shop.gone"}, r'table events: shop\.gone cannot be read; .*relation "shop\.gone" does not exist'),
        ({"table": "shop.nothing"}, r"table events: shop\.nothing holds no rows"),
        ({"table": "(SELECT 1) x"}, "cannot be read; .*does not exist"),
        ({"partition_column": "gone", "num_partitions": 2}, 'column "gone" does not exist'),
        ({"partition_column": "gone", "num_partitions": 2, "lower": 1, "upper": 9}, "cannot be read: .*gone"),
    ],
)
def test_what_the_database_refuses_is_one_sentence(spark, source, changed, message):
    with pytest.raises(SourceError, match=message):
        read_jdbc(spark, source(**changed), None)


def test_a_wrong_password_and_a_silent_port_are_told_without_the_password(spark, source, monkeypatch):
    with pytest.raises(SourceError, match=r"cannot be read; .*refused") as caught:
        read_jdbc(spark, source().model_copy(update={"url": "jdbc:postgresql://127.0.0.1:1/postgres"}), None)
    assert databases.PASSWORD not in str(caught.value)
    monkeypatch.setenv(databases.VARIABLE, "wrong-canary")
    with pytest.raises(SourceError, match="password authentication failed") as caught:
        read_jdbc(spark, source(), None)
    assert "wrong-canary" not in str(caught.value)
    monkeypatch.delenv(databases.VARIABLE)
    with pytest.raises(SettingsError, match=f"environment variable {databases.VARIABLE}, which is not set"):
        read_jdbc(spark, source(), None)


def test_secret_scopes_are_told_to_be_on_databricks(spark, source):
    with pytest.raises(SettingsError, match=r"secret scope shop.* are on Databricks alone"):
        read_jdbc(spark, source().model_copy(update={"password": "scope:shop/reader"}), None)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"password": "canary-literal"}, "never the secret itself"),
        ({"url": "jdbc:postgresql://h/d?password=canary-literal"}, "source.jdbc.url"),
        ({"url": "jdbc:postgresql://u:canary-literal@h/d"}, "source.jdbc.url"),
        ({"passwort": "canary-literal"}, "source.jdbc.passwort: Extra inputs"),
        ({"properties": {"password": "canary-literal"}}, "source.jdbc.properties"),
        ({"properties": {"sessionInitStatement": "DROP TABLE x"}}, "source.jdbc.properties"),
        ({"events": {"table": ""}}, "source.jdbc.events.table"),
        ({"events": EVENTS | {"num_partitions": 2}}, "need a partition_column"),
        ({"events": EVENTS | {"partition_column": "a", "lower": 1}}, "lower and upper belong together"),
    ],
)
def test_settings_refuse_secrets_and_half_said_things(tmp_path, changed, message):
    jdbc = {"url": "jdbc:postgresql://h/d", "user": "u", "password": "env:P", "events": EVENTS} | changed
    path = tmp_path / "shop.yaml"
    path.write_text(yaml.safe_dump({"source": {"kind": "jdbc", "jdbc": jdbc}}))
    with pytest.raises(SettingsError, match=message) as caught:
        load_settings(path)
    assert "canary-literal" not in str(caught.value)


def test_the_kind_needs_its_group():
    with pytest.raises(ValidationError, match=r"source\.jdbc must say which database"):
        SourceSettings(kind="jdbc")


def test_ingest_reads_what_the_database_held_at_the_as_of_time(spark, source, tmp_path):
    conf = tmp_path / "shop.json"  # JSON is YAML, and pydantic writes it
    jdbc = source(watermark_column="loaded").model_dump_json(exclude_none=True)
    conf.write_text(f'{{"lake": {{"path": "{tmp_path}/lake"}}, "source": {{"kind": "jdbc", "jdbc": {jdbc}}}}}')
    assert ingest.main(["--conf", str(conf), "--run-id", "a", "--as-of", "2024-01-02T00:00:00"]) == 0
    found = Lake(spark, f"{tmp_path}/lake").read("events").collect()
    assert len(found) == 23
    assert max(r["ts"] for r in found) == datetime(2024, 1, 1, 23)


@pytest.mark.faults
def test_mariadb_is_read_likewise(spark, monkeypatch):
    """Its server is five hours ahead, so that a time without its zone would show."""
    monkeypatch.setenv(databases.VARIABLE, databases.PASSWORD)
    with databases.mariadb() as server:
        server.run(
            "SET time_zone = '+00:00';"
            "CREATE TABLE sales"
            ' (sale_id bigint, user_id varchar(9), `it``em"` int, ts datetime(6), loaded timestamp(6));'
            "INSERT INTO sales SELECT seq, concat('u', seq % 7), seq % 5, '2024-01-01' + interval seq hour,"
            " '2024-01-01' + interval seq hour FROM seq_1_to_100;"
        )
        settings = JdbcSource(
            url=server.url,
            user=server.user,
            password=f"env:{databases.VARIABLE}",
            events={
                "table": "shop.sales",
                "columns": {"item_id": 'it`em"'},
                "constants": {"event_type": "view"},
                "partition_column": "sale_id",
                "num_partitions": 3,
                "watermark_column": "loaded",
            },
        )
        everything = read_jdbc(spark, settings, None).events
        assert everything.rdd.getNumPartitions() == 3
        assert {(r["user_id"], r["item_id"], r["ts"]) for r in everything.collect()} == {
            (f"u{n % 7}", n % 5, datetime(2024, 1, 1 + n // 24, n % 24)) for n in range(1, 101)
        }
        assert read_jdbc(spark, settings, datetime(2024, 1, 2, tzinfo=UTC)).events.count() == 23
        assert "`loaded` < " in server.log.read_text(), "the database sees the condition"
        broken = settings.model_copy(update={"events": settings.events.model_copy(update={"table": "gone"})})
        with pytest.raises(SourceError, match=r"gone cannot be read; .*doesn't exist"):
            read_jdbc(spark, broken, None)


def test_executors_of_another_time_zone_are_refused_before_they_shift_postgresql_s_times(spark, source):
    zones = spark._jvm.java.util.TimeZone
    zones.setDefault(zones.getTimeZone("Europe/Berlin"))
    try:
        with pytest.raises(SourceError, match=r"time zone Europe/Berlin, .*Add -Duser\.timezone=UTC"):
            read_jdbc(spark, source(), None)
    finally:
        zones.setDefault(zones.getTimeZone("UTC"))
