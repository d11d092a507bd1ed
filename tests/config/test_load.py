import pytest
import yaml

from recsys_spark.config import load_settings
from recsys_spark.config.load import require_source
from recsys_spark.errors import SettingsError

EVENTS = {"path": "data/events.csv", "format": "csv"}
JDBC = {"url": "jdbc:postgresql://db/shop", "user": "reader", "password": "env:DB", "events": {"table": "events"}}


@pytest.fixture
def loaded(tmp_path):
    def load(raw):
        (tmp_path / "shop.yaml").write_text(yaml.safe_dump(raw))
        return load_settings(tmp_path / "shop.yaml")

    return load


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ({"events": EVENTS}, "source.kind: Field required"),
        ({"kind": "synthetic", "events": EVENTS}, "source.kind is synthetic, so source.events would not be read"),
        ({"kind": "jdbc", "jdbc": JDBC, "items": EVENTS}, "source.kind is jdbc, so source.items would not be read"),
        ({"kind": "files", "events": EVENTS, "jdbc": JDBC}, "source.kind is files, so source.jdbc would not be read"),
    ],
)
def test_a_source_that_would_not_be_read_is_refused(loaded, source, told):
    with pytest.raises(SettingsError, match=told):
        loaded({"source": source})


def test_no_source_is_no_made_up_shop(loaded):
    with pytest.raises(SettingsError, match="name no source"):
        require_source(loaded({"lake": {"path": "lake"}}))
    require_source(loaded({"source": {"kind": "synthetic"}}))


@pytest.mark.parametrize("day", ["2023-02-29", "2024-13-01"])
def test_a_day_that_no_calendar_has_is_one_clear_error(tmp_path, day):
    (tmp_path / "shop.yaml").write_text(f"lake: {{path: {day}}}")
    with pytest.raises(SettingsError, match="is not readable YAML"):
        load_settings(tmp_path / "shop.yaml")
    (tmp_path / "shop.yaml").write_text("{}")
    with pytest.raises(SettingsError, match="the value is not readable YAML"):
        load_settings(tmp_path / "shop.yaml", [f"lake.path={day}"])
