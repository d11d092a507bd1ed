"""The backtest in one screen: recsys beside the baselines, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from recsys_spark.evaluate.comparison import BASELINES, RECSYS, SHELF_OF

METRICS = ("recall", "ndcg")


def summary(metrics: Sequence[Mapping[str, Any]]) -> Table:
    """One row for each slice and metric, the best model of the row in bold.

    Args:
        metrics: Rows of the table ``metrics``, of one k.
    """
    found = {(r["model"], r["slice"], r["metric"]): r for r in metrics if r["bucket"] == "all"}
    models = [m for m in (RECSYS, *BASELINES) if any(model == m for model, *_ in found)]
    table = Table(title="Backtest: recsys beside the baselines", title_justify="left")
    table.add_column("slice")
    table.add_column("users", justify="right")
    table.add_column("metric")
    for model in models:
        table.add_column(model, justify="right")
    for slice_ in SHELF_OF:
        for metric in METRICS:
            row = [found.get((m, slice_, metric)) for m in models]
            if any(row):
                table.add_row(*_cells(slice_, metric, row))
    return table


def _cells(slice_: str, metric: str, row: Sequence[Mapping[str, Any] | None]) -> list[str]:
    known = [r for r in row if r is not None]
    best = max(r["value"] for r in known)
    values = ["-" if r is None else _marked(r["value"], best) for r in row]
    return [slice_, f"{known[0]['n_users']:,}", f"{metric}@{known[0]['k']}", *values]


def _marked(value: float, best: float) -> str:
    return f"[bold]{value:.4f}[/]" if value == best else f"{value:.4f}"
