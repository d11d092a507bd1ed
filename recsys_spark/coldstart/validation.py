"""What the model says of simulated-cold examples: new items for known and for new users, known items for new users.

When to stop is told by the loss, not by recall: all that is unknown of a new user is a list that nearly all new users
share, so that one popular item more or less in its ten places moves recall by a tenth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from recsys_spark.coldstart.catalogue import chosen_candidates
from recsys_spark.coldstart.model import TwoTowers

K = 10
ROWS_AT_A_TIME = 512


@dataclass(frozen=True)
class ColdTask:
    """Examples whose item must be found among candidates."""

    attribute_idx: np.ndarray
    """int32 [rows, attribute length]."""
    history_idx: np.ndarray
    """int32 [rows, history length]; all 0 where the task simulates new users."""
    target: np.ndarray
    """int64 [rows]: position of the item among the candidates."""
    candidates: np.ndarray
    """int32 [candidates]: ascending item indexes."""
    candidate_ids: np.ndarray
    """int32 [candidates]: their embedding indexes; all 0 where the task simulates new items."""


def cold_tasks(
    validation: dict[str, np.ndarray], held_out: np.ndarray, known: np.ndarray, limit: int, seed: int
) -> tuple[ColdTask, ColdTask, ColdTask]:
    """New items for known users, new items for new users, known items for new users.

    A held-out item is ranked among the held-out items, by content, once with the user's history and once without. Every
    other validation example is one of a held-out user: the history is hidden and the item is ranked among those with
    training examples.
    """
    item = validation["item_idx"]
    new_item = held_out[item]
    new_user = ~new_item & (known[item] > 0)
    cold = chosen_candidates(np.flatnonzero(held_out), item[new_item], limit, seed)
    trained = chosen_candidates(np.flatnonzero(known), item[new_user], limit, seed)
    history = validation["history_idx"]
    return (
        _task(validation, new_item, history, cold, np.zeros_like(cold)),
        _task(validation, new_item, np.zeros_like(history), cold, np.zeros_like(cold)),
        _task(validation, new_user, np.zeros_like(history), trained, known[trained]),
    )


class Told(NamedTuple):
    """Means over the tasks that have examples."""

    loss: float
    """Mean of -log softmax(logits over the candidates)[the example's item]."""
    recall: float
    """Share of examples whose item is among the first K."""


def sums(model: TwoTowers, task: ColdTask, known: np.ndarray) -> np.ndarray:
    """[sum of losses, examples found in the first K, examples]; a tie counts as the middle of the tied places."""
    if not len(task.target):
        return np.zeros(3)
    vectors = _in_parts(len(task.candidates), lambda s: model.items(task.candidates[s], task.candidate_ids[s]))
    known_tensor = tf.constant(known)
    found = np.zeros(3)
    for start in range(0, len(task.target), ROWS_AT_A_TIME):
        rows = slice(start, start + ROWS_AT_A_TIME)
        logits = model.users(task.attribute_idx[rows], task.history_idx[rows], known_tensor).numpy() @ vectors.T
        target = task.target[rows]
        losses = tf.reduce_logsumexp(logits, axis=1).numpy() - logits[np.arange(len(target)), target]
        found += losses.sum(dtype=np.float64), (_places(logits, target) < K).sum(), len(target)
    return found


def told(found: np.ndarray) -> Told | None:
    """What :func:`sums` [tasks, 3], added over the ranks, come to; None where no task has examples."""
    means = [row[:2] / row[2] for row in found if row[2]]
    return Told(*np.mean(means, axis=0).tolist()) if means else None


def _places(scores: np.ndarray, target: np.ndarray) -> np.ndarray:
    own = scores[np.arange(len(target)), target][:, None]
    return (scores > own).sum(axis=1) + ((scores == own).sum(axis=1) - 1) / 2


def _task(
    validation: dict[str, np.ndarray], rows: np.ndarray, history: np.ndarray, candidates: np.ndarray, ids: np.ndarray
) -> ColdTask:
    return ColdTask(
        attribute_idx=validation["attribute_idx"][rows].astype(np.int32),
        history_idx=history[rows].astype(np.int32),
        target=np.searchsorted(candidates, validation["item_idx"][rows]),
        candidates=candidates.astype(np.int32),
        candidate_ids=ids.astype(np.int32),
    )


def _in_parts(n_rows: int, encode: object) -> np.ndarray:
    parts = [encode(slice(s, s + ROWS_AT_A_TIME * 8)).numpy() for s in range(0, n_rows, ROWS_AT_A_TIME * 8)]  # type: ignore[operator]
    return np.concatenate(parts)
