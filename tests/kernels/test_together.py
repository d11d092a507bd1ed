import threading

import pytest

from recsys_spark.kernels.together import together

WAIT_SECONDS = 60


def test_what_works_return_comes_in_their_order(spark):
    frames = [spark.range(n) for n in (3, 1, 2)]
    assert together(spark, [frame.count for frame in frames]) == [3, 1, 2]


def test_works_run_at_the_same_time(spark):
    both = threading.Barrier(2)
    assert sorted(together(spark, [lambda: both.wait(WAIT_SECONDS)] * 2)) == [0, 1]


def test_a_work_has_the_job_description_of_its_caller_and_keeps_its_own_to_itself(spark):
    context = spark.sparkContext
    described = threading.Barrier(2)

    def told(name: str) -> tuple[str, str]:
        inherited = context.getLocalProperty("spark.job.description")
        context.setJobDescription(name)
        described.wait(WAIT_SECONDS)
        return inherited, context.getLocalProperty("spark.job.description")

    context.setJobDescription("caller")
    assert together(spark, [lambda: told("one"), lambda: told("two")]) == [("caller", "one"), ("caller", "two")]
    assert context.getLocalProperty("spark.job.description") == "caller"


def test_all_works_end_before_the_first_error_is_raised(spark):
    ended = []

    def failing(name: str) -> None:
        raise ValueError(name)

    def slow() -> None:
        ended.append(spark.range(10).count())

    with pytest.raises(ValueError, match="first"):
        together(spark, [lambda: failing("first"), slow, lambda: failing("second")])
    assert ended == [10]


def test_no_work_returns_nothing(spark):
    assert together(spark, []) == []
