"""One process from its spec to its share of the tower vectors: a rank of a training, or a scoring without one."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator

import keras
import tensorflow as tf

from recsys_spark.coldstart import weights
from recsys_spark.coldstart.catalogue import catalogue, known_ids, without_unknown
from recsys_spark.coldstart.examples import COLUMNS, Batch, Survey, survey
from recsys_spark.coldstart.export import export
from recsys_spark.coldstart.loop import Training
from recsys_spark.coldstart.model import TwoTowers
from recsys_spark.coldstart.ranks import Ranks
from recsys_spark.coldstart.spec import ScoringSpec, TrainingSpec
from recsys_spark.coldstart.validation import cold_tasks
from recsys_spark.dataset import reader
from recsys_spark.errors import TrainingError

ITEM_COLUMNS = ("item_idx", "feature_idx", "dense", "log_q", "is_held_out")
USER_COLUMNS = ("user_idx", "attribute_idx", "history_idx")


def run_rank(spec: TrainingSpec | ScoringSpec) -> str:
    """Take this process's place among the ranks and its device, then train or score; see :func:`run`, :func:`score`."""
    ranks = Ranks.join()
    _use_own_device(ranks, spec.threads)
    return score(spec) if isinstance(spec, ScoringSpec) else run(spec, ranks)


def run(spec: TrainingSpec, ranks: Ranks) -> str:
    """Train with the other ranks, write this rank's vectors, and return the hash of the weights.

    Rank 0 writes the weights too.
    """
    keras.utils.set_random_seed(spec.seed)
    shard = reader.Shard(ranks.rank, ranks.size)
    items = catalogue(reader.table(spec.item_files, ITEM_COLUMNS))
    seen = survey(
        reader.blocks(spec.example_files, [*COLUMNS, "part"], shard), items.n_items, spec.validation_rows // ranks.size
    )
    known = known_ids(ranks.total(seen.counts))
    model = TwoTowers(items, _n_attributes(spec, seen, ranks), spec.width, spec.hidden, spec.temperature)
    tasks = cold_tasks(seen.validation, items.held_out, known, spec.candidates, spec.seed)

    def epoch(batch_size: int, number: int) -> Iterator[Batch]:
        return reader.shuffled_batches(
            spec.example_files, COLUMNS, part="train", batch_size=batch_size, shard=shard, seed=spec.seed + number
        )

    digest = Training(spec, ranks, model, known).fit(epoch, seen.n_train, tasks)
    if ranks.rank == 0:
        weights.write(model, known, spec.weights)
    export(model, known, reader.blocks(spec.user_files, USER_COLUMNS, shard), ranks, spec.vectors)
    return digest


def score(spec: ScoringSpec) -> str:
    """Write the vectors that a training's weights give to the spec's users and items, and return the weights' hash.

    Item and user attributes that the training did not know count as padding, and so do the ids of new items.

    Raises:
        TrainingError: the weights are damaged, or are not those that the spec, the items and the users are made for.
    """
    rows = reader.blocks(spec.weight_files, weights.COLUMNS, reader.Shard())
    stored = weights.StoredWeights.read(rows, spec.width)
    n_ids, n_features, n_attributes = map(stored.n_rows, ("item_ids", "item_features", "user_attributes"))
    items = catalogue(
        reader.table(spec.item_files, ITEM_COLUMNS),
        dense_scale=stored.number(weights.DENSE_SCALE),
        n_features=n_features,
    )
    model = TwoTowers(
        items, n_attributes, spec.width, spec.hidden, spec.temperature, n_ids=n_ids, n_features=n_features
    )
    stored.restore(model, spec.weights_sha256)
    users = _described(reader.blocks(spec.user_files, USER_COLUMNS, reader.Shard()), n_attributes, items.n_items)
    export(model, stored.known(items.n_items), users, Ranks(), spec.vectors, spec.first_item)
    return spec.weights_sha256


def _described(users: Iterator[Batch], n_attributes: int, n_items: int) -> Iterator[Batch]:
    """Blocks of training_users whose attributes have a row in the model.

    Raises:
        TrainingError: a history names an item that training_items does not hold; a GPU would take zeros for it.
    """
    for block in users:
        largest = int(block["history_idx"].max(initial=0))
        if largest > n_items:
            raise TrainingError(
                f"training_users: found item {largest} in a history, expected 1 to {n_items}, as in training_items. "
                "Run materialize_dataset again."
            )
        yield {**block, "attribute_idx": without_unknown(block["attribute_idx"], n_attributes)}


def _n_attributes(spec: TrainingSpec, seen: Survey, ranks: Ranks) -> int:
    """Largest attribute index of any user, also of those without examples; equal on all ranks."""
    shard = reader.Shard(ranks.rank, ranks.size)
    largest = [int(b["attribute_idx"].max(initial=0)) for b in reader.blocks(spec.user_files, USER_COLUMNS[1:2], shard)]
    return -ranks.smallest(-max([seen.n_attributes, *largest]))


def _use_own_device(ranks: Ranks, threads: int) -> None:
    """One GPU a process by local rank; without GPUs, an equal share of the cores."""
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        own = gpus[ranks.local_rank % len(gpus)]
        tf.config.set_visible_devices(own, "GPU")
        tf.config.experimental.set_memory_growth(own, True)
    share = threads or max(1, len(os.sched_getaffinity(0)) // ranks.local_size)
    tf.config.threading.set_intra_op_parallelism_threads(share)
    tf.config.threading.set_inter_op_parallelism_threads(max(2, share))


def end_with(launcher: int, interval_seconds: float = 2.0) -> None:
    """End this process when the launcher's is gone: an orphan would go on writing checkpoints beside its successor."""

    def watch() -> None:
        while True:
            time.sleep(interval_seconds)
            try:
                os.kill(launcher, 0)
            except ProcessLookupError:
                os._exit(1)

    threading.Thread(target=watch, daemon=True, name="launcher watch").start()


__all__ = ["end_with", "run", "run_rank", "score"]
