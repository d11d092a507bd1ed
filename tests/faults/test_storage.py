"""A disk that is really full, or really read-only: one clear error, the release stays, and the next run succeeds."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from recsys_spark.lake import current_release
from tests.conftest import at
from tests.faults.digests import digests
from tests.faults.drivers import run_driver

MEBIBYTE = 2**20


@pytest.fixture
def disk(tmp_path) -> Iterator[Path]:
    """A small disk of its own; mounting takes root, or sudo that asks nothing."""
    folder = tmp_path / "disk"
    folder.mkdir()
    as_root("mount", "-t", "tmpfs", "-o", "size=16m,mode=0777", "tmpfs", str(folder))
    yield folder
    as_root("umount", "--lazy", str(folder))


def as_root(*command: str) -> None:
    subprocess.run([*(["sudo", "-n"] if os.geteuid() else []), *command], check=True)


def fill(disk: Path) -> Path:
    """Leave a hundred kilobytes."""
    ballast = disk / "ballast"
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    ballast.write_bytes(bytes(free - MEBIBYTE // 10))
    return ballast


@pytest.mark.faults
@pytest.mark.parametrize("harm", ["full", "read-only"])
def test_a_disk_that_takes_nothing(harm, disk, make_shop, publish_small, spark):
    shop = replace(make_shop(), root=disk / "lake")
    lake = shop.lake(spark)
    release = publish_small(lake, "before", at("2024-01-01"))
    shown = digests(lake, release)
    ballast = fill(disk) if harm == "full" else None
    if not ballast:
        as_root("mount", "-o", "remount,ro", str(disk))
    ended = run_driver("jobs.ingest", *shop.arguments(), log=shop.log)
    assert (ended.code, "Traceback" in ended.output) == (8, False), ended.output
    assert "could not be written" in ended.output
    assert current_release(lake) == release
    assert digests(lake, release) == shown
    if ballast:
        ballast.unlink()
    else:
        as_root("mount", "-o", "remount,rw", str(disk))
    ended = run_driver("jobs.ingest", *shop.arguments(), log=shop.log)
    assert ended.code == 0, ended.output
