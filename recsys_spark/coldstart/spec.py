"""What one training is told: files, sizes and hyperparameters, as one JSON file that every process reads."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from recsys_spark.errors import TrainingError


@dataclass(frozen=True)
class TrainingSpec:
    """One training of the two towers; the fields mirror the settings group coldstart."""

    example_files: tuple[str, ...]
    user_files: tuple[str, ...]
    item_files: tuple[str, ...]
    folder: str
    """Where checkpoints, the metric log and the tower vectors go; every process must reach it."""
    width: int = 64
    hidden: tuple[int, ...] = (128,)
    batch_size: int = 1024
    """Examples per step over all processes together."""
    epochs: int = 8
    patience: int = 3
    learning_rate: float = 0.3
    temperature: float = 0.05
    content_only_share: float = 0.3
    id_dropout: float = 0.5
    history_dropout: float = 0.3
    seed: int = 0
    validation_rows: int = 8192
    """Validation examples at most, over all processes together."""
    candidates: int = 50_000
    """Items at most that a validation example's item is ranked among."""
    threads: int = 0
    """TensorFlow threads of one process; 0 shares the machine's cores between its processes."""

    @property
    def sha256(self) -> str:
        """Hash of everything that changes the result; a checkpoint of another hash is not resumed."""
        content = {k: v for k, v in asdict(self).items() if k not in ("folder", "threads")}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return Path(self.folder) / "checkpoints"

    @property
    def vectors(self) -> Path:
        """Folder of the Parquet files with the contract tower_vectors."""
        return Path(self.folder) / "tower_vectors"

    @property
    def metric_log(self) -> Path:
        """JSON lines, one an epoch, with the columns of the contract training_log."""
        return Path(self.folder) / "training_log.jsonl"

    def save(self) -> Path:
        """Write the spec into its folder and return the file."""
        path = Path(self.folder) / "spec.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1, sort_keys=True), encoding="utf-8")
        return path

    @staticmethod
    def load(path: str | Path) -> TrainingSpec:
        """Read a spec.

        Raises:
            TrainingError: the file is no spec.
        """
        try:
            found: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
            fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in found.items()}
            return TrainingSpec(**fields)
        except (OSError, ValueError, TypeError) as error:
            raise TrainingError(f"{path} is no training spec: {error}; launch.train writes one") from error
