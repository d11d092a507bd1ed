"""The training loop that all ranks run together: equal epochs, averaged gradients, early stopping, checkpoints.

Keras 3 applies gradients without asking Horovod's optimizer, so the gradients are averaged on the tape. The global
batch is constant, each rank takes its share of it, and gradients are means: the learning rate needs no change with the
number of ranks.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import tensorflow as tf

from recsys_spark.coldstart.adagrad import LAYER_SHARE, Adagrad
from recsys_spark.coldstart.checkpoint import Checkpoints, Progress, weights_sha256
from recsys_spark.coldstart.examples import Batch, EpochReader, with_dropout
from recsys_spark.coldstart.loss import sampled_softmax
from recsys_spark.coldstart.model import TwoTowers
from recsys_spark.coldstart.ranks import Ranks
from recsys_spark.coldstart.spec import TrainingSpec
from recsys_spark.coldstart.validation import ColdTask, Told, sums, told
from recsys_spark.errors import TrainingError

Step = Callable[[Batch], tf.Tensor]

RECALLED = 0.5
"""What the average of the epochs before counts in that of an epoch. Adagrad's steps stay long, so that one epoch ends
better and the next worse by chance; where nothing is held out, nobody sees which."""


class Training:
    """One training on one rank."""

    def __init__(self, spec: TrainingSpec, ranks: Ranks, model: TwoTowers, known: np.ndarray) -> None:
        """Set up the optimizer and the step.

        Args:
            spec: what to do.
            ranks: the peers.
            model: its weights; those of rank 0 count.
            known: int32 [n_items + 1], embedding index of each item that has training examples, else 0.
        """
        self.spec = spec
        self.ranks = ranks
        self.model = model
        self.known = known
        self.weights = [v.value for v in model.trainable_variables]
        self.averages = [tf.Variable(weight, trainable=False) for weight in self.weights]
        self.optimizer = Adagrad(self.weights, _rates(model, spec.learning_rate))
        self.checkpoints = Checkpoints(spec.checkpoints, spec.sha256)
        self._step = _compiled_step(self.model, self.optimizer, self.weights, ranks, known)

    @property
    def state(self) -> list[tf.Variable]:
        """Everything that a checkpoint holds: averages, then weights, then accumulators."""
        return [*self.averages, *self.weights, *self.optimizer.accumulators]

    def fit(self, read: EpochReader, n_train: int, tasks: tuple[ColdTask, ...]) -> str:
        """Train until the epochs are done or validation loss stops falling; keep the best epoch's averaged weights.

        Args:
            read: (batch size, epoch) to this rank's batches.
            n_train: training rows on this rank.
            tasks: this rank's simulated-cold examples.

        Returns:
            The hash of the weights, equal on every rank.

        Raises:
            TrainingError: there is nothing to train on, the loss is no finite number, or the ranks disagree.
        """
        batch_size, n_steps = self._agreed_steps(n_train)
        epochs, patience = self.spec.schedule(n_steps)
        progress = self._resumed()
        while progress.epoch < epochs and progress.epoch - progress.best_epoch < patience:
            progress = self._epoch(progress, islice(read(batch_size, progress.epoch + 1), n_steps), n_steps, tasks)
        if progress.best_epoch != progress.epoch:
            if self.ranks.rank == 0:
                self.checkpoints.restore(progress.best_epoch, self.averages)
            self.ranks.broadcast(self.averages)
        _assign(self.weights, self.averages)
        return self._agreed_hash()

    def _agreed_steps(self, n_train: int) -> tuple[int, int]:
        """Rows of a batch and batches of an epoch, equal on all ranks."""
        fewest = self.ranks.smallest(n_train)
        if fewest == 0:
            raise TrainingError(
                f"found no training examples on one of {self.ranks.size} ranks (this one has {n_train}); expected rows "
                "of part train in training_examples for each. Set coldstart.enabled to false, or fewer processes."
            )
        batch_size = max(1, min(self.spec.batch_size // self.ranks.size, fewest))
        return batch_size, fewest // batch_size

    def _resumed(self) -> Progress:
        """Rank 0 reads the last checkpoint, if any; the others get the values from it."""
        progress = Progress()
        if self.ranks.rank == 0:
            progress = self.checkpoints.progress()
            if progress.epoch:
                self.checkpoints.restore(progress.epoch, self.state)
            _write_log(self.spec, progress)
        self.ranks.broadcast(self.state)
        epoch, best_epoch, best = self.ranks.share(
            np.array([progress.epoch, progress.best_epoch, progress.best_loss])
        ).tolist()
        return replace(progress, epoch=int(epoch), best_epoch=int(best_epoch), best_loss=best)

    def _epoch(self, progress: Progress, batches: islice[Batch], n_steps: int, tasks: tuple[ColdTask, ...]) -> Progress:
        started = time.monotonic()
        epoch = progress.epoch + 1
        loss = float(self.ranks.total(np.array(self._train(batches, epoch) / n_steps))) / self.ranks.size
        found, digest = self._averaged(epoch, tasks)
        losses = [loss, found.loss] if found else [loss]
        if not np.isfinite(losses).all():
            raise TrainingError(
                f"epoch {epoch}: found losses of {losses}, expected finite numbers. Lower coldstart.learning_rate."
            )
        # With nothing to find, later weights are better; launch.kept_epoch knows.
        improved = found is None or found.loss < progress.best_loss
        progress = replace(
            progress,
            epoch=epoch,
            best_epoch=epoch if improved else progress.best_epoch,
            best_loss=min(found.loss, progress.best_loss) if found else progress.best_loss,
        )
        line = {
            "epoch": epoch,
            "loss": loss,
            "validation_loss": found.loss if found else None,
            "validation_recall": found.recall if found else None,
            "seconds": time.monotonic() - started,
            "ranks": self.ranks.size,
            "weights_sha256": digest,
        }
        return self._recorded(progress, line)

    def _averaged(self, epoch: int, tasks: tuple[ColdTask, ...]) -> tuple[Told | None, str]:
        """Add the epoch's weights to the averages; returns what these tell of the tasks, and their hash."""
        trained = [weight.numpy() for weight in self.weights]
        recalled = RECALLED if epoch > 1 else 0.0
        for average, weight in zip(self.averages, trained, strict=True):
            average.assign(recalled * average + (1 - recalled) * weight)
        _assign(self.weights, self.averages)
        found = self.ranks.total(np.stack([sums(self.model, task, self.known) for task in tasks]))
        digest = self._agreed_hash()
        _assign(self.weights, trained)
        return told(found), digest

    def _train(self, batches: islice[Batch], epoch: int) -> float:
        """All steps of an epoch; returns the sum of this rank's losses."""
        # Which steps see content alone must be equal on all ranks, so their generator leaves the rank out.
        shared = np.random.default_rng((self.spec.seed, epoch))
        own = np.random.default_rng((self.spec.seed, epoch, self.ranks.rank))
        losses = []
        for batch in batches:
            seen = with_dropout(
                batch,
                self.known,
                own,
                content_only=bool(shared.random() < self.spec.content_only_share),
                ids=self.spec.id_dropout,
                histories=self.spec.history_dropout,
            )
            losses.append(self._step(seen))
        return float(tf.add_n(losses))

    def _recorded(self, progress: Progress, line: dict[str, Any]) -> Progress:
        """Checkpoint and log line, on rank 0."""
        progress = replace(progress, log=(*progress.log, line))
        if self.ranks.rank == 0:
            self.checkpoints.save(progress, self.state)
            _write_log(self.spec, progress)
        return progress

    def _agreed_hash(self) -> str:
        digest = weights_sha256(self.weights)
        self.ranks.assert_equal(bytes.fromhex(digest), "weights")
        return digest


def _assign(variables: Sequence[tf.Variable], values: Sequence[tf.Variable | np.ndarray]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _rates(model: TwoTowers, learning_rate: float) -> list[float]:
    tables = {id(one) for one in model.tables}
    return [learning_rate * (1 if id(v) in tables else LAYER_SHARE) for v in model.trainable_variables]


def _compiled_step(
    model: TwoTowers, optimizer: Adagrad, weights: list[tf.Variable], ranks: Ranks, known: np.ndarray
) -> Step:
    """One step as a graph: loss of a batch with the columns of examples.COLUMNS and id_idx, then the update."""
    known_tensor = tf.constant(known)

    @tf.function(reduce_retracing=True)
    def step(batch: dict[str, tf.Tensor]) -> tf.Tensor:
        item_idx = batch["item_idx"]
        with tf.GradientTape() as tape:
            users = model.users(batch["attribute_idx"], batch["history_idx"], known_tensor)
            items = model.items(item_idx, batch["id_idx"])
            log_q = tf.gather(model.items_known.log_q, item_idx)
            loss = sampled_softmax(users, items, item_idx, log_q, batch["weight"])
        optimizer.apply(ranks.mean(tape.gradient(loss, weights)))
        return loss

    return lambda batch: step({name: tf.constant(values) for name, values in batch.items()})


def _write_log(spec: TrainingSpec, progress: Progress) -> None:
    """The metric log always holds exactly the epochs of the checkpoint, also after a resume."""
    spec.metric_log.parent.mkdir(parents=True, exist_ok=True)
    part = spec.metric_log.with_suffix(".part")
    part.write_text("".join(json.dumps(line) + "\n" for line in progress.log), encoding="utf-8")
    part.replace(spec.metric_log)
