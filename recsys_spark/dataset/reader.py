"""Parquet files to NumPy batches through Petastorm, sharded over training processes.

Petastorm unpickles ``_common_metadata`` of a folder that it is given, and a pickle can run any code. So a reader here
takes an explicit list of files, and refuses anything else. Rows are shuffled as whole NumPy blocks: a shuffle row by
row in tf.data costs two hundred times as much. No pyspark loads here: Petastorm imports it only where it writes.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import unquote, urlparse

import numpy as np
from petastorm import make_batch_reader
from petastorm.errors import NoDataAvailableError
from petastorm.reader import Reader

from recsys_spark.errors import TrainingError

# Petastorm 0.13.1 uses the old dataset class of pyarrow 14 in every call; pyarrow is pinned, so there is nothing to do.
warnings.filterwarnings("ignore", category=FutureWarning, module=r"petastorm")

Batch = dict[str, np.ndarray]


@dataclass(frozen=True)
class Shard:
    """Which part of the rows a process reads."""

    index: int = 0
    count: int = 1


def blocks(files: Sequence[str], columns: Sequence[str], shard: Shard, seed: int | None = None) -> Iterator[Batch]:
    """One batch per row group of this shard; over all shards every row comes exactly once.

    Args:
        files: URIs of Parquet files of this machine.
        columns: names of the columns to read; lists of one length become matrices [rows, length].
        shard: which part of the row groups; with fewer row groups than shards, which part of each group's rows.
        seed: of the order of the row groups; None keeps the order of the files.
    """
    urls = [_as_petastorm_reads(uri) for uri in files]
    if not urls:
        return
    try:
        with _opened(urls, columns, seed, shard) as reader:
            yield from (_as_batch(block) for block in reader)
    except NoDataAvailableError:
        with _opened(urls, columns, seed, None) as reader:
            for block in reader:
                yield {name: values[shard.index :: shard.count] for name, values in _as_batch(block).items()}


def table(files: Sequence[str], columns: Sequence[str], shard: Shard | None = None) -> Batch:
    """All rows of this shard in memory, in the order of the files; for tables that are static tensors of the model.

    Raises:
        TrainingError: the files hold no row.
    """
    parts = list(blocks(files, columns, shard or Shard()))
    if not parts:
        raise TrainingError(f"found no rows in {len(files)} files for columns {list(columns)}; run materialize_dataset")
    return {name: np.concatenate([part[name] for part in parts]) for name in columns}


def shuffled_batches(
    files: Sequence[str],
    columns: Sequence[str],
    *,
    part: str,
    batch_size: int,
    shard: Shard,
    seed: int,
    block_rows: int = 65_536,
) -> Iterator[Batch]:
    """One epoch over this shard's rows of one part, in random order, in batches of one size; the last may be smaller.

    Row groups come in random order; their rows are gathered to blocks of at least ``block_rows`` and permuted within.
    What does not fill a batch is carried into the next block, so that every row comes exactly once.
    """
    random = np.random.default_rng((seed, shard.index))
    waiting: list[Batch] = []
    for block in blocks(files, [*columns, "part"], shard, seed):
        chosen = block.pop("part") == part
        waiting.append({name: values[chosen] for name, values in block.items()})
        if _rows(waiting) >= max(block_rows, batch_size):
            full, rest = _cut(_permuted(waiting, random), batch_size)
            yield from full
            waiting = [rest]
    if _rows(waiting):
        full, rest = _cut(_permuted(waiting, random), batch_size)
        yield from full
        if _rows([rest]):
            yield rest


def _rows(waiting: list[Batch]) -> int:
    return sum(len(next(iter(batch.values()))) for batch in waiting)


def _permuted(waiting: list[Batch], random: np.random.Generator) -> Batch:
    order = random.permutation(_rows(waiting))
    return {name: np.concatenate([batch[name] for batch in waiting])[order] for name in waiting[0]}


def _cut(block: Batch, size: int) -> tuple[list[Batch], Batch]:
    """Full batches, and the rows that are left."""
    n_full = _rows([block]) // size
    full = [{name: values[i * size : (i + 1) * size] for name, values in block.items()} for i in range(n_full)]
    return full, {name: values[n_full * size :] for name, values in block.items()}


@contextmanager
def _opened(urls: list[str], columns: Sequence[str], seed: int | None, shard: Shard | None) -> Iterator[Reader]:
    """A Petastorm reader of one epoch.

    Its thread pool may end an epoch early: it looks whether all work is done, then whether all work was handed out, and
    what is handed out in between is lost. On small files that is one epoch in three. The pool that reads in the
    caller's thread waits for the first row group, and returns them in one order.
    """
    reader = make_batch_reader(
        urls,
        schema_fields=list(columns),
        reader_pool_type="dummy",
        shuffle_row_groups=seed is not None,
        seed=None if seed is None else seed + 1,  # Petastorm takes 0 for "not seeded"
        cur_shard=shard.index if shard else None,
        shard_count=shard.count if shard else None,
    )
    try:
        yield reader
    finally:
        reader.stop()
        reader.join()


def _as_batch(block: tuple) -> Batch:
    return dict(block._asdict())  # type: ignore[attr-defined]


def _as_petastorm_reads(uri: str) -> str:
    """The URI as Petastorm wants it: it does not decode a path, and takes what follows # or ? for no part of it.

    Of remote files Petastorm 0.13.1 asks what pyarrow 14 no longer knows.

    Raises:
        TrainingError: it names no Parquet file, or none that Petastorm can read.
    """
    parts = urlparse(uri)
    if not parts.path.endswith(".parquet"):
        raise TrainingError(f"expected the URI of a Parquet file, found {uri!r}; never hand a folder to Petastorm")
    path = unquote(parts.path)
    if parts.scheme not in ("", "file") or "#" in path or "?" in path:
        raise TrainingError(
            f"expected a file of this machine whose path has no # and no ?, found {uri!r}; copy it to such a folder. "
            "train_coldstart copies to the temporary folder, which TMPDIR names"
        )
    return f"file://{path}"
