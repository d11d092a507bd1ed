"""The largest scores of each row of a matrix: of the whole one, or of blocks of its columns one after the other."""

from __future__ import annotations

import numpy as np

GROUP = 16
"""Columns of a group; the largest scores are looked for in the groups with the largest maxima."""
LOWEST = np.finfo(np.float32).min
"""What any score but -inf reaches."""
ROOM = 4
"""Times its count that a row can hold before the largest are chosen among them."""
_NONE = np.iinfo(np.int32).max
"""In the place of a column where a row holds none."""


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
        # Side by side in each row lie its largest scores and those that came since, LOWEST where there is none.
        self._scores = np.full((n_rows, ROOM * count), LOWEST, np.float32)
        self._columns = np.full((n_rows, ROOM * count), _NONE, np.int32)
        self._held = np.zeros(n_rows, np.int64)
        self._n_waiting = 0

    def push(self, scores: np.ndarray, columns: np.ndarray, rows: np.ndarray) -> None:
        """Take a block of scores [n rows, n columns] float32 of these rows, which ascend, and columns, which ascend."""
        reached = scores >= self.floor[rows][:, None]
        within, places = np.divmod(np.flatnonzero(reached).astype(np.int32), np.int32(scores.shape[1]))
        crowded = np.bincount(within, minlength=len(rows)) > self._count
        if crowded.any():  # some have more than can be of use, as all have in the first block
            theirs = np.flatnonzero(crowded)
            some, best = largest(np.where(reached[theirs], scores[theirs], -np.inf), self._count)
            some = theirs[some]
            self._keep(rows[some], columns[best], scores[some, best])
            others = ~crowded[within]
            within, places = within[others], places[others]
        if len(within):
            self._keep(rows[within], columns[places], scores[within, places])

    def push_pairs(self, scores: np.ndarray, columns: np.ndarray, rows: np.ndarray) -> None:
        """Take single scores [n] of these columns and rows, in any order."""
        reached = np.flatnonzero(scores >= self.floor[rows])
        if len(reached):
            order = reached[np.argsort(rows[reached], kind="stable")]
            self._keep(rows[order], columns[order], scores[order])

    def found(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows, ascending, and columns, ascending within a row, of the largest scores."""
        self._settle()
        best = np.sort(self._columns[:, : self._count], axis=1)
        rows, places = np.nonzero(best < _NONE)
        return rows, best[rows, places].astype(np.int64)

    def _keep(self, rows: np.ndarray, columns: np.ndarray, scores: np.ndarray) -> None:
        """Put these behind what their rows hold; the rows ascend."""
        come = np.bincount(rows, minlength=self._n_rows)
        if (self._held + come).max() > self._scores.shape[1]:
            self._settle()
            missing = int((self._held + come).max()) - self._scores.shape[1]
            if missing > 0:
                more = ((0, 0), (0, missing))
                self._scores = np.pad(self._scores, more, constant_values=LOWEST)
                self._columns = np.pad(self._columns, more, constant_values=_NONE)
        first = np.cumsum(come) - come
        place = rows * self._scores.shape[1] + (self._held - first)[rows] + np.arange(len(rows))
        self._scores.ravel()[place] = scores
        self._columns.ravel()[place] = columns
        self._held += come
        self._n_waiting += len(rows)
        if self._n_waiting >= self._n_rows * self._count:
            self._settle()

    def _settle(self) -> None:
        """Keep each row's largest scores and raise what it must reach."""
        self._n_waiting, count, width = 0, self._count, int(self._held.max(initial=0))
        if width <= count:
            return
        scores, columns = self._scores[:, :width], self._columns[:, :width]
        self.floor = np.partition(scores, width - count, axis=1)[:, width - count]
        kept = scores >= self.floor[:, None]
        tied = np.flatnonzero(np.count_nonzero(kept, axis=1) > count)
        if len(tied):  # of those at the floor, the lowest columns
            best = np.lexsort((columns[tied], -scores[tied]))[:, :count]
            kept[tied] = False
            kept[tied[:, None], best] = True
        best_scores, best_columns = (held[kept].reshape(-1, count) for held in (scores, columns))
        scores[:, :count], columns[:, :count] = best_scores, best_columns
        scores[:, count:], columns[:, count:] = LOWEST, _NONE
        self._held[:] = count


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
