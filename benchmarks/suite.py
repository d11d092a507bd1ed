"""The benchmarks there are, in the order in which ``make bench`` runs them."""

from __future__ import annotations

import importlib

from benchmarks.harness import Benchmark

NAMES = ("topn", "als", "evaluate", "loader", "profiles", "horovod", "training", "refresh", "scaling")


def load(name: str) -> Benchmark:
    """A benchmark by name; its module is loaded only then, because each needs other libraries."""
    module = importlib.import_module(f"benchmarks.{name}")
    return module.BENCHMARK
