"""A small random shop of blocks, boosts and shelves, with integer scores so that every tie is exact."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys_spark.rank.variants import ITEM_GROUPS, PAIRS, ROUTES, Variant

LAYOUT = {"factors": (0, 3), "popularity": (3, 1)}
SCORERS = ("factors", "popularity", "habit")


@dataclass(frozen=True)
class Shop:
    """Plain rows of the tables that ranking reads."""

    users: list[dict]
    items: list[dict]
    boosts: list[dict]

    def score(self, user: dict, item: dict, scorer: str) -> float:
        """One scorer's score of one pair."""
        if scorer in LAYOUT:
            start, width = LAYOUT[scorer]
            return float(np.dot(user["vector"][start : start + width], item["vector"][start : start + width]))
        pair = (user["user_id"], item["item_id"], scorer)
        return sum(b["value"] for b in self.boosts if (b["user_id"], b["item_id"], b["scorer"]) == pair)


def small_shop(n_users: int = 9, n_items: int = 25, seed: int = 0) -> Shop:
    """Users of every route, items of both groups, a few habits."""
    rng = np.random.default_rng(seed)

    def vector() -> list[float]:
        return [float(value) for value in rng.integers(0, 3, 4)]

    users = [
        {"user_id": f"u{n}", "route": ROUTES[n % 4], "n_events": n % 4, "vector": vector()} for n in range(n_users)
    ]
    items = [
        {"item_id": f"i{n:02}", "item_group": ITEM_GROUPS[int(n % 5 == 0)], "n_events": n % 5, "vector": vector()}
        for n in range(n_items)
    ]
    pairs = [(u, i) for u in range(n_users) for i in range(n_items) if rng.random() < 0.1]
    boosts = [{"user_id": f"u{u}", "item_id": f"i{i:02}", "scorer": "habit", "value": 2.0} for u, i in pairs]
    return Shop(users, items, boosts)


def mixed_variant(name: str = "mixed") -> Variant:
    """Different weights and calibration for every route and group."""
    weights, calibration = {}, {}
    for place, pair in enumerate(PAIRS):
        weights[pair] = {"factors": (2.0, 1.0 + place), "popularity": (1.0, 0.5), "habit": (0.5, float(place % 3))}
        calibration[pair] = (0.25 * (1 + place % 2), -1.0 + 0.5 * place)
    return Variant(name, weights, calibration)
