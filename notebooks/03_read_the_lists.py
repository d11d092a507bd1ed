# Databricks notebook source
# MAGIC %md
# MAGIC # 3 · Read the lists
# MAGIC Each row says which route made it, why, and how much each scorer contributed.
# MAGIC The widget `RECSYS_LAKE`, or the environment variable of that name, holds the path of the lake.

# COMMAND ----------

import os

from pyspark.sql import functions as F

from recsys_spark.config.running import SparkSettings
from recsys_spark.lake import Lake, current_release
from recsys_spark.session import open_session

spark = open_session(SparkSettings(), "recsys tour 3")
path = os.environ.get("RECSYS_LAKE", "lake")
if "dbutils" in globals():  # a notebook of Databricks
    dbutils.widgets.text("RECSYS_LAKE", path)
    path = dbutils.widgets.get("RECSYS_LAKE")
lake = Lake(spark, path)
release = current_release(lake)
lists = release.read(lake, "recommendations")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Everyone has a list

# COMMAND ----------

lists.groupBy("shelf", "route").agg(F.countDistinct("user_id").alias("users"), F.count("*").alias("rows")).orderBy(
    "shelf", "route"
).show()

# COMMAND ----------

# MAGIC %md
# MAGIC ## One new user and one known user

# COMMAND ----------

for route in ("cold", "warm"):
    shown = lists.where(F.col("route") == route).where("shelf = 'for_you'")
    user = shown.agg(F.min("user_id").alias("user_id"))
    shown.join(user, on="user_id", how="inner").orderBy("rank").select(
        "user_id", "rank", "item_id", F.round("score", 4).alias("score"), "reason", "evidence"
    ).show(10, truncate=70)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Whom to show a new item to

# COMMAND ----------

audiences = release.read(lake, "item_audiences")
audiences.where("rank <= 3").orderBy("item_id", "rank").show(9, truncate=False)
