# Databricks notebook source
# MAGIC %md
# MAGIC # 1 · The data and who the users are
# MAGIC Reads the current release of a lake.
# MAGIC The widget `RECSYS_LAKE`, or the environment variable of that name, holds the path of the lake.

# COMMAND ----------

import os

from pyspark.sql import functions as F

from recsys_spark.config.running import SparkSettings
from recsys_spark.lake import Lake, current_release
from recsys_spark.session import open_session

spark = open_session(SparkSettings(), "recsys tour 1")
path = os.environ.get("RECSYS_LAKE", "lake")
if "dbutils" in globals():  # a notebook of Databricks
    dbutils.widgets.text("RECSYS_LAKE", path)
    path = dbutils.widgets.get("RECSYS_LAKE")
lake = Lake(spark, path)
release = current_release(lake)
print(f"release {release.run_id}, events before {release.as_of:%Y-%m-%d}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## What came in, and what was refused
# MAGIC Input rows are clean, quarantined or duplicates; nothing is lost in between.

# COMMAND ----------

release.read(lake, "data_quality").orderBy("source_table", "measure").show(50, truncate=False)
release.read(lake, "quarantine").groupBy("source_table", "reasons").count().show(truncate=80)

# COMMAND ----------

events = release.read(lake, "events")
events.groupBy("event_type").agg(F.count("*").alias("events"), F.countDistinct("user_id").alias("users")).show()

# COMMAND ----------

# MAGIC %md
# MAGIC ## Profiles
# MAGIC Every user has one, also those without any event: their state is `cold`.

# COMMAND ----------

profiles = release.read(lake, "user_profiles")
profiles.groupBy("state").agg(
    F.count("*").alias("users"), F.round(F.avg("n_items"), 1).alias("items"), F.round(F.avg("spend"), 2).alias("spend")
).orderBy("state").show()
profiles.select("user_id", "state", "recency_days", "category_shares", "brand_shares").show(5, truncate=60)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Items
# MAGIC The attribute values that most items hold, and the items that nobody has bought yet.

# COMMAND ----------

release.read(lake, "item_features").orderBy("feature_idx").show(15, truncate=False)
items = release.read(lake, "item_vectors")
items.select(F.count("*").alias("items"), F.count_if(F.col("n_events") == 0).alias("new")).show()
