"""The backtest in one screen: recsys beside the baselines, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
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
    # Light enough that nothing is cut on a terminal of 80 columns.
    table = Table(
        title=f"Backtest at {metrics[0]['k'] if metrics else 0}: recsys beside the baselines",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("slice", no_wrap=True)
    table.add_column("users", justify="right")
    table.add_column("metric", no_wrap=True)
    for model in models:
        table.add_column(model, justify="right", no_wrap=True)
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
    return [slice_, f"{known[0]['n_users']:,}", metric, *values]


def _marked(value: float, best: float) -> str:
    return f"[bold]{value:.4f}[/]" if value == best else f"{value:.4f}"
