"""Checkpoints: HDF5 files of plain arrays, and a JSON manifest that names them with their hashes. Never a pickle."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import tensorflow as tf

from recsys_spark.errors import TrainingError

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Progress:
    """How far a training has come."""

    epoch: int = 0
    """Epochs done."""
    best_epoch: int = 0
    best_loss: float = math.inf
    """Lowest validation loss; infinite where there are no validation examples."""
    log: tuple[dict[str, Any], ...] = field(default=())
    """Rows of the contract training_log; on rank 0 only."""


def weights_sha256(variables: Sequence[tf.Variable]) -> str:
    """Hash of the values of all weights, in the order of the model."""
    digest = hashlib.sha256()
    for variable in variables:
        digest.update(np.ascontiguousarray(variable.numpy()).tobytes())
    return digest.hexdigest()


class Checkpoints:
    """The checkpoints of one training; only the last and the best epoch stay on disk."""

    def __init__(self, folder: Path, spec_sha256: str) -> None:
        self.folder = folder
        self.spec_sha256 = spec_sha256

    def save(self, progress: Progress, variables: Sequence[tf.Variable]) -> None:
        """Write the epoch's arrays, then the manifest; a reader sees the old state or the new one."""
        self.folder.mkdir(parents=True, exist_ok=True)
        written = self._file(progress.epoch)
        part = written.with_suffix(".part")
        with h5py.File(part, "w") as store:
            for place, variable in enumerate(variables):
                store[f"{place:03d}"] = variable.numpy()
        part.replace(written)
        kept = {f"epoch-{e:04d}.h5": self._file(e) for e in {progress.epoch, progress.best_epoch}}
        content = {
            "spec_sha256": self.spec_sha256,
            "progress": asdict(progress),
            "files": {name: _sha256(path) for name, path in sorted(kept.items())},
        }
        self._write_manifest(content)
        for path in self.folder.glob("epoch-*.h5"):
            if path.name not in kept:
                path.unlink()

    def progress(self) -> Progress:
        """What was reached; nothing if there is no checkpoint, or one of another spec.

        Raises:
            TrainingError: the manifest cannot be read.
        """
        path = self.folder / MANIFEST
        if not path.exists():
            return Progress()
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["spec_sha256"] != self.spec_sha256:
                return Progress()
            found = content["progress"]
            return Progress(**{**found, "log": tuple(found["log"])})
        except (ValueError, KeyError, TypeError) as error:
            raise TrainingError(f"{path} is no manifest: {error!r}; delete {self.folder} to train anew") from error

    def restore(self, epoch: int, variables: Sequence[tf.Variable]) -> None:
        """Give the first of an epoch's arrays to the variables, in the order in which they were saved.

        Raises:
            TrainingError: the file is missing, damaged or of another shape.
        """
        path = self._file(epoch)
        manifest = json.loads((self.folder / MANIFEST).read_text(encoding="utf-8"))
        expected = manifest["files"].get(path.name)
        found = _sha256(path) if path.exists() else "no file"
        if found != expected:
            raise TrainingError(
                f"checkpoint {path}: found sha256 {found}, expected {expected}; delete {self.folder} to train anew"
            )
        try:
            with h5py.File(path, "r") as store:
                values = [np.asarray(store[f"{place:03d}"]) for place in range(len(variables))]
        except (OSError, KeyError, ValueError) as error:
            raise TrainingError(f"{path} is no checkpoint ({error}); delete {self.folder} to train anew") from error
        for variable, value in zip(variables, values, strict=True):
            _assign(variable, value, path)

    def _file(self, epoch: int) -> Path:
        return self.folder / f"epoch-{epoch:04d}.h5"

    def _write_manifest(self, content: dict[str, Any]) -> None:
        part = self.folder / f"{MANIFEST}.part"
        part.write_text(json.dumps(content, indent=1, sort_keys=True), encoding="utf-8")
        os.replace(part, self.folder / MANIFEST)


def _assign(variable: tf.Variable, values: np.ndarray, path: Path) -> None:
    if tuple(variable.shape) != values.shape:
        raise TrainingError(f"checkpoint {path}: found an array {values.shape}, expected {tuple(variable.shape)}")
    variable.assign(values)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
