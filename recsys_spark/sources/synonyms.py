"""What shops call the contract's columns, most telling first. Compared in lower case without punctuation."""

from __future__ import annotations

import re

ITEM_CODES = ("sku", "stockcode", "articleid", "asin", "movieid", "contentid")
SYNONYMS: dict[str, dict[str, tuple[str, ...]]] = {
    "events": {
        "user_id": (
            "userid",
            "user",
            "customerid",
            "customerno",
            "customer",
            "householdid",
            "visitorid",
            "memberid",
            "accountid",
            "clientid",
            "authorid",
            "reviewerid",
            "buyerid",
        ),
        "item_id": ("itemid", "item", "productid", "product", *ITEM_CODES),
        "event_type": ("eventtype", "event", "action", "behavior", "behaviour", "interactiontype", "type"),
        "ts": (
            "ts",
            "timestamp",
            "eventtime",
            "transactiontimestamp",
            "datetime",
            "time",
            "createdat",
            "occurredat",
            "orderdate",
            "invoicedate",
            "transactiondate",
            "date",
            "day",
        ),
        "query_text": ("querytext", "query", "searchterm", "searchquery", "search", "keywords"),
        "quantity": ("quantity", "qty", "units", "pieces", "count"),
        "price": ("price", "unitprice", "priceusd", "amount"),
        "dwell_seconds": ("dwellseconds", "dwelltime", "dwell", "duration", "durationseconds", "timespent"),
        "platform": ("platform", "device", "channel", "devicetype"),
        "session_id": ("sessionid", "session", "basketid", "visitid", "orderid", "invoiceno", "invoice", "basket"),
    },
    "users": {
        "user_id": (
            "userid",
            "customerid",
            "customerno",
            "customer",
            "householdid",
            "visitorid",
            "memberid",
            "accountid",
            "clientid",
            "authorid",
            "reviewerid",
            "buyerid",
            "user",
            "id",
        ),
    },
    "items": {
        "item_id": ("itemid", "productid", *ITEM_CODES, "item", "product", "id"),
        "title": ("title", "name", "productname", "itemname", "producttitle", "displayname"),
        "description": ("description", "desc", "details", "longdescription", "productdescription"),
        "brand": ("brand", "brandname", "brandid", "maker", "manufacturer", "manufacturerid", "vendor"),
        "price": ("price", "listprice", "priceusd", "unitprice", "retailprice"),
        "launch_ts": ("launchts", "launchdate", "launchedat", "releasedate", "firstsold", "createdat", "introduced"),
        "available": ("available", "isavailable", "instock", "active", "isactive"),
    },
}

CATEGORY_WORDS = ("department", "category", "subcategory", "aisle", "producttype", "section", "class", "subclass")
"""A column whose name ends with one of these is a level of the category path."""


def plain(name: str) -> str:
    """The name in lower case, letters and digits alone.

    >>> plain("Customer_No")
    'customerno'
    """
    return re.sub(r"[^a-z0-9]", "", name.lower())


def match(table: str, columns: list[str]) -> dict[str, str]:
    """Contract column to the source column that is probably it; a source column is used once.

    >>> match("users", ["Customer_No", "age"])
    {'user_id': 'Customer_No'}
    """
    found: dict[str, str] = {}
    by_name = {plain(c): c for c in reversed(columns)}
    for target, names in SYNONYMS[table].items():
        for name in (plain(target), *names):
            if name in by_name and by_name[name] not in found.values():
                found[target] = by_name[name]
                break
    return found


def category_levels(columns: list[str]) -> list[str]:
    """Columns that look like levels of a category path, in their order; a path that is there already stands alone."""
    if "category_path" in columns:
        return ["category_path"]
    return [c for c in columns if plain(c).endswith(CATEGORY_WORDS)]
