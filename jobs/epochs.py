"""How many epochs the model of the full fold is trained for."""

from __future__ import annotations

from jobs.context import Job
from recsys_spark.coldstart.launch import kept_epoch


def found_epochs(job: Job) -> int | None:
    """How many epochs of the backtest fold's training, in this run, gave the weights that it kept.

    The full fold's model trains as long, on all users and items: it is then the model whose scores the weights of the
    routes were learned on, and nothing is held out to tell when to stop. None where training must find out itself, on
    the backtest fold and where this run trained nothing there.
    """
    fold = job.with_fold("backtest")
    if job.fold == "backtest" or not fold.finished(["training_log"]):
        return None
    log = fold.read("training_log").collect()
    return int(kept_epoch(log)["epoch"]) if log else None
