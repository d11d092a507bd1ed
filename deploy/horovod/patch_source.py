"""Change the one line of Horovod 0.28.1 that keeps it from building against TensorFlow 2.14 and later.

``xla_mpi_ops.cc`` holds XLA operations for GPUs and includes headers that TensorFlow has moved. The guard in its line
23 gets an upper bound, so that newer TensorFlows compile the file to nothing; the allreduce on Gloo is elsewhere.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

FILE = Path("horovod/tensorflow/xla_mpi_ops.cc")
LINE = 23
FOUND = "#if TENSORFLOW_VERSION >= 2006000000"
WANTED = "#if TENSORFLOW_VERSION >= 2006000000 && TENSORFLOW_VERSION < 2014000000"
SHA256_BEFORE = "caab9e87c58b98a87be97c44b9e897133aecb6144c873afab4fba13ce835c193"
SHA256_AFTER = "4faff1bd375de56e7d971f1f8e045218e3427ab6655a4dbdb754c1a0455d8353"


def patched(text: str) -> str:
    """The file's text with line 23 replaced.

    Raises:
        ValueError: line 23 is not the guard that this patch knows.
    """
    lines = text.split("\n")
    found = lines[LINE - 1] if len(lines) >= LINE else "(no such line)"
    if found != FOUND:
        raise ValueError(f"{FILE} line {LINE}: found {found!r}, expected {FOUND!r}; this patch is for horovod 0.28.1")
    lines[LINE - 1] = WANTED
    return "\n".join(lines)


def main(source: Path) -> None:
    """Patch the unpacked source and check the file's hash before and after."""
    path = source / FILE
    _expect(path, SHA256_BEFORE)
    path.write_text(patched(path.read_text(encoding="utf-8")), encoding="utf-8")
    _expect(path, SHA256_AFTER)


def _expect(path: Path, sha256: str) -> None:
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise SystemExit(f"{path}: found SHA-256 {found}, expected {sha256}; unpack horovod 0.28.1 afresh")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
