"""The table route_weights, learned on the driver from a bounded sample of candidates."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recsys_spark.kernels.arrow import matrix
from recsys_spark.kernels.draw import parts_of
from recsys_spark.rank.calibration import calibrate
from recsys_spark.rank.examples import PARTS, Examples
from recsys_spark.rank.fit import learn_weights
from recsys_spark.rank.variants import ITEM_GROUPS, ROUTES

MIN_USERS = 30
"""Fewer simulated users than this teach no weights of their own."""
LENDERS: Mapping[str, tuple[str, ...]] = {"inactive": ("warm",), "warming": ("warm",), "warm": ("warming",), "cold": ()}
"""Whose weights a route takes before it takes those of all routes together."""

PRIOR: Mapping[str, float] = {
    "popularity": 0.5,
    "content": 0.5,
    "repeat": 0.5,
    "habit": 0.2,
    "demographic": 0.4,
    "factors": 0.3,
    "deep": 0.3,
    "neighbours": 0.3,
    "ease": 0.3,
    "svd": 0.2,
    "similar_users": 0.2,
    "recent": 0.2,
    "pairs": 0.2,
    "moment": 0.2,
    "trend": 0.0,
}
"""Usual weights of scaled scorers on simulated new ids; they matter where there are few hidden items to learn from."""


@dataclass(frozen=True)
class Learned:
    """Weights, scales and calibration of one set of users, over the scorers in their order."""

    scale: np.ndarray
    weight: np.ndarray
    slope: float
    intercept: float
    n_users: int


def learn(sample: pa.Table, scorers: Sequence[str]) -> list[dict[str, object]]:
    """Rows of route_weights for every route, item group and scorer.

    A route and group with too few simulated users borrows: from the nearest route, else from all routes together; where
    nobody teaches anything, every scorer has weight 1. Routes and groups are fitted side by side, one to a core.

    Args:
        sample: what candidates.candidates returns, collected.
        scorers: names of the columns of its scores.

    Returns:
        One row a route, item group and scorer.
    """
    kinds = [(group, route) for group in ITEM_GROUPS for route in ROUTES]
    # NumPy leaves Python's lock while it works on large arrays, so threads do not wait for each other.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        own = dict(zip(kinds, pool.map(lambda k: _fit_route(sample, k[0], k[1], scorers), kinds), strict=True))
        lent = {
            (group, route): next((own[group, n] for n in (route, *LENDERS[route]) if own[group, n]), None)
            for group, route in kinds
        }
        lacking = [group for group in ITEM_GROUPS if not all(lent[group, route] for route in ROUTES)]
        shared = dict(zip(lacking, pool.map(lambda group: _fit_together(sample, group, scorers), lacking), strict=True))
    return [row for kind in kinds for row in _rows(*kind, scorers, lent[kind] or shared[kind[0]])]


def _fit_route(sample: pa.Table, group: str, route: str, scorers: Sequence[str]) -> Learned | None:
    """What the candidates of one route teach; nothing where they are of too few users."""
    examples = _examples(_ordered(sample, group, [route]), len(scorers))
    return _fit(examples, scorers) if len(examples) >= MIN_USERS else None


def _fit_together(sample: pa.Table, group: str, scorers: Sequence[str]) -> Learned:
    examples = _examples(_ordered(sample, group, ROUTES), len(scorers))
    return _fit(examples, scorers) if len(examples) >= MIN_USERS else _equal(examples)


def _ordered(sample: pa.Table, group: str, routes: Sequence[str]) -> pa.Table:
    """The candidates of a group and some routes, sorted; a sort makes one piece of a column, of strings below 2 GiB."""
    kind = pc.and_(pc.equal(sample["item_group"], group), pc.is_in(sample["route"], pa.array(routes)))
    return sample.filter(kind).sort_by([(name, "ascending") for name in ("route", "user_id", "item_id")])


def _fit(examples: Examples, scorers: Sequence[str]) -> Learned:
    prior = np.array([PRIOR.get(scorer, 0.0) for scorer in scorers])
    scaled = examples.scaled()
    weight = learn_weights(scaled, prior)
    slope, intercept = calibrate(scaled, weight)
    return Learned(examples.scale(), weight, slope, intercept, len(examples))


def _equal(examples: Examples) -> Learned:
    """Every scorer counts alike, on the scale of what few candidates there are."""
    n_scorers = len(examples.scores)
    scale = examples.scale() if len(examples) else np.ones(n_scorers)
    return Learned(scale, np.ones(n_scorers), 1.0, 0.0, len(examples))


def _examples(sample: pa.Table, n_scorers: int) -> Examples:
    scores = matrix(sample["scores"]).reshape(-1, n_scorers)
    user = sample["user_id"].combine_chunks().dictionary_encode().indices.to_numpy()
    label, in_window, weight = (sample[name].to_numpy() for name in ("label", "in_window", "sample_weight"))
    part = item_parts(sample["item_id"])
    n_items = pc.count_distinct(sample.filter(sample["label"])["item_id"]).as_py()
    return Examples.of(user, scores, label.astype(bool), in_window.astype(bool), weight.astype(float), part, n_items)


def item_parts(item_ids: pa.ChunkedArray) -> np.ndarray:
    """The part of the items, below PARTS, that each id is hashed to; it hangs on the id alone: [n] int8."""
    encoded = item_ids.combine_chunks().dictionary_encode()
    parts = parts_of(encoded.dictionary.to_pylist(), PARTS).astype(np.int8)
    return parts[encoded.indices.to_numpy()]


def _rows(group: str, route: str, scorers: Sequence[str], learned: Learned) -> list[dict[str, object]]:
    return [
        {
            "route": route,
            "item_group": group,
            "scorer": scorer,
            "scale": float(scale),
            "weight": float(weight),
            "slope": learned.slope,
            "intercept": learned.intercept,
            "n_users": learned.n_users,
        }
        for scorer, scale, weight in zip(scorers, learned.scale, learned.weight, strict=True)
    ]
