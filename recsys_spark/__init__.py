"""recsys-spark: batch recommendations over a Delta Lake, for the new and the known alike.

Read the rooms from top to bottom and you follow the data: contracts, config, lake, sources, events, profiles, vectors,
warm, dataset, coldstart, blocks, rank, evaluate. Rooms meet through tables; only the scripts in ``jobs`` compose them.
"""

__version__ = "0.1.0"
