"""What a benchmark is, and how its sides are run, compared and written down.

Each side runs in a process of its own, in turn with the others, on the same files: no side inherits another's heap,
caches or compiled code, and a busy machine slows all sides alike. Only the work is measured; opening a Spark session
or importing TensorFlow is not. Ratios count, not seconds.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

Work = Callable[[], float | None]
"""The measured work; it may return seconds of its own where wall time holds more than the work."""
After = Callable[[], None]
Start = Callable[[Any, Path, Path], Work | tuple[Work, After]]
"""(size, folder of the data, folder for results) -> the work, and perhaps what to do after it.

Only the work is measured, not what happens before it is returned."""
Round = Mapping[str, "Usage"]
LAST_LINES = 20


@dataclass(frozen=True)
class Usage:
    """What one run of one side used, with all processes below it."""

    seconds: float
    cpu_seconds: float
    peak_gib: float


def fastest_baseline(usages: Round) -> float:
    """How many times the time of the first side the fastest of the others takes."""
    ours, *others = (usage.seconds for usage in usages.values())
    return min(others) / ours


@dataclass(frozen=True)
class Benchmark:
    """One comparison: the first side is this project, the others are baselines."""

    name: str
    task: str
    """What is done, with {field} for each field of the size."""
    baseline: str
    equality: str
    """What the check holds the sides to."""
    must_reach: float
    aim: float
    sizes: Mapping[str, Any]
    """small for tests, medium for ``make bench``, full as the project promises it."""
    prepare: Callable[[Any, Path], None]
    """(size, folder): write the data that all sides read."""
    sides: Mapping[str, Start]
    check: Callable[[Any, Path, Mapping[str, Path]], str]
    """(size, data, result folder by side): raise AssertionError where the results differ; else what was found."""
    compare: Callable[[Round], float] = fastest_baseline
    """The figure of one round."""
    unit: str = "x"
    lower_is_better: bool = False
    repeats: int = 3
    warm_up: bool = False
    """Whether each side does the small size first, unmeasured: a JVM compiles what it has run for a while."""
    against: str = ""
    """The side that stands beside ours in the table; unset, the fastest of the others."""
    note: str = ""
    """What a reader must know to judge the figure."""

    def reached(self, value: float, goal: float) -> bool:
        """Whether a figure meets a goal."""
        return value <= goal if self.lower_is_better else value >= goal


@dataclass
class Result:
    """All rounds of one benchmark."""

    size: str
    task: str
    found: str = ""
    """What the check found."""
    figures: list[float] = field(default_factory=list)
    rounds: list[dict[str, Usage]] = field(default_factory=list)


def run(benchmark: Benchmark, size: str, repeats: int, work: Path | None, tell: Callable[[str], None]) -> Result:
    """Prepare the data, run all sides in turn, and check their results.

    The first round runs every baseline; the later ones only the fastest of it, if figures compare with the fastest.

    Raises:
        RuntimeError: a side failed, or the results differ.
    """
    result = Result(size, benchmark.task.format(**asdict(benchmark.sizes[size])))
    with tempfile.TemporaryDirectory(prefix=f"{benchmark.name}-", dir=work) as folder:
        tell(f"{benchmark.name}: {result.task}")
        _step(benchmark.name, "prepare", size, Path(folder))
        sides: Sequence[str] = list(benchmark.sides)
        for number in range(1, repeats + 1):
            usages = {}
            for side in sides:
                usages[side] = Usage(**_step(benchmark.name, side, size, Path(folder)))
                tell(f"  round {number} {side}: {_words(usages[side])}")
            if number == 1:
                result.found = _step(benchmark.name, "check", size, Path(folder))["found"]
                tell(f"  equal: {result.found}")
            result.rounds.append(usages)
            result.figures.append(benchmark.compare(usages))
            tell(f"  round {number}: {result.figures[-1]:.2f} {benchmark.unit}")
            if benchmark.compare is fastest_baseline:
                ours, *others = sides
                sides = [ours, min(others, key=lambda side: usages[side].seconds)]
    return result


def _step(name: str, step: str, size: str, folder: Path) -> dict[str, Any]:
    """One step in a process of its own; what it reports.

    Raises:
        RuntimeError: the step failed; the message ends with its last lines.
    """
    report = folder / "report.json"
    command = [sys.executable, "-m", "benchmarks.step", name, step, size, str(folder), str(report)]
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        last = "\n".join(done.stdout.splitlines()[-LAST_LINES:])
        raise RuntimeError(f"{name}: step {step} ended with code {done.returncode}. Its last lines:\n{last}")
    return json.loads(report.read_text())


def _words(usage: Usage) -> str:
    return f"{usage.seconds:.1f} s, {usage.cpu_seconds:.1f} CPU s, {usage.peak_gib:.1f} GiB"
