#!/usr/bin/env bash
# Looks for what pip cannot install, before anything is downloaded. Prints the Python to use on stdout; each thing that
# is missing is one sentence with its remedy on stderr, and the exit code is 8 (PrerequisiteError). With the argument
# tests, it looks for what only the tests need, too.
set -euo pipefail

APT="sudo apt-get install -y python3.11 python3.11-venv python3.11-dev openjdk-17-jre-headless g++ make"
missing=0

refuse() {
    echo "error: $1" >&2
    missing=1
}

is_python_311() {
    command -v "$1" >/dev/null && "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null
}

find_python() {
    local candidate
    for candidate in ${PYTHON:-} python3.11 python3; do
        if is_python_311 "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
}

check_python() {
    python=$(find_python)
    if [[ -z $python ]]; then
        refuse "Python 3.11 is needed (TensorFlow, Petastorm and Spark 4.0 meet there) and neither python3.11 nor python3 is one; install it ($APT) or name it: make PYTHON=/path/to/python3.11 …"
    elif ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        refuse "$python cannot make virtual environments; install the package python3.11-venv ($APT)"
    fi
}

# "17.0.15" and "21" start with the major version, "1.8.0_392" with 1.
java_major() {
    "$1" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1
}

check_java() {
    local java=java major
    if [[ -n ${JAVA_HOME:-} ]]; then
        java=$JAVA_HOME/bin/java
    fi
    if ! command -v "$java" >/dev/null; then
        refuse "Java 17 to 21 is needed by Spark 4.0 and there is none at $java; install it ($APT) or set JAVA_HOME to its folder"
        return
    fi
    major=$(java_major "$java")
    if [[ -z $major ]] || ((major < 17 || major > 21)); then
        refuse "Java 17 to 21 is needed by Spark 4.0 and $java is version ${major:-unknown}; install it ($APT) and set JAVA_HOME to its folder"
    fi
}

check_compiler() {
    local compiler=${CXX:-g++}
    # CXX may hold options after the compiler's name.
    if ! command -v "${compiler%% *}" >/dev/null; then
        refuse "a C++ compiler is needed to build Horovod and $compiler is not there; install it ($APT) or set CXX"
    fi
}

check_make() {
    if ! command -v make >/dev/null; then
        refuse "make is needed to build Horovod and is not on the PATH; install it ($APT)"
    fi
}

# Debian keeps the server's programs off the PATH.
check_postgresql() {
    local place
    for place in /usr/lib/postgresql/*/bin ${PATH//:/ }; do
        if [[ -x $place/initdb && -x $place/pg_ctl && -x $place/psql ]]; then
            return
        fi
    done
    refuse "PostgreSQL is needed by the tests of the jdbc source, which start one of their own, and its initdb, pg_ctl and psql are in no folder of /usr/lib/postgresql or the PATH; install it (sudo apt-get install -y postgresql)"
}

check_python
check_java
check_compiler
check_make
if [[ ${1:-} == tests ]]; then
    check_postgresql
fi
if ((missing)); then
    exit 8
fi
echo "$python"
