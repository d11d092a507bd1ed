import pytest

from recsys_spark.session import DELTA_JARS, DELTA_PACKAGE, blas_kernels, delta_jars


def test_cached_jars_are_used_only_when_all_are_there(tmp_path):
    for name in DELTA_JARS[:-1]:
        (tmp_path / name).touch()
    assert delta_jars(tmp_path) == {"spark.jars.packages": DELTA_PACKAGE}
    (tmp_path / DELTA_JARS[-1]).touch()
    assert delta_jars(tmp_path)["spark.jars"].split(",") == [str(tmp_path / name) for name in DELTA_JARS]


@pytest.mark.parametrize(
    ("vendor", "flags", "chosen"),
    [
        ("AuthenticAMD", "fpu avx2 avx512f avx512cd avx512bw avx512dq avx512vl", ["SkylakeX"]),
        ("AuthenticAMD", "fpu avx2 avx512f", []),
        ("GenuineIntel", "fpu avx2 avx512f avx512cd avx512bw avx512dq avx512vl", []),
    ],
)
def test_kernels_with_avx_512_are_asked_for_where_openblas_would_miss_them(tmp_path, vendor, flags, chosen):
    info = tmp_path / "cpuinfo"
    info.write_text(f"vendor_id\t: {vendor}\nflags\t\t: {flags}\n")
    assert list(blas_kernels(info).values()) == chosen
    assert blas_kernels(tmp_path / "elsewhere") == {}
