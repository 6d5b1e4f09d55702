import numpy as np
from threadpoolctl import threadpool_info

from ranker.blas import use_one_thread


def test_one_thread() -> None:
    """Inside the block numpy's linear algebra has one thread; after it, as many as before."""
    before = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    assert before, np.show_config(mode="dicts")
    with use_one_thread():
        assert {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"} == {1}
    assert [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"] == before
