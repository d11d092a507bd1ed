"""What a training process feeds its model: batches with ids and histories dropped, and the simulated-cold examples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

Batch = dict[str, np.ndarray]
EpochReader = Callable[[int, int], Iterator[Batch]]
"""(batch size, epoch) to this rank's training batches; the last one may be smaller."""
COLUMNS = ("attribute_idx", "history_idx", "item_idx", "weight")


@dataclass(frozen=True)
class Survey:
    """One look at this rank's examples before training."""

    n_train: int
    """Rows of the training part on this rank."""
    counts: np.ndarray
    """float64 [n_items + 1]: training rows of each item on this rank."""
    validation: Batch
    """The first rows of the validation part on this rank, without weight."""
    n_attributes: int
    """Largest attribute index on this rank."""


def survey(blocks: Iterator[Batch], n_items: int, validation_rows: int) -> Survey:
    """Count the training part and keep up to ``validation_rows`` of the validation part.

    Args:
        blocks: this rank's rows with the columns COLUMNS and part.
        n_items: size of the catalogue.
        validation_rows: bound of what is kept.
    """
    counts = np.zeros(n_items + 1)
    kept: list[Batch] = []
    n_kept = n_train = n_attributes = 0
    for block in blocks:
        train = block["part"] == "train"
        n_train += int(train.sum())
        n_attributes = max(n_attributes, int(block["attribute_idx"].max(initial=0)))
        counts += np.bincount(block["item_idx"][train], minlength=n_items + 1)
        rows = np.flatnonzero(~train)[: validation_rows - n_kept]
        kept.append({name: block[name][rows] for name in COLUMNS[:3]})
        n_kept += len(rows)
    return Survey(n_train, counts, _stacked(kept), n_attributes)


def with_dropout(
    batch: Batch, known: np.ndarray, random: np.random.Generator, *, content_only: bool, ids: float, histories: float
) -> Batch:
    """The batch as the model sees it in training, with ``id_idx`` added.

    Args:
        batch: columns COLUMNS.
        known: int32 [n_items + 1], embedding index of each item, 0 where it has none.
        random: this rank's generator.
        content_only: no row shows an item id or a history.
        ids: share of rows whose item id is dropped otherwise.
        histories: share of rows whose whole history is dropped otherwise.
    """
    n_rows = len(batch["item_idx"])
    drop_id = random.random(n_rows) < (1.0 if content_only else ids)
    drop_history = random.random(n_rows) < (1.0 if content_only else histories)
    return {
        **batch,
        "id_idx": np.where(drop_id, 0, known[batch["item_idx"]]).astype(np.int32),
        "history_idx": np.where(drop_history[:, None], 0, batch["history_idx"]).astype(np.int32),
    }


def _stacked(parts: list[Batch]) -> Batch:
    if not parts:
        return {name: np.zeros((0, 0) if name != "item_idx" else 0, np.int32) for name in COLUMNS[:3]}
    return {name: np.concatenate([part[name] for part in parts]) for name in COLUMNS[:3]}
