import pytest

from recsys_spark.session import DELTA_PACKAGE, JARS, POSTGRESQL_PACKAGE, _machine_options, jars


def test_cached_jars_of_a_package_are_used_only_when_all_are_there(tmp_path):
    *most, last = JARS[DELTA_PACKAGE]
    for name in most:
        (tmp_path / name).touch()
    assert jars([DELTA_PACKAGE], tmp_path) == {"spark.jars.packages": DELTA_PACKAGE}
    (tmp_path / last).touch()
    assert jars([DELTA_PACKAGE], tmp_path)["spark.jars"].split(",") == [str(tmp_path / n) for n in JARS[DELTA_PACKAGE]]


def test_a_package_that_is_not_cached_is_resolved_beside_those_that_are(tmp_path):
    for name in JARS[DELTA_PACKAGE]:
        (tmp_path / name).touch()
    found = jars([DELTA_PACKAGE, POSTGRESQL_PACKAGE], tmp_path)
    assert found["spark.jars.packages"] == POSTGRESQL_PACKAGE
    assert len(found["spark.jars"].split(",")) == len(JARS[DELTA_PACKAGE])


@pytest.mark.parametrize("name", ["JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "SPARK_SUBMIT_OPTS"])
def test_a_collector_and_limits_that_the_environment_names_are_left_alone(name):
    assert "GC" not in _machine_options({name: "-Xss4m -XX:+UseSerialGC"})
    assert "-XX:+UseParallelGC" in _machine_options({name: "-Xss4m -XX:+UseStringDeduplication"})
    assert "MaxInlineLevel" not in _machine_options({name: "-XX:MaxInlineLevel=15"})
    assert "-XX:FreqInlineSize=100" in _machine_options({name: "-XX:MaxInlineLevel=15"})


def test_what_is_collected_is_bounded_by_the_settings_of_the_job_and_not_by_spark(spark):
    assert spark.sparkContext.getConf().get("spark.driver.maxResultSize") == "0"
