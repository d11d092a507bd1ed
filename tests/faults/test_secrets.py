"""Canaries in every place that may hold a secret, looked for in every place that may not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from jobs import ingest
from recsys_spark.coldstart import launch
from recsys_spark.coldstart.spec import TrainingSpec
from recsys_spark.config import load_settings
from recsys_spark.config.load import settings_json, settings_sha256
from recsys_spark.config.secret import SECRET_NAME
from recsys_spark.errors import SettingsError
from tests import databases

CHECKOUT = Path(__file__).resolve().parents[2]
LITERAL = "canary-literal-store-key"
ACCOUNT = "canary-account-key"
TOKEN = "canary-token-by-reference"
CANARIES = (databases.PASSWORD, LITERAL, ACCOUNT, TOKEN)
EXTRA = {
    "spark.hadoop.fs.s3a.secret.key": LITERAL,
    "spark.hadoop.fs.azure.account.key.shop": ACCOUNT,
    "spark.hadoop.shop.token": "env:RECSYS_TEST_TOKEN",
}
DRIVER = """
import sys
from pathlib import Path
from pyspark.sql import SparkSession
from jobs import ingest
code = ingest.main(sys.argv[1:])
spark = SparkSession.getActiveSession()
print("hadoop knows", spark.sparkContext._jsc.hadoopConfiguration().get("shop.token"), file=sys.stderr)
for line in Path("/proc").glob("[0-9]*/cmdline"):
    try:
        print("COMMAND", line.read_bytes().replace(bytes(1), b" ").decode(errors="replace"))
    except OSError:  # it has ended
        pass
raise SystemExit(code)
"""


def settings(folder: Path, jdbc: dict, **extra: str) -> str:
    conf = folder / "shop.yaml"
    spark = {"master": "local[2]", "driver_memory": "1g", "shuffle_partitions": 2, "extra": EXTRA | extra}
    source = {"kind": "jdbc", "jdbc": jdbc}
    conf.write_text(yaml.safe_dump({"lake": {"path": f"{folder}/lake"}, "spark": spark, "source": source}))
    return str(conf)


def database(url: str = "jdbc:postgresql://127.0.0.1:1/shop", user: str = "reader") -> dict:
    password = f"env:{databases.VARIABLE}"
    return {"url": url, "user": user, "password": password, "events": {"table": "public.clicks"}}


def test_stored_and_shown_settings_hold_no_secret(tmp_path):
    found = load_settings(settings(tmp_path, database()))
    stored = settings_json(found)
    assert not [canary for canary in CANARIES if canary in stored + repr(found) + str(found)]
    extra = json.loads(stored)["spark"]["extra"]
    assert extra["spark.hadoop.fs.s3a.secret.key"] == "(not shown)"
    assert extra["spark.hadoop.shop.token"] == "env:RECSYS_TEST_TOKEN"


def test_a_new_secret_makes_no_new_settings(tmp_path):
    """A run that was stopped resumes after its credentials were changed."""
    before = settings_sha256(load_settings(settings(tmp_path, database())))
    (tmp_path / "shop.yaml").write_text((tmp_path / "shop.yaml").read_text().replace(LITERAL, "another"))
    assert settings_sha256(load_settings(tmp_path / "shop.yaml")) == before


@pytest.mark.parametrize(
    "text",
    [
        f"spark: {{extra: {{a.secret.key: {{x: {LITERAL}}}}}}}",
        f"spark: {{extra: {{a.secret.key: [{LITERAL}]}}}}",
        f"spark: {{extra: [{LITERAL}]}}",
        f"source: {{kind: jdbc, secret_key: {LITERAL}}}",
        f"spark:\n  extra:\n    a.secret.key: '{LITERAL}\n",
        f"spark: {{extra: {{a.secret.key: *{LITERAL}}}}}",
    ],
)
def test_settings_that_are_refused_do_not_tell_the_secret(tmp_path, text):
    conf = tmp_path / "shop.yaml"
    conf.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_settings(conf)
    assert LITERAL not in str(caught.value)


@pytest.mark.parametrize("override", [f"lake.path.x={LITERAL}", f"spark.extra=[{LITERAL}", f"nothing.x={LITERAL}"])
def test_overrides_that_are_refused_do_not_tell_the_secret(tmp_path, override):
    with pytest.raises(SettingsError) as caught:
        load_settings(settings(tmp_path, database()), ["lake.path=x", override])
    assert LITERAL not in str(caught.value)


def test_a_database_that_does_not_answer_is_told_without_the_password(spark, tmp_path, monkeypatch, capsys, caplog):
    monkeypatch.setenv(databases.VARIABLE, databases.PASSWORD)
    assert ingest.main(["--conf", settings(tmp_path, database()), "--run-id", "x"]) == 4
    told = capsys.readouterr()
    assert "cannot be read; the database's driver says" in told.err
    assert databases.PASSWORD not in told.out + told.err + caplog.text


@pytest.mark.faults
def test_no_secret_is_in_logs_event_log_lake_or_command_lines(postgresql, tmp_path):
    """A driver of its own, with the event log on, that reads a database and ends; then one whose password is wrong."""
    postgresql.run(
        "CREATE TABLE clicks AS SELECT 'u' || n % 5 AS user_id, 'i' || n AS item_id, 'view' AS event_type,"
        " timestamp '2024-01-01' + n * interval '1 hour' AS ts FROM generate_series(1, 50) n;"
    )
    (tmp_path / "events").mkdir()
    logged = {"spark.eventLog.enabled": "true", "spark.eventLog.dir": f"file://{tmp_path}/events"}
    logged |= {"spark.eventLog.logStageExecutorMetrics": "true", "spark.eventLog.compress": "false"}
    conf = settings(tmp_path, database(postgresql.url, postgresql.user), **logged)
    run = drive(conf, databases.PASSWORD)
    assert run.returncode == 0, run.stderr[-3000:]
    assert f"hadoop knows {TOKEN}" in run.stderr, "what needs the secret has it"
    assert "org.apache.spark.deploy.SparkSubmit" in run.stdout, "the JVM's command line was looked at"
    refused = drive(conf, "canary-wrong-password", "--run-id", "other")
    assert refused.returncode == 4
    assert "password authentication failed" in refused.stderr
    events = b"".join(path.read_bytes() for path in sorted((tmp_path / "events").rglob("*")) if path.is_file())
    assert b"SparkListenerSQLExecutionStart" in events
    assert b"spark.hadoop.fs.azure.account.key.shop" in events, "Spark tells the setting, and hides its value"
    lake = b"".join(path.read_bytes() for path in sorted((tmp_path / "lake").rglob("*")) if path.is_file())
    assert b"commitInfo" in lake
    told = "".join(ended.stdout + ended.stderr for ended in (run, refused)).replace(f"hadoop knows {TOKEN}", "")
    for canary in (*CANARIES, "canary-wrong-password"):
        assert canary.encode() not in events
        assert canary.encode() not in lake
        assert canary not in told


def drive(conf: str, password: str, *more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, databases.VARIABLE: password, "RECSYS_TEST_TOKEN": TOKEN}
    command = [sys.executable, "-c", DRIVER, "--conf", conf, *(more or ("--run-id", "first"))]
    return subprocess.run(
        command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=500, check=False
    )


def test_spark_hides_what_the_settings_hide(spark):
    assert spark.sparkContext.getConf().get("spark.redaction.regex") == SECRET_NAME


def test_training_processes_get_no_secret_and_no_command_line_tells_one(tmp_path, monkeypatch):
    """Horovod writes the environment of its launcher into the command line of each rank."""
    secrets = ("FAKE_SHOP_KEY", "NVIDIA_API_KEY", "HOROVOD_STORE_TOKEN", "TF_VAR_shop", "AWS_SECRET_ACCESS_KEY")
    for name in secrets:
        monkeypatch.setenv(name, LITERAL)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setattr(launch, "WORKER", "tests.faults.telling")
    spec = TrainingSpec(example_files=(), user_files=(), item_files=(), folder=str(tmp_path))
    launch.train(spec, 2, "horovodrun", timeout_minutes=2)
    told = (tmp_path / "processes.log").read_text()
    for rank in range(2):
        assert f"[{rank}]<stdout>:HAS HOROVOD_RANK={rank}\n" in told, "the environment of the rank was looked at"
        assert f"[{rank}]<stdout>:HAS OMP_NUM_THREADS=3\n" in told, "what it needs it has"
        commands = [line for line in told.splitlines() if line.startswith(f"[{rank}]<stdout>:COMMAND")]
        assert any("OMP_NUM_THREADS=3" in line for line in commands), "Horovod's command line was looked at"
    for hidden in (*secrets, LITERAL):
        assert hidden not in told
