"""Attributes as sparse vectors: ``name=value`` strings, a vocabulary of them, and rows encoded against it."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from recsys_spark.kernels.bins import bin_edges, bin_of

USUAL_SHARE = 0.1
MAX_USUAL = 32


def attribute_values(attributes: str | Column) -> Column:
    """map<string,array<string>> as array<string> of ``name=value``, without blank values or repeats."""
    entries = F.map_entries(attributes)
    named = F.flatten(
        F.transform(entries, lambda e: F.transform(_present(e["value"]), lambda v: F.concat(e["key"], F.lit("="), v)))
    )
    return F.array_distinct(F.coalesce(named, no_strings()))


def encoding(frame: DataFrame, measures: str, attributes: str, bins: int) -> DataFrame:
    """How values become words, after the contracts ``user_encoding`` and ``item_encoding``: kind, name, edges.

    A measure has the inner edges of its quantile bins over the whole frame. Attributes are the usual ones, whose
    absence is told: the MAX_USUAL names that most rows hold, each at least a tenth of all. That a value is missing
    says something only where values are usual.

    Args:
        frame: one row per holder.
        measures: its column map<string,double>; null and NaN do not count.
        attributes: its column map<string,array<string>>.
        bins: number of bins of a measure.
    """
    cut = (
        frame.select(F.explode(measures).alias("name", "value"))
        .groupBy("name")
        .agg(bin_edges(F.col("value"), bins).alias("edges"))
        .where(F.col("edges").isNotNull())
        .select(F.lit("measure").alias("kind"), "name", "edges")
    )
    usual = (
        frame.select(F.explode(_held(attributes)).alias("name"))
        .groupBy("name")
        .agg(F.count("*").alias("n"))
        .crossJoin(F.broadcast(frame.agg(F.count("*").alias("total"))))
        .where(F.col("n") >= USUAL_SHARE * F.col("total"))
        .orderBy(F.desc("n"), "name")
        .limit(MAX_USUAL)
        .select(F.lit("attribute").alias("kind"), "name", F.lit(None).cast("array<double>").alias("edges"))
    )
    return cut.unionByName(usual)


def with_missing_values(frame: DataFrame, attributes: str, column: str, known: DataFrame) -> DataFrame:
    """Add ``column``: array<string> of ``name=?`` for each usual attribute that the row lacks.

    Args:
        frame: one row per holder; it is not shuffled.
        attributes: its column map<string,array<string>>.
        column: name of the new column.
        known: from :func:`encoding`; its names travel in one broadcast row.
    """
    usual = known.where("kind = 'attribute'").agg(F.array_sort(F.collect_set("name")).alias("_usual"))
    lacking = F.array_except("_usual", F.coalesce(_held(attributes), no_strings()))
    named = F.transform(lacking, lambda name: F.concat(name, F.lit("=?")))
    return frame.crossJoin(F.broadcast(usual)).withColumn(column, named).drop("_usual")


def _held(attributes: str) -> Column:
    return F.filter(F.map_entries(attributes), lambda e: F.size(_present(e["value"])) > 0)["key"]


def _present(values: Column) -> Column:
    cleaned = F.filter(values, lambda v: v.isNotNull() & (F.trim(v) != ""))
    return F.coalesce(cleaned, no_strings())


def no_strings() -> Column:
    """An empty array<string>."""
    return F.array().cast("array<string>")


def with_measure_values(frame: DataFrame, measures: str, column: str, known: DataFrame) -> DataFrame:
    """Add ``column``: map<string,double> ``measures`` as array<string> of ``name=bin_k``, k from 1.

    Null and NaN measures, and those without edges, give no feature.

    Args:
        frame: one row per holder; it is not shuffled.
        measures: its column map<string,double>.
        column: name of the new column.
        known: from :func:`encoding`; the edges of all names travel in one broadcast row.
    """
    edges = known.where("kind = 'measure'").agg(
        F.map_from_entries(F.collect_list(F.struct("name", "edges"))).alias("_edges")
    )
    cut = F.filter(
        F.map_entries(measures),
        lambda m: m["value"].isNotNull() & ~F.isnan(m["value"]) & F.map_contains_key("_edges", m["key"]),
    )

    def named_bin(measure: Column) -> Column:
        number = bin_of(measure["value"], F.col("_edges")[measure["key"]])
        return F.concat(measure["key"], F.lit("=bin_"), number.cast("string"))

    joined = frame.crossJoin(F.broadcast(edges))
    return joined.withColumn(column, F.coalesce(F.transform(cut, named_bin), no_strings())).drop("_edges")


def vocabulary(frame: DataFrame, features: str, *, min_holders: int, max_size: int) -> DataFrame:
    """The features worth a position, by descending holders, then name.

    Args:
        frame: one row per holder.
        features: its array<string> column, without repeats within a row.
        min_holders: rows that a feature must occur in.
        max_size: number of features kept; bounds the result, which later is broadcast.

    Returns:
        feature, feature_idx (int, dense from 0), n_holders, idf = log((1 + n) / (1 + n_holders)) + 1 (the smoothed
        form of Salton and Buckley, 1988, as in scikit-learn).
    """
    kept = (
        frame.select(F.explode(features).alias("feature"))
        .groupBy("feature")
        .agg(F.count("*").alias("n_holders"))
        .where(F.col("n_holders") >= min_holders)
        .orderBy(F.desc("n_holders"), "feature")
        .limit(max_size)
    )
    ordered = F.array_sort(F.collect_list(F.struct((-F.col("n_holders")).alias("rank"), "feature", "n_holders")))
    total = frame.agg(F.count("*").alias("n"))
    idf = F.log((1 + F.col("n")) / (1 + F.col("kept.n_holders"))) + 1
    return (
        kept.agg(ordered.alias("all"))
        .select(F.posexplode("all").alias("feature_idx", "kept"))
        .crossJoin(F.broadcast(total))
        .select("kept.feature", "feature_idx", "kept.n_holders", idf.alias("idf"))
    )


def encode(frame: DataFrame, id_columns: Sequence[str], features: str, known: DataFrame, *, by_idf: bool) -> DataFrame:
    """Each row's features as a sparse vector over the vocabulary ``known``.

    Args:
        frame: one row per holder.
        id_columns: what tells holders apart, and further columns to keep.
        features: its array<string> column.
        known: from :func:`vocabulary`; it is broadcast.
        by_idf: whether features count by idf.

    Returns:
        id_columns, feature_idx (array<int>, ascending), feature_value (array<float>, aligned). Values are 1, or with
        ``by_idf`` the idf scaled so that the row has unit length. A row without a known feature has empty arrays.
    """
    exploded = frame.select(*id_columns, F.explode_outer(features).alias("feature"))
    weight = F.col("idf") if by_idf else F.lit(1.0)
    position = F.when(F.col("feature_idx").isNotNull(), F.struct("feature_idx", weight.alias("weight")))
    encoded = (
        exploded.join(F.broadcast(known.select("feature", "feature_idx", "idf")), "feature", "left")
        .groupBy(*id_columns)
        .agg(F.array_sort(F.collect_list(position)).alias("entries"))
    )
    length = F.sqrt(F.aggregate("entries", F.lit(0.0), lambda total, e: total + e["weight"] * e["weight"]))
    divisor = length if by_idf else F.lit(1.0)
    return encoded.select(
        *id_columns,
        F.col("entries.feature_idx").alias("feature_idx"),
        F.transform("entries.weight", lambda w: w / divisor).cast("array<float>").alias("feature_value"),
    )
