import pandas as pd

from benchmarks.movielens import events_of, items_of, users_of


def test_only_what_was_liked_is_an_event():
    ratings = pd.DataFrame(
        {"user_id": [1, 1, 2], "movie_id": [5, 6, 5], "rating": [4, 3, 5], "timestamp": [881250949, 0, 891717742]}
    )
    found = events_of(ratings)
    assert found[["user_id", "item_id"]].to_numpy().tolist() == [["1", "5"], ["2", "5"]]
    assert found["ts"].iloc[0] == pd.Timestamp("1997-12-04 15:55:49", tz="UTC")


def test_users_have_a_band_of_age_and_items_their_genres():
    users = pd.DataFrame({"user_id": [1], "age": [24], "gender": ["M"], "occupation": ["writer"], "zip_code": ["1"]})
    assert users_of(users).to_dict("records") == [
        {"user_id": "1", "age": "(17, 24]", "gender": "M", "occupation": "writer"}
    ]
    movies = pd.DataFrame(
        {"movie_id": [7, 8], "release_date": ["01-Jan-1995", None], "unknown": [0, 1], "Drama": [1, 0], "War": [1, 0]}
    )
    found = items_of(movies)
    assert found["decade"].tolist() == ["1990", "<NA>"]
    assert found["genres"].tolist() == [["Drama", "War"], []]
