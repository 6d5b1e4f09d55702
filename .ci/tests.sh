#!/usr/bin/env bash
# Runs the tests in two parts: in several processes, then alone those marked "serial", which depend on time.
# Usage: .ci/tests.sh PYTHON MARKERS [PYTEST ARGUMENTS]; empty MARKERS select all tests.
set -uo pipefail
# One thread per process: more would only compete for the cores that the processes use already.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} OPENBLAS_NUM_THREADS=${OPENBLAS_NUM_THREADS:-1}
python=$1 markers=${2:+($2) and }
shift 2

"$python" -m pytest -n auto --maxprocesses 4 --dist loadgroup -m "${markers}not serial" "$@"
parallel=$?
"$python" -m pytest -m "${markers}serial" "$@"
serial=$?

# pytest exits with 5 where no test matches, which is wrong only if neither part has one.
[ $((parallel + serial)) -eq 10 ] && exit 5
[ $parallel -eq 5 ] && parallel=0
[ $serial -eq 5 ] && serial=0
exit $((parallel ? parallel : serial))
