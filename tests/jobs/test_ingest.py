import json
from argparse import Namespace

import pandas as pd
import pytest

from jobs import ingest
from jobs.context import Base, Job
from recsys_spark.config import load_settings
from recsys_spark.config.load import settings_sha256
from recsys_spark.config.source import SourceSettings
from recsys_spark.events.typed import typed_events
from recsys_spark.lake import Lake, Release
from recsys_spark.sources.files import read_files
from tests.conftest import at

DAYS = ("2024-01-01T10:00:00", "2024-01-02T10:00:00", "2024-01-03T10:00:00")


@pytest.fixture
def shop(tmp_path):
    """A settings file, and a function that makes its source hold the first so many days."""
    conf = tmp_path / "shop.yaml"
    source = f"{{kind: files, events: {{path: {tmp_path}/events.jsonl, format: jsonl}}}}"
    conf.write_text(f"lake: {{path: {tmp_path}/lake}}\nsource: {source}\n")

    def holds(days):
        rows = [{"user_id": "u", "item_id": f"i{n}", "event_type": "purchase", "ts": ts} for n, ts in enumerate(days)]
        (tmp_path / "events.jsonl").write_text("\n".join(json.dumps(row) for row in rows))

    return str(conf), holds


def ingested(spark, conf):
    """Items of the events table, and the as-of time of its latest commit."""
    lake = Lake(spark, str(conf).replace("shop.yaml", "lake"))
    return sorted(r.item_id for r in lake.read("events").collect()), lake.commits("events")[0][1]["as_of"]


def test_a_later_run_moves_on_with_its_source(shop, spark):
    conf, holds = shop
    holds(DAYS[:1])
    assert ingest.main(["--conf", conf, "--run-id", "monday"]) == 0
    items, first = ingested(spark, conf)
    assert items == ["i0"]
    holds(DAYS)
    assert ingest.main(["--conf", conf, "--run-id", "wednesday"]) == 0
    items, second = ingested(spark, conf)
    assert items == ["i0", "i1", "i2"]
    assert second > first


def test_what_was_asked_for_bounds_the_events(shop, spark):
    conf, holds = shop
    holds(DAYS)
    assert ingest.main(["--conf", conf, "--run-id", "backfill", "--as-of", "2024-01-02T12:00:00"]) == 0
    assert ingested(spark, conf) == (["i0", "i1"], "2024-01-02T12:00:00+00:00")


@pytest.fixture
def masters(tmp_path):
    """A settings file with all three tables, and a function that writes them."""
    conf = tmp_path / "shop.yaml"
    conf.write_text(
        f"""
        lake: {{path: {tmp_path}/lake}}
        source:
          kind: files
          events: {{path: {tmp_path}/events.csv, format: csv, constants: {{event_type: purchase}}}}
          users: {{path: {tmp_path}/users.csv, format: csv, attributes: [town]}}
          items: {{path: {tmp_path}/items.csv, format: csv}}
        """
    )

    def holds(events, users, items):
        for name, lines in (("events", events), ("users", users), ("items", items)):
            (tmp_path / f"{name}.csv").write_text("\n".join(lines))

    return str(conf), holds


EVENTS = ("user_id,item_id,ts", "u,i0,2024-01-01", "u,i1,2024-01-01")
USERS = ("user_id,town", "u,Ulm")
ITEMS = ("item_id,title,price,available", "i0,Tea,1,yes", "i1,Cup,2,yes")


def test_an_update_keeps_what_it_knows_of_who_has_no_clean_row_now(masters, spark):
    """The user and an item are not in today's tables, another item is withdrawn by a row with a broken price."""
    conf, holds = masters
    holds(EVENTS, USERS, ITEMS)
    assert ingest.main(["--conf", conf, "--run-id", "full"]) == 0
    more = ("u,i0,2024-01-02", "u,i1,2024-01-02", "w,i0,2024-01-02")
    holds((*EVENTS, *more), (USERS[0], "v,Bonn"), (ITEMS[0], "i1,Cup,cheap,no", "i2,Pot,3,yes"))
    run = update_of(spark, conf)
    ingest.run(run)
    users = {r.user_id: r.attributes for r in run.lake.read("users").collect()}
    assert users == {"u": {"town": ["Ulm"]}, "v": {"town": ["Bonn"]}, "w": {}}
    items = {r.item_id: (r.title, r.price, r.available) for r in run.lake.read("items").collect()}
    assert items == {"i0": ("Tea", 1.0, True), "i1": ("Cup", 2.0, False), "i2": ("Pot", 3.0, True)}
    changed = {r.user_id: r.reason for r in run.lake.read("changed_users").collect()}
    assert changed == {"u": "events", "v": "attributes", "w": "events"}


def update_of(spark, conf):
    """A run that brings the release of what was ingested up to date."""
    settings = load_settings(conf)
    lake = Lake(spark, settings.lake.path)
    tables = {name: lake.commits(name)[0][0] for name in ("events", "users", "items")}
    as_of = at("2024-01-01T00:00:01")
    base = Base(Release("full", as_of, "", "", tables, "", "s", "{}", {}), as_of)
    later = Namespace(as_of=at("2024-01-03T00:00:00"))
    return Job(settings, spark, lake, "later", later.as_of, arguments=later, base=base)


def test_masters_of_which_no_row_is_clean_stop_the_ingest_and_many_refused_rows_are_told(
    masters, spark, caplog, capsys
):
    conf, holds = masters
    holds((*EVENTS, ",i0,2024-01-01"), USERS, (ITEMS[0], "i0,Tea,cheap,yes"))
    assert ingest.main(["--conf", conf, "--run-id", "broken"]) == 4
    assert "table items: none of 1 input rows is usable; refused for: price_unparsable 1" in capsys.readouterr().err
    assert not Lake(spark, load_settings(conf).lake.path).exists("events")
    holds((*EVENTS, ",i0,2024-01-01"), USERS, ITEMS)
    assert ingest.main(["--conf", conf, "--run-id", "mended"]) == 0
    assert "table events: 1 of 3 input rows (33%) were refused, most of them for: user_id_missing 1" in caplog.text


def test_seconds_are_the_same_time_in_every_format(tmp_path, spark):
    seconds = [1704164645, 1704164646]
    sold = pd.DataFrame({"user_id": ["u", "v"], "item_id": "i", "event_type": "purchase", "ts": seconds})
    sold.to_csv(tmp_path / "csv", index=False)
    sold.astype({"ts": float}).to_csv(tmp_path / "floats", index=False)
    sold.to_json(tmp_path / "jsonl", orient="records", lines=True)
    sold.to_parquet(tmp_path / "parquet")
    for name, form in (("csv", "csv"), ("floats", "csv"), ("jsonl", "jsonl"), ("parquet", "parquet")):
        source = SourceSettings(kind="files", events={"path": str(tmp_path / name), "format": form})
        events = typed_events(read_files(spark, source).events).selectExpr("unix_timestamp(ts) AS ts")
        assert sorted(row.ts for row in events.collect()) == seconds, name


@pytest.mark.parametrize("time", ["9999-12-31T23:59:59", "2262-01-01", "0001-01-01T00:00:00+14:00"])
def test_a_time_that_leaves_no_room_for_days_around_it_is_refused(shop, capsys, time):
    with pytest.raises(SystemExit) as stopped:
        ingest.main(["--conf", shop[0], "--as-of", time])
    assert stopped.value.code == 2
    assert "is no time of the years 1900 to 2261" in capsys.readouterr().err


def test_a_run_goes_on_with_more_memory_but_not_with_other_partitions(shop):
    def digest(*overrides):
        return settings_sha256(load_settings(shop[0], overrides))

    more = ("spark.driver_memory=9g", "spark.extra={spark.executor.memoryOverhead: 2g}")
    assert digest(*more) == digest()
    assert digest("spark.shuffle_partitions=9") != digest()
