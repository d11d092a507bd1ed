"""On what a map from attributes is best learned for its highest predictions to be the new items that sell.

    python -m benchmarks.demand --conf CONF --set lake.path=LAKE

A fifth of the known items of a lake is hidden at a time, a hundred times. A ridge map as build_blocks fits it, learned
on some function of the demand for the others, predicts the hidden ones. The ten highest predictions are one list for
everybody, which is judged by what each user took of the hidden items.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from pyspark.sql import DataFrame
from rich.console import Console
from rich.table import Table

from jobs.build_blocks import inputs_of
from jobs.command import run_job
from jobs.context import Job
from recsys_spark.blocks.maps import DEMAND, demand_target, item_penalty
from recsys_spark.kernels.arrow import csr_rows, positions_in
from recsys_spark.kernels.ridge import ridge
from recsys_spark.rank.examples import DISCOUNT, K

SPLITS = 100
HIDDEN = 0.2
Target = Callable[[np.ndarray], np.ndarray]
TARGETS: Mapping[str, Target] = {
    "square root (in use)": lambda n: demand_target(n, float(n.mean())),
    "capped at the 97th percentile": lambda n: np.minimum(n / np.quantile(n, 0.97), 1.0),
    "n / (n + mean n)": lambda n: n / (n + n.mean()),
    "log(1 + n)": np.log1p,
    "n": lambda n: n / n.mean(),
}


def run(job: Job) -> None:
    """Judge every target, for demand at all times and lately."""
    inputs = inputs_of(job)
    items = inputs.item_vectors.where("n_users > 0").select("item_id", "feature_idx", "n_users", "popularity").toArrow()
    items = items.sort_by("item_id")
    held = csr_rows(items["feature_idx"], None, len(inputs.paired))
    taken = _taken(inputs.interactions, items["item_id"].combine_chunks())
    penalty = item_penalty(inputs.paired, {"demand": len(TARGETS)}, items.num_rows, job.settings.blocks)
    shown = Table("target", *[f"ndcg@{K} {when}, beside the first" for when in ("of all time", "lately")])
    found = [
        judged(held, items[name].to_numpy().astype(float), taken, penalty, list(TARGETS.values()))
        for name in DEMAND.values()
    ]
    for place, name in enumerate(TARGETS):
        shown.add_row(name, *[_beside(ndcg, place) for ndcg in found])
    Console().print(shown)


def judged(
    held: sp.csr_matrix, count: np.ndarray, taken: sp.csc_matrix, penalty: np.ndarray, targets: list[Target]
) -> np.ndarray:
    """ndcg@10 of the lists that maps on each target make: [SPLITS, targets].

    Args:
        held: [items, features], what items are.
        count: [items], their demand, above 0.
        taken: [users, items], 1 where a user took an item.
        penalty: [features, targets] of the map.
        targets: what is predicted of a count.
    """
    found = np.zeros((SPLITS, len(targets)))
    for split in range(SPLITS):
        hidden = np.random.default_rng(split).random(len(count)) < HIDDEN
        learned = np.column_stack([target(count[~hidden]) for target in targets])
        weights, mean = ridge(held[~hidden], learned, penalty)
        predicted = held[hidden] @ weights + mean
        best = np.argsort(-predicted, axis=0, kind="stable")[:K]
        found[split] = [_ndcg(taken[:, hidden], best[:, place]) for place in range(len(targets))]
    return found


def _ndcg(taken: sp.csc_matrix, listed: np.ndarray) -> float:
    """Of one list, best first, over the users who took anything."""
    n_taken = np.asarray(taken.sum(axis=1)).ravel().astype(int)
    gained = np.asarray(taken[:, listed] @ DISCOUNT[: len(listed)]).ravel()
    ideal = np.cumsum(DISCOUNT)[np.minimum(n_taken, K) - 1]
    return float((gained / ideal)[n_taken > 0].mean())


def _beside(ndcg: np.ndarray, place: int) -> str:
    """The mean, its ratio to the first target's, and the standard error of that ratio over the splits."""
    first = ndcg[:, 0].mean()
    error = (ndcg[:, place] - ndcg[:, 0]).std(ddof=1) / np.sqrt(len(ndcg)) / first
    return f"{ndcg[:, place].mean():.4f}  {ndcg[:, place].mean() / first:.2f} ± {error:.2f}"


def _taken(interactions: DataFrame, item_ids: pa.Array) -> sp.csc_matrix:
    """Which user took which of the items: [users, items] of 0 and 1."""
    pairs = interactions.select("user_id", "item_id").toArrow()
    user = pairs["user_id"].combine_chunks().dictionary_encode()
    column = positions_in(pairs["item_id"], item_ids)
    row, known = user.indices.to_numpy(), column >= 0
    shape = len(user.dictionary), len(item_ids)
    return sp.csc_matrix((np.ones(known.sum()), (row[known], column[known])), shape)


if __name__ == "__main__":
    raise SystemExit(run_job("demand", __doc__, run, None))
