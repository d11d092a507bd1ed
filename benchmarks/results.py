"""The last result of each benchmark in results.json, and RESULTS.md made from it."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import statistics
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

from benchmarks import suite
from benchmarks.cores import work_of_two
from benchmarks.harness import Benchmark, Result

FOLDER = Path(__file__).parent
VERSIONS = ("pyspark", "numpy", "pyarrow", "tensorflow-cpu", "petastorm", "horovod")
HEADER = """# Benchmarks

Written by `python -m benchmarks`; a benchmark that is run alone replaces its own row. Each side runs in turn in a
process of its own on the same data. Ratios count, not seconds: 3 x means that the fastest baseline takes three times as
long. CPU seconds are user and system time of all processes of a side; on a machine that does other work as well their
ratio tells more than that of the times. Memory is the most that the processes held together.

| benchmark | median | min to max | of CPU seconds | must reach | aim | ours: s, CPU s, GiB | baseline: s, CPU s, GiB |
|---|---|---|---|---|---|---|---|
"""


def record(benchmark: Benchmark, result: Result, remark: str, folder: Path = FOLDER) -> None:
    """Replace this benchmark's result and write the page anew."""
    path = folder / "results.json"
    known: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    known[benchmark.name] = {
        **asdict(result),
        "baseline": benchmark.baseline,
        "equality": benchmark.equality,
        "must_reach": benchmark.must_reach,
        "aim": benchmark.aim,
        "unit": benchmark.unit,
        "against": benchmark.against,
        "reached": benchmark.reached(statistics.median(result.figures), benchmark.must_reach),
        "note": benchmark.note,
        "remark": remark,
        "command": f"python -m benchmarks {benchmark.name} --size {result.size} --repeats {len(result.rounds)}",
        "machine": _machine(),
        "versions": _versions(),
    }
    # Keys are not sorted: the first side of a round is this project.
    path.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n")
    (folder / "RESULTS.md").write_text(page(known))


def page(known: Mapping[str, Any]) -> str:
    """RESULTS.md from the recorded results."""
    ordered = [(name, known[name]) for name in suite.NAMES if name in known]
    rows = "".join(_row(name, found) for name, found in ordered)
    return HEADER + rows + "".join(_details(name, found) for name, found in ordered)


def _row(name: str, found: Mapping[str, Any]) -> str:
    figures, unit = found["figures"], found["unit"]
    ours, *others = _medians(found["rounds"]).items()
    against = found.get("against", "")
    others = sorted(others, key=lambda pair: (pair[0] != against, pair[1]["seconds"]))
    cells = [
        f"[{name}](#{name})",
        f"**{statistics.median(figures):.2f} {unit}**" + ("" if found["reached"] else " (below)"),
        f"{min(figures):.2f} to {max(figures):.2f}",
        f"{others[0][1]['cpu_seconds'] / ours[1]['cpu_seconds']:.2f} x" if unit == "x" else "-",
        f"{found['must_reach']:g} {unit}",
        f"{found['aim']:g} {unit}",
        _usage(*ours),
        _usage(*others[0]),
    ]
    return "| " + " | ".join(cells) + " |\n"


def _details(name: str, found: Mapping[str, Any]) -> str:
    lines = [
        f"\n## {name}\n",
        f"{found['task'][0].upper()}{found['task'][1:]} (size {found['size']}). Baseline: {found['baseline']}.",
        f"Equal: {found['equality']}; found: {found['found']}.",
        *filter(None, [found["note"], found["remark"]]),
        f"`{found['command']}` on {found['machine']}; {found['versions']}.\n",
        "| side | runs | s | CPU s | GiB |\n|---|---|---|---|---|",
    ]
    for side, usage in _medians(found["rounds"]).items():
        runs = sum(side in one for one in found["rounds"])
        figures = f"{usage['seconds']:.1f} | {usage['cpu_seconds']:.1f} | {usage['peak_gib']:.1f}"
        lines.append(f"| {side} | {runs} | {figures} |")
    return "\n".join(lines) + "\n"


def _usage(side: str, usage: Mapping[str, float]) -> str:
    return f"{side}: {usage['seconds']:.1f}, {usage['cpu_seconds']:.1f}, {usage['peak_gib']:.1f}"


def _medians(rounds: list[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    """Median of each figure by side; sides in the order of the first round, which holds all of them."""
    return {
        side: {key: statistics.median(one[side][key] for one in rounds if side in one) for key in rounds[0][side]}
        for side in rounds[0]
    }


def _machine() -> str:
    name = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    memory = psutil.virtual_memory().total / 2**30
    cores = f"{len(os.sched_getaffinity(0))} cores of {name[1] if name else platform.machine()}"
    return f"{cores} (two busy processes do {work_of_two():.2f} times the work of one), {memory:.0f} GiB"


def _versions() -> str:
    packages = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in VERSIONS)
    return f"Python {'.'.join(map(str, sys.version_info[:3]))}, {packages}"
