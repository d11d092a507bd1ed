"""Trials of other settings, drawn by Optuna's tree-structured Parzen estimator (Bergstra et al. 2011).

Optuna is imported where a search begins: refreshes import this module too, and run where it is not installed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from recsys_spark.tuning.space import Searched, Value

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

log = logging.getLogger("recsys")

Judge = Callable[[Mapping[str, Value]], Mapping[str, float]]
"""Values of the searched settings to ndcg by slice."""
SIGNIFICANT = 3
"""Digits of a drawn number: finer steps only look precise."""


@dataclass(frozen=True)
class Trial:
    """One set of values and what it was worth.

    Attributes:
        values: dotted key to value.
        ndcg: slice to ndcg.
        ratio: mean over slices of ndcg to that of the values the search began with; 1 for those themselves.
        confirmed: the ratio on another split; None where it was not asked for.
    """

    values: Mapping[str, Value]
    ndcg: Mapping[str, float]
    ratio: float = 1.0
    confirmed: float | None = None


def search(
    judge: Judge, start: Mapping[str, Value], searched: list[Searched], *, more: Callable[[], bool], seed: int
) -> list[Trial]:
    """Judge the values to start with and then others while ``more()`` says so, at least one.

    Draws depend on the seed and on what the trials before were worth, so trials repeat exactly; how many there are
    depends on the time they take.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=5))
    base = Trial(dict(start), judge(start))
    study.add_trial(optuna.create_trial(params=_inside(start, searched), distributions=_space(searched), value=1.0))
    trials = [base]
    while len(trials) == 1 or more():
        asked = study.ask(_space(searched))
        values = {key: _rounded(value) for key, value in asked.params.items()}
        ndcg = judge(values)
        trials.append(Trial(values, ndcg, ratio(ndcg, base.ndcg)))
        study.tell(asked, trials[-1].ratio)
        log.info("  trial %d: %.3f of the present settings' ndcg, with %s", len(trials) - 1, trials[-1].ratio, values)
    return trials


def confirm(judge: Judge, trials: list[Trial]) -> list[Trial]:
    """The trials with the best of them judged again beside the first, by a judge that has another split.

    The best of many trials is partly the luckiest; what is luck does not come twice.
    """
    best = max(trials, key=lambda trial: trial.ratio)
    if best is trials[0]:
        return trials
    again = ratio(judge(best.values), judge(trials[0].values))
    return [replace(trial, confirmed=again) if trial is best else trial for trial in trials]


def chosen(trials: list[Trial]) -> Trial:
    """The best trial where another split confirmed it, else the values that the search began with."""
    return next((trial for trial in trials if trial.confirmed is not None and trial.confirmed > 1), trials[0])


def ratio(ndcg: Mapping[str, float], base: Mapping[str, float]) -> float:
    """Mean over slices of ndcg / base; a slice in which the base found nothing does not count.

    >>> ratio({"warm": 0.3, "cold_user": 0.1}, {"warm": 0.2, "cold_user": 0.1})
    1.25
    """
    known = [ndcg.get(name, 0.0) / value for name, value in base.items() if value > 0]
    return float(np.mean(known)) if known else 1.0


def _space(searched: list[Searched]) -> dict[str, BaseDistribution]:
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    return {
        s.key: CategoricalDistribution(s.choices) if s.choices else FloatDistribution(s.low, s.high, log=True)
        for s in searched
    }


def _inside(values: Mapping[str, Value], searched: list[Searched]) -> dict[str, Value]:
    """The nearest values that a draw could have given; settings may lie outside of the ranges."""
    return {
        s.key: min(s.choices, key=lambda choice, own=values[s.key]: abs(choice - own))  # type: ignore[misc]
        if s.choices
        else min(max(values[s.key], s.low), s.high)
        for s in searched
    }


def _rounded(value: Value) -> Value:
    return value if isinstance(value, int) else float(f"{value:.{SIGNIFICANT}g}")
