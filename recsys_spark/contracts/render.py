"""docs/tables.md from the contracts: ``python -m recsys_spark.contracts.render > docs/tables.md``."""

from __future__ import annotations

from collections.abc import Iterable

from recsys_spark.contracts.model import Contract, Field
from recsys_spark.contracts.tables import ALL_TABLES

HEADER = """# Tables

Rendered from `recsys_spark/contracts/` by `python -m recsys_spark.contracts.render > docs/tables.md`; a test
keeps it up to date. Each table is a Delta folder below the lake's root (`lake.path` in the settings), the backtest's
below `backtest/`. The table `releases` says which versions belong together.
"""


def render(contracts: Iterable[Contract]) -> str:
    """The page: an overview, then one section a table."""
    listed = list(contracts)
    overview = ["| table | one row is | made by |", "|---|---|---|"]
    overview += [f"| [{c.name}](#{c.name}) | {_escaped(c.row)} | {c.made_by} |" for c in listed]
    return "\n".join([HEADER, *overview, "", *[_section(c) for c in listed]])


def _section(contract: Contract) -> str:
    key = ", ".join(f"`{name}`" for name in contract.key) or "none"
    lines = [f"## {contract.name}", "", f"One row is {contract.row}. Made by {contract.made_by}. Key: {key}."]
    if contract.cluster_by:
        lines[-1] += f" Sorted by {', '.join(f'`{name}`' for name in contract.cluster_by)}."
    lines += ["", "| column | type | may be null | meaning | unit |", "|---|---|---|---|---|"]
    return "\n".join([*lines, *[_row(field) for field in contract.fields], ""])


def _row(field: Field) -> str:
    null = "yes" if field.nullable else "no"
    return f"| {field.name} | `{field.type}` | {null} | {_escaped(field.meaning)} | {field.unit} |"


def _escaped(text: str) -> str:
    r"""Text that does not end a Markdown table's cell.

    >>> _escaped("a|b")
    'a\\|b'
    """
    return text.replace("|", r"\|")


if __name__ == "__main__":
    print(render(ALL_TABLES.values()), end="")
