from pathlib import Path

from recsys_spark.contracts import ALL_TABLES, Contract, Field
from recsys_spark.contracts.render import render

PAGE = Path(__file__).parents[2] / "docs" / "tables.md"


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == render(ALL_TABLES.values()), (
        "the contracts changed; run python -m recsys_spark.contracts.render > docs/tables.md"
    )


def test_a_column_shows_type_null_meaning_and_unit_and_bars_are_escaped():
    price = Field("price", "double", "price | list", nullable=True, unit="EUR")
    page = render([Contract("prices", "one price", "ingest", (), (price,), ("price",))])
    assert r"| price | `double` | yes | price \| list | EUR |" in page
    assert "Key: none. Sorted by `price`." in page
