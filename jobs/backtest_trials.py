"""Trials of other settings: backtests on splits of their own, in lakes below the job's, which nobody else reads."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace

from pyspark.sql import DataFrame

from jobs.backtest_judge import judge
from jobs.context import Job, log
from jobs.pipeline import BACKTEST, run_steps
from jobs.train_coldstart import drop_models
from recsys_spark.contracts import table
from recsys_spark.contracts.spark import spark_schema
from recsys_spark.evaluate.comparison import RECSYS
from recsys_spark.tuning.search import Trial, chosen, confirm, search
from recsys_spark.tuning.space import Value, changed, current, space

COPIED = ("events", "users", "items")
SHARED = ("split", "materialize_dataset", "train_coldstart")
"""Steps done once a split: what is searched hardly reaches the deep model, which costs most."""
AGAIN = tuple(step for step in BACKTEST if step.name not in SHARED)


def propose(job: Job, minutes: float) -> None:
    """Search settings for about so long and keep the trials in settings_trials; refreshes use the chosen values.

    No trial sees the split that the backtest judges. At least one is made, and one that has begun is finished.
    """
    began, seed, searched = time.monotonic(), job.settings.backtest.seed, space(job.settings)
    search_split, other_split = Split(job, seed + 1), Split(job, seed + 2)

    def more() -> bool:
        # One more trial, and then the best on the other split beside the present settings.
        ahead = 2 * search_split.seconds[-1] + search_split.seconds[0]
        return time.monotonic() - began + ahead < minutes * 60

    log.info("[trials] searching %s", ", ".join(s.key for s in searched))
    trials = search(search_split.judge, current(job.settings, searched), searched, more=more, seed=seed)
    trials = confirm(other_split.judge, trials)
    job.with_fold("full").write("settings_trials", _frame(job, trials))
    for split in (search_split, other_split):
        drop_models(split.lake)
    job.lake.drop_trials()
    best = chosen(trials)
    told = f"{best.confirmed:.3f} of the present ndcg on another split" if best.confirmed else "the present ones stay"
    log.info("[trials] tried %d; chosen: %s (%s)", len(trials) - 1, dict(best.values), told)


class Split:
    """One way to hide users, items and time."""

    def __init__(self, job: Job, seed: int) -> None:
        # The intervals of the metrics are not looked at.
        own = job.settings.backtest.model_copy(update={"seed": seed, "bootstrap": 1})
        settings = job.settings.model_copy(update={"backtest": own})
        self.lake = job.lake.trial(str(seed))
        # Each trial is a run of its own, which nobody has claimed yet.
        self.job = replace(
            job, settings=settings, lake=self.lake, run_id=f"{job.run_id}.trials", versions={}, claim=None
        )
        self.source = job.with_fold("full")
        self.seconds: list[float] = []

    def judge(self, values: Mapping[str, Value]) -> dict[str, float]:
        """Slice to ndcg. The first call also makes what later ones share."""
        began, first = time.monotonic(), not self.seconds
        for name in COPIED if first and not self.job.finished(COPIED) else ():
            self.job.write(name, self.source.read(name))
        settings, run_id = changed(self.job.settings, values), f"{self.job.run_id}.{len(self.seconds)}"
        trial = replace(self.job, settings=settings, run_id=run_id, versions={})
        run_steps(trial, BACKTEST if first else AGAIN)
        fold = trial.with_fold("backtest")
        if not fold.finished(["metrics"]):
            judge(fold, models=(RECSYS,))
        rows = fold.read("metrics").where("bucket = 'all' and metric = 'ndcg'").collect()
        self.seconds.append(time.monotonic() - began)
        return {row["slice"]: row["value"] for row in rows}


def _frame(job: Job, trials: list[Trial]) -> DataFrame:
    best = chosen(trials)
    rows = [
        {
            "trial": number,
            "settings": {key: json.dumps(value) for key, value in trial.values.items()},
            "ndcg": dict(trial.ndcg),
            "ratio": trial.ratio,
            "confirmed": trial.confirmed,
            "chosen": trial is best,
        }
        for number, trial in enumerate(trials)
    ]
    return job.spark.createDataFrame(rows, spark_schema(table("settings_trials")))
