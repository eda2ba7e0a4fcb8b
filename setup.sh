#!/bin/sh
# Make a virtual environment with every package at its locked version and hash: sh setup.sh .venv
# Killed half-way, it is simply run again. PYTHON chooses the interpreter.
set -eu
venv=${1:?usage: setup.sh DIR}
python=${PYTHON:-python3}

stop() { echo "setup: $*" >&2; exit 2; }

command -v "$python" >/dev/null || stop "there is no $python here; install Python 3.11 or newer, or name one: make setup PYTHON=python3.12"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    stop "$("$python" --version) is too old; name Python 3.11 or newer: make setup PYTHON=python3.12"

if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    rm -rf "$venv"
    # Debian keeps the module that puts pip into a new environment in a package of its own.
    if ! "$python" -c 'import ensurepip' 2>/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "setup: installing python3-venv" >&2
        apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null
    fi
    "$python" -m venv "$venv" || stop "$python cannot make a virtual environment; on Debian: apt install python3-venv"
fi

echo "setup: installing the locked packages into $venv (4.6 GB, once)" >&2
uv=$(grep -o '^uv==[0-9.]*' requirements.lock)
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$uv"

# uv does not read pip's configuration: hand it the index that pip was told to use, if any.
if [ -z "${UV_DEFAULT_INDEX:-}" ] && index=$("$venv/bin/python" -m pip config get global.index-url 2>/dev/null); then
    export UV_DEFAULT_INDEX="$index"
fi
export VIRTUAL_ENV="$venv"
"$venv/bin/uv" pip install --quiet --require-hashes -r requirements.lock
"$venv/bin/uv" pip install --quiet --no-deps --no-build-isolation --offline -e .
touch "$venv/.ready"
