"""Which attributes tell taste: how much a user's lift of a value counts towards an item that has it.

That somebody bought a brand says much about a new item of that brand; that it is sold online only says little. A part
of the known items is looked at as if it were new: users with a history outside that part, and what they took of it,
give each attribute a weight by conditional logit, beside the items' demand, which attributes are not to explain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recsys_spark.blocks.content import user_lifts
from recsys_spark.kernels.arrow import csr_rows, positions_in
from recsys_spark.kernels.draw import hash_share
from recsys_spark.kernels.softmax import softmax_weights

HIDDEN = 0.2
"""Share of the known items that are looked at as if they were new."""
CANDIDATES = 800
"""About so many of them are candidates at most."""
USERS = 1_500
SPARE = 4
"""So many times as many are looked at for a history outside."""
CELLS = 30_000_000
"""Users times candidates times attributes at most: 4 bytes each."""
JUDGES = 500
"""About so many users choose the prior."""
PRIORS = (1.0, 3.0, 10.0, 30.0, 100.0)
"""Pseudo-interactions behind a lift to choose from."""
USUAL_PRIOR = 10.0
MIN_USERS = 30
"""Fewer users than this teach nothing."""
STRENGTH = 1e-3
"""Pull of the weights of scaled lifts towards equal weights, whatever is seen."""
PRIOR_ITEMS = 3.0
"""Further pull that counts like so many items taken."""
DIGITS = 4
TINY = 1e-12


@dataclass(frozen=True)
class Taste:
    """What was learned of lifts.

    Attributes:
        prior: pseudo-interactions behind a lift.
        weights: of each attribute or pair of attributes, the largest 1.
    """

    prior: float
    weights: Mapping[str, float]

    def by_feature(self, attributes: np.ndarray) -> np.ndarray:
        """The weight of each feature: [features]; 1 for an attribute that nothing is known of."""
        return np.array([self.weights.get(name, 1.0) for name in attributes], np.float64)


@dataclass(frozen=True)
class Sample:
    """What users took of items that were hidden from their lifts.

    Attributes:
        lifts: [users, features], from items that are not hidden, with one pseudo-interaction behind each.
        held: [candidates, features], 0 and 1.
        taken: [users, candidates] boolean; every user took one at least.
        demand: [candidates], log of an item's users.
    """

    lifts: sp.csr_matrix
    held: sp.csr_matrix
    taken: np.ndarray
    demand: np.ndarray

    def some(self, step: int) -> Sample:
        """Every so manieth user."""
        return Sample(self.lifts[::step], self.held, self.taken[::step], self.demand)

    def with_prior(self, prior: float) -> Sample:
        """The same with so many pseudo-interactions behind a lift."""
        lifts = self.lifts.copy()
        lifts.data = np.log1p(np.expm1(lifts.data.astype(np.float64)) / prior)
        return Sample(lifts, self.held, self.taken, self.demand)


def learn_taste(interactions: DataFrame, item_vectors: DataFrame, attributes: np.ndarray, prior: float | None) -> Taste:
    """The weights of attributes, and the prior, where none is given. Runs Spark jobs.

    Args:
        interactions: the table.
        item_vectors: of all items.
        attributes: [features], which attribute or pair each feature is a value of.
        prior: pseudo-interactions behind a lift; None to choose what makes the sample likeliest.
    """
    return fit(draw(interactions, item_vectors, attributes), attributes, prior)


def draw(interactions: DataFrame, item_vectors: DataFrame, attributes: np.ndarray) -> Sample:
    """A bounded sample, by hashes of ids alone. Runs Spark jobs."""
    known = item_vectors.where("n_users > 0")
    share = min(HIDDEN, CANDIDATES / max(known.count(), 1))
    candidates = known.where(_place("item_id") < share).select("item_id", "feature_idx", "n_users")
    shown = known.where(_place("item_id") >= HIDDEN)
    met = interactions.join(candidates.select("item_id"), "item_id", "left_semi").select("user_id", "item_id")
    n_users = max(min(USERS, CELLS // (CANDIDATES * max(len(set(attributes)), 1))), MIN_USERS)
    # Few users are looked at from here on: many of a young shop's have met nothing else.
    takers = _first(met, SPARE * n_users)
    outside = interactions.join(takers, "user_id", "left_semi").join(shown.select("item_id"), "item_id", "left_semi")
    histories = outside.join(_first(outside, n_users), "user_id", "left_semi")
    lifts = user_lifts(histories, shown, np.ones(len(attributes)), 1.0).toArrow().sort_by("user_id")
    items = candidates.toArrow().sort_by("item_id")
    taken = _taken(lifts["user_id"], items["item_id"], met.join(takers, "user_id", "left_semi").toArrow())
    some = taken.any(axis=1)
    return Sample(
        lifts=csr_rows(lifts["feature_idx"], lifts["feature_value"], len(attributes))[some],
        held=csr_rows(items["feature_idx"], None, len(attributes)),
        taken=taken[some],
        demand=np.log(items["n_users"].to_numpy().astype(np.float64)),
    )


def fit(sample: Sample, attributes: np.ndarray, prior: float | None) -> Taste:
    """From what users took; where too few teach anything, all weights are 1 and a prior not given is USUAL_PRIOR."""
    names = sorted(set(attributes))
    if len(sample.taken) < MIN_USERS:
        return Taste(prior or USUAL_PRIOR, dict.fromkeys(names, 1.0))
    if prior is None:
        judged = sample.some(max(len(sample.taken) // JUDGES, 1))
        prior = min(PRIORS, key=lambda one: _fitted(judged.with_prior(one), attributes, names)[1])
    weights, _ = _fitted(sample.with_prior(prior), attributes, names)
    largest = weights.max(initial=0.0)
    found = np.round(weights / largest, DIGITS) if largest else np.ones(len(names))
    return Taste(prior, dict(zip(names, found.tolist(), strict=True)))


def _fitted(sample: Sample, attributes: np.ndarray, names: list[str]) -> tuple[np.ndarray, float]:
    """Weights [names] of the lifts, and what is left of the loss."""
    sums = [_sums(sample, attributes == name) for name in names]
    spread = np.array([_spread(layer) for layer in sums])
    telling = np.flatnonzero(spread > TINY)
    demand = np.broadcast_to(sample.demand.astype(np.float32), sample.taken.shape)
    layers = np.stack([*[sums[n] / np.float32(spread[n]) for n in telling], demand])
    pull = STRENGTH + PRIOR_ITEMS / np.count_nonzero(sample.taken.any(axis=0))
    found, left = _softmax(layers, sample.taken, _even(layers, sample.taken, spread[telling]), pull)
    weights = np.zeros(len(names))
    weights[telling] = found[:-1] / spread[telling]
    return weights, left


def _even(layers: np.ndarray, taken: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """The best weights of the scaled layers, demand last, among those that count all lifts alike."""
    lifts = np.tensordot(spread.astype(np.float32), layers[:-1], axes=1)
    scale = max(_spread(lifts), TINY)
    (alike, demand), _ = _softmax(np.stack([lifts / np.float32(scale), layers[-1]]), taken, np.zeros(2), STRENGTH)
    return np.append(alike / scale * spread, demand)


def _softmax(layers: np.ndarray, taken: np.ndarray, prior: np.ndarray, strength: float) -> tuple[np.ndarray, float]:
    return softmax_weights(layers, taken, prior, strength, np.zeros(1, np.float32))


def _sums(sample: Sample, mask: np.ndarray) -> np.ndarray:
    """Sums of each user's lifts over each candidate's values of the features of the mask: [users, candidates]."""
    kept = np.flatnonzero(mask)
    return (sample.lifts[:, kept] @ sample.held[:, kept].T).toarray().astype(np.float32)


def _spread(layer: np.ndarray) -> float:
    """Root mean variance within a user's candidates."""
    return float(np.sqrt(layer.var(axis=1, dtype=np.float64).mean()))


def _taken(user_ids: pa.ChunkedArray, item_ids: pa.ChunkedArray, pairs: pa.Table) -> np.ndarray:
    """Which of the users and items stand together in the pairs, which may name other users: [users, items] boolean."""
    found = np.zeros((len(user_ids), len(item_ids)), bool)
    sides = (("user_id", user_ids), ("item_id", item_ids))
    row, column = (positions_in(pairs[name], ids.combine_chunks()) for name, ids in sides)
    found[row[row >= 0], column[row >= 0]] = True
    return found


def _first(pairs: DataFrame, count: int) -> DataFrame:
    """The users (user_id) of the pairs whose hashes come first."""
    return pairs.select("user_id").distinct().orderBy(_place("user_id"), "user_id").limit(count)


def _place(key: str) -> Column:
    return hash_share(F.col(key), F.lit("taste"))
