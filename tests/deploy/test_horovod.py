import importlib.util
import re
from pathlib import Path

import pytest

HOROVOD = Path(__file__).parents[2] / "deploy" / "horovod"


@pytest.fixture(scope="module")
def patch_source():
    spec = importlib.util.spec_from_file_location("patch_source", HOROVOD / "patch_source.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_patch_changes_one_line(patch_source):
    before = "\n" * 22 + patch_source.FOUND + "\n#include <x>\n"
    after = patch_source.patched(before).split("\n")
    changed = [number for number, (a, b) in enumerate(zip(before.split("\n"), after, strict=True), 1) if a != b]
    assert changed == [23]
    assert after[22].endswith("TENSORFLOW_VERSION < 2014000000")


def test_the_patch_refuses_a_file_it_does_not_know(patch_source):
    with pytest.raises(ValueError, match=r"line 23: found '#if OTHER', expected"):
        patch_source.patched("\n" * 22 + "#if OTHER\n")
    with pytest.raises(ValueError, match="no such line"):
        patch_source.patched("one line")


def test_a_source_with_another_hash_is_refused_and_left_alone(patch_source, tmp_path):
    path = tmp_path / patch_source.FILE
    path.parent.mkdir(parents=True)
    path.write_text("\n" * 22 + patch_source.FOUND + "\n")
    with pytest.raises(SystemExit, match="expected caab9e87"):
        patch_source.main(tmp_path)
    assert patch_source.WANTED not in path.read_text()


def test_the_only_built_source_is_pinned_by_hash():
    lines = [line for line in (HOROVOD / "requirements.txt").read_text().splitlines() if not line.startswith("#")]
    assert len(lines) == 1
    assert re.fullmatch(r"horovod==0\.28\.1 --hash=sha256:[0-9a-f]{64}", lines[0])
