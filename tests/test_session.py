from recsys_spark.session import DELTA_JARS, DELTA_PACKAGE, delta_jars


def test_cached_jars_are_used_only_when_all_are_there(tmp_path):
    for name in DELTA_JARS[:-1]:
        (tmp_path / name).touch()
    assert delta_jars(tmp_path) == {"spark.jars.packages": DELTA_PACKAGE}
    (tmp_path / DELTA_JARS[-1]).touch()
    assert delta_jars(tmp_path)["spark.jars"].split(",") == [str(tmp_path / name) for name in DELTA_JARS]
