"""Limits linear algebra to one thread.

For small matrices on busy cores the threads only wait for one another: features took twenty times as long. Several
threads also add numbers in another order than one thread does.
"""

from threadpoolctl import threadpool_limits


def use_one_thread() -> threadpool_limits:
    """Limit every BLAS library that the process has loaded to one thread.

    The limit holds until the process ends or, in a ``with`` statement, until the block ends. It does not apply to a
    BLAS library that is loaded later.
    """
    return threadpool_limits(1, user_api="blas")
