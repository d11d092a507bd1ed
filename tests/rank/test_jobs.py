"""The jobs learn_weights and recommend, once end to end on a temporary lake."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from shops import LAYOUT, SCORERS, small_shop

from jobs import learn_weights, recommend
from jobs.context import Base, Job
from recsys_spark.config.ranking import RankSettings, ShelfSettings
from recsys_spark.config.running import LakeSettings
from recsys_spark.config.settings import Settings
from recsys_spark.contracts import table
from recsys_spark.contracts.spark import spark_schema
from recsys_spark.kernels.grid import Grid
from recsys_spark.lake import Lake, Release
from recsys_spark.rank.variants import PAIRS
from tests.frames import boost_lists, local_frame

BLOCKS = ("blocks", "user_blocks", "item_blocks", "boosts", "interactions")
READ = {
    "backtest": (*BLOCKS, "truth", "item_vectors", "item_features"),
    "full": (*BLOCKS, "events", "items", "item_vectors", "user_profiles", "training_log"),
}
AS_OF = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture
def job(spark, rows, tmp_path):
    shop = small_shop(n_users=8, n_items=30)
    users = [user["user_id"] for user in shop.users]
    truth = [
        {
            "slice": ("cold_user", "warm")[n % 4 > 0],
            "user_id": user,
            "item_id": f"i{n:02}",
            "half": ("learn", "report")[n % 2],
            "in_window": True,
        }
        for n, user in enumerate(users)
    ]
    tables = {
        # One item is off the shelves.
        "items": [{"item_id": i["item_id"], "available": i["item_id"] != "i07"} for i in shop.items],
        "events": [{"event_id": i["item_id"], "item_id": i["item_id"]} for i in shop.items],
        "item_vectors": [
            {"item_id": i["item_id"], "n_events": i["n_events"], "n_users": i["n_events"], "feature_idx": [n % 2]}
            for n, i in enumerate(shop.items)
        ],
        "item_features": [{"feature": f"kind={n}", "feature_idx": n} for n in range(2)],
        "user_profiles": [{"user_id": user} for user in users],
        "blocks": [{"block": b, "start": start, "width": width} for b, (start, width) in LAYOUT.items()],
        "user_blocks": shop.users,
        "item_blocks": shop.items,
        "boosts": boost_lists(shop.boosts),
        "interactions": [
            {"user_id": b["user_id"], "item_id": b["item_id"], "n_purchases": 2, "first_ts": AS_OF, "last_ts": AS_OF}
            for b in shop.boosts
        ],
        "truth": truth,
        "training_log": [{"epoch": 1, "weights_sha256": "abc"}],
    }
    settings = Settings(lake=LakeSettings(path=str(tmp_path)))
    made = Job(settings, spark, Lake(spark, settings.lake.path), "r1", AS_OF)
    for fold, names in READ.items():
        for name in names:
            made.with_fold(fold).write(name, rows(name, *tables[name]).coalesce(1))
    return made


def test_weights_lists_and_audiences_are_written_and_missing_rows_are_counted(job):
    learn_weights.run(job)
    judged, published = (job.with_fold(f).read("route_weights").collect() for f in ("backtest", "full"))
    assert len(judged) == len(published) == 4 * 2 * len(SCORERS)
    # Only the published weights may know the reporting half.
    taught = [max(row["n_users"] for row in rows if row["item_group"] == "established") for rows in (judged, published)]
    assert taught == [3, 5]  # hidden are i00 to i07: i00 and i05 are new, i07 is off the shelves

    recommend.run(job)
    lists = job.read("recommendations").collect()
    assert {row["shelf"] for row in lists} == {"for_you", "established", "new_arrivals"}
    # 29 items are on sale, 6 of them new, and a list has ten places.
    counts = {shelf: sum(row["shelf"] == shelf for row in lists) for shelf in ("for_you", "new_arrivals")}
    assert counts == {"for_you": 8 * 10, "new_arrivals": 8 * 6}
    assert "i07" not in {row["item_id"] for row in lists}
    assert {row["source_version"] for row in lists} == {"r1 as of 2024-01-01T00:00:00+00:00"}
    assert len({row["model_version"] for row in lists}) == 1
    assert all(row["reason"] for row in lists)
    assert all(0 <= row["score"] <= 1 for row in lists)

    audiences = job.read("item_audiences").collect()
    assert len(audiences) == 6 * 8
    assert recommend.gaps(job).collect() == []

    later = replace(job, run_id="r2", versions={})
    later.write("recommendations", local_frame(job.spark, [], spark_schema(table("recommendations"))))
    short = {row["shelf"]: (row["expected"], row["short_users"]) for row in recommend.gaps(later).collect()}
    assert short == {"for_you": (10, 8), "established": (10, 8), "new_arrivals": (6, 8)}


def test_the_grid_of_candidates_is_that_of_the_drawn_users(job, monkeypatch):
    asked, few = [], {"backtest": job.settings.backtest.model_copy(update={"learn_users": 1})}
    monkeypatch.setattr(Job, "grid", lambda job, n_users, n_items: asked.append(n_users) or Grid(1, 1))
    learn_weights.run(replace(job, settings=job.settings.model_copy(update=few)))
    assert asked[0] == 6  # of eight users; one of each half, route and group


def test_an_update_makes_lists_anew_whose_item_lost_its_boost_to_an_arrival(job, rows):
    shelf = RankSettings(shelves=(ShelfSettings(name="for_you"),))
    job = replace(job, settings=job.settings.model_copy(update={"rank": shelf}))
    weights = [
        {"route": route, "item_group": group, "scorer": s, "scale": 1.0, "weight": 1.0, "slope": 1.0}
        for route, group in PAIRS
        for s in ("factors", "popularity", "content")
    ]

    def boosted(item_id, value):
        lists = [{"item_ids": [item_id], "scores": [value], "because_item_ids": []}]
        return [{"user_id": "u1", "scorer": "content", "item_group": "new", **lists[0]}]

    job.write("route_weights", rows("route_weights", *weights))
    job.write("boosts", rows("boosts", *boosted("i05", 50.0)))
    recommend.run(job)
    versions = {name: version for (fold, name), version in job.versions.items() if fold == "full"}
    base = Base(Release("r1", AS_OF, "published", "", versions, "", "s", "{}", {}), AS_OF)
    later = replace(job, run_id="r2", versions={}, base=base)
    tables = {
        "items": {"item_id": "i30", "available": True},
        "item_vectors": {"item_id": "i30"},
        "item_blocks": {"item_id": "i30", "item_group": "new", "vector": [-9.0] * 4},
    }
    for name, row in tables.items():
        later.write(name, later.before(name).unionByName(rows(name, row)))
    later.write("boosts", rows("boosts", *boosted("i30", 0.1)))
    later.write("changed_users", rows("changed_users"))
    recommend.run(later)
    everyone = replace(later, run_id="r3", versions={}, base=None)
    recommend.run(everyone)
    names = ("shelf", "user_id", "rank", "item_id", "score")
    first, updated, anew = (
        sorted(run.read("recommendations").select(*names).collect()) for run in (job, later, everyone)
    )
    assert ("u1", "i05") in {(row.user_id, row.item_id) for row in first}
    assert updated == anew != first
