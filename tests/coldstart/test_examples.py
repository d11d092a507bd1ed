import numpy as np

from recsys_spark.coldstart.examples import survey, with_dropout

KNOWN = np.array([0, 1, 0, 3], np.int32)


def _block(part: list[str], items: list[int]) -> dict[str, np.ndarray]:
    n = len(items)
    return {
        "part": np.array(part),
        "item_idx": np.array(items, np.int32),
        "attribute_idx": np.arange(2 * n, dtype=np.int32).reshape(n, 2),
        "history_idx": np.ones((n, 3), np.int32),
        "weight": np.ones(n, np.float32),
    }


def test_survey_counts_training_rows_and_bounds_validation():
    blocks = [_block(["train", "validation", "train"], [1, 2, 1]), _block(["validation", "validation"], [3, 2])]
    found = survey(iter(blocks), n_items=3, validation_rows=2)
    assert found.n_train == 2
    assert found.counts.tolist() == [0, 2, 0, 0]
    assert found.validation["item_idx"].tolist() == [2, 3]
    assert found.n_attributes == 5


def test_survey_of_nothing():
    found = survey(iter([]), n_items=2, validation_rows=10)
    assert found.n_train == 0
    assert len(found.validation["item_idx"]) == 0


def test_content_only_hides_every_id_and_history():
    batch = _block(["train"] * 3, [1, 2, 3])
    seen = with_dropout(batch, KNOWN, np.random.default_rng(0), content_only=True, ids=0.0, histories=0.0)
    assert not seen["id_idx"].any()
    assert not seen["history_idx"].any()
    assert batch["history_idx"].all()  # the batch itself is unchanged


def test_without_dropout_unknown_ids_are_still_hidden():
    batch = _block(["train"] * 3, [1, 2, 3])
    seen = with_dropout(batch, KNOWN, np.random.default_rng(0), content_only=False, ids=0.0, histories=0.0)
    assert seen["id_idx"].tolist() == [1, 0, 3]
    assert seen["history_idx"].all()


def test_dropout_hides_about_its_share():
    batch = _block(["train"] * 4000, [1] * 4000)
    seen = with_dropout(batch, KNOWN, np.random.default_rng(0), content_only=False, ids=0.5, histories=0.25)
    assert abs((seen["id_idx"] == 0).mean() - 0.5) < 0.05
    assert abs((seen["history_idx"].sum(axis=1) == 0).mean() - 0.25) < 0.05
