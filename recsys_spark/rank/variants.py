"""A way of weighing the scorers: one set of weights for each kind of user and each kind of item."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pyspark.sql import Row

from recsys_spark.errors import ContractError
from recsys_spark.kernels.scoring import Mixture

ROUTES = ("cold", "inactive", "warm", "warming")
ITEM_GROUPS = ("established", "new")
PAIRS = tuple((route, group) for route in ROUTES for group in ITEM_GROUPS)

RouteGroup = tuple[str, str]


@dataclass(frozen=True)
class Variant:
    """Weights by (route, item group): scorer to (scale, weight), and the calibration (slope, intercept).

    A scorer that a route does not name has weight 0.
    """

    name: str
    weights: Mapping[RouteGroup, Mapping[str, tuple[float, float]]]
    calibration: Mapping[RouteGroup, tuple[float, float]]

    @classmethod
    def single(cls, scorer: str, name: str | None = None) -> Variant:
        """One scorer alone, as it is, for every user and item."""
        return cls(name or scorer, {key: {scorer: (1.0, 1.0)} for key in PAIRS}, dict.fromkeys(PAIRS, (1.0, 0.0)))

    @classmethod
    def from_rows(cls, name: str, route_weights: Iterable[Row | Mapping[str, object]]) -> Variant:
        """The collected table route_weights as a variant.

        Raises:
            ContractError: a route and item group has no row.
        """
        weights: dict[RouteGroup, dict[str, tuple[float, float]]] = {}
        calibration: dict[RouteGroup, tuple[float, float]] = {}
        for row in route_weights:
            pair = (str(row["route"]), str(row["item_group"]))
            weights.setdefault(pair, {})[str(row["scorer"])] = (_real(row["scale"]), _real(row["weight"]))
            calibration[pair] = (_real(row["slope"]), _real(row["intercept"]))
        missing = [pair for pair in PAIRS if pair not in weights]
        if missing:
            listed = ", ".join(f"{route}/{group}" for route, group in missing)
            raise ContractError(f"table route_weights has no row for {listed}; run learn_weights again")
        return cls(name, weights, calibration)

    def scorers(self) -> set[str]:
        """Every scorer that carries weight somewhere."""
        return {scorer for named in self.weights.values() for scorer, (_, weight) in named.items() if weight > 0}

    def mixture(self, scorers: Sequence[str]) -> Mixture:
        """The weights as the kernel takes them, in the order of ROUTES, ITEM_GROUPS and ``scorers``."""
        coefficients = [
            [[_coefficient(self.weights[route, group], scorer) for scorer in scorers] for group in ITEM_GROUPS]
            for route in ROUTES
        ]
        calibration = np.array([[self.calibration[route, group] for group in ITEM_GROUPS] for route in ROUTES])
        shape = (len(ROUTES), len(ITEM_GROUPS), len(scorers))
        return Mixture(np.array(coefficients, float).reshape(shape), calibration[:, :, 0], calibration[:, :, 1])


def _coefficient(named: Mapping[str, tuple[float, float]], scorer: str) -> float:
    scale, weight = named.get(scorer, (1.0, 0.0))
    return weight / scale


def _real(value: object) -> float:
    return float(value)  # type: ignore[arg-type]
