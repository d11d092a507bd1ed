"""The largest scores of each row of a matrix: of the whole one, or of blocks of its columns one after the other."""

from __future__ import annotations

import numpy as np

GROUP = 16
"""Columns of a group; the largest scores are looked for in the groups with the largest maxima."""
LOWEST = np.finfo(np.float32).min
"""What any score but -inf reaches."""


def largest(scores: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of each row's ``count`` largest scores; ties go to the lower column, -inf is never taken.

    The columns of a row come in any order.
    """
    n_columns = scores.shape[1]
    if count >= n_columns:
        rows, columns = np.nonzero(scores > -np.inf)
        return rows, columns
    grouped = n_columns >= 4 * GROUP * count
    picked = _picked_from_groups(scores, count) if grouped else _picked_from_all(scores, count)
    rows = np.repeat(np.arange(len(scores)), count)
    columns = picked.ravel()
    kept = scores[rows, columns] > -np.inf
    return rows[kept], columns[kept]


class Best:
    """Each row's ``count`` largest scores among columns that come in blocks, in any order of blocks.

    A block is compared with what each row must reach, its count-th largest score so far, while it is still in the
    processor's cache; only what reaches it is kept. The result is that of ``largest`` over all columns in ascending
    order.
    """

    def __init__(self, n_rows: int, count: int) -> None:
        self._n_rows, self._count = n_rows, count
        self.floor = np.full(n_rows, LOWEST, np.float32)
        """[rows]: what a score must reach to be of use."""
        self._rows = [np.empty(0, np.int32)]
        self._columns = [np.empty(0, np.int64)]
        self._scores = [np.empty(0, np.float32)]
        self._n_waiting = 0

    def push(self, scores: np.ndarray, columns: np.ndarray, rows: np.ndarray) -> None:
        """Take a block of scores [n rows, n columns] float32 of these rows and of these columns, which ascend."""
        reached = scores >= self.floor[rows][:, None]
        above = np.flatnonzero(reached)
        if len(above) > len(rows) * self._count:  # more than can be of use, as of the first block
            within, places = largest(np.where(reached, scores, -np.inf), self._count)
        else:
            within, places = np.divmod(above.astype(np.int32), np.int32(scores.shape[1]))
        if len(within):
            self._keep(rows[within], columns[places], scores[within, places])

    def push_pairs(self, scores: np.ndarray, columns: np.ndarray, rows: np.ndarray) -> None:
        """Take single scores [n] of these columns and rows."""
        reached = scores >= self.floor[rows]
        if reached.any():
            self._keep(rows[reached], columns[reached], scores[reached])

    def found(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows, ascending, and columns, ascending within a row, of the largest scores."""
        self._settle()
        order = np.lexsort((self._columns[0], self._rows[0]))
        return self._rows[0][order].astype(np.int64), self._columns[0][order]

    def _keep(self, rows: np.ndarray, columns: np.ndarray, scores: np.ndarray) -> None:
        self._rows.append(rows)
        self._columns.append(columns)
        self._scores.append(scores)
        self._n_waiting += len(rows)
        if self._n_waiting >= self._n_rows * self._count:
            self._settle()

    def _settle(self) -> None:
        """Keep each row's largest scores and raise what it must reach."""
        rows, columns, scores = (np.concatenate(parts) for parts in (self._rows, self._columns, self._scores))
        order = np.argsort(rows.astype(np.uint16 if self._n_rows < 2**16 else rows.dtype), kind="stable")
        rows, columns, scores = rows[order], columns[order], scores[order]
        held = np.bincount(rows, minlength=self._n_rows)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(held) - held, held)
        width = max(int(held.max(initial=0)), self._count)
        padded = np.full((self._n_rows, width), LOWEST, np.float32)
        padded[rows, within] = scores
        self.floor = np.partition(padded, width - self._count, axis=1)[:, width - self._count]
        kept = _first_of_ties(rows, columns, scores, self.floor[rows], self._n_rows, self._count)
        self._rows, self._columns, self._scores = [rows[kept]], [columns[kept]], [scores[kept]]
        self._n_waiting = 0


def _first_of_ties(
    rows: np.ndarray, columns: np.ndarray, scores: np.ndarray, floor: np.ndarray, n_rows: int, count: int
) -> np.ndarray:
    """Mask of the scores that reach their row's floor; of those at it the lowest columns that fill the row's ``count``.

    The rows ascend.
    """
    kept = scores >= floor
    too_many = np.bincount(rows[kept], minlength=n_rows) > count
    if too_many.any():
        at_floor = np.flatnonzero(kept & (scores == floor) & too_many[rows])
        at_floor = at_floor[np.lexsort((columns[at_floor], rows[at_floor]))]
        free = count - np.bincount(rows[scores > floor], minlength=n_rows)
        tied = rows[at_floor]
        place = np.arange(len(tied)) - np.searchsorted(tied, tied)
        kept[at_floor[place >= free[tied]]] = False
    return kept


def _picked_from_all(scores: np.ndarray, count: int) -> np.ndarray:
    """Columns [rows, count] of each row's largest scores, in any order."""
    n_columns = scores.shape[1]
    picked = np.argpartition(scores, n_columns - count, axis=1)[:, n_columns - count :]
    floor = np.take_along_axis(scores, picked, axis=1).min(axis=1)
    crowded = ((scores >= floor[:, None]).sum(axis=1) > count) & (floor > -np.inf)
    for row in np.flatnonzero(crowded):
        above, equal = np.flatnonzero(scores[row] > floor[row]), np.flatnonzero(scores[row] == floor[row])
        picked[row] = np.concatenate([above, equal[: count - len(above)]])
    return picked


def _picked_from_groups(scores: np.ndarray, count: int) -> np.ndarray:
    """The same from the groups of columns with the largest maxima: a maximum costs a tenth of a partition.

    The ``count`` groups with the largest maxima hold the ``count`` largest scores, unless other groups tie with them;
    such rows are searched whole.
    """
    n_rows, n_columns = scores.shape
    n_groups = n_columns // GROUP
    # A group is every n_groups-th column: maxima of whole rows are fast, those of a few neighbours are not.
    maxima = scores[:, : GROUP * n_groups].reshape(n_rows, GROUP, n_groups).max(axis=1)
    groups = np.argpartition(maxima, n_groups - count, axis=1)[:, n_groups - count :]
    floor = np.take_along_axis(maxima, groups, axis=1).min(axis=1)
    clear = ((maxima >= floor[:, None]).sum(axis=1) == count) & (floor > -np.inf)
    rows = np.flatnonzero(clear)
    # Ascending, so that ties go to the lower column here as well.
    inside = np.arange(GROUP)[:, None] * n_groups + np.sort(groups[rows], axis=1)[:, None, :]
    tail = np.broadcast_to(np.arange(GROUP * n_groups, n_columns), (len(rows), n_columns - GROUP * n_groups))
    columns = np.concatenate([inside.reshape(len(rows), GROUP * count), tail], axis=1)
    picked = np.empty((n_rows, count), np.int64)
    picked[rows] = np.take_along_axis(columns, _picked_from_all(scores[rows[:, None], columns], count), axis=1)
    picked[~clear] = _picked_from_all(scores[~clear], count)
    return picked
