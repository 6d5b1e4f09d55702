"""How many threads linear algebra uses: one.

Sums over several threads come out in another order on another machine, and for small matrices on busy cores threads
only wait for one another (features took twenty times as long).
"""

from threadpoolctl import threadpool_limits


def use_one_thread() -> threadpool_limits:
    """Holds every BLAS that the process has loaded to one thread: for good, or as a context for the time of a block.

    A library that is loaded later brings a BLAS of its own, which this does not reach.
    """
    return threadpool_limits(1, user_api="blas")
