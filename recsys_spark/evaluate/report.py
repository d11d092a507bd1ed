"""One HTML page that shows how good the lists are; it needs no network and no other file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from recsys_spark.evaluate.charts import Bar, LineChart, Measured, bars, line_chart
from recsys_spark.evaluate.comparison import ALONE, BASELINES, RECSYS, WITHOUT

SLICES = {
    "warm": "Known users, known items",
    "cold_user": "New users, known items",
    "cold_item": "Known users, new items",
    "cold_both": "New users, new items",
}
BUCKETS = ("0", "1", "2", "3-5", "6-10", ">10")
TABLE_METRICS = ("recall", "precision", "f1", "ndcg", "hit_rate", "coverage", "novelty", "served")
CHART_METRICS = ("recall", "ndcg")
RAMPS = {
    "recall": "Recall over the number of items that a user had met before the hold-out.",
    "item_recall": "Share of the relevant items that the lists hold, over the number of users who had met the item.",
}

Row = Mapping[str, Any]
Found = dict[tuple[str, str, str, str], Measured]


def render(
    metrics: Sequence[Row],
    training_log: Sequence[Row],
    data_quality: Sequence[Row],
    route_weights: Sequence[Row],
    meta: Mapping[str, str],
) -> str:
    """The page, with everything escaped that comes from data.

    Args:
        metrics: Rows of the table ``metrics``, of one k.
        training_log: Rows of the table; empty if no deep model was trained.
        data_quality: Rows of the table.
        route_weights: Rows of the table.
        meta: Facts about the run, shown in this order.
    """
    found = _by_key(metrics)
    users = {r["slice"]: r["n_users"] for r in metrics if r["bucket"] == "all"}
    slices = [s for s in SLICES if s in users]
    page = Environment(
        loader=PackageLoader("recsys_spark.evaluate"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template("report.html")
    return page.render(
        meta=meta,
        k=metrics[0]["k"] if metrics else 0,
        slices=[_slice_view(found, s, users[s]) for s in slices],
        metric_names=TABLE_METRICS,
        ramps=RAMPS,
        ablation=_ablation(found, slices),
        weights=_weights(route_weights),
        training=_training(training_log),
        quality=_quality(data_quality),
        coverage=_coverage(metrics),
    )


def _coverage(metrics: Sequence[Row]) -> list[dict[str, Any]]:
    return [
        {
            "slice": r["slice"],
            "users": r["n_users"],
            "places": r["k"],
            "short_users": round((1 - r["value"]) * r["n_users"]),
        }
        for r in metrics
        if r["metric"] == "full_list"
    ]


def best_baseline(found: Found, slice_: str, metric: str) -> tuple[str, Measured] | None:
    """The baseline with the highest value, the first on a tie."""
    known = [(b, found[b, slice_, "all", metric]) for b in BASELINES if (b, slice_, "all", metric) in found]
    return max(known, key=lambda pair: pair[1].value, default=None)


def _by_key(metrics: Sequence[Row]) -> Found:
    return {
        (r["model"], r["slice"], r["bucket"], r["metric"]): Measured(r["value"], r["low"], r["high"]) for r in metrics
    }


def _slice_view(found: Found, slice_: str, n_users: int) -> dict[str, Any]:
    """What the page says about one slice."""
    models = _models(found)
    rows = [(m, _kind(m), [found.get((m, slice_, "all", metric)) for metric in TABLE_METRICS]) for m in models]
    return {
        "name": slice_,
        "title": SLICES[slice_],
        "n_users": n_users,
        "headlines": [_headline(found, slice_, metric) for metric in CHART_METRICS],
        "charts": {metric: _model_bars(found, slice_, metric, models) for metric in CHART_METRICS},
        "rows": rows,
        "ramps": {metric: _ramp(found, slice_, metric) for metric in RAMPS},
    }


def _headline(found: Found, slice_: str, metric: str) -> dict[str, Any]:
    """The value beside the best baseline, and what that means."""
    ours, best = found.get((RECSYS, slice_, "all", metric)), best_baseline(found, slice_, metric)
    verdict = ""
    if ours and best:
        name, theirs = best
        apart = ours.low > theirs.high or ours.high < theirs.low
        side = "above" if ours.value >= theirs.value else "below"
        change = f"{100 * abs(ours.value / theirs.value - 1):.0f} % " if theirs.value > 0 else ""
        verdict = f"{change}{side} {name} ({theirs.value:.3f}){'' if apart else ', intervals overlap'}"
    ahead = bool(best and ours and ours.low > best[1].high)
    return {"metric": metric, "ours": ours, "verdict": verdict, "ahead": ahead}


def _models(found: Found) -> list[str]:
    """recsys, the baselines, then the other scorers alone; ablations are shown elsewhere."""
    known = {model for model, *_ in found}
    alone = sorted(m for m in known if m.startswith(ALONE))
    return [m for m in (RECSYS, *BASELINES, *alone) if m in known]


def _kind(model: str) -> str:
    return "ours" if model == RECSYS else "baseline" if model in BASELINES else "alone"


def _model_bars(found: Found, slice_: str, metric: str, models: Sequence[str]) -> tuple[Bar, ...]:
    keyed = [(m, found.get((m, slice_, "all", metric))) for m in models]
    return bars([(m, _kind(m), measured) for m, measured in keyed if measured is not None])


def _ramp(found: Found, slice_: str, metric: str) -> dict[str, Any] | None:
    """A metric over the number of interactions, and where it falls; None where all users or items have the same."""
    places = [b for b in BUCKETS if (RECSYS, slice_, b, metric) in found]
    if len(places) < 2:
        return None
    names = [m for m in (RECSYS, *BASELINES) if any((m, slice_, b, metric) in found for b in places)]
    chart = line_chart("recall", places, {m: [found.get((m, slice_, b, metric)) for b in places] for m in names})
    steps = [(b, found[RECSYS, slice_, b, metric]) for b in places]
    # Without intervals, as item_recall has none, nothing tells a fall from chance.
    told = any(measured.low < measured.high for _, measured in steps)
    return {"chart": chart, "falls": falls(steps) if told else None}


def falls(steps: Sequence[tuple[str, Measured]]) -> list[str]:
    """Steps of a ramp that lie below the one before, beyond what their intervals may explain."""
    return [f"{before} to {after}" for (before, one), (after, other) in pairwise(steps) if other.high < one.low]


def _ablation(found: Found, slices: Sequence[str]) -> list[dict[str, Any]]:
    """Change of ndcg when one scorer is left out and the other weights stay, for each slice."""
    left_out = sorted({model for model, *_ in found if model.startswith(WITHOUT)})
    return [{"scorer": m.removeprefix(WITHOUT), "changes": [_change(found, m, s) for s in slices]} for m in left_out]


def _change(found: Found, model: str, slice_: str) -> float | None:
    ours, theirs = found.get((RECSYS, slice_, "all", "ndcg")), found.get((model, slice_, "all", "ndcg"))
    return None if ours is None or theirs is None else round(theirs.value - ours.value, 4)


def _weights(route_weights: Sequence[Row]) -> dict[str, Any]:
    """Each scorer's share of the weight, by route and item group."""
    scorers = sorted({r["scorer"] for r in route_weights})
    total: dict[tuple[str, str], float] = {}
    for r in route_weights:
        total[r["route"], r["item_group"]] = total.get((r["route"], r["item_group"]), 0.0) + r["weight"]
    by_key = {(r["route"], r["item_group"], r["scorer"]): r["weight"] for r in route_weights}
    learned_on = {(r["route"], r["item_group"]): r["n_users"] for r in route_weights}
    rows = [
        {
            "route": route,
            "item_group": group,
            "n_users": learned_on[route, group],
            "shares": [100.0 * by_key.get((route, group, s), 0.0) / (weight or 1.0) for s in scorers],
        }
        for (route, group), weight in sorted(total.items())
    ]
    return {"scorers": scorers, "rows": rows}


def _training(log: Sequence[Row]) -> list[LineChart]:
    """Loss by epoch, and what was told of simulated-cold examples where anything was held out."""
    charts = {
        "Training loss": "loss",
        "Loss on simulated-cold users and items": "validation_loss",
        "Recall@10 on simulated-cold users and items": "validation_recall",
    }
    epochs = sorted(log, key=lambda r: r["epoch"])
    names = [str(r["epoch"]) for r in epochs]
    return [
        line_chart(title, names, {title: [Measured(r[column], r[column], r[column]) for r in epochs]})
        for title, column in charts.items()
        if epochs and epochs[0][column] is not None
    ]


def _quality(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The counts of each source table: the balance first, then the reasons by size."""
    balance = ("input", "clean", "quarantined", "duplicates")
    counts = {(r["source_table"], r["measure"]): r["row_count"] for r in rows}
    order = {"events": 0, "users": 1, "items": 2}
    names = sorted({t for t, _ in counts}, key=lambda t: (order.get(t, len(order)), t))
    return [
        {
            "table": t,
            "balance": [(m, counts.get((t, m), 0)) for m in balance],
            "details": sorted(
                ((m, n) for (table, m), n in counts.items() if table == t and m not in balance and n),
                key=lambda pair: (-pair[1], pair[0]),
            ),
        }
        for t in names
    ]
