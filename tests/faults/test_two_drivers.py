"""Two drivers with one run id at the same time, from the start or one after the other: one publishes."""

from __future__ import annotations

import pytest

from recsys_spark.lake import current_release
from tests.faults.digests import digests
from tests.faults.rivals import race


@pytest.mark.faults
@pytest.mark.parametrize("second_starts", ["", "backtest/user_profiles", "item_blocks"])
def test_one_of_two_drivers_publishes(make_shop, undisturbed, spark, second_starts):
    shop = make_shop()
    race(shop, second_starts)
    lake, calm = shop.lake(spark), undisturbed.lake(spark)
    assert digests(lake, current_release(lake)) == digests(calm, current_release(calm))
    assert [written["run_id"] for _, written in lake.commits("releases")] == [shop.run_id]
