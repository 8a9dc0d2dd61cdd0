"""Threads by the size of the table."""

from __future__ import annotations

import sklearn.ensemble  # noqa: F401  its OpenMP is what is limited
from threadpoolctl import threadpool_info

from churn.model import threads


def openmp() -> set[int]:
    return {lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "openmp"}


def test_few_rows_take_one_thread_and_afterwards_all_is_as_before() -> None:
    before = openmp()
    with threads.limited(threads.MIN_ROWS - 1):
        assert openmp() == {1}
    assert openmp() == before


def test_many_rows_take_as_many_threads_as_there_are() -> None:
    before = openmp()
    with threads.limited(threads.MIN_ROWS):
        assert openmp() == before
