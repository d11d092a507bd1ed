"""The settings that trials may change, and the ranges they are drawn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from recsys_spark.config.learning import Scorer
from recsys_spark.config.settings import Settings

Value = int | float


@dataclass(frozen=True)
class Searched:
    """One setting: drawn from ``choices``, else log-uniformly between ``low`` and ``high``."""

    key: str
    low: float = 0.0
    high: float = 0.0
    choices: tuple[int, ...] = ()
    scorer: Scorer | None = None
    """Searched only where this scorer is enabled; None is for all."""


SEARCHED = (
    Searched("profiles.half_life_days", 20, 720),
    Searched("als.rank", choices=(32, 64, 128), scorer="factors"),
    Searched("als.alpha", 4, 80, scorer="factors"),
    Searched("als.regularization", 0.1, 8, scorer="factors"),
    Searched("blocks.neighbour_shrinkage", 1, 50, scorer="neighbours"),
    Searched("blocks.ease_penalty", 20, 500, scorer="ease"),
    Searched("blocks.moment_days", 5, 120, scorer="moment"),
    Searched("blocks.ridge_users", 1, 100, scorer="factors"),
)
"""What depends on a shop's rhythm and size most; the rest the jobs choose themselves or hardly matters."""


def space(settings: Settings) -> list[Searched]:
    """What can be searched under these settings."""
    return [s for s in SEARCHED if s.scorer is None or s.scorer in settings.blocks.enabled]


def current(settings: Settings, searched: list[Searched]) -> dict[str, Value]:
    """Dotted key to the value that the settings have now."""
    return {s.key: _at(settings, s.key) for s in searched}


def changed(settings: Settings, values: Mapping[str, Value]) -> Settings:
    """The settings with other values, checked like any others."""
    raw = settings.model_dump()
    for key, value in values.items():
        group, name = key.split(".")
        raw[group][name] = value
    return Settings.model_validate(raw)


def _at(settings: Settings, key: str) -> Value:
    group, name = key.split(".")
    return getattr(getattr(settings, group), name)
