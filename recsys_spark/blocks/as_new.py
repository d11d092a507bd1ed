"""Known items as they would look if they were new: what the other items' attributes predict for them.

Weights for new items are learned on items that the split hid. Those are few, and which ones they are decides much. Here
every known item stands in as well: the map from attributes is learned without its part of the catalogue and predicts
it (cross-fitting). Only users without events can be asked about them; the vectors of others remember having met them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from recsys_spark.blocks.layout import PREDICTED
from recsys_spark.blocks.maps import DEMAND, demand_target, item_penalty
from recsys_spark.config.learning import BlockSettings
from recsys_spark.kernels.arrow import csr_rows, matrix
from recsys_spark.kernels.draw import parts_of
from recsys_spark.kernels.ridge import ridge

PARTS = 5
"""A part is as large as what the split hides by default."""


def part_of(item_ids: pa.ChunkedArray) -> np.ndarray:
    """Each item's part, below PARTS, by a hash of its id: [items]."""
    return parts_of(item_ids.to_pylist(), PARTS, salt="as new ")


def as_new(
    items: pa.Table, layout: Mapping[str, tuple[int, int]], paired: np.ndarray, settings: BlockSettings
) -> np.ndarray:
    """Scoring vectors [items, width] of known items, each predicted from the items of the other parts.

    Blocks that attributes do not predict are zero.

    Args:
        items: item_id, feature_idx, n_users, popularity and vector of items that have events.
        layout: block to (start, width).
        paired: [features], which of them are pairs.
        settings: of the map from attributes.
    """
    vectors = matrix(items["vector"])
    target, places = _targets(items, vectors, layout)
    held = csr_rows(items["feature_idx"], None, len(paired))
    widths = {name: layout[name][1] for name in PREDICTED if name in layout}
    penalty = item_penalty(paired, widths, len(vectors), settings)
    part, found = part_of(items["item_id"]), np.zeros_like(vectors)
    for number in range(PARTS):
        theirs, others = np.flatnonzero(part == number), np.flatnonzero(part != number)
        if len(theirs) and len(others):
            weights, mean = ridge(held[others], target[others], penalty)
            found[np.ix_(theirs, places)] = held[theirs] @ weights + mean
    return found


def _targets(
    items: pa.Table, vectors: np.ndarray, layout: Mapping[str, tuple[int, int]]
) -> tuple[np.ndarray, np.ndarray]:
    """What is predicted [items, targets], and its positions in the scoring vectors [targets]."""
    spans = [range(layout[name][0], sum(layout[name])) for name in PREDICTED if name in layout]
    places = np.array([place for span in spans for place in span], np.int64)
    target = vectors.astype(np.float64)
    for block, column in DEMAND.items():
        if block in layout and len(items):
            count = items[column].to_numpy().astype(float)
            target[:, layout[block][0]] = demand_target(count, float(count.mean()) or 1.0)
    return target[:, places], places
