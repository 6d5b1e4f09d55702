import subprocess
import sys

SCRIPT = """
import numpy
from threadpoolctl import threadpool_info, threadpool_limits

from ranker.blas import use_one_thread


def thread_counts():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


with threadpool_limits(2, user_api="blas"):
    print(thread_counts())
    with use_one_thread():
        print(thread_counts())
    print(thread_counts())
"""


def test_one_thread() -> None:
    """Inside the block numpy's linear algebra has one thread; after it, as many as before.

    The script runs in a process of its own, because the setting belongs to the process and other tests' servers
    change it too.
    """
    printed = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True).stdout

    assert printed.split() == ["{2}", "{1}", "{2}"]
