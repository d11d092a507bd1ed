"""The split and the backtest on a lake of a dozen rows: what one writes, the other can judge."""

from argparse import Namespace
from dataclasses import replace

import pytest

from jobs import backtest, backtest_judge, backtest_page, split
from jobs.backtest_judge import judge
from jobs.context import Job
from recsys_spark.config.load import settings_json
from recsys_spark.config.settings import Settings
from recsys_spark.errors import SettingsError
from recsys_spark.kernels.grid import Grid
from recsys_spark.lake import Commit, Lake, Release, publish
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


def test_a_task_counts_a_user_by_the_places_of_all_its_lists(job, rows, monkeypatch):
    write_model(job, rows)
    monkeypatch.setattr(backtest_judge, "PLACES", 6)
    fold, asked = job.with_fold("backtest"), []
    monkeypatch.setattr(Job, "grid", lambda job, n_users, n_items: asked.append(n_users) or Grid(1, 1))
    candidates = fold.read("item_blocks").selectExpr("item_group as shelf", "item_id")
    for models in (None, ("recsys",)):
        assert "evidence" not in backtest_judge._lists(fold, fold.read("truth"), candidates, models).columns
    n_users = fold.read("truth").select("user_id").distinct().count()
    assert asked == [-(-n_users * 7 * 4 // 6), n_users]  # of seven contenders, and of one; two lists of two places


def test_trials_judge_the_named_models_alone(job, rows):
    write_model(job, rows)
    judge(job, models=("recsys",))
    assert {r.model for r in job.with_fold("backtest").read("metrics").collect()} == {"recsys"}


@pytest.fixture
def made(spark, rows, tmp_path):
    """A run that has made the tables of a backtest."""
    run = Job(SETTINGS, spark, Lake(spark, str(tmp_path), "backtest"), "r1", at("2024-02-01"))
    for name in backtest.JUDGED:
        run.write(name, rows(name))
    return run


def test_a_page_that_nobody_asked_for_may_have_no_place(made, rows, tmp_path, caplog):
    for name in ("metrics", "training_log"):
        made.write(name, rows(name))
    made.with_fold("full").write("data_quality", rows("data_quality"))
    (tmp_path / "report.html").mkdir()
    backtest_page.show(made)
    assert f"no report: {tmp_path}/report.html cannot be written" in caplog.text
    asked = replace(made, arguments=Namespace(report=str(tmp_path / "report.html")))
    with pytest.raises(OSError, match="directory"):
        backtest_page.show(asked)


def test_a_page_may_go_to_any_place_that_hadoop_knows(made, rows, tmp_path):
    for name in ("metrics", "training_log"):
        made.write(name, rows(name))
    made.with_fold("full").write("data_quality", rows("data_quality"))
    store = tmp_path.name.replace("_", "-")
    mounted = f"fs.viewfs.mounttable.{store}.link./store"
    made.spark.sparkContext._jsc.hadoopConfiguration().set(mounted, tmp_path.as_uri())
    for name, asked in (("one", f"file://{tmp_path}/one/x.html"), ("two", f"viewfs://{store}/store/two/x.html")):
        backtest_page.show(replace(made, arguments=Namespace(report=asked)))
        assert "Backtest report" in (tmp_path / name / "x.html").read_text()


def later(job, **settings):
    """Another run on the same lake, with some settings changed: {group: {name: value}}."""
    groups = {group: getattr(job.settings, group).model_copy(update=values) for group, values in settings.items()}
    return replace(job, settings=job.settings.model_copy(update=groups), run_id="r2", versions={})


def test_tables_of_an_earlier_run_are_not_judged_as_if_they_had_other_settings(made):
    with pytest.raises(SettingsError, match=r"of run r1, .* refresh with these settings"):
        backtest._with_missing_steps(replace(later(made, als={"rank": 128}), arguments=Namespace(trial_minutes=None)))
    backtest.require_same_settings(later(made))
    backtest.require_same_settings(made)


def test_how_the_tables_of_a_release_are_judged_may_change_but_not_under_one_run_id(made, rows):
    free = {"backtest": {"bootstrap": 7}, "spark": {"shuffle_partitions": 3}}
    with pytest.raises(SettingsError, match="of run r1"):  # only a release keeps its settings
        backtest.require_same_settings(later(made, **free))
    full, commit = made.lake.with_fold("full"), made.commit
    publish(full, Release("r1", made.as_of, "", "", {}, "", "s", settings_json(made.settings), {}), commit)
    backtest.require_same_settings(later(made, **free))
    with pytest.raises(SettingsError, match="of run r1"):
        backtest.require_same_settings(later(made, als={"rank": 128}))
    later(made).write("metrics", rows("metrics"))
    backtest.require_same_settings(later(made))
    with pytest.raises(SettingsError, match="run r2 was judged with other settings"):
        backtest.require_same_settings(later(made, **free))


def test_tables_on_both_sides_of_a_stopped_refresh_are_not_judged_together(made, rows):
    stopped = replace(later(made), as_of=at("2024-03-01"))
    stopped.write("truth", rows("truth"))
    with pytest.raises(SettingsError, match="truth of run r2, user_blocks of run r1"):
        backtest.require_same_settings(stopped)
    backtest.require_same_settings(replace(made, versions={}))


def test_tables_that_an_erasure_wrote_anew_are_judged_as_before(made, rows):
    erasure = Commit("erasure", "backtest", "", "other settings")
    made.lake.overwrite("truth", rows("truth"), erasure)
    with pytest.raises(SettingsError, match="truth of run erasure"):
        backtest.require_same_settings(later(made))
    made.lake.with_fold("full").append("erasures", rows("erasures", {"run_id": "erasure"}), erasure)
    backtest.require_same_settings(later(made))
