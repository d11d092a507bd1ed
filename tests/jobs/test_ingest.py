import json

import pytest

from jobs import ingest
from recsys_spark.lake import Lake

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
