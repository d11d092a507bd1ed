import pytest

from recsys_spark.blocks.neighbours import similarities


@pytest.fixture
def met(rows):
    baskets = {"u1": "ab", "u2": "ab", "u3": "abc", "u4": "c"}
    return rows(
        "interactions",
        *[{"user_id": user, "item_id": item, "strength": 1.0} for user, items in baskets.items() for item in items],
    )


def test_similarity_is_the_share_of_users_who_met_the_other_item_too(met):
    found = {
        (r.item_id, r.other_id): r.value for r in similarities(met, neighbours=5, history=10, shrinkage=2.0).collect()
    }
    # All three users of a met b, one of them c; c has two users. Two further users are added to each.
    expected = {"ab": 3 / 5, "ba": 3 / 5, "ac": 1 / 5, "bc": 1 / 5, "ca": 1 / 4, "cb": 1 / 4}
    assert found == {tuple(pair): pytest.approx(share) for pair, share in expected.items()}


def test_neighbours_are_cut_with_ties_to_the_smaller_id(rows):
    met = rows(
        "interactions",
        *[{"user_id": u, "item_id": i, "strength": 1.0} for u in ("u1", "u2") for i in ("a", "b", "c")],
    )
    found = similarities(met, neighbours=1, history=10, shrinkage=0.0).collect()
    assert {r.item_id: r.other_id for r in found} == {"a": "b", "b": "a", "c": "a"}


def test_history_counts_only_the_strongest_items(rows):
    met = rows(
        "interactions",
        *[
            {"user_id": u, "item_id": i, "strength": s}
            for u in ("u1", "u2")
            for i, s in (("a", 3.0), ("b", 2.0), ("weak", 1.0))
        ],
    )
    found = similarities(met, neighbours=5, history=2, shrinkage=0.0).collect()
    assert {r.item_id for r in found} == {"a", "b"}
