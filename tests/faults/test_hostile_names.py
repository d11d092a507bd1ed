"""Names meant to break out of SQL, paths, pages and terminals: they stay names all the way through."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import pandas as pd
import pytest
from pydantic import ValidationError

from jobs import export, ingest, show
from recsys_spark.config.describing import CleaningSettings
from recsys_spark.config.ranking import ShelfSettings
from recsys_spark.config.source import SourceSettings
from recsys_spark.evaluate.report import render
from recsys_spark.events.clean import judge, settle
from recsys_spark.lake import Commit, Lake, Release, publish
from recsys_spark.profiles.interactions import interactions
from recsys_spark.profiles.profile import user_encoding, user_features, user_profiles
from recsys_spark.rank.lists import recommendations
from recsys_spark.sources.files import read_files
from tests.conftest import at
from tests.frames import local_frame

NAMES = (
    "O'Brien\"; DROP TABLE events; --",
    "`a`.``b",
    "../../../etc/passwd",
    "a/b\\c:d*?[e]{f}",
    "naïve 🦄 \u202etxet",
    "two\nlines\tand a tab",
    "<script>alert('x')</script>",
    "%s ${jndi:ldap://x} {{7*7}} [bold]",
    "\u0001\u0000\u0002",
    "=1+1",
    "\x1b[2J",
    "x" * 10_000,
)
AS_OF = at("2024-02-01")
TOP = (
    "variant string, shelf string, user_id string, rank int, item_id string, score double, route string, "
    "evidence map<string,double>"
)


@pytest.fixture(scope="module")
def cleaned(spark, tmp_path_factory):
    """Clean tables of a shop in which every name is hostile: users, items, their columns and the files themselves."""
    folder = tmp_path_factory.mktemp("shop") / "naïve 'folder' #1 %20 `x`"
    folder.mkdir()
    column = NAMES[0] + NAMES[1] + NAMES[6]
    users = [{"user_id": name, column: name, "b=c": name} for name in NAMES]
    items = [{"item_id": name, "title": name, "brand": name, "dept": name} for name in NAMES]
    sales = [
        {"user_id": u, "item_id": i, "event_type": "purchase", "ts": f"2024-01-{n + 1:02}T10:00:00"}
        for u in NAMES
        for n, i in enumerate(NAMES)
    ]
    for table, rows in {"events": sales, "users": users, "items": items}.items():
        (folder / f"{table};'\"<b>.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    tables = {t: {"path": str(folder / f"{t};'\"<b>.jsonl"), "format": "jsonl"} for t in ("events", "users", "items")}
    tables["users"]["attributes"] = [f"town={column}", "x=b=c"]
    tables["items"]["columns"] = {"category_path": "dept"}
    raw = read_files(spark, SourceSettings(kind="files", **tables))
    found = settle(judge(raw.events, raw.users, raw.items, AS_OF, CleaningSettings()))
    return replace(found, **{name: getattr(found, name).localCheckpoint() for name in ("events", "users", "items")})


@pytest.fixture(scope="module")
def shop(spark, rows, cleaned, tmp_path_factory):
    """The settings of a lake whose one release holds those tables, and lists of them."""
    root = tmp_path_factory.mktemp("lake")
    met = interactions(
        cleaned.events,
        AS_OF,
        event_weights={},
        default_event_weight=1.0,
        dwell_weight=0.1,
        half_life_days=180.0,
    )
    known = user_encoding(cleaned.users, id_order=True)
    features = user_features(cleaned.users, known, max_features=50, min_holders=1)
    profiles = user_profiles(
        cleaned.users,
        cleaned.events,
        met,
        cleaned.items,
        known,
        features,
        AS_OF,
        kept=None,
        warm_from_items=5,
        inactive_after_days=365.0,
        half_life_days=180.0,
    )
    places = [
        ("recsys", "for_you", user, rank, item, 0.5, "warm", {"neighbours": 1.0})
        for user in NAMES
        for rank, item in enumerate(NAMES, 1)
    ]
    because = [{"user_id": u, "scorer": "neighbours", "item_ids": NAMES, "because_item_ids": NAMES} for u in NAMES]
    lists = recommendations(
        local_frame(spark, places, TOP), profiles, cleaned.items, met, rows("boosts", *because), "m", "s"
    )
    lake, commit = Lake(spark, str(root)), Commit("r", "full", "", "s")
    tables = {
        "events": cleaned.events,
        "users": cleaned.users,
        "items": cleaned.items,
        "user_profiles": profiles,
        "recommendations": lists,
    }
    versions = {name: lake.overwrite(name, frame.coalesce(1), commit) for name, frame in tables.items()}
    publish(lake, Release("r", AS_OF, "", "", versions, "m", "s", "{}", {}), commit)
    conf = root / "shop.yaml"
    conf.write_text(f"lake: {{path: {root}}}")
    return str(conf)


def test_ids_and_attributes_come_through_cleaning_as_they_are(cleaned):
    users = {r["user_id"]: r["attributes"] for r in cleaned.users.collect()}
    assert users == {name: {"town": [name], "x": [name]} for name in NAMES}
    items = {r["item_id"]: (r["title"], r["brand"], r["category_path"]) for r in cleaned.items.collect()}
    assert items == {name: (name, name, [name]) for name in NAMES}
    pairs = [(r["user_id"], r["item_id"]) for r in cleaned.events.collect()]
    assert len(pairs) == len(set(pairs)) == len(NAMES) ** 2, "no two events were taken for one"
    assert cleaned.quarantine.isEmpty()


def test_every_user_has_a_profile_and_a_list_with_the_reasons_title(spark, shop):
    lake = Lake(spark, shop.removesuffix("/shop.yaml"))
    assert {r["user_id"] for r in lake.read("user_profiles").collect()} == set(NAMES)
    lists = lake.read("recommendations").collect()
    assert {(r["user_id"], r["item_id"]) for r in lists} == {(u, i) for u in NAMES for i in NAMES}
    assert all(r["reason"] == f"Goes with {r['item_id']}" for r in lists)


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_an_export_holds_the_same_names(shop, tmp_path, form):
    out = tmp_path / "naïve 'out' #1"
    assert export.main(["recommendations", "--conf", shop, "--format", form, "--out", str(out)]) == 0
    parts = sorted(out.glob(f"part-*.{form}"))
    if form == "csv":
        csv.field_size_limit(1_000_000)
        found = [r for part in parts for r in csv.DictReader(part.open(newline="", encoding="utf-8"))]
    elif form == "json":
        found = [json.loads(line) for part in parts for line in part.read_text().splitlines()]
    else:
        found = pd.read_parquet(out).to_dict("records")
    assert {(r["user_id"], r["item_id"]) for r in found} == {(u, i) for u in NAMES for i in NAMES}


@pytest.mark.parametrize("name", [NAMES[7], NAMES[10]])
def test_a_portrait_shows_the_name_and_steers_no_terminal(shop, capsys, monkeypatch, name):
    monkeypatch.setenv("COLUMNS", "300")
    assert show.main(["user", name, "--conf", shop]) == 0
    shown = capsys.readouterr().out
    assert f"user {name}".replace("\x1b", "\ufffd") in shown
    assert "\x1b" not in shown


def test_the_report_escapes_whatever_comes_from_data():
    metric = {"slice": "warm", "bucket": "all", "metric": "recall", "k": 10, "n_users": 3, "value": 0.5}
    metrics = [metric | {"model": model, "low": 0.4, "high": 0.6} for model in ("recsys", f"only {NAMES[6]}")]
    quality = [{"source_table": NAMES[6], "measure": name, "row_count": 3} for name in ("input", *NAMES)]
    weights = [
        {"route": NAMES[6], "item_group": NAMES[0], "scorer": n, "weight": 1.0, "n_users": 1} for n in (NAMES[6], "a")
    ]
    page = render(metrics, [], quality, weights, {NAMES[6]: NAMES[6], "run": NAMES[0]})
    assert "<script" not in page
    assert "&lt;script&gt;alert(&#39;x&#39;)" in page


@pytest.mark.parametrize("name", [*NAMES, "Caps", "", "_x"])
def test_no_such_name_is_a_shelf(name):
    with pytest.raises(ValidationError):
        ShelfSettings(name=name)


@pytest.mark.parametrize("name", [*NAMES, "..", "", "a b"])
def test_no_such_name_is_a_run(name, capsys):
    with pytest.raises(SystemExit) as stopped:
        ingest.main(["--run-id", name])
    assert stopped.value.code == 2
    assert "is no name of a run" in capsys.readouterr().err
