"""One epoch of shuffled batches from Parquet: dataset.reader, as training reads, against Petastorm's own converter.

The files lie as materialize_dataset writes them: rows dealt round robin over the files. Both sides read two shards, one
after the other, and hand every batch over as TensorFlow tensors. Each writes the row numbers in the order in which they
came, from which the check takes that every row came once and how well neighbours were separated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf
from petastorm.spark.spark_dataset_converter import SparkDatasetConverter

from benchmarks.harness import Benchmark, Work
from recsys_spark.dataset.reader import Shard, shuffled_batches

FILES = 16
"""What materialize_dataset writes for two processes."""
SHARDS = 2
BATCH = 1024
SHUFFLED_ROWS = 65_536
"""Rows that either side permutes at a time; the reader's default."""
MAX_CORRELATION = 0.05
NUMBERS = ("row", *(f"number_{n}" for n in range(9)))
SHARES = tuple(f"share_{n}" for n in range(4))
COLUMNS = NUMBERS + SHARES
"""With the reader's own column ``part`` they are 15."""


@dataclass(frozen=True)
class Size:
    """How many rows there are."""

    rows: int


def prepare(size: Size, data: Path) -> None:
    """FILES files of equal size, rows in ascending order within each."""
    random = np.random.default_rng(0)
    for file in range(FILES):
        row = np.arange(file, size.rows, FILES)
        columns = {"part": pa.array(np.full(len(row), "train")), "row": pa.array(row, pa.int32())}
        columns |= {name: pa.array(random.integers(0, 100_000, len(row)), pa.int32()) for name in NUMBERS[1:]}
        columns |= {name: pa.array(random.random(len(row), dtype=np.float32)) for name in SHARES}
        pq.write_table(pa.table(columns), data / f"part-{file:02d}.parquet", row_group_size=len(row))


def ours(size: Size, data: Path, out: Path) -> Work:
    """What coldstart.train reads in an epoch."""

    def batches(shard: Shard) -> Iterator[Mapping[str, tf.Tensor]]:
        for batch in shuffled_batches(
            _files(data), COLUMNS, part="train", batch_size=BATCH, shard=shard, seed=1, block_rows=SHUFFLED_ROWS
        ):
            yield {name: tf.constant(values) for name, values in batch.items()}

    return lambda: _save(out, [batches(Shard(index, SHARDS)) for index in range(SHARDS)])


def converter(size: Size, data: Path, out: Path) -> Work:
    """The converter on files that it wrote itself would be the same: it is given the files that Spark cached."""
    made = SparkDatasetConverter(data.as_uri(), _files(data), size.rows)

    def batches(shard: int) -> Iterator[Mapping[str, tf.Tensor]]:
        with made.make_tf_dataset(
            batch_size=BATCH,
            num_epochs=1,
            shuffling_queue_capacity=SHUFFLED_ROWS,
            schema_fields=list(COLUMNS),
            cur_shard=shard,
            shard_count=SHARDS,
            shard_seed=1,
        ) as dataset:
            yield from (batch._asdict() for batch in dataset)

    return lambda: _save(out, [batches(shard) for shard in range(SHARDS)])


def check(size: Size, data: Path, outs: Mapping[str, Path]) -> str:
    """Every row once over both shards on both sides; on ours neighbours are unrelated."""
    found = {}
    for side, out in outs.items():
        shards = [np.load(out / f"shard-{index}.npy") for index in range(SHARDS)]
        rows = np.sort(np.concatenate(shards))
        assert np.array_equal(rows, np.arange(size.rows)), (
            f"{side}: {len(rows)} rows, expected each of {size.rows} once"
        )
        found[side] = correlation(shards)
    bound = max(MAX_CORRELATION, 4 / np.sqrt(size.rows))
    assert abs(found["ours"]) < bound, f"adjacent rows correlate by {found['ours']:.3f}, expected below {bound:.3f}"
    return "adjacent rows correlate by " + ", ".join(f"{value:.3f} ({side})" for side, value in found.items())


def correlation(shards: list[np.ndarray]) -> float:
    """Pearson's correlation between the numbers of a row and of the next one; 0 for a random order."""
    first, second = (np.concatenate([part[cut] for part in shards]) for cut in (slice(None, -1), slice(1, None)))
    return float(np.corrcoef(first, second)[0, 1])


def _save(out: Path, shards: list[Iterator[Mapping[str, tf.Tensor]]]) -> None:
    for index, batches in enumerate(shards):
        np.save(out / f"shard-{index}.npy", np.concatenate([batch["row"].numpy() for batch in batches]))


def _files(data: Path) -> list[str]:
    return [path.as_uri() for path in sorted(data.glob("*.parquet"))]


BENCHMARK = Benchmark(
    name="loader",
    task="one epoch over {rows:,} rows of 15 columns in batches of 1,024 tensors, shuffled, on 2 shards",
    baseline="Petastorm's SparkDatasetConverter.make_tf_dataset with a shuffling queue of the same number of rows",
    equality="every row comes exactly once on either side; adjacent rows of ours correlate by less than 0.05",
    must_reach=30,
    aim=100,
    sizes={"small": Size(rows=4_000), "medium": Size(rows=1_000_000), "full": Size(rows=5_000_000)},
    prepare=prepare,
    sides={"ours": ours, "converter": converter},
    check=check,
)
