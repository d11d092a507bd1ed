"""Broken and rubbish inputs: what can be kept is kept as it would have been, the rest is refused by file and reason."""

from __future__ import annotations

import gzip
import random
from collections import Counter
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs import ingest
from tests.faults.shop_files import AS_OF, COLUMNS, START, csv_bytes, ingested, json_bytes, sales, shuffled_files

GOOD = sales(200)
BAD_ROWS = {
    b"u1,i1,view,2024-01-05T00:00:00,1\n": ("row_unparsable",),
    b"u1,i1,view,2024-01-05T00:00:00,1,2.5,more\n": ("row_unparsable",),
    b"\xff\xfe,i1,view,2024-01-05T00:00:00,1,2.5\n": ("user_id_not_utf8",),
    b"u1,caf\xe9,view,2024-01-05T00:00:00,1,2.5\n": ("item_id_not_utf8",),
    b",i1,view,2024-01-05T00:00:00,1,2.5\n": ("user_id_missing",),
    b"u1,,view,2024-01-05T00:00:00,1,2.5\n": ("item_id_missing",),
    b"u1,i1,view,2024-01-05T00:00:00,1,NaN\n": ("price_not_finite",),
    b"u1,i1,view,2024-01-05T00:00:00,1,1e999\n": ("price_not_finite",),
    b"u1,i1,view,2024-01-05T00:00:00,-Infinity,2.5\n": ("quantity_not_finite", "quantity_not_positive"),
    b"u1,i1,view,2024-01-05T00:00:00,1,2 EUR\n": ("price_unparsable",),
    b"u1,i1,view,31/12/2023,1,2.5\n": ("ts_unparsable",),
    b"u1,i1,view,2999-01-05T00:00:00,1,2.5\n": ("ts_future",),
    b"u1,i1,'; DROP TABLE events --,2024-01-05T00:00:00,1,2.5\n": ("event_type_malformed",),
    b"\xde\xad\xbe\xef\n": ("row_unparsable",),
}


@pytest.fixture(scope="module")
def clean(spark, tmp_path_factory):
    folder = tmp_path_factory.mktemp("clean")
    (folder / "all.csv").write_bytes(csv_bytes(GOOD))
    found = ingested(spark, folder)
    assert found.counts["clean"] == len(found.events) == len(GOOD)
    return found


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_repeated_and_shuffled_rows_change_nothing(spark, tmp_path, clean, share):
    repeated = random.Random(1).sample(GOOD, int(share * len(GOOD)))
    found = ingested(spark, shuffled_files(tmp_path / "in", [*GOOD, *repeated], seed=int(share * 100)))
    assert found.events == clean.events
    assert found.counts["duplicates"] == len(repeated)
    assert found.counts["input"] == len(GOOD) + len(repeated)


def test_every_kind_of_rubbish_in_csv_is_refused_by_file_and_reason(spark, tmp_path, clean):
    folder = shuffled_files(tmp_path / "in", GOOD)
    (folder / "rubbish.csv").write_bytes(csv_bytes([]) + b"".join(BAD_ROWS))
    (folder / "header-only.csv").write_bytes(csv_bytes([]))
    with (folder / "part-0.csv").open("ab") as cut:
        cut.write(b"u1,i1,view,2024-0")  # a file that ends within a row
    found = ingested(spark, folder)
    assert found.events == clean.events
    assert Counter(found.refused.pop("rubbish.csv")) == Counter(BAD_ROWS.values())
    assert found.refused == {"part-0.csv": [("row_unparsable",)]}
    assert found.counts["quarantined"] == len(BAD_ROWS) + 1


def test_json_lines_that_are_cut_or_no_text_are_refused_and_empty_files_bring_nothing(spark, tmp_path, clean):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "good.jsonl").write_bytes(json_bytes(GOOD))
    (folder / "empty.jsonl").touch()
    row = json_bytes(GOOD[:1]).strip()
    (folder / "bad.jsonl").write_bytes(
        row.replace(b'"u', b'"\xff\xfe') + b"\n" + row.replace(b'"quantity": "', b'"quantity": "NaN') + b"\n" + row[:40]
    )
    found = ingested(spark, folder, "jsonl")
    assert found.events == clean.events
    assert list(found.refused) == ["bad.jsonl"]
    assert len(found.refused["bad.jsonl"]) == 3


def test_parquet_with_bytes_that_are_no_text_and_numbers_that_are_none(spark, tmp_path, clean):
    folder = tmp_path / "in"
    folder.mkdir()
    text = {c: [row[c] for row in GOOD] for c in COLUMNS if c != "price"}
    pq.write_table(pa.table({**text, "price": [float(row["price"]) for row in GOOD]}), folder / "good.parquet")
    no_text = pa.array([b"\xff\xfe", b"u1", b"u1", b"u1"]).view(pa.string())
    fixed = {c: [GOOD[0][c]] * 4 for c in COLUMNS if c not in ("user_id", "price")}
    prices = [1.0, float("nan"), float("inf"), float("-inf")]
    pq.write_table(pa.table({"user_id": no_text, **fixed, "price": prices}), folder / "bad.parquet")
    found = ingested(spark, folder, "parquet")
    assert found.events == clean.events
    assert found.refused["bad.parquet"] == [
        ("price_not_finite",),
        ("price_not_finite",),
        ("price_not_finite", "price_negative"),
        ("user_id_not_utf8",),
    ]


@pytest.mark.parametrize("days_later", [45, 120])
def test_what_comes_up_to_thirty_days_late_is_there_thirty_days_later(spark, tmp_path, clean, days_later):
    """An event reaches the shop's files 0 to 30 days after it happened."""
    draw, today = random.Random(3), START + timedelta(days=days_later)
    arrived = [row for row in GOOD if datetime.fromisoformat(row["ts"]) + timedelta(days=draw.uniform(0, 30)) < today]
    found = ingested(spark, shuffled_files(tmp_path / "in", arrived), as_of=today)
    settled = (today - timedelta(days=30)).isoformat()
    assert 0 < len(found.events) <= len(GOOD)
    assert [e for e in found.events if time_of(e) < settled] == [e for e in clean.events if time_of(e) < settled]


def time_of(event: str) -> str:
    """ISO 8601 text of the event's time, which sorts as the times do."""
    return event.split('"ts":"')[1].split('"')[0]


def truncated_parquet(folder):
    table = pa.table({c: [row[c] for row in GOOD] for c in COLUMNS})
    pq.write_table(table, folder / "a.parquet")
    whole = (folder / "a.parquet").read_bytes()
    (folder / "broken.parquet").write_bytes(whole[: len(whole) // 2])


def empty_parquet(folder):
    pq.write_table(pa.table({c: [row[c] for row in GOOD] for c in COLUMNS}), folder / "a.parquet")
    (folder / "broken.parquet").touch()


def empty_csv(folder):
    (folder / "a.csv").write_bytes(csv_bytes(GOOD))
    (folder / "broken.csv").touch()


def truncated_gzip(folder):
    whole = gzip.compress(csv_bytes(GOOD), mtime=0)
    (folder / "a.csv").write_bytes(csv_bytes(GOOD))
    (folder / "broken.csv.gz").write_bytes(whole[: len(whole) // 2])


def retyped_parquet(folder):
    table = pa.table({c: [row[c] for row in GOOD] for c in COLUMNS})
    pq.write_table(table, folder / "a.parquet")
    prices = [float(row["price"]) for row in GOOD]
    pq.write_table(table.set_column(5, "price", [prices]), folder / "broken.parquet")


def other_header(folder):
    (folder / "a.csv").write_bytes(csv_bytes(GOOD))
    (folder / "broken.csv").write_bytes(csv_bytes(GOOD[:3]).replace(b"item_id", b"product"))


@pytest.mark.parametrize(
    ("broken", "form"),
    [
        (truncated_parquet, "parquet"),
        (empty_parquet, "parquet"),
        (empty_csv, "csv"),
        (truncated_gzip, "csv"),
        (retyped_parquet, "parquet"),
        (other_header, "csv"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_before_any_write(spark, tmp_path, capsys, broken, form):
    folder = tmp_path / "in"
    folder.mkdir()
    broken(folder)
    conf = tmp_path / "shop.yaml"
    source = f"{{kind: files, events: {{path: {folder}, format: {form}}}}}"
    conf.write_text(f"lake: {{path: {tmp_path}/lake}}\nsource: {source}\n")
    assert ingest.main(["--conf", str(conf), "--run-id", "x", "--as-of", AS_OF.isoformat()]) == 4
    told = capsys.readouterr().err
    assert f"broken.{form}" in told
    assert "Restore or remove" in told
    assert not (tmp_path / "lake").exists()


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(20))
def test_random_bytes_within_a_file_never_lose_a_row(spark, tmp_path, clean, seed):
    """Rows of other files stay as they are; the hit file's rows are each clean, refused or duplicates."""
    folder, draw = shuffled_files(tmp_path / "in", GOOD, seed=seed), random.Random(seed)
    hit = folder / "part-1.csv"
    damaged = bytearray(hit.read_bytes())
    header = damaged.index(b"\n") + 1
    for _ in range(20):
        damaged[draw.randrange(header, len(damaged))] = draw.choice(b"\x00\xff\xc3\x28\"',;0x\t ")
    hit.write_bytes(damaged)
    found = ingested(spark, folder)
    untouched = {row["ts"] for part in ("part-0.csv", "part-2.csv") for row in parsed(folder / part)}
    kept = {time_of(e)[:19] for e in found.events}
    assert {ts[:19] for ts in untouched} <= kept
    assert set(found.refused) <= {"part-1.csv"}


def parsed(path):
    return [dict(zip(COLUMNS, line.split(","), strict=True)) for line in path.read_text().splitlines()[1:]]
