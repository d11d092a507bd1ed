import errno
from argparse import Namespace

import pandas as pd
import pytest
from pyspark.sql import functions as F

from jobs import export, init, rollback, show, vacuum
from jobs.reading import Reading
from recsys_spark.config.running import PrivacySettings
from recsys_spark.errors import SourceError
from recsys_spark.lake import Commit, Lake, Release, publish
from recsys_spark.lake.export import write_files
from recsys_spark.secret import keys_of
from tests.conftest import at
from tests.frames import local_frame

COMMIT = Commit("july", "full", "", "s")


@pytest.fixture(scope="module")
def shop(spark, tmp_path_factory):
    """A settings file whose lake holds one release: u1 bought i1, and is shown i2."""
    from recsys_spark.contracts import table
    from recsys_spark.contracts.spark import spark_schema

    root = tmp_path_factory.mktemp("lake")
    lake = Lake(spark, str(root))
    given = {
        "users": [{"user_id": "u1", "attributes": {"city": ["Bonn [Rhein]"]}, "measures": {"age": 41.0}}],
        "items": [
            {"item_id": "i1", "title": "Green tea", "category_path": ["drinks", "tea"]},
            {"item_id": "i2", "title": "Black tea", "category_path": ["drinks", "tea"], "brand": "Acme"},
        ],
        "events": [
            {"event_id": "e1", "user_id": "u1", "item_id": "i1", "event_type": "purchase", "ts": at("2024-06-01")},
            {"event_id": "e2", "user_id": "u1", "event_type": "search", "ts": at("2024-06-02"), "query_text": "tea"},
        ],
        "user_profiles": [{"user_id": "u1", "state": "warming", "n_events": 2, "category_shares": {"tea": 1.0}}],
        "item_vectors": [{"item_id": "i1", "n_events": 1, "n_users": 1}, {"item_id": "i2"}],
        "recommendations": [
            {"shelf": "for_you", "user_id": "u1", "rank": 1, "item_id": "i2", "score": 0.25, "route": "warming",
             "reason": "like Green tea", "evidence": {"content": 0.75, "popularity": 0.25}},
        ],
        "item_audiences": [{"item_id": "i2", "rank": 1, "user_id": "u1", "score": 0.25, "route": "warming"}],
    }  # fmt: skip
    versions = {}
    for name, rows in given.items():
        contract = table(name)
        frame = local_frame(spark, [contract.row_of(**row) for row in rows], spark_schema(contract))
        versions[name] = lake.overwrite(name, frame.coalesce(1), COMMIT)
    publish(lake, Release("july", at("2024-07-01"), "", "", versions, "m", "s", "{}", {}), COMMIT)
    conf = root / "shop.yaml"
    conf.write_text(f"lake: {{path: {root}}}\nsource: {{kind: synthetic}}")
    return str(conf)


def test_a_users_portrait_has_attributes_habits_history_and_reasons(shop, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert show.main(["user", "u1", "--conf", shop]) == 0
    shown = capsys.readouterr().out
    for part in ("Bonn [Rhein]", "41", "warming", "tea 1.00", "shelf for_you", "Black tea", "like Green tea"):
        assert part in shown
    assert "content 0.75, popularity 0.25" in shown
    assert shown.index("2024-06-02 00:00:00") < shown.index("2024-06-01 00:00:00"), "the latest event comes first"


def test_an_items_portrait_has_its_lists_and_its_audience(shop, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert show.main(["item", "i2", "--conf", shop]) == 0
    shown = capsys.readouterr().out
    for part in ("Black tea", "drinks > tea", "Acme", "for_you", "u1", "warming"):
        assert part in shown


def test_an_unknown_id_is_told_with_its_table(shop, capsys):
    assert show.main(["user", "nobody", "--conf", shop]) == 5
    assert "user_id 'nobody' is not in the table users" in capsys.readouterr().err


def test_a_user_is_found_under_the_key_that_the_release_was_made_with(rows, monkeypatch):
    monkeypatch.setenv("NEW", "the key of this year")
    monkeypatch.setenv("OLD", "the key of last year")
    privacy = PrivacySettings(pseudonym_key="env:NEW", retired_keys=["env:OLD"])
    new, old = (key.pseudonym("u1") for key in keys_of(privacy))

    def found(*held):
        users = rows("users", *({"user_id": user_id} for user_id in held))
        return Reading(None, Namespace(read=lambda lake, name: users), privacy).user_id("u1")

    assert (found(new, "u2"), found(old, "u2"), found("u1", "u2"), found("u2")) == (new, old, "u1", new)


def test_a_sample_shows_users_and_where_the_tables_are(shop, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert show.main(["sample", "--conf", shop, "--count", "3"]) == 0
    shown = capsys.readouterr().out
    assert "user u1" in shown
    assert "/recommendations" in shown
    assert "report.html" in shown


@pytest.mark.parametrize("wrong", [["user"], ["sample", "u1"], ["item", "i1", "--count", "0"]])
def test_arguments_that_do_not_fit_together_are_refused(wrong):
    with pytest.raises(SystemExit) as stopped:
        show.main(wrong)
    assert stopped.value.code == 2


def test_without_a_release_export_says_what_to_run(tmp_path, spark, capsys):
    conf = tmp_path / "shop.yaml"
    conf.write_text(f"lake: {{path: {tmp_path}/lake}}\nsource: {{kind: synthetic}}")
    assert export.main(["recommendations", "--conf", str(conf), "--out", str(tmp_path / "x")]) == 5
    assert "recsys refresh" in capsys.readouterr().err


def test_an_exported_table_is_one_that_pandas_reads(shop, tmp_path):
    out = tmp_path / "lists.parquet"
    for _ in range(2):  # an earlier export is replaced
        assert export.main(["recommendations", "--conf", shop, "--out", str(out)]) == 0
    found = pd.read_parquet(out)
    assert found[["user_id", "item_id", "rank"]].values.tolist() == [["u1", "i2", 1]]


def test_csv_holds_maps_as_json_text(shop, tmp_path):
    out = tmp_path / "lists.csv"
    assert export.main(["recommendations", "--conf", shop, "--format", "csv", "--out", str(out)]) == 0
    [part] = out.glob("part-*.csv")
    assert pd.read_csv(part)["evidence"].tolist() == ['{"content":0.75,"popularity":0.25}']


def test_json_holds_one_object_a_line(shop, tmp_path):
    out = tmp_path / "lists.json"
    assert export.main(["recommendations", "--conf", shop, "--format", "json", "--out", str(out)]) == 0
    [part] = out.glob("part-*.json")
    assert pd.read_json(part, lines=True)["evidence"].tolist() == [{"content": 0.75, "popularity": 0.25}]


def test_a_folder_that_no_export_wrote_is_left_alone(rows, tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(SourceError, match="no earlier export"):
        write_files(rows("users", {"user_id": "u1"}), "parquet", str(tmp_path))
    assert (tmp_path / "mine.txt").read_text() == "precious"


@pytest.mark.parametrize("there", ["file", "table"])
def test_what_spark_or_anybody_else_wrote_is_left_alone(there, rows, tmp_path):
    users, out = rows("users", {"user_id": "u1"}), tmp_path / "users"
    if there == "file":
        out.write_text("precious")
    else:
        users.write.parquet(str(out))
    with pytest.raises(SourceError, match=r"holds no _recsys_export.json. Choose another --out"):
        write_files(rows("users", {"user_id": "u2"}), "parquet", str(out))
    assert out.read_text() == "precious" if there == "file" else pd.read_parquet(out)["user_id"].tolist() == ["u1"]


def test_an_export_that_is_broken_off_leaves_the_earlier_one_and_is_made_again(rows, tmp_path):
    out = tmp_path / "users"
    broken = rows("users", {"user_id": "u2"}).select(F.raise_error(F.lit("killed")).cast("string").alias("user_id"))
    (out / "_temporary").mkdir(parents=True)  # as a killed export of an earlier version left it
    for number in ("u1", "u3"):
        with pytest.raises(Exception, match="killed"):
            write_files(broken, "parquet", str(out))
        assert number == "u1" or pd.read_parquet(out)["user_id"].tolist() == ["u1"]
        write_files(rows("users", {"user_id": number}), "parquet", str(out))
        assert pd.read_parquet(out)["user_id"].tolist() == [number]
    assert [found.name for found in tmp_path.iterdir()] == ["users"]


def test_a_table_that_the_release_lacks_is_told(shop, tmp_path, capsys):
    assert export.main(["metrics", "--conf", shop, "--fold", "backtest", "--out", str(tmp_path / "m")]) == 5
    assert "has no table backtest/metrics" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["releases", "claims", "erasures"])
def test_what_no_release_holds_is_refused_with_the_names_of_what_can_be_exported(name, capsys):
    with pytest.raises(SystemExit) as stopped:
        export.main([name])
    assert stopped.value.code == 2
    assert "'recommendations'" in capsys.readouterr().err


def test_an_export_to_a_place_that_takes_no_files_is_one_message(shop, capsys):
    assert export.main(["recommendations", "--conf", shop, "--out", "/proc/lists"]) == 8
    assert "a file could not be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "argv"),
    [(export, ["recommendations"]), (init, ["--events", "e.csv"]), (rollback, []), (vacuum, [])],
)
def test_a_closed_disk_is_one_message_for_every_tool_that_writes(command, argv, monkeypatch, capsys):
    def run(arguments):
        raise OSError(errno.EROFS, "Read-only file system", "/closed")

    monkeypatch.setattr(command, "run", run)
    assert command.main(argv) == 8
    assert "Read-only file system" in capsys.readouterr().err


def test_a_rollback_says_what_is_current_and_refuses_where_there_is_none(shop, capsys):
    assert rollback.main(["--conf", shop]) == 5
    assert "below july there are: none" in capsys.readouterr().err
