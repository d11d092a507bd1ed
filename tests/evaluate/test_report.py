from html.parser import HTMLParser

import pytest

from recsys_spark.evaluate.charts import Measured, bars, line_chart, nice_ticks
from recsys_spark.evaluate.report import render

VOID = {"meta", "line", "circle", "polyline", "br"}


class Page(HTMLParser):
    """Checks that tags close in order, and keeps the text and the addresses."""

    def __init__(self, html):
        super().__init__()
        self.open, self.text, self.links = [], "", []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.links += [value for name, value in attrs if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data if "style" not in self.open else ""


def metric(model, value, slice_="warm", name="recall", bucket="all", spread=0.01):
    return {
        "model": model,
        "slice": slice_,
        "bucket": bucket,
        "metric": name,
        "k": 10,
        "value": value,
        "low": value - spread,
        "high": value + spread,
        "n_users": 1234,
    }


def page(metrics=(), training_log=(), data_quality=(), route_weights=(), meta=None):
    return Page(render(metrics, training_log, data_quality, route_weights, meta or {}))


def test_the_headline_names_the_best_baseline_and_whether_noise_may_explain_it():
    clear = page([metric("recsys", 0.5), metric("popularity", 0.2), metric("own habit", 0.4)])
    assert "25 % above own habit (0.400)" in clear.text
    assert "overlap" not in clear.text
    near = page([metric("recsys", 0.38, spread=0.03), metric("own habit", 0.4)])
    assert "5 % below own habit (0.400), intervals overlap" in near.text


def test_a_baseline_at_zero_and_a_missing_metric_do_not_break_the_page():
    text = page([metric("recsys", 0.1), metric("popularity", 0.0)]).text
    assert "recall: above popularity (0.000)" in text
    assert "\u2013" in text  # ndcg was not measured


def test_without_truth_the_page_says_so():
    assert "There is no truth to judge on" in page().text


def test_all_text_is_escaped_and_nothing_is_loaded():
    attack = "<script>alert(1)</script>"
    found = page(
        [metric("recsys", 0.5), metric(f"only {attack}", 0.4), metric(f"without {attack}", 0.4, name="ndcg")],
        data_quality=[{"source_table": attack, "measure": attack, "row_count": 1}],
        route_weights=[{"route": attack, "item_group": attack, "scorer": attack, "weight": 1.0, "n_users": 3}],
        meta={attack: attack},
    )
    assert found.text.count(attack) >= 8
    assert found.links == []


def test_every_section_shows_its_numbers():
    text = page(
        [metric("recsys", v, bucket=b) for b, v in (("all", 0.5), ("1", 0.25), (">10", 0.75))]
        + [metric("recsys", 0.5, name="ndcg"), metric("without deep", 0.4375, name="ndcg")]
        + [{**metric("recsys", 1 - 77 / 4321, name="full_list"), "n_users": 4321}],
        training_log=[
            {"epoch": e, "loss": 1 / e, "validation_loss": 2 / e, "validation_recall": 0.1 * e} for e in (1, 2)
        ],
        data_quality=[
            {"source_table": "events", "measure": m, "row_count": n}
            for m, n in (("input", 10), ("clean", 7), ("quarantined", 2), ("reason:price_nan", 2))
        ],
        route_weights=[
            {"route": "cold", "item_group": "new", "scorer": s, "weight": w, "n_users": 321}
            for s, w in (("content", 3.0), ("deep", 1.0))
        ],
    ).text
    for expected in (
        "-0.0625",
        "75",
        "321",
        "Training loss",
        "Loss on sim",
        "reason:price_nan",
        "4,321",
        "77",
        "By number of inter",
    ):
        assert expected in text


def test_a_ramp_says_where_it_falls_beyond_noise():
    steps = [("0", 0.30), ("1", 0.295), ("2", 0.20), ("3-5", 0.4)]
    rows = [metric("recsys", 0.3)]
    rows += [metric("recsys", value, bucket=bucket, name="item_recall") for bucket, value in steps]
    rows += [metric("recsys", value, bucket=bucket) for bucket, value in (("1", 0.2), ("2", 0.3))]
    text = page(rows).text
    assert "By number of interactions of an item" in text
    assert "Falls from 1 to 2." in text
    assert "By number of interactions of a user" in text
    assert text.count("No step falls") == 1


def test_a_ramp_without_intervals_says_nothing_of_falls():
    rows = [metric("recsys", 0.3)]
    for bucket, value in (("0", 0.3), ("1", 0.299)):
        rows.append(metric("recsys", value, bucket=bucket, name="item_recall") | {"low": value, "high": value})
    text = page(rows).text
    assert "By number of interactions of an item" in text
    assert "Falls from" not in text
    assert "No step falls" not in text


def test_one_bucket_is_no_curve():
    assert "By number of interactions" not in page([metric("recsys", 0.5), metric("recsys", 0.5, bucket="0")]).text


def test_bars_share_one_scale_and_survive_zeros():
    longest, short = bars([("a", "ours", Measured(0.4, 0.3, 0.5)), ("b", "alone", Measured(0.1, 0.1, 0.1))])
    assert (longest.length, longest.low, longest.high, short.length) == (80, 60, 100, 20)
    assert bars([("a", "ours", Measured(0, 0, 0))])[0].length == 0


def test_a_line_leaves_gaps_out_and_keeps_the_places():
    chart = line_chart("recall", ["1", "2", "3"], {"m": [Measured(0, 0, 0), None, Measured(1, 1, 1)]})
    first, last = chart.lines[0].points
    assert [x for x, _ in chart.x_ticks] == [first.x, pytest.approx((first.x + last.x) / 2), last.x]
    assert first.y > last.y  # up is better, and SVG counts downwards


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.02, 0.37), (3.1, 3.2), (0.0, 1e-4), (5.0, 5.0)])
def test_ticks_are_few_and_enclose_the_values(low, high):
    ticks = nice_ticks(low, high)
    assert 2 <= len(ticks) <= 7
    assert ticks[0] <= low
    assert ticks[-1] >= high
