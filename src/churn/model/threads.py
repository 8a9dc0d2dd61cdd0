"""How many threads scikit-learn's trees take, by the size of the table."""

from __future__ import annotations

from threadpoolctl import threadpool_limits

# With fewer rows a second thread saves less than it costs to wake it, once for each node of each
# tree. On two cores and with two threads a fit of 8,000 rows took six times as long, of 200,000 as
# long, and of 500,000 rows 0.85 times as long.
MIN_ROWS = 200_000


def limited(n_rows: int) -> threadpool_limits:
    """Return a context in which few rows are fitted and scored by one OpenMP thread.

    The number of threads does not change a model. scikit-learn must have been imported: libraries
    that are loaded later are not limited.

    Parameters
    ----------
    n_rows : int
        Rows that are fitted or scored at once.
    """
    return threadpool_limits(1 if n_rows < MIN_ROWS else None, user_api="openmp")
