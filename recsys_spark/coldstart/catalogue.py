"""The static item table of the model: every process holds all of it, one row an item, row 0 is padding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from recsys_spark.errors import TrainingError


@dataclass(frozen=True)
class Catalogue:
    """Item features as tensors, indexed by the item index of the contract training_items (1 to n_items).

    Memory is about ``n_items * 4 * (length + dense width)`` bytes a process: 100 MB for 200,000 items of 128 numbers.
    """

    features: tf.Tensor
    """int32 [n_items + 1, length]: encoded attributes + 1, 0 pads."""
    dense: tf.Tensor
    """float32 [n_items + 1, dense width]: text and session vectors, divided by ``dense_scale``."""
    dense_scale: float
    """A float32 number; 0 where no item of the training has anything in ``dense``, which is then 0 for all."""
    log_q: tf.Tensor
    """float32 [n_items + 1]."""
    held_out: np.ndarray
    """bool [n_items + 1]: simulated cold."""

    @property
    def n_items(self) -> int:
        """Items without the padding row."""
        return int(self.features.shape[0]) - 1

    @property
    def n_features(self) -> int:
        """Largest feature index in use."""
        return int(tf.reduce_max(self.features)) if self.features.shape[1] else 0


def catalogue(
    rows: dict[str, np.ndarray], *, dense_scale: float | None = None, n_features: int | None = None
) -> Catalogue:
    """Tensors from the rows of training_items, in any order.

    Columns of ``feature_idx`` that only pad are cut. ``dense`` is scaled to a root mean square of 1 over all entries,
    so that its scale beside the embeddings does not depend on how the vectors were made.

    Args:
        rows: columns item_idx, feature_idx, dense, log_q and is_held_out.
        dense_scale: of a training whose weights score these items; of these items themselves if None.
        n_features: feature indexes above it pad, because a training did not know them; None keeps all.

    Raises:
        TrainingError: item indexes are not 1 to n, each once.
    """
    idx = rows["item_idx"]
    if not np.array_equal(np.sort(idx), np.arange(1, len(idx) + 1)):
        raise TrainingError(
            f"training_items: found {len(idx)} rows with indexes {idx.min()} to {idx.max()}; expected 1 to {len(idx)}, "
            "each once. Run materialize_dataset again."
        )
    features = _by_index(rows["feature_idx"].astype(np.int32), idx)
    if n_features is not None:
        features = without_unknown(features, n_features)
    dense = _by_index(rows["dense"].astype(np.float32), idx)
    scale = _root_mean_square(dense) if dense_scale is None else dense_scale
    return Catalogue(
        features=tf.constant(features[:, : max(1, _longest(features))]),
        dense=tf.constant(dense / scale if scale > 0 else np.zeros_like(dense)),
        dense_scale=scale,
        log_q=tf.constant(_by_index(rows["log_q"].astype(np.float32), idx)),
        held_out=_by_index(rows["is_held_out"].astype(bool), idx),
    )


def without_unknown(idx: np.ndarray, largest: int) -> np.ndarray:
    """Indexes of any shape, with 0 (padding) in place of those above ``largest``."""
    return np.where(idx > largest, 0, idx)


def known_ids(counts: np.ndarray) -> np.ndarray:
    """int32 [n_items + 1]: an item's own index where it has training examples, else 0.

    The embedding of an id that was never trained is noise; index 0 stands for "known by content alone".
    """
    return np.where(counts > 0, np.arange(len(counts)), 0).astype(np.int32)


def chosen_candidates(choices: np.ndarray, wanted: Sequence[int] | np.ndarray, limit: int, seed: int) -> np.ndarray:
    """At most ``limit`` of the sorted ``choices``, a seeded sample beyond; those that are ``wanted`` always stay."""
    if len(choices) <= limit:
        return choices
    wanted = np.unique(wanted)
    others = np.setdiff1d(choices, wanted)
    n_others = max(0, min(limit - len(wanted), len(others)))
    return np.sort(np.concatenate([wanted, np.random.default_rng(seed).choice(others, n_others, replace=False)]))


def _root_mean_square(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values)))) if values.size else 0.0


def _by_index(values: np.ndarray, idx: np.ndarray) -> np.ndarray:
    table = np.zeros((len(idx) + 1, *values.shape[1:]), values.dtype)
    table[idx] = values
    return table


def _longest(features: np.ndarray) -> int:
    used = np.flatnonzero(features.any(axis=0))
    return int(used[-1]) + 1 if len(used) else 0
