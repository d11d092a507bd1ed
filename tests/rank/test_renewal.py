from recsys_spark.rank.renewal import shelf_changes, with_arrivals, with_gone, with_lost_boosts
from tests.frames import boost_lists, local_frame


def shelves(spark, *pairs):
    return local_frame(spark, list(pairs), "shelf string, item_id string")


def listed(rows, *places):
    names = ("shelf", "user_id", "item_id", "score")
    return rows("recommendations", *[dict(zip(names, place, strict=True)) for place in places])


def users(frame):
    return sorted(row.user_id for row in frame.collect())


def test_what_came_onto_shelves_and_what_went(spark):
    before, now = shelves(spark, ("s", "a"), ("s", "b"), ("t", "a")), shelves(spark, ("s", "b"), ("s", "c"), ("t", "a"))
    arrived, gone = shelf_changes(before, now)
    assert [tuple(row) for row in arrived.collect()] == [("s", "c")]
    assert [tuple(row) for row in gone.collect()] == [("s", "a")]


def test_lists_with_an_item_that_went_from_their_shelf_are_made_anew(spark, rows):
    lists = listed(rows, ("s", "u", "a", 0.5), ("t", "v", "a", 0.5), ("s", "w", "b", 0.5))
    assert users(with_gone(lists, shelves(spark, ("s", "a")))) == ["u"]


def test_lists_with_a_new_item_that_lost_its_boost_are_made_anew(spark, rows):
    def boosts(*pairs):
        names = ("user_id", "scorer", "item_group", "item_id")
        return rows("boosts", *boost_lists(dict(zip(names, pair, strict=True)) for pair in pairs))

    told = [(user, "content", "new", item) for user in ("lost", "kept") for item in ("a", "b")]
    other = [
        ("unlisted", "content", "new", "a"),
        ("all", "pairs", "new", "a"),
        ("known", "content", "established", "a"),
    ]
    now = boosts(*[pair for pair in told if pair != ("lost", "content", "new", "a")])
    lists = listed(
        rows, *[("s", user, "a", 0.5) for user in ("lost", "kept", "all", "known")], ("s", "unlisted", "b", 0.5)
    )
    assert users(with_lost_boosts(lists, boosts(*told, *other), now)) == ["all", "lost"]


def test_an_arrival_reaches_lists_whose_last_place_it_beats_or_equals_and_lists_that_are_short(spark, rows):
    full = [("s", user, item, score) for user in ("low", "same", "high") for item, score in (("a", 0.9), ("b", 0.5))]
    lists = listed(rows, *full, ("s", "short", "a", 0.9))
    best = [("low", 0.4), ("same", 0.5), ("high", 0.6), ("short", 0.1), ("unlisted", 0.1)]
    top = local_frame(spark, [("s", *one) for one in best], "shelf string, user_id string, score double")
    assert users(with_arrivals(lists, top, {"s": 2})) == ["high", "same", "short", "unlisted"]
