"""What shops call the contract's columns, most telling first. Compared in lower case without punctuation."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType

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

EVENT_WORDS = {
    "purchase": ("purchased", "transaction", "buy", "buys", "bought", "order", "ordered", "sale", "sold"),
    "cart": ("addtocart", "addcart", "addedtocart", "carted", "basket", "addtobasket", "addtobag"),
    "view": ("viewed", "pageview", "productview", "itemview", "viewitem", "detail", "detailview", "click", "pv"),
    "search": ("searched",),
}
"""Kind of an event to what shops call it, besides its own name."""

CATEGORY_WORDS = ("department", "category", "subcategory", "aisle", "producttype", "section", "class", "subclass")
"""A column whose name ends with one of these is a level of the category path."""


def plain(name: str) -> str:
    """The name in lower case, letters and digits alone.

    >>> plain("Customer_No")
    'customerno'
    """
    return re.sub(r"[^a-z0-9]", "", name.lower())


def kind_of(word: str) -> str | None:
    """The kind of event that a shop's word is known for.

    >>> kind_of("Add to Cart")
    'cart'
    """
    return next((kind for kind, words in EVENT_WORDS.items() if plain(word) in (kind, *words)), None)


def match(
    table: str,
    columns: Collection[str],
    reads: Callable[[str, str], bool] = lambda target, column: True,
    keys: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, str]:
    """Contract column to the source column that is probably it; a source column is used once.

    Args:
        table: events, users or items.
        columns: the source's columns.
        reads: whether what a source column holds can be read as that contract column.
        keys: contract column to the plain name that comes before all others.

    >>> match("users", ["Customer_No", "age"])
    {'user_id': 'Customer_No'}
    """
    found: dict[str, str] = {}
    for target in SYNONYMS[table]:
        candidates = _named(table, target, columns)
        candidates.sort(key=lambda c: plain(c) != keys.get(target))
        fitting = (c for c in candidates if c not in found.values() and reads(target, c))
        if (column := next(fitting, None)) is not None:
            found[target] = column
    return found


def shared_keys(tables: Mapping[str, Collection[str]]) -> dict[str, str]:
    """user_id and item_id to the plain name that events and the users' or items' own table both have for it.

    Args:
        tables: events, users and items, as far as they are there, to their columns.

    >>> shared_keys({"events": ["product", "sku"], "items": ["sku", "product"]})
    {'item_id': 'sku'}
    """
    shared = {}
    for table, key in (("users", "user_id"), ("items", "item_id")):
        known = [plain(c) for c in _named("events", key, tables["events"])]
        both = (plain(c) for c in _named(table, key, tables.get(table, ())) if plain(c) in known)
        if (name := next(both, None)) is not None:
            shared[key] = name
    return shared


def _named(table: str, target: str, columns: Collection[str]) -> list[str]:
    """Columns with a name of the contract column, the most telling name first and of one name the first column."""
    by_name: dict[str, str] = {}
    for column in columns:
        by_name.setdefault(plain(column), column)
    return [by_name[name] for name in dict.fromkeys((plain(target), *SYNONYMS[table][target])) if name in by_name]


def category_levels(columns: list[str]) -> list[str]:
    """Columns that look like levels of a category path, in their order; a path that is there already stands alone."""
    if "category_path" in columns:
        return ["category_path"]
    return [c for c in columns if plain(c).endswith(CATEGORY_WORDS)]
