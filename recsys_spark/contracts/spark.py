"""A contract as a Spark schema, and a DataFrame checked against it."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from recsys_spark.contracts.model import Contract
from recsys_spark.errors import ContractError

_SCALARS: dict[str, type[T.DataType]] = {
    "string": T.StringType,
    "int": T.IntegerType,
    "bigint": T.LongType,
    "float": T.FloatType,
    "double": T.DoubleType,
    "boolean": T.BooleanType,
    "timestamp": T.TimestampType,
    "date": T.DateType,
}


def spark_type(simple_type: str) -> T.DataType:
    """Spark's type for a simple type string.

    >>> spark_type("map<string,array<string>>").simpleString()
    'map<string,array<string>>'
    """
    if simple_type in _SCALARS:
        return _SCALARS[simple_type]()
    inner = simple_type[simple_type.index("<") + 1 : -1]
    if simple_type.startswith("array<"):
        return T.ArrayType(spark_type(inner))
    if simple_type.startswith("map<"):
        key, value = inner.split(",", 1)
        return T.MapType(spark_type(key), spark_type(value))
    raise ValueError(f"unknown type {simple_type}")


def spark_schema(contract: Contract) -> T.StructType:
    """The schema of a table, with meanings as column comments."""
    return T.StructType(
        [T.StructField(f.name, spark_type(f.type), f.nullable, {"comment": f.comment}) for f in contract.fields]
    )


def differences(contract: Contract, schema: T.StructType) -> list[str]:
    """Every way in which ``schema`` is not the contract's, in words; nullability is checked on the data, not here."""
    found = {f.name: f.dataType.simpleString() for f in schema.fields}
    lines = []
    for field in contract.fields:
        if field.name not in found:
            near = [name for name in found if name.lower() == field.name.lower()]
            hint = f" (found {near[0]}, in other case)" if near else ""
            lines.append(f"{field.name}: missing, expected {field.type}{hint}")
        elif found[field.name] != field.type:
            lines.append(f"{field.name}: found {found[field.name]}, expected {field.type}")
    known = set(contract.columns)
    lines += [f"{name}: found {kind}, not in the contract" for name, kind in found.items() if name not in known]
    return lines


def conform(contract: Contract, frame: DataFrame) -> DataFrame:
    """The frame with the contract's column order and comments.

    Raises:
        ContractError: columns or types differ; the message lists every difference.
    """
    schema = frame.schema
    lines = differences(contract, schema)
    if lines:
        listed = "\n  ".join(lines)
        raise ContractError(
            f"table {contract.name} does not match its contract:\n  {listed}\n"
            f"Change the step that makes it ({contract.made_by}), or the contract in recsys_spark/contracts/."
        )
    wanted = [(f.name, f.metadata) for f in spark_schema(contract).fields]
    if [(f.name, f.metadata) for f in schema.fields] == wanted:  # a table as a lake has it
        return frame
    return frame.select(*[F.col(name).alias(name, metadata=metadata) for name, metadata in wanted])
