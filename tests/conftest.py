"""One Spark session for all tests, started by the first test that asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import settings
from pyspark.sql import DataFrame, SparkSession
from xdist.scheduler import LoadScopeScheduling

from recsys_spark.config.running import SparkSettings
from recsys_spark.contracts import table
from recsys_spark.contracts.spark import spark_schema
from recsys_spark.session import MARIADB_PACKAGE, POSTGRESQL_PACKAGE, open_session
from tests import databases
from tests.frames import local_frame

# The same examples in every run: a red build must mean a change, not a lucky draw.
settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")

E2E = "tests/e2e/"


class ByModule(LoadScopeScheduling):
    """Deals modules to the processes of a parallel run; the end-to-end tests, which share one long refresh, are one."""

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        return E2E if module.startswith(E2E) else module


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByModule:
    return ByModule(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest comes first."""
    items.sort(key=lambda item: item.nodeid.startswith(E2E), reverse=True)


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    # Two cores and four partitions: enough to shuffle, small enough that a test takes a second.
    settings = SparkSettings(master="local[2]", driver_memory="2g", shuffle_partitions=4)
    session = open_session(settings, "recsys tests", (POSTGRESQL_PACKAGE, MARIADB_PACKAGE))
    yield session
    session.stop()


@pytest.fixture(scope="session")
def rows(spark: SparkSession):
    """rows("events", dict(...), dict(...)): a frame of that contract; what a row leaves out is neutral."""

    def build(name: str, *given: dict) -> DataFrame:
        contract = table(name)
        return local_frame(spark, [contract.row_of(**g) for g in given], spark_schema(contract))

    return build


@pytest.fixture(scope="session")
def postgresql() -> Iterator[databases.Server]:
    with databases.postgresql() as server:
        yield server


def at(text: str) -> datetime:
    """A UTC time for test rows."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
