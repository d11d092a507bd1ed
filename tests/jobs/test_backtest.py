"""The split and the backtest on a lake of a dozen rows: what one writes, the other can judge."""

import pytest

from jobs import backtest, split
from jobs.backtest_judge import judge
from jobs.context import Job
from recsys_spark.config.settings import Settings
from recsys_spark.lake import Lake
from tests.conftest import at
from tests.frames import boost_lists

ITEMS = [f"i{n}" for n in range(8)]
USERS = [f"u{n:02}" for n in range(30)]
SETTINGS = Settings.model_validate(
    {"backtest": {"k": 2, "bootstrap": 5, "cold_user_share": 0.3, "cold_item_share": 0.3, "holdout": "last"}}
)
SCORERS = {"popularity": (0, 1), "content": (1, 2)}


@pytest.fixture
def job(spark, rows, tmp_path):
    made = Job(SETTINGS, spark, Lake(spark, str(tmp_path)), "r1", at("2024-02-01"))
    days = ("2024-01-01", "2024-01-03", "2024-01-05")
    bought = [(u, ITEMS[(n + step) % 8], day) for n, u in enumerate(USERS) for step, day in enumerate(days)]
    made.write(
        "events",
        rows(
            "events",
            *[
                {"event_id": str(n), "user_id": u, "item_id": i, "event_type": "purchase", "ts": at(day)}
                for n, (u, i, day) in enumerate(bought)
            ],
        ),
    )
    made.write("users", rows("users", *[{"user_id": u, "attributes": {"taste": ["a"]}} for u in USERS]))
    made.write("data_quality", rows("data_quality", {"source_table": "events", "measure": "input", "row_count": 90}))
    split.run(made)
    return made


def write_model(job, rows):
    """Blocks in which popularity is one number and content prefers items of the user's own parity."""
    fold = job.with_fold("backtest")
    events = fold.read("events").collect()
    pairs = {(e.user_id, e.item_id) for e in events}
    n_users = {i: len({u for u, item in pairs if item == i}) for i in ITEMS}
    blocks = [{"block": name, "start": start, "width": width} for name, (start, width) in SCORERS.items()]
    tables = {
        "interactions": [
            {"user_id": u, "item_id": i, "n_purchases": 1, "first_ts": at("2024-01-01"), "last_ts": at("2024-01-01")}
            for u, i in pairs
        ],
        "item_vectors": [{"item_id": i, "n_users": n} for i, n in n_users.items()],
        "blocks": blocks,
        "user_blocks": [
            {
                "user_id": u,
                "route": "warm" if any(u == p[0] for p in pairs) else "cold",
                "vector": [1.0, 1.0, 0.0] if n % 2 else [1.0, 0.0, 1.0],
            }
            for n, u in enumerate(USERS)
        ],
        "item_blocks": [
            {
                "item_id": i,
                "item_group": "established" if count else "new",
                "vector": [float(count), 1.0, 0.0] if n % 2 else [float(count), 0.0, 1.0],
            }
            for n, (i, count) in enumerate(n_users.items())
        ],
        "boosts": boost_lists({"user_id": u, "item_id": i, "scorer": "habit", "value": 1.0} for u, i in pairs),
        "route_weights": [
            {"route": route, "item_group": group, "scorer": s, "scale": 1.0, "weight": w, "slope": 1.0}
            for route in ("cold", "inactive", "warm", "warming")
            for group in ("established", "new")
            for s, w in (("popularity", 0.1), ("content", 1.0), ("habit", 0.5))
        ],
        "training_log": [],
    }
    for name, given in tables.items():
        fold.write(name, rows(name, *given))


def test_the_backtest_judges_every_contender_on_the_report_half(job, rows, tmp_path, capsys):
    write_model(job, rows)
    backtest.run(job)
    fold = job.with_fold("backtest")
    found = fold.read("metrics").collect()
    assert {r.model for r in found} == {
        "recsys",
        "popularity",
        "content",
        "own habit",
        "without popularity",
        "without content",
        "without habit",
    }
    truth = fold.read("truth").where("half = 'report'").collect()
    for name in ("warm", "cold_user", "cold_item", "cold_both"):
        users = {r.user_id for r in truth if r.slice == name}
        served = [r for r in found if (r.slice, r.bucket, r.metric) == (name, "all", "served")]
        assert {(r.value, r.n_users) for r in served} == {(1.0, len(users))}
    assert "Backtest report" in (tmp_path / "report.html").read_text()
    assert "Backtest at 2" in capsys.readouterr().out


def test_trials_judge_the_named_models_alone(job, rows):
    write_model(job, rows)
    judge(job, models=("recsys",))
    assert {r.model for r in job.with_fold("backtest").read("metrics").collect()} == {"recsys"}
