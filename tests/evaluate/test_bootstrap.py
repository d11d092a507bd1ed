import tracemalloc

import numpy as np
import pyarrow as pa
import pytest

from recsys_spark.evaluate.bootstrap import _as_batch, _merge, poisson_counts, with_intervals
from tests.frames import local_frame

SCORES = "model string, slice string, bucket string, user_id string, recall double"


def test_counts_are_poisson_with_mean_one_and_independent():
    counts = poisson_counts(np.arange(-5_000, 5_000), 20)
    assert counts.shape == (10_000, 21)
    assert (counts[:, 0] == 1).all()
    drawn = counts[:, 1:]
    assert drawn.mean() == pytest.approx(1, abs=0.01)
    assert drawn.var() == pytest.approx(1, abs=0.02)
    between = np.corrcoef(drawn.T) - np.eye(20)
    assert np.abs(between).max() < 0.05


def test_the_same_users_are_drawn_however_the_rows_lie_and_for_every_model(spark):
    rows = [(m, "warm", "0", f"u{n}", float(n % 3 == 0)) for m in ("one", "two") for n in range(60)]
    frame = local_frame(spark, rows, SCORES)
    here, there = (
        {r.model: tuple(r) for r in f.collect() if r.bucket == "all"}
        for f in (with_intervals(frame.repartition(n), ["recall"], 40, 7) for n in (1, 5))
    )
    assert here == there
    assert here["one"][3:] == here["two"][3:]


def test_another_seed_draws_other_users(spark):
    frame = local_frame(spark, [("m", "warm", "0", f"u{n}", float(n % 7)) for n in range(50)], SCORES)
    first, second = (with_intervals(frame, ["recall"], 40, seed).first() for seed in (1, 2))
    assert first.value == second.value
    assert (first.low, first.high) != (second.low, second.high)


def test_adding_many_partitions_up_takes_less_memory_than_they_do():
    parts = [
        {("m", "warm", bucket): (np.full((101, 2), n), np.ones((101, 2)), 1) for bucket in "01"} for n in range(99)
    ]
    partials = pa.Table.from_batches([_as_batch(part) for part in parts])
    tracemalloc.start()
    merged = _merge(partials, ["recall", "ndcg"])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < partials.nbytes / 4
    found = merged.select(["bucket", "metric", "value", "n_users"]).to_pylist()
    assert [tuple(row.values()) for row in found] == [
        (bucket, metric, 49.0, users)
        for bucket, users in (("0", 99), ("1", 99), ("all", 198))
        for metric in ("recall", "ndcg")
    ]
