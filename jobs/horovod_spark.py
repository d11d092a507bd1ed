"""Training ranks as Spark tasks, for a cluster whose executors hold the trainer's packages (and, there, its GPUs).

``horovod.spark.run`` opens services on every executor that unpickle what reaches them, signed with a key that travels
with the job. Use it on an isolated network only: a private cluster subnet that nobody else can reach. Everywhere else
let ``coldstart.launcher`` be ``horovodrun``, which trains on the driver's machine.
"""

from __future__ import annotations

from jobs.train_worker import main as worker
from recsys_spark.coldstart.launch import Trained, prepared, result
from recsys_spark.coldstart.spec import TrainingSpec
from recsys_spark.errors import PrerequisiteError, TrainingError


def train_on_spark(spec: TrainingSpec, processes: int, timeout_minutes: float) -> Trained:
    """Train with one rank a Spark task; needs as many free task slots as processes.

    Args:
        spec: its folder and files must be reachable by the same path on every executor.
        processes: ranks.
        timeout_minutes: how long Spark may take to start the ranks.

    Raises:
        PrerequisiteError: Horovod is not installed.
        TrainingError: a rank failed.
    """
    try:
        import horovod.spark as cluster  # the driver part of Horovod loads neither TensorFlow nor Keras
    except ImportError as error:
        raise PrerequisiteError(
            "coldstart.launcher is spark, but Horovod is not installed; build it (deploy/horovod) or choose single"
        ) from error
    arguments = ["--spec", str(prepared(spec))]
    codes = cluster.run(
        worker, args=(arguments,), num_proc=processes, start_timeout=int(timeout_minutes * 60), use_gloo=True, verbose=0
    )
    if any(codes):
        raise TrainingError(f"training ranks ended with codes {codes}, expected 0; the executors' logs tell why")
    return result(spec)
