"""Start the processes of a training or scoring, follow and end them; loads neither TensorFlow nor Spark.

``horovodrun`` is used in its static form over Gloo. Elastic mode and ``horovod.run(func)`` unpickle what anyone on the
network sends (CVE-2024-10190) and are never used.
"""

from __future__ import annotations

import fcntl
import importlib.util
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psutil

from recsys_spark.coldstart.spec import ScoringSpec, Spec, TrainingSpec
from recsys_spark.config.secret import is_secret
from recsys_spark.errors import PrerequisiteError, TrainingError

log = logging.getLogger(__name__)

Launcher = Literal["auto", "horovodrun", "single"]
WORKER = "jobs.train_worker"
POLL_SECONDS = 0.5
GRACE_SECONDS = 10.0
TAIL_LINES = 25
PASSED_ON = (
    *("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "TZ", "LANG", "LANGUAGE", "LD_LIBRARY_PATH", "LD_PRELOAD"),
    *("NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES", "NVIDIA_TF32_OVERRIDE", "MALLOC_CONF"),
)
"""Environment variables that training processes get."""
PREFIXES = (
    *("LC_", "PYTHON", "KERAS_", "XLA_", "HOROVOD_", "NCCL_", "CUDA_", "OMP_", "GOMP_", "KMP_", "OPENBLAS_", "MKL_"),
    # Not all that begins with TF_: so do Terraform's variables, which may be secrets by any name.
    *("TF_CPP_", "TF_CUDNN_", "TF_DETERMINISTIC_", "TF_DISABLE_", "TF_ENABLE_", "TF_FORCE_", "TF_GPU_", "TF_NUM_"),
    *("TF_USE_", "TF_XLA_"),
)
"""They get all whose names begin so, but for secrets."""


@dataclass(frozen=True)
class Trained:
    """What a training left behind."""

    vectors: Path
    """Folder of Parquet files with the contract tower_vectors."""
    weights: Path
    """Folder of Parquet files with the contract tower_weights: those that made the vectors."""
    log: tuple[dict[str, Any], ...]
    """Rows of the contract training_log."""


def train(spec: TrainingSpec, processes: int, launcher: Launcher, timeout_minutes: float) -> Trained:
    """Run one training in processes of its own and wait for it.

    A training of the same spec that was cut short is resumed from its last checkpoint. Where another driver of the same
    run trains, or the processes of one that was killed have not ended yet, this waits for them.

    Args:
        spec: what to train; its folder receives everything that is written.
        processes: training processes on this machine.
        launcher: auto takes horovodrun where it is installed and more than one process is wanted.
        timeout_minutes: the processes are ended after this time.

    Raises:
        PrerequisiteError: horovodrun was asked for and is not installed.
        TrainingError: the processes failed or did not finish in time; the message ends with their last lines.
    """
    _run("training", spec, lambda path: command(path, processes, launcher), timeout_minutes, spec.metric_log)
    return result(spec)


def score(spec: ScoringSpec, timeout_minutes: float) -> Path:
    """Score with the weights of an earlier training in one process of its own and wait for it; nothing is trained.

    Args:
        spec: what to score, and with which weights; its folder receives everything that is written.
        timeout_minutes: the process is ended after this time.

    Returns:
        Folder of Parquet files with the contract tower_vectors: the spec's users, and its items from the first on.

    Raises:
        TrainingError: the process failed, as it does with weights that do not fit, or did not finish in time; the
            message ends with its last lines.
    """
    _run("scoring", spec, lambda path: command(path, 1, "single", "--score"), timeout_minutes)
    return spec.vectors


def kept_epoch(log: Iterable[Any]) -> Any:
    """The row of the epoch whose weights a training kept, and made its vectors and tower_weights with.

    It is the epoch of the lowest validation loss, the first of equals; where nothing was held out, the last one.

    Args:
        log: all rows of one training's training_log, as mappings or rows of Spark, in any order.

    Raises:
        TrainingError: there are no rows.
    """
    epochs = sorted(log, key=lambda row: row["epoch"])
    if not epochs:
        raise TrainingError("training_log: found no rows, expected those of a training; run a full refresh")
    judged = [row for row in epochs if row["validation_loss"] is not None]
    return min(judged, key=lambda row: row["validation_loss"]) if judged else epochs[-1]


def _run(
    what: str,
    spec: Spec,
    command_of: Callable[[Path], list[str]],
    timeout_minutes: float,
    metric_log: Path | None = None,
) -> None:
    """Run the processes of a command, made from the path of the spec, alone in the spec's folder until they end."""
    output = Path(spec.folder) / "processes.log"
    with alone_in(output.parent) as lock, output.open("wb") as sink:
        process = subprocess.Popen(
            command_of(prepared(spec)),
            stdout=sink,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=_environment(os.environ),
            start_new_session=True,
            pass_fds=(lock,),
        )
        workers: set[psutil.Process] = set()
        try:
            finished = _follow(process, metric_log, time.monotonic() + timeout_minutes * 60, workers)
        finally:
            _end(process, workers)
    if not finished:
        raise TrainingError(_failure(f"{what} took more than coldstart.timeout_minutes, {timeout_minutes:g}", output))
    if process.returncode != 0:
        raise TrainingError(_failure(f"{what} ended with code {process.returncode}, expected 0", output))


@contextmanager
def alone_in(folder: Path) -> Iterator[int]:
    """Wait for the lock on a folder and hold it; the system frees it when every process that has it ends.

    Yields:
        The lock's file descriptor.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()


def prepared(spec: Spec) -> Path:
    """Write the spec for the processes and remove vectors and weights of an earlier run; checkpoints stay."""
    for folder in spec.outputs:
        shutil.rmtree(folder, ignore_errors=True)
    return spec.save()


def result(spec: TrainingSpec) -> Trained:
    """What a finished training left in the spec's folder."""
    return Trained(spec.vectors, spec.weights, tuple(_log_lines(spec.metric_log)))


def command(spec_path: Path, processes: int, launcher: Launcher, *options: str) -> list[str]:
    """The argument list that starts the processes; ``options`` go to the worker.

    Raises:
        PrerequisiteError: horovodrun was asked for and is not installed.
    """
    worker = [sys.executable, "-m", WORKER, "--spec", str(spec_path), "--launcher-pid", str(os.getpid()), *options]
    horovodrun = Path(sys.executable).parent / "horovodrun"
    installed = horovodrun.exists() and importlib.util.find_spec("horovod") is not None
    if launcher == "horovodrun" and not installed:
        raise PrerequisiteError(
            f"found no horovodrun at {horovodrun}; build Horovod (deploy/horovod) or set coldstart.launcher to single"
        )
    if launcher == "single" or not installed or (launcher == "auto" and processes == 1):
        if processes > 1:
            log.warning("  one training process instead of %d: no horovodrun, or launcher single", processes)
        return worker
    hosts = f"localhost:{processes}"
    return [str(horovodrun), "-np", str(processes), "--gloo", "-H", hosts, "--network-interface", "lo", *worker]


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    """Of a given environment what training needs, with the package importable and TensorFlow's start-up notes off.

    Horovod writes all that its launcher has into the command line of each rank, which everybody on the machine may
    read. So nothing else passes: no secret by whatever name. Trainers read local files and need none.
    """
    root = str(Path(__file__).resolve().parents[2])
    paths = [root, *filter(None, given.get("PYTHONPATH", "").split(os.pathsep))]
    kept = {name: value for name, value in given.items() if name in PASSED_ON or name.startswith(PREFIXES)}
    kept = {name: value for name, value in kept.items() if not is_secret(name)}
    return {"TF_CPP_MIN_LOG_LEVEL": "2", **kept, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}


def _follow(
    process: subprocess.Popen[bytes], metric_log: Path | None, deadline: float, workers: set[psutil.Process]
) -> bool:
    """Tell each epoch as it ends and note all that the process starts; returns whether it ended before the deadline."""
    told = 0
    while process.poll() is None and time.monotonic() < deadline:
        workers.update(_started_by(process))
        time.sleep(POLL_SECONDS)
        told = _tell(metric_log, told)
    _tell(metric_log, told)
    return process.poll() is not None


def _tell(metric_log: Path | None, told: int) -> int:
    lines = _log_lines(metric_log) if metric_log else []
    for line in lines[told:]:
        told_of = "simulated-cold loss {validation_loss:.4f}, recall@10 {validation_recall:.4f}, "
        cold = told_of.format(**line) if line["validation_loss"] is not None else ""
        log.info("  epoch {epoch}: loss {loss:.4f}, {cold}{seconds:.1f} s, {ranks} ranks".format(**line, cold=cold))
    return max(told, len(lines))


def _log_lines(metric_log: Path) -> list[dict[str, Any]]:
    if not metric_log.exists():
        return []
    return [json.loads(line) for line in metric_log.read_text(encoding="utf-8").splitlines()]


def _started_by(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _end(process: subprocess.Popen[bytes], workers: set[psutil.Process]) -> None:
    """End the process and all that it started; horovodrun's workers have sessions of their own and may outlive it."""
    if process.poll() is None:
        workers.update(_started_by(process))
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    _, alive = psutil.wait_procs(workers, timeout=GRACE_SECONDS)
    for worker in alive:
        worker.kill()


def _failure(why: str, output: Path) -> str:
    tail = "\n  ".join(output.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL_LINES:])
    return f"{why}. The last lines of {output}:\n  {tail}"
