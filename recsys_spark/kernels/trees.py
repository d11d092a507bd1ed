"""Sums of regression trees: rows of nodes in, margins out, without the library that grew them.

QuickScorer (Lucchese et al. 2015) in NumPy: no row walks down a tree. The leaves of a tree are bits, the leftmost the
lowest. Each inner node whose test is false clears the bits of its left subtree, and the lowest bit that remains is the
leaf where the row ends. So each test is one comparison of a column.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

MAX_LEAVES = 64
"""Leaves of a tree at most: a row keeps one bit of a uint64 for each."""
ROWS_AT_ONCE = 8192
"""Rows of a chunk; a column of it and its bits stay in a core's cache."""
LEAF = -1
"""Feature and children of a leaf."""
ALL = np.uint64(2**64 - 1)


class Node(NamedTuple):
    """One node: rows with x[feature] <= threshold go left. Node 0 is the root; a leaf's feature and children are -1."""

    tree: int
    node: int
    feature: int
    threshold: float
    left_node: int
    right_node: int
    value: float


@dataclass(frozen=True)
class Trees:
    """Trees in their order, their inner nodes one tree after the other.

    Attributes:
        starts: [trees + 1], where each tree's inner nodes begin in the arrays that follow.
        features: [inner nodes], column of the test.
        thresholds: [inner nodes] float64; x <= threshold is true.
        masks: [inner nodes, 2] uint64, the leaves that remain when the test is false, and when it is true.
        leaves: [trees, 1 + MAX_LEAVES] float64, values from the second column on; the first is never read.
    """

    starts: np.ndarray
    features: np.ndarray
    thresholds: np.ndarray
    masks: np.ndarray
    leaves: np.ndarray

    @classmethod
    def of(cls, rows: Iterable[Sequence[Any]]) -> Trees:
        """Trees from the fields of :class:`Node`, rows in any order.

        Raises:
            ValueError: a tree has more than 64 leaves, repeats a node, or its nodes are not one tree below node 0.
        """
        nodes = sorted(Node(*row) for row in rows)
        trees = [_read(number, list(one)) for number, one in groupby(nodes, key=lambda node: node.tree)]
        leaves = np.zeros((len(trees), 1 + MAX_LEAVES))
        for place, (_, values) in enumerate(trees):
            leaves[place, 1 : 1 + len(values)] = values
        inner = [node for found, _ in trees for node, _ in found]
        cleared = [mask for found, _ in trees for _, mask in found]
        return cls(
            np.cumsum([0, *(len(found) for found, _ in trees)]),
            np.array([node.feature for node in inner], np.int64),
            np.array([node.threshold for node in inner], np.float64),
            np.column_stack([ALL ^ np.array(cleared, np.uint64), np.full(len(cleared), ALL)]),
            leaves,
        )

    @property
    def baseline(self) -> float:
        """The first leaf of the first tree, where :func:`nodes_of` puts what holds without any test.

        Raises:
            IndexError: there are no trees.
        """
        return float(self.leaves[0, 1])

    def margin(self, x: np.ndarray) -> np.ndarray:
        """Sum of the values of the leaves where each row ends, added up in the order of the trees.

        A row's margin does not hang on the rows beside it. NaN goes right.

        Args:
            x: [rows, features].

        Returns:
            [rows] float64.
        """
        found = np.zeros(len(x))
        for start in range(0, len(x), ROWS_AT_ONCE):
            # Thresholds lie between values in float64: compared in float32, a row close by would change sides.
            columns = np.ascontiguousarray(x[start : start + ROWS_AT_ONCE].T, dtype=np.float64)
            self._add(columns, found[start : start + ROWS_AT_ONCE])
        return found

    def _add(self, columns: np.ndarray, margin: np.ndarray) -> None:
        """Add the trees' values for ``columns`` [features, rows] to ``margin`` [rows]."""
        for place, leaves in enumerate(self.leaves):
            bits = np.full(len(margin), ALL)
            for node in range(self.starts[place], self.starts[place + 1]):
                true = columns[self.features[node]] <= self.thresholds[node]
                bits &= self.masks[node].take(true.view(np.uint8))
            # A power of two is half of two to its exponent, so the exponent counts the leaves from 1.
            lowest = (bits & -bits).astype(np.float64)
            margin += leaves.take(np.frexp(lowest)[1])


def nodes_of(classifier: HistGradientBoostingClassifier) -> list[Node]:
    """The nodes of a fitted classifier of two classes, whose margin is then its ``decision_function``.

    Tree 0 is a single leaf: the log-odds before any test. Rows must be free of NaN, which the classifier sends to
    either side.

    Raises:
        ValueError: there are more than two classes, or a test asks for categories.
    """
    # _baseline_prediction and _predictors are scikit-learn's own affair, seen so in 1.5.0 and 1.9.1. The test that
    # compares margins with decision_function fails when that changes.
    baseline = np.ravel(classifier._baseline_prediction)
    if len(baseline) != 1:
        raise ValueError(f"{len(baseline)} trees an iteration: only classifiers of two classes have one margin")
    nodes = [Node(0, 0, LEAF, 0.0, LEAF, LEAF, float(baseline[0]))]
    for tree, (predictor,) in enumerate(classifier._predictors, start=1):
        nodes += [_node(tree, place, one) for place, one in enumerate(predictor.nodes)]
    return nodes


def _node(tree: int, place: int, found: np.void) -> Node:
    if found["is_categorical"]:
        raise ValueError(f"tree {tree}, node {place} asks for categories; only thresholds are read")
    if found["is_leaf"]:
        return Node(tree, place, LEAF, 0.0, LEAF, LEAF, float(found["value"]))
    test = int(found["feature_idx"]), float(found["num_threshold"])
    return Node(tree, place, *test, int(found["left"]), int(found["right"]), 0.0)


def _read(number: int, nodes: list[Node]) -> tuple[list[tuple[Node, int]], list[float]]:
    """Inner nodes of one tree with the bits of the leaves on their left, and the leaves' values from left to right."""
    known = {node.node: node for node in nodes}
    order = _from_the_root(known)
    if len(known) != len(nodes) or len(order) != len(known):
        raise ValueError(f"the nodes of tree {number} are not one tree below node 0")
    values = [node.value for node in order if node.feature == LEAF]
    if len(values) > MAX_LEAVES:
        raise ValueError(f"tree {number} has {len(values)} leaves; {MAX_LEAVES} is the most")
    size: dict[int, int] = {}
    for node in reversed(order):
        size[node.node] = 1 if node.feature == LEAF else size[node.left_node] + size[node.right_node]
    first = {0: 0}
    inner = []
    for node in order:
        if node.feature != LEAF:
            begin, width = first[node.node], size[node.left_node]
            first[node.left_node], first[node.right_node] = begin, begin + width
            inner.append((node, ((1 << width) - 1) << begin))
    return inner, values


def _from_the_root(known: Mapping[int, Node]) -> list[Node]:
    """Nodes from the root on, each before what is below it, left before right; none if one is missing or met twice."""
    order: list[Node] = []
    met: set[int] = set()
    ahead = [0]
    while ahead:
        place = ahead.pop()
        if place not in known or place in met:
            return []
        met.add(place)
        order.append(known[place])
        if known[place].feature != LEAF:
            ahead += [known[place].right_node, known[place].left_node]
    return order
