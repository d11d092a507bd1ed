# Databricks notebook source
# MAGIC %md
# MAGIC # 2 · Train and judge
# MAGIC How the deep model learned, how much each scorer counts, and how good the lists are for the new and the known.
# MAGIC The widget `RECSYS_LAKE`, or the environment variable of that name, holds the path of the lake.

# COMMAND ----------

import os

from pyspark.sql import functions as F

from recsys_spark.config.running import SparkSettings
from recsys_spark.lake import Lake, current_release
from recsys_spark.session import open_session

spark = open_session(SparkSettings(), "recsys tour 2")
path = os.environ.get("RECSYS_LAKE", "lake")
if "dbutils" in globals():  # a notebook of Databricks
    dbutils.widgets.text("RECSYS_LAKE", path)
    path = dbutils.widgets.get("RECSYS_LAKE")
lake = Lake(spark, path)
release = current_release(lake)

# COMMAND ----------

# MAGIC %md
# MAGIC ## The deep model
# MAGIC One row an epoch of the backtest's training, which hid a share of users and items to see when to stop. The model
# MAGIC of the lists then trained as many epochs on everyone. All processes end with one hash.

# COMMAND ----------

release.read(lake, "backtest/training_log").orderBy("epoch").show(truncate=20)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Who is served by what
# MAGIC Weights were learned on one half of the users that the backtest hid.

# COMMAND ----------

weights = release.read(lake, "backtest/route_weights").where("weight > 0")
weights.orderBy("route", "item_group", F.desc("weight")).select("route", "item_group", "scorer", "weight").show(60)

# COMMAND ----------

# MAGIC %md
# MAGIC ## How good the lists are
# MAGIC Measured on the other half, beside what a shop would use instead.

# COMMAND ----------

metrics = release.read(lake, "backtest/metrics").where("bucket = 'all'").where(F.col("metric").isin("recall", "ndcg"))
metrics.groupBy("slice", "model").pivot("metric").agg(F.round(F.first("value"), 4)).orderBy(
    "slice", F.desc("ndcg")
).show(80, truncate=False)

# COMMAND ----------

# MAGIC %md
# MAGIC ## By the number of interactions

# COMMAND ----------

steps = release.read(lake, "backtest/metrics").where("model = 'recsys'").where("metric = 'recall'")
by_bucket = steps.where("bucket != 'all'").orderBy("slice", "bucket")
by_bucket.select("slice", "bucket", "value", "low", "high", "n_users").show(40)
