"""A source whose columns change between two ingests: the error names the column before anything is written."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs import ingest
from recsys_spark.config.source import ColumnMapping
from recsys_spark.errors import ContractError
from recsys_spark.lake import Lake
from recsys_spark.sources.drift import require_same_columns
from recsys_spark.sources.raw import SourceColumn

FIRST = {
    "customer": ["u1", "u2"],
    "item_id": ["i1", "i2"],
    "event_type": ["view", "purchase"],
    "ts": ["2024-01-01T10:00:00", "2024-01-02T10:00:00"],
    "price": [1.5, 2.5],
    "note": ["a", "b"],
}


def write(folder: Path, columns: dict) -> None:
    pq.write_table(pa.table(columns), folder / "events" / "part-0.parquet")


@pytest.fixture(scope="module")
def shop(spark, tmp_path_factory):
    """A settings file whose lake holds one ingest of FIRST."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "events").mkdir()
    source = f"{{kind: files, events: {{path: {folder}/events, columns: {{user_id: customer}}}}}}"
    (folder / "shop.yaml").write_text(f"lake: {{path: {folder}/lake}}\nsource: {source}\n")
    write(folder, FIRST)
    assert ingest.main(["--conf", str(folder / "shop.yaml"), "--run-id", "first"]) == 0
    return folder


def changed(gone=(), **new) -> dict:
    return {name: values for name, values in FIRST.items() if name not in gone} | new


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        (changed(gone=["price"]), "events.price: gone, was double"),
        (changed(gone=["customer"]), "user_id: expected the source column customer, which is not there"),
        (changed(gone=["price"], unit_price=[1.5, 2.5]), "events.price: gone, was double; renamed to unit_price?"),
        (changed(price=["1,50", "2,50"]), "events.price: found string, was double"),
        (changed(ts=[1704103200000, 1704189600000]), "events.ts: found bigint, was string"),
        (changed(gone=["price"], Price=[1.5, 2.5]), "price: not there (found Price, in other case)"),
        (changed(gone=["customer"], CUSTOMER=["u1", "u2"]), "customer, which is not there (found CUSTOMER,"),
        (changed(platform=["web", "app"]), "events.platform: new, and would be taken as platform"),
    ],
    ids=["dropped", "mapped-dropped", "renamed", "retyped", "epoch-ms", "recased", "mapped-recased", "added"],
)  # fmt: skip
def test_a_changed_column_is_named_and_nothing_is_written(spark, shop, capsys, columns, complaint):
    write(shop, columns)
    before = sorted(shop.rglob("lake/**/*.json"))
    assert ingest.main(["--conf", str(shop / "shop.yaml"), "--run-id", "second"]) == 3
    assert complaint in capsys.readouterr().err
    assert sorted(shop.rglob("lake/**/*.json")) == before


@pytest.mark.faults
def test_a_change_that_is_accepted_is_the_new_state(spark, shop, capsys):
    write(shop, changed(gone=["price", "note"], extra=[1, 2]))
    accepted = ["--conf", str(shop / "shop.yaml"), "--run-id", "third", "--set", "source.drift=accept"]
    assert ingest.main(accepted) == 0
    found = Lake(spark, str(shop / "lake")).read("source_columns").collect()
    assert {(r["source_column"], r["type"], r["taken"]) for r in found} == {
        ("customer", "string", "named"),
        ("item_id", "string", "own_name"),
        ("event_type", "string", "own_name"),
        ("ts", "string", "own_name"),
        ("extra", "bigint", "unused"),
    }


def columns_of(**given: tuple[str, str]) -> list[SourceColumn]:
    return [SourceColumn("events", name, kind, taken) for name, (kind, taken) in given.items()]


BEFORE = columns_of(price=("double", "own_name"), note=("string", "unused"))


def test_what_nobody_uses_may_come_go_and_change():
    now = columns_of(price=("double", "own_name"), more=("string", "unused"))
    notes = require_same_columns(BEFORE, now, {"events": ColumnMapping()})
    assert notes == ["events.note is gone; nothing used it", "events.more is new; nothing uses it"]
    retyped = columns_of(price=("double", "own_name"), note=("bigint", "unused"))
    assert require_same_columns(BEFORE, retyped, {"events": ColumnMapping()}) == []


def test_what_the_settings_say_is_no_drift():
    now = columns_of(unit_price=("double", "named"), note=("string", "unused"))
    mapping = ColumnMapping(columns={"price": "unit_price"})
    assert require_same_columns(BEFORE, now, {"events": mapping}) == []


def test_a_table_that_is_new_in_the_settings_is_compared_with_nothing():
    users = [SourceColumn("users", "user_id", "string", "own_name")]
    both = {"events": ColumnMapping(), "users": ColumnMapping()}
    assert require_same_columns(BEFORE, [*BEFORE, *users], both) == []
    assert require_same_columns([*BEFORE, *users], BEFORE, {"events": ColumnMapping()}) == [], (
        "left out by the settings"
    )


def test_all_changes_come_in_one_error():
    now = columns_of(price=("string", "own_name"), platform=("string", "own_name"))
    with pytest.raises(ContractError) as caught:
        require_same_columns(BEFORE, now, {"events": ColumnMapping()})
    assert "events.price: found string, was double" in str(caught.value)
    assert "events.platform: new" in str(caught.value)
