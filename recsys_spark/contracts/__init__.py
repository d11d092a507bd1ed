"""Every table of the lake, declared once in plain Python.

From a :class:`Contract` come the Spark schema, the column comments, the checks of each read and write, the rows that
tests build, and ``docs/tables.md``. This room imports neither Spark nor TensorFlow.
"""

from recsys_spark.contracts.model import Contract, Field
from recsys_spark.contracts.tables import ALL_TABLES, table

__all__ = ["ALL_TABLES", "Contract", "Field", "table"]
