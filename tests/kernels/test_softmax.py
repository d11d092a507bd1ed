import numpy as np
from scipy.optimize import approx_fprime

from recsys_spark.kernels.softmax import softmax_weights


def test_padding_and_what_stands_for_several_are_as_if_written_out():
    """A candidate that counts three times, and one that is padding, against lists that spell it out."""
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(2, 40, 4)).astype(np.float32)
    label = np.eye(4, dtype=bool)[rng.integers(0, 2, 40)]
    log_weight = np.tile(np.log(np.array([1.0, 1.0, 3.0, 1e-30])), (40, 1)).astype(np.float32)
    log_weight[:, 3] = -np.inf
    short, _ = softmax_weights(scores, label, np.zeros(2), 0.01, log_weight)
    spelled = scores[:, :, [0, 1, 2, 2, 2]]
    labels = np.hstack([label[:, :2], np.zeros((40, 3), bool)])
    long, _ = softmax_weights(spelled, labels, np.zeros(2), 0.01, np.zeros(1, np.float32))
    np.testing.assert_allclose(short, long, atol=1e-4)


def test_weights_are_a_minimum_under_their_bounds():
    rng = np.random.default_rng(1)
    scores = rng.normal(size=(3, 60, 5)).astype(np.float32)
    label = np.eye(5, dtype=bool)[(scores[0] - scores[1]).argmax(axis=1)]
    prior = np.array([0.1, 0.2, 0.3])

    def loss(weights):
        logits = np.tensordot(weights, scores.astype(float), axes=1)
        away = weights - prior
        return (np.log(np.exp(logits).sum(axis=1)) - logits[label]).mean() + 0.05 * away @ away

    found, left = softmax_weights(scores, label, prior, 0.05, np.zeros(1, np.float32))
    np.testing.assert_allclose(left, loss(found), rtol=1e-5)
    slope = approx_fprime(found, loss, 1e-6)
    assert found[1] == 0
    assert np.all((np.abs(slope) < 2e-3) | ((found == 0) & (slope > 0)))
