"""Predict for requests that arrive together in one go, without waiting for any."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from concurrent.futures import Executor

import msgspec
import numpy as np

from churn.serve.rows import Rows, joined
from churn.serve.served import Served

# More take so long that other requests would wait for them; they are predicted by another thread.
LARGE = 200


class _Waiting(msgspec.Struct, frozen=True, eq=False):
    served: Served
    rows: Rows
    found: asyncio.Future[np.ndarray]


class Batcher:
    """Collects what arrives in one turn of the event loop, and predicts in the next one.

    An idle server answers at once. A busy one finds more requests in each turn, and so predicts
    for more customers at a time.

    Parameters
    ----------
    threads : Executor
        For large requests.
    """

    def __init__(self, threads: Executor) -> None:
        self._threads = threads
        self._waiting: list[_Waiting] = []

    async def probability(self, served: Served, rows: Rows) -> np.ndarray:
        """Predict the probability of churn, shape (n_customers,)."""
        loop = asyncio.get_running_loop()
        if len(rows) > LARGE or served.compiled is None:
            return await loop.run_in_executor(self._threads, served.probability, rows)
        if not self._waiting:
            loop.call_soon(self._predict)
        found: asyncio.Future[np.ndarray] = loop.create_future()
        self._waiting.append(_Waiting(served, rows, found))
        return await found

    def _predict(self) -> None:
        waiting, self._waiting = self._waiting, []
        groups: dict[int, list[_Waiting]] = defaultdict(list)
        for place, one in enumerate(waiting):
            groups[id(one.served) if one.served.may_merge else -1 - place].append(one)
        for group in groups.values():
            _predict_together(group)


def _predict_together(group: list[_Waiting]) -> None:
    try:
        found = group[0].served.probability(joined([one.rows for one in group]))
    except Exception as error:
        for one in group:
            if not one.found.done():  # its request may have been given up
                one.found.set_exception(error)
        return
    start = 0
    for one in group:
        end = start + len(one.rows)
        if not one.found.done():
            one.found.set_result(found[start:end])
        start = end
