import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_spark.dataset.reader import Shard, blocks, shuffled_batches, table
from recsys_spark.errors import TrainingError

COLUMNS = ("user_idx", "history_idx")


def _files(folder: Path, n_files: int = 4, rows: int = 50) -> list[str]:
    """Files of ``rows`` rows; every fifth row is of the validation part."""
    folder.mkdir(exist_ok=True)
    for part in range(n_files):
        idx = np.arange(part * rows, (part + 1) * rows)
        columns = {
            "part": pa.array(np.where(idx % 5 == 0, "validation", "train")),
            "user_idx": pa.array(idx),
            "history_idx": pa.array([[i, 0] for i in idx], pa.list_(pa.int32())),
        }
        pq.write_table(pa.table(columns), folder / f"part-{part}.parquet")
    return [path.as_uri() for path in sorted(folder.glob("part-*.parquet"))]


def _epoch(files: list[str], shard: Shard, seed: int, size: int = 16) -> list[dict[str, np.ndarray]]:
    return list(shuffled_batches(files, COLUMNS, part="train", batch_size=size, shard=shard, seed=seed, block_rows=64))


@pytest.mark.parametrize("shards", [1, 2, 3])
def test_every_row_of_the_part_comes_once_over_the_shards(tmp_path, shards):
    files = _files(tmp_path / "a shop")  # Spark percent-encodes the space
    for seed in range(5):  # an epoch must not end early either: see the reader's choice of pool
        batches = [b for i in range(shards) for b in _epoch(files, Shard(i, shards), seed)]
        seen = Counter(idx for batch in batches for idx in batch["user_idx"].tolist())
        assert seen == Counter(i for i in range(200) if i % 5)


def test_fewer_row_groups_than_shards_are_shared_by_rows(tmp_path):
    files = _files(tmp_path, n_files=1)
    seen = [b["user_idx"].tolist() for i in range(3) for b in blocks(files, COLUMNS, Shard(i, 3))]
    assert sorted(idx for rows in seen for idx in rows) == list(range(50))
    assert max(map(len, seen)) - min(map(len, seen)) <= 1


def test_rows_stay_whole_and_batches_are_full_but_the_last(tmp_path):
    batches = _epoch(_files(tmp_path), Shard(), seed=1)
    assert [len(b["user_idx"]) for b in batches] == [16] * 10
    for batch in batches:
        assert batch["history_idx"].shape == (16, 2)
        assert np.array_equal(batch["history_idx"][:, 0], batch["user_idx"])


def test_order_depends_on_the_seed_alone(tmp_path):
    files = _files(tmp_path)
    first, again, other = ([b["user_idx"].tolist() for b in _epoch(files, Shard(), s)] for s in (0, 0, 1))
    assert first == again != other
    assert first[0] != sorted(first[0])


def test_table_keeps_the_order_of_the_files(tmp_path):
    assert table(_files(tmp_path), COLUMNS)["user_idx"].tolist() == list(range(200))


def test_no_rows_is_one_clear_error():
    with pytest.raises(TrainingError, match=r"found no rows in 0 files .* run materialize_dataset"):
        table([], COLUMNS)


def test_a_folder_is_refused(tmp_path):
    _files(tmp_path)
    with pytest.raises(TrainingError, match="never hand a folder to Petastorm"):
        list(blocks([tmp_path.as_uri()], COLUMNS, Shard()))


@pytest.mark.parametrize(
    "uri", ["s3a://bucket/lake/part-0.parquet", "file:///lake%231/part-0.parquet", "file:///lake%3F/part-0.parquet"]
)
def test_a_file_that_petastorm_cannot_find_is_refused_in_words(uri):
    with pytest.raises(TrainingError, match=r"file of this machine whose path has no # and no \?"):
        list(blocks([uri], COLUMNS, Shard()))


class Poison:
    """Writes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def test_a_poisoned_common_metadata_beside_the_files_is_never_opened(tmp_path):
    files = _files(tmp_path)
    mark = tmp_path / "poisoned"
    schema = pq.read_schema(tmp_path / "part-0.parquet")
    poisoned = schema.with_metadata({b"dataset-toolkit.unischema.v1": pickle.dumps(Poison(mark))})
    pq.write_metadata(poisoned, tmp_path / "_common_metadata")
    pq.write_metadata(poisoned, tmp_path / "_metadata")
    assert len(table(files, COLUMNS)["user_idx"]) == 200
    assert not mark.exists()
