"""Sums of trees by bits against a walk down each tree, and against the library that grows them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier

from recsys_spark.kernels import trees
from recsys_spark.kernels.trees import Node, Trees, nodes_of


def leaf(tree, node, value):
    return Node(tree, node, -1, 0.0, -1, -1, value)


def stump(tree, feature, threshold, left, right):
    return [Node(tree, 0, feature, threshold, 1, 2, 0.0), leaf(tree, 1, left), leaf(tree, 2, right)]


def grown(rng, tree, n_leaves, n_features):
    """A tree of any shape: leaves split at random until there are enough."""
    nodes = {0: leaf(tree, 0, rng.normal())}
    while len(nodes) < 2 * n_leaves - 1:
        at = rng.choice([n for n, node in nodes.items() if node.feature == -1])
        left, right = len(nodes), len(nodes) + 1
        nodes[at] = Node(tree, int(at), int(rng.integers(n_features)), float(rng.integers(0, 5)), left, right, 0.0)
        nodes |= {one: leaf(tree, one, rng.normal()) for one in (left, right)}
    return list(nodes.values())


def walked(nodes, row):
    """The margin of one row by walking down."""
    total = 0.0
    for tree in sorted({node.tree for node in nodes}):
        known = {node.node: node for node in nodes if node.tree == tree}
        node = known[0]
        while node.feature != -1:
            node = known[node.left_node if row[node.feature] <= node.threshold else node.right_node]
        total += node.value
    return total


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), leaves=st.lists(st.integers(1, 64), max_size=4), n_rows=st.integers(0, 20))
def test_margin_equals_a_walk_down_each_tree_with_ties_in_any_order(seed, leaves, n_rows):
    rng = np.random.default_rng(seed)
    nodes = [node for tree, n_leaves in enumerate(leaves) for node in grown(rng, tree, n_leaves, 3)]
    x = rng.integers(0, 6, (n_rows, 3)).astype(np.float32)
    expected = [walked(nodes, row) for row in x]
    dealt = [nodes[place] for place in rng.permutation(len(nodes))]
    np.testing.assert_array_equal(Trees.of(dealt).margin(x), expected)


@pytest.mark.parametrize("early_stopping", [True, False])
def test_a_fitted_classifier_has_the_margin_that_it_tells(early_stopping):
    rng = np.random.default_rng(0)
    x = rng.lognormal(size=(20_000, 6)).astype(np.float32)
    # Few values, which the classifier keeps apart without bins.
    x[:, 3:] = np.round(x[:, 3:], 1)
    labels = x[:, 0] * x[:, 3] + x[:, 4] > rng.lognormal(size=len(x)) + x[:, 5]
    fitted = HistGradientBoostingClassifier(
        max_iter=30, max_leaf_nodes=15, early_stopping=early_stopping, random_state=0
    ).fit(x[:15_000], labels[:15_000])
    read = Trees.of(nodes_of(fitted))
    assert len(read.leaves) == 1 + fitted.n_iter_
    np.testing.assert_array_equal(read.margin(x), fitted.decision_function(x))
    assert read.baseline == pytest.approx(np.log(labels.mean() / (1 - labels.mean())), abs=0.1)


def test_what_equals_the_threshold_goes_left_and_what_is_next_to_it_in_float64_does_not():
    tied = Trees.of(stump(0, 1, 2.0, -1.0, 1.0))
    np.testing.assert_array_equal(tied.margin(np.array([[9, 1], [9, 2], [0, 3], [0, np.nan]])), [-1, -1, 1, 1])
    # 0.1 as a float32 is larger than 0.1.
    near = Trees.of(stump(0, 0, 0.1, -1.0, 1.0))
    np.testing.assert_array_equal(near.margin(np.array([[0.1]], np.float32)), [1])
    np.testing.assert_array_equal(near.margin(np.array([[0.1]])), [-1])


def test_single_leaves_add_up_and_no_trees_are_nothing():
    alone = Trees.of([leaf(1, 0, 0.25), leaf(0, 0, -2.0)])
    assert alone.baseline == -2
    np.testing.assert_array_equal(alone.margin(np.zeros((3, 2))), [-1.75] * 3)
    np.testing.assert_array_equal(Trees.of([]).margin(np.zeros((3, 2))), [0, 0, 0])


def test_no_rows_have_no_margins():
    assert Trees.of(stump(0, 0, 1.0, -1.0, 1.0)).margin(np.empty((0, 1))).shape == (0,)


def test_rows_in_chunks_have_the_margins_of_all(monkeypatch):
    rng = np.random.default_rng(1)
    found = Trees.of([node for tree in range(3) for node in grown(rng, tree, 9, 2)])
    x = rng.integers(0, 6, (50, 2)).astype(np.float32)
    whole = found.margin(x)
    monkeypatch.setattr(trees, "ROWS_AT_ONCE", 7)
    np.testing.assert_array_equal(found.margin(x), whole)


def test_a_tree_of_more_than_64_leaves_is_refused():
    with pytest.raises(ValueError, match="tree 3 has 65 leaves"):
        Trees.of(grown(np.random.default_rng(0), 3, 65, 2))


@pytest.mark.parametrize(
    "nodes",
    [
        stump(0, 0, 1.0, 1.0, 2.0)[:2],
        stump(0, 0, 1.0, 1.0, 2.0)[1:],
        [*stump(0, 0, 1.0, 1.0, 2.0), leaf(0, 2, 5.0)],
        [*stump(0, 0, 1.0, 1.0, 2.0), leaf(0, 7, 5.0)],
        [Node(0, 0, 0, 1.0, 0, 1, 0.0), leaf(0, 1, 5.0)],
    ],
    ids=["child missing", "root missing", "node twice", "node nobody leads to", "circle"],
)
def test_what_is_no_tree_is_refused(nodes):
    with pytest.raises(ValueError, match="not one tree"):
        Trees.of(nodes)


def test_only_two_classes_and_thresholds_are_read():
    x = np.arange(300.0).reshape(-1, 1) % 3
    three = HistGradientBoostingClassifier(max_iter=2).fit(x, x[:, 0])
    with pytest.raises(ValueError, match="3 trees an iteration"):
        nodes_of(three)
    named = HistGradientBoostingClassifier(max_iter=2, categorical_features=[0]).fit(x, x[:, 0] == 1)
    with pytest.raises(ValueError, match="categories"):
        nodes_of(named)
