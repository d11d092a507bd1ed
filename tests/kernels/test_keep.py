import pytest

from recsys_spark.kernels.keep import keeping


def test_what_is_kept_is_computed_once_and_let_go_at_the_end(spark):
    with keeping() as keep:
        kept = keep(spark.range(20).selectExpr("uuid() AS drawn"))
        assert kept.collect() == kept.collect()
        assert kept.storageLevel.useDisk
    assert not kept.is_cached


def test_it_is_let_go_when_the_work_fails(spark):
    kept = spark.range(3)

    def work():
        with keeping() as keep:
            raise KeyError(keep(kept).count())

    with pytest.raises(KeyError, match="3"):
        work()
    assert not kept.is_cached
