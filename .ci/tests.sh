#!/usr/bin/env bash
# Runs the tests in parts: the fast and the slow ones in several processes, then alone those marked "serial", which
# depend on time (all of them are slow). The parts have processes of their own, so that browsers and clusters do not
# disturb the fast tests.
# Usage: .ci/tests.sh PYTHON fast|all [PYTEST ARGUMENTS]
set -uo pipefail
# One thread per process: more would only compete for the cores that the processes use already.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} OPENBLAS_NUM_THREADS=${OPENBLAS_NUM_THREADS:-1}
# Without cached bytecode every test process and every server would compile all modules again.
unset PYTHONDONTWRITEBYTECODE
# Tests commit to thousands of small databases. In memory, if there is room, a commit does not wait for the disk.
if [ "$(df --output=avail --block-size=G /dev/shm 2>/dev/null | tail -n 1 | tr -dc 0-9)" -ge 4 ] 2>/dev/null; then
    TMPDIR=$(mktemp -d /dev/shm/paperfeed-tests-XXXXXX)
    export TMPDIR
    trap 'rm -rf "$TMPDIR"' EXIT
fi
python=$1 which=$2
shift 2

# Tests of one file share a process, and with it the fixtures of the file. Files start in the order of tests/conftest.py.
# Some tests wait for other processes; meanwhile a further process uses the processor.
processes=$("$python" -c 'import os; print(min(4, (os.cpu_count() or 1) + 1))')
parallel=(-n "$processes" --dist loadfile --no-loadscope-reorder)
found=0 code=0
part() { # pytest exits with 5 if no test matches, which is wrong only if no part has one
    "$python" -m pytest "$@"
    local result=$?
    if [ $result -eq 2 ]; then exit 2; fi # interrupted
    if [ $result -ne 5 ]; then found=1; fi
    if [ $result -ne 5 ] && [ $code -eq 0 ]; then code=$result; fi
}

part "${parallel[@]}" -m "not slow and not serial" "$@"
if [ "$which" = all ]; then
    part "${parallel[@]}" -m "slow and not serial" "$@"
    part -m serial "$@"
fi
if [ $found -eq 0 ]; then exit 5; fi
exit $code
