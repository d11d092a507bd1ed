"""The shop of conftest some days later: new events of some users, new users and items, and an item that is gone."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from tests.e2e.conftest import Refreshed

TO_PARQUET = {"coerce_timestamps": "us", "allow_truncated_timestamps": True}
LATER_USERS = ("later-user-1", "later-user-2")
"""The first with attributes, the second only in the events."""
LATER_ITEMS = ("later-item-1", "later-item-2")
"""The first is bought at once."""


def copy_of(shop: Refreshed, folder: Path) -> Refreshed:
    """The shop with its lake and its files at another place."""
    shutil.copytree(shop.lake.parent, folder, dirs_exist_ok=True)
    conf = folder / shop.conf.name
    conf.write_text(conf.read_text().replace(str(shop.lake.parent), str(folder)))
    return replace(shop, lake=folder / shop.lake.name, conf=conf)


def live_on(folder: Path, share: float) -> list[str]:
    """Change the files; ``share`` of the users have new events within five days. Returns their ids."""
    events = pd.read_parquet(folder / "events.parquet")
    draw = np.random.default_rng(1)
    known = np.sort(events.household_id.unique())
    active = draw.choice(known, max(1, int(len(known) * share)), replace=False).tolist()
    baskets = events[events.household_id.isin(active)].groupby("household_id").head(4).copy()
    baskets["product_id"] = draw.permutation(baskets.product_id.to_numpy())
    seconds = draw.integers(1, 5 * 86_400, len(baskets))
    baskets["transaction_timestamp"] = events.transaction_timestamp.max() + pd.to_timedelta(seconds, unit="s")
    baskets["basket_id"] = "later " + baskets.household_id
    firsts = baskets.head(4).assign(household_id=np.repeat(LATER_USERS, 2), basket_id="first")
    firsts.loc[firsts.index[0], "product_id"] = LATER_ITEMS[0]
    pd.concat([events, baskets, firsts]).to_parquet(folder / "events.parquet", **TO_PARQUET)
    _more_users(folder / "users.csv")
    _more_items(folder / "items.jsonl")
    return active


def gone_item(folder: Path) -> str:
    """The item that is withdrawn."""
    return str(_items(folder / "items.jsonl").product_id.iloc[0])


def _more_users(path: Path) -> None:
    users = pd.read_csv(path, dtype=str)
    known, one = users.dropna(), users.household_id == "new-user-2"
    users.loc[one, "age"] = sorted(set(known.age) - set(users.age[one]))[0]
    pd.concat([users, known.iloc[[3]].assign(household_id=LATER_USERS[0])]).to_csv(path, index=False)


def _more_items(path: Path) -> None:
    items = _items(path)
    items.loc[items.index[0], "available"] = False
    pd.concat([items, items.iloc[20:22].assign(product_id=LATER_ITEMS)]).to_json(path, orient="records", lines=True)


def _items(path: Path) -> pd.DataFrame:
    return pd.read_json(path, orient="records", lines=True, dtype=False)
