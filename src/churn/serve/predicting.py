"""Predict for requests, count and log it. Those that arrive together are predicted together."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import Executor

import msgspec
import numpy as np

from churn.serve import metrics
from churn.serve.prediction_log import Entry, PredictionLog
from churn.serve.rows import Rows, joined
from churn.serve.served import Served

# More take so long that other requests would wait for them; they are predicted by another thread.
LARGE = 200
_MOST = 64  # requests that are collected
_SCORING = "churn_scoring_duration_seconds"


class Asked(msgspec.Struct, frozen=True, gc=False):
    """Which request it is.

    Attributes
    ----------
    id : str
    begun : float
        When it came (`time.perf_counter`).
    moment : float
        The same in seconds since 1970.
    """

    id: str
    begun: float
    moment: float


class Found(msgspec.Struct, frozen=True, gc=False):
    """What is answered: a value for each customer, and the version that has predicted."""

    answer: dict[str, np.ndarray]
    version: str


class _Waiting(msgspec.Struct, frozen=True, eq=False):
    asked: Asked
    served: Served
    rows: Rows
    places: np.ndarray | None
    role: str
    tell: Callable[[Found | Exception], None]


class Predictor:
    """Collects what arrives in one turn of the event loop, and predicts in the next one.

    A request that comes alone is answered at once. Where several come in one turn, it collects
    until a turn brings no more, and so predicts for more customers at a time.

    Parameters
    ----------
    threads : Executor
        For large requests.
    timeout_s : float
        Maximum seconds for them.
    log : PredictionLog, optional
    """

    def __init__(
        self, threads: Executor, timeout_s: float, log: PredictionLog | None = None
    ) -> None:
        self._threads, self._timeout_s, self._log = threads, timeout_s, log
        self._waiting: list[_Waiting] = []

    async def predict(
        self,
        asked: Asked,
        served: Served,
        rows: Rows,
        role: str,
        places: np.ndarray | None = None,
    ) -> Found:
        """Predict for the customers of a request.

        Parameters
        ----------
        asked : Asked
        served : Served
        rows : Rows
        role : str
            As in `churn.serve.prediction_log.Entry`.
        places : ndarray of int, optional
            Positions of the customers in the request; default is that they are all of it.

        Raises
        ------
        TimeoutError
            If a large request is not predicted in time.
        """
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Found] = loop.create_future()

        def tell(result: Found | Exception) -> None:
            if found.done():  # the request may have been given up
                return
            if isinstance(result, Exception):
                found.set_exception(result)
            else:
                found.set_result(result)

        one = _Waiting(asked, served, rows, places, role, tell)
        if is_small(served, rows):
            self._collect(one)
        else:
            async with asyncio.timeout(self._timeout_s):
                scored = await loop.run_in_executor(self._threads, _score, served, rows)
            self._finish([one], rows, _decided([one], *scored), scored[1])
        return await found

    def begin(
        self,
        asked: Asked,
        served: Served,
        rows: Rows,
        role: str,
        tell: Callable[[Found | Exception], None],
    ) -> None:
        """Predict for the customers of a small request, and call `tell` then."""
        self._collect(_Waiting(asked, served, rows, None, role, tell))

    def _collect(self, one: _Waiting) -> None:
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._look, 1)
        self._waiting.append(one)

    def _look(self, before: int) -> None:
        """Predict, unless the last turn has brought further requests: then see what the next does.

        A caller who has just been answered asks again meanwhile, and predicting for all at once
        takes little longer than for one.
        """
        count = len(self._waiting)
        if before < count < _MOST:
            asyncio.get_running_loop().call_soon(self._look, count)
        else:
            self._predict()

    def _predict(self) -> None:
        waiting, self._waiting = self._waiting, []
        groups: dict[tuple[int, str], list[_Waiting]] = defaultdict(list)
        for place, one in enumerate(waiting):
            groups[id(one.served) if one.served.may_merge else -1 - place, one.role].append(one)
        for group in groups.values():
            try:
                rows = joined([one.rows for one in group])
                scores, seconds = _score(group[0].served, rows)
                answer = _decided(group, scores, seconds)
            except Exception as error:
                for one in group:
                    one.tell(error)
            else:
                self._finish(group, rows, answer, seconds)

    def _finish(
        self, group: list[_Waiting], rows: Rows, answer: dict[str, np.ndarray], scoring_s: float
    ) -> None:
        """Tell those who wait, and log."""
        first, ended = group[0], time.perf_counter()
        served, role = first.served, first.role
        end = 0
        for one in group:
            start, end = end, end + len(one.rows)
            its = {name: values[start:end] for name, values in answer.items()}
            one.tell(Found(its, served.version))
        if self._log is not None:
            self._log.add(
                Entry(
                    requests=[one.asked.id for one in group],
                    moments=[one.asked.moment for one in group],
                    latencies_ms=[(ended - one.asked.begun) * 1000 for one in group],
                    scoring_ms=scoring_s * 1000,
                    counts=[len(one.rows) for one in group],
                    places=_places(group),
                    rows=rows,
                    answer=answer,
                    card=served.model.card,
                    version=served.version,
                    role=role,
                )
            )


def is_small(served: Served, rows: Rows) -> bool:
    """Tell whether the event loop itself may predict for some customers."""
    return len(rows) <= LARGE and served.compiled is not None


def _outcomes(predicted: np.ndarray) -> list[tuple[str, int]]:
    """Count what was predicted; numbers are all one."""
    if predicted.dtype.kind == "i":
        positive = int(np.count_nonzero(predicted))
        both = [("1", positive), ("0", len(predicted) - positive)]
        return [(outcome, number) for outcome, number in both if number]
    if predicted.dtype.kind == "f":
        return [("number", len(predicted))]
    return list(Counter(predicted.tolist()).items())


def _score(served: Served, rows: Rows) -> tuple[np.ndarray, float]:
    """Return the scores, and the seconds that they took."""
    begun = time.perf_counter()
    return served.scores(rows), time.perf_counter() - begun


def _decided(group: list[_Waiting], scores: np.ndarray, scoring_s: float) -> dict[str, np.ndarray]:
    """Return the answer, and count it."""
    served, role = group[0].served, group[0].role
    answer = served.answer(scores)
    if role != "shadow":
        metrics.count("churn_rows", served.version, by=len(scores))
    for outcome, number in _outcomes(answer["prediction"]):
        metrics.count("churn_predictions", role, outcome, by=number)
    # Not how long they have waited: for the other version, too, which is predicted first.
    metrics.observe(_SCORING, scoring_s, role, served.version, by=len(group))
    return answer


def _places(group: list[_Waiting]) -> np.ndarray | None:
    """Return the positions of customers in their requests; None if they are all of them."""
    if all(one.places is None for one in group):
        return None
    return np.concatenate(
        [np.arange(len(one.rows)) if one.places is None else one.places for one in group]
    )
