"""Which of OpenBLAS's kernels this machine's processor can run, for NumPy and SciPy.

The OpenBLAS in their wheels chooses by the processor's model. For one newer than itself it takes kernels without
AVX-512 (AMD), or kernels of 2004 (Intel), and products of matrices take two to four times as long. What is asked for by
name it takes. It chooses as it is loaded, so this module must not import NumPy.
"""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "OPENBLAS_CORETYPE"
CPU_INFO = Path("/proc/cpuinfo")
KERNELS = {
    "SkylakeX": {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"},
    "Haswell": {"avx2", "fma"},
}
"""Best first: OpenBLAS's name, and the flags that a processor needs for it."""


def kernels(cpu_info: Path = CPU_INFO) -> str | None:
    """The best kernels for this machine; None where there is nothing to read or neither fits, as on ARM."""
    lines = cpu_info.read_text(encoding="utf-8").splitlines() if cpu_info.exists() else []
    flags = {flag for line in lines if line.startswith("flags") for flag in line.split()}
    return next((name for name, needed in KERNELS.items() if needed <= flags), None)


def ask_for_kernels() -> None:
    """Let this process, unless it has loaded NumPy, and those it starts use them; what is set already stays."""
    found = kernels()
    if found:
        os.environ.setdefault(VARIABLE, found)
