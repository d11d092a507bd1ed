#!/usr/bin/env bash
# submit.sh JOB [OPTIONS]: runs jobs/JOB.py with spark-submit, such as
#     deploy/spark/submit.sh refresh --conf conf/shop.yaml --run-id 2024-06-01
# Environment:
#   SPARK_SUBMIT          the command (default: spark-submit of .venv, else of the PATH)
#   SPARK_SUBMIT_OPTIONS  its further options, such as "--master yarn --num-executors 20"
#   RECSYS_ENVIRONMENT    an archived environment (made with venv-pack) for nodes without these packages
set -euo pipefail
cd "$(dirname "$0")/../.."

job=${1:?usage: deploy/spark/submit.sh JOB [OPTIONS], such as refresh --conf conf/demo.yaml}
shift
if [[ ! -f jobs/$job.py ]]; then
    echo "error: there is no jobs/$job.py; recsys --help lists the jobs" >&2
    exit 2
fi

submit=${SPARK_SUBMIT:-}
if [[ -z $submit ]]; then
    submit=spark-submit
    [[ -x .venv/bin/spark-submit ]] && submit=.venv/bin/spark-submit
fi

# Executors unpickle functions of these packages, so the code travels with the job. Driver and executors import from the
# package for as long as the job runs: it is named by what it holds, and never written twice.
mkdir -p build
package=$("${PYTHON:-python3}" - <<'PY'
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
fi
read -r -a further <<<"${SPARK_SUBMIT_OPTIONS:-}"
exec "$submit" "${options[@]}" "${further[@]}" "jobs/$job.py" "$@"
