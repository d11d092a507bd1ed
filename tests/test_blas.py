import os
import subprocess
import sys

import pytest

from recsys_spark.blas import KERNELS, VARIABLE, kernels

WITH_AVX_512 = "fpu fma avx2 avx512f avx512cd avx512bw avx512dq avx512vl"


@pytest.mark.parametrize(
    ("flags", "chosen"),
    [
        (WITH_AVX_512, "SkylakeX"),
        ("fpu fma avx2 avx512f", "Haswell"),
        ("fpu sse4_2", None),
    ],
)
def test_the_best_kernels_that_the_flags_allow_are_chosen(tmp_path, flags, chosen):
    info = tmp_path / "cpuinfo"
    info.write_text(f"vendor_id\t: GenuineIntel\nflags\t\t: {flags}\n")
    assert kernels(info) == chosen
    assert kernels(tmp_path / "elsewhere") is None


@pytest.mark.parametrize("told", [None, "Haswell"])
def test_jobs_ask_for_them_before_numpy_is_loaded_unless_told_otherwise(told):
    env = {name: value for name, value in os.environ.items() if name != VARIABLE} | ({VARIABLE: told} if told else {})
    look = f"import sys, os, jobs; print('numpy' in sys.modules, os.environ.get({VARIABLE!r}))"
    found = subprocess.run([sys.executable, "-c", look], env=env, check=True, text=True, capture_output=True)
    assert found.stdout.split() == ["False", str(told or kernels())]
    assert kernels() in {*KERNELS, None}
