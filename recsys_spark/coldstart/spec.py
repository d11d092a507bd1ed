"""What one training, or one scoring with trained weights, is told, as one JSON file that every process reads."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path
from typing import Any, Self

from recsys_spark.errors import TrainingError

LEAST_STEPS = 1500
"""Steps of a training whose epochs are not set."""
FEWEST_EPOCHS, MOST_EPOCHS = 12, 60
PATIENT_STEPS = 400
"""Steps without a lower validation loss, where the epochs of patience are not set."""
LEAST_PATIENCE = 3


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What a training and a scoring have in common: users and items, the model's sizes, and where vectors go."""

    user_files: tuple[str, ...]
    """URIs of the Parquet files of training_users; each of their users gets a vector."""
    item_files: tuple[str, ...]
    """URIs of the Parquet files of training_items."""
    folder: str
    """Where everything that is written goes; every process must reach it."""
    width: int = 64
    hidden: tuple[int, ...] = (128,)
    temperature: float = 0.05
    threads: int = 0
    """TensorFlow threads of one process; 0 shares the machine's cores between its processes."""

    @property
    def vectors(self) -> Path:
        """Folder of the Parquet files with the contract tower_vectors."""
        return Path(self.folder) / "tower_vectors"

    @property
    def outputs(self) -> tuple[Path, ...]:
        """Folders that are written anew by each run; an earlier one may have left something there."""
        return (self.vectors,)

    def save(self) -> Path:
        """Write the spec into its folder and return the file."""
        path = Path(self.folder) / "spec.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1, sort_keys=True), encoding="utf-8")
        return path

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a spec.

        Raises:
            TrainingError: the file is no spec of this kind.
        """
        try:
            found: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
            fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in found.items()}
            return cls(**fields)
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise TrainingError(f"{path} is no {cls.__name__}: {error}; coldstart.launch writes one") from error


@dataclass(frozen=True, kw_only=True)
class TrainingSpec(Spec):
    """One training of the two towers; the fields mirror the settings group coldstart."""

    example_files: tuple[str, ...]
    """URIs of the Parquet files of training_examples."""
    batch_size: int = 1024
    """Examples per step over all processes together."""
    epochs: int | None = None
    """Epochs at most; None leaves them to ``schedule``, and so does None for patience."""
    patience: int | None = None
    learning_rate: float = 0.3
    content_only_share: float = 0.3
    id_dropout: float = 0.5
    history_dropout: float = 0.3
    seed: int = 0
    validation_rows: int = 8192
    """Validation examples at most, over all processes together."""
    candidates: int = 50_000
    """Items at most that a validation example's item is ranked among."""

    @property
    def sha256(self) -> str:
        """Hash of everything that changes the result; a checkpoint of another hash is not resumed."""
        content = {k: v for k, v in asdict(self).items() if k not in ("folder", "threads")}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def schedule(self, n_steps: int) -> tuple[int, int]:
        """Epochs at most, and epochs without a lower validation loss, for epochs of n_steps steps.

        An epoch of little data is few steps, after which weights have hardly moved and validation tells little. What
        the spec leaves open is therefore counted in steps.
        """
        epochs = min(MOST_EPOCHS, max(FEWEST_EPOCHS, ceil(LEAST_STEPS / n_steps)))
        patience = max(LEAST_PATIENCE, ceil(PATIENT_STEPS / n_steps))
        return self.epochs or epochs, self.patience or patience

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return Path(self.folder) / "checkpoints"

    @property
    def weights(self) -> Path:
        """Folder of the Parquet files with the contract tower_weights."""
        return Path(self.folder) / "tower_weights"

    @property
    def outputs(self) -> tuple[Path, ...]:
        """Vectors and weights."""
        return (self.vectors, self.weights)

    @property
    def metric_log(self) -> Path:
        """JSON lines, one an epoch, with the columns of the contract training_log."""
        return Path(self.folder) / "training_log.jsonl"


@dataclass(frozen=True, kw_only=True)
class ScoringSpec(Spec):
    """Vectors of some users and of new items with the weights that an earlier training left; nothing is trained.

    The items are those of the training under their indexes, then the new ones. ``width``, ``hidden`` and
    ``temperature`` are those of the training. ``folder`` is not the training's: the vectors there would be replaced.
    """

    weight_files: tuple[str, ...]
    """URIs of the Parquet files of tower_weights."""
    weights_sha256: str
    """Of ``launch.kept_epoch`` of the training's rows of training_log; weights of another hash are refused."""
    first_item: int = 1
    """Items from this index of training_items on get a vector; the first has 1. Beyond the last, no item gets one."""
