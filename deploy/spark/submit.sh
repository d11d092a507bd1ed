#!/usr/bin/env bash
# submit.sh JOB [OPTIONS]: runs jobs/JOB.py with spark-submit, such as
#     deploy/spark/submit.sh refresh --conf conf/shop.yaml --run-id 2024-06-01
# Environment:
#   SPARK_SUBMIT          the command (default: spark-submit of .venv, else of the PATH)
#   SPARK_SUBMIT_OPTIONS  its further options, such as "--master yarn --num-executors 20", on one line or several
#   RECSYS_ENVIRONMENT    an archived environment (made with venv-pack) for nodes without these packages
#   PYSPARK_PYTHON        the interpreter of driver and executors (default: that of .venv, if its spark-submit is used)
set -euo pipefail
cd "$(dirname "$0")/../.."

job=${1:?usage: deploy/spark/submit.sh JOB [OPTIONS], such as refresh --conf conf/demo.yaml}
shift
if [[ ! -f jobs/$job.py ]]; then
    echo "error: there is no jobs/$job.py; recsys --help lists the jobs" >&2
    exit 2
fi

python=python3
[[ -x .venv/bin/python ]] && python=$PWD/.venv/bin/python

further=()
read -r -d '' -a further <<<"${SPARK_SUBMIT_OPTIONS:-}" || true # it always ends without its delimiter
in_cluster=
[[ " ${further[*]}" =~ (--deploy-mode[ =]|spark\.submit\.deployMode=)cluster ]] && in_cluster=1

submit=${SPARK_SUBMIT:-}
if [[ -z $submit && -x .venv/bin/spark-submit ]]; then
    submit=.venv/bin/spark-submit
    # It asks the python3 of the PATH, which knows no pyspark, for both. Interpreters of a cluster's driver lie elsewhere.
    export SPARK_HOME=${SPARK_HOME:-$("$python" .venv/bin/find_spark_home.py)}
    [[ -n $in_cluster ]] || export PYSPARK_PYTHON=${PYSPARK_PYTHON:-$python}
fi

# Executors unpickle functions of these packages, so the code travels with the job. Driver and executors import from the
# package for as long as the job runs: it is named by what it holds, and never written twice.
mkdir -p build
package=$("${PYTHON:-$python}" - <<'PY'
import hashlib, os, pathlib, zipfile
made = pathlib.Path(f"build/{os.getpid()}.part")
with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
    for room in ("jobs", "recsys_spark"):
        for path in sorted(pathlib.Path(room).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                archive.write(path)
package = pathlib.Path(f"build/recsys_spark-{hashlib.sha256(made.read_bytes()).hexdigest()[:16]}.zip")
made.unlink() if package.exists() else made.replace(package)
print(package)
PY
)

options=(--properties-file deploy/spark/spark-defaults.conf --py-files "$package")
if [[ -n ${RECSYS_ENVIRONMENT:-} ]]; then
    options+=(--archives "$RECSYS_ENVIRONMENT#environment" --conf spark.pyspark.python=./environment/bin/python)
    # The archive is unpacked where executors, and the driver of a cluster, run: not here.
    driver=${PYSPARK_DRIVER_PYTHON:-${PYSPARK_PYTHON:-$python}}
    [[ -n $in_cluster ]] || options+=(--conf "spark.pyspark.driver.python=$driver")
fi
exec "${submit:-spark-submit}" "${options[@]}" "${further[@]}" "jobs/$job.py" "$@"
