#!/bin/sh
# Finds a Python to build the environment with and prints its path on stdout.
# Says on stderr, one line each, everything that is missing, and then exits 1.
set -u

need_gb=4
failed=0

missing() {
    echo "setup: $1" >&2
    failed=1
}

usable() { # an interpreter that really runs (a version manager's shim may not) and is new enough
    command -v "$1" >/dev/null 2>&1 && "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

python=""
if [ -n "${PYTHON:-}" ]; then
    if usable "$PYTHON"; then
        python=$PYTHON
    else
        missing "PYTHON=$PYTHON does not run or is older than Python 3.11"
    fi
else
    for candidate in python3.13 python3.12 python3.11 python3; do
        if usable "$candidate"; then
            python=$candidate
            break
        fi
    done
    [ -n "$python" ] || missing "Python 3.11 or newer not found: install it, or name one with 'make setup PYTHON=/path/to/python3'"
fi

if [ -n "$python" ] && ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
    missing "$python has no venv module: install it (Debian and Ubuntu: the package python3-venv)"
fi

# LightGBM's Linux wheel links the system's OpenMP runtime
if [ -n "$python" ] && [ "$(uname -s)" = Linux ] \
    && ! "$python" -c 'import ctypes; ctypes.CDLL("libgomp.so.1")' >/dev/null 2>&1; then
    missing "libgomp.so.1 not found: install it (Debian and Ubuntu: the package libgomp1)"
fi

free_kb=$(df -Pk . | awk 'NR == 2 { print $4 }')
if [ "${free_kb:-0}" -lt $((need_gb * 1024 * 1024)) ]; then
    missing "less than $need_gb GB of free disk here: PyTorch and the sentence encoder need the room"
fi

[ "$failed" -eq 0 ] || exit 1
echo "$python"
