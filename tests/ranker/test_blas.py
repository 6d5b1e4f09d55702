from threadpoolctl import threadpool_info, threadpool_limits

from ranker.blas import use_one_thread


def thread_counts() -> set[int]:
    """Return the numbers of threads of the loaded BLAS libraries."""
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_one_thread() -> None:
    """Inside the block numpy's linear algebra has one thread; after it, as many as before."""
    with threadpool_limits(2, user_api="blas"):
        assert thread_counts() == {2}
        with use_one_thread():
            assert thread_counts() == {1}
        assert thread_counts() == {2}
