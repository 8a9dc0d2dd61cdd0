"""Which version predicts for a customer: the champion, or a challenger that is on trial."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import numpy as np

from churn.serve import metrics
from churn.serve.assignment import to_challenger
from churn.serve.predicting import Asked, Found, Predictor
from churn.serve.rows import Rows
from churn.serve.served import Served

_logger = logging.getLogger(__name__)
CHAMPION = "champion"
_SHADOWS = 64  # requests that a shadow may be behind

Read = Callable[[Served], Rows]


@dataclass(frozen=True)
class Trial:
    """A challenger that is loaded: `share` of the customers, and whether in the shadow."""

    served: Served
    share: float
    shadow: bool


@dataclass(frozen=True)
class Serving:
    """What a worker serves; replaced as a whole, between two requests."""

    name: str
    champion: Served
    trial: Trial | None = None


class Versions:
    """Has the customers of a request predicted, each by its version.

    Parameters
    ----------
    predictor : Predictor
    """

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._shadows: set[asyncio.Task[object]] = set()

    async def predict(self, asked: Asked, serving: Serving, rows: Rows, read: Read) -> Found:
        """Predict by the champion, and by a challenger for its customers.

        Parameters
        ----------
        asked : Asked
        serving : Serving
        rows : Rows
            The customers, as the champion reads them.
        read : callable
            Reads them for another version.
        """
        champion, trial, predict = serving.champion, serving.trial, self._predictor.predict
        if trial is None:
            return await predict(asked, champion, rows, CHAMPION)
        if trial.served.output.answered != champion.output.answered:  # of another task
            metrics.count("churn_challenger_failures", trial.served.version)
            return await predict(asked, champion, rows, CHAMPION)
        chosen = to_challenger(rows.ids, len(rows), trial.share, trial.served.version)
        if not chosen.any():
            return await predict(asked, champion, rows, CHAMPION)
        same = trial.served.questions.reads_as(champion.questions)
        its_rows = rows if same else None
        if trial.shadow:
            found = await predict(asked, champion, rows, CHAMPION)
            if len(self._shadows) < _SHADOWS:
                self._in_background(self._by_challenger(asked, trial, its_rows, chosen, read))
            else:
                metrics.count("churn_shadows_dropped", trial.served.version)
            return found
        its = await self._by_challenger(asked, trial, its_rows, chosen, read)
        others = np.flatnonzero(~chosen)
        if its is None:
            places = np.flatnonzero(chosen)
            its = await predict(asked, champion, rows.take(places), "fallback", places)
        if chosen.all():
            return its
        rest = await predict(asked, champion, rows.take(others), CHAMPION, others)
        answer = {}
        for name, values in its.answer.items():
            answer[name] = np.empty(len(rows), dtype=values.dtype)
            answer[name][chosen], answer[name][~chosen] = values, rest.answer[name]
        versions = dict.fromkeys((rest.version, its.version))
        return Found(answer, ",".join(versions))

    async def _by_challenger(
        self, asked: Asked, trial: Trial, rows: Rows | None, chosen: np.ndarray, read: Read
    ) -> Found | None:
        """Predict by the challenger; None if it fails, which no caller shall notice."""
        served = trial.served
        try:
            its, places = read(served) if rows is None else rows, None
            if not chosen.all():
                places = np.flatnonzero(chosen)
                its = its.take(places)
            role = "shadow" if trial.shadow else "challenger"
            return await self._predictor.predict(asked, served, its, role, places)
        except Exception as error:
            metrics.count("churn_challenger_failures", served.version)
            _logger.warning("version %s: no answer: %s", served.version, type(error).__name__)
            return None

    async def settle(self, timeout_s: float) -> None:
        """Wait for the predictions of shadows."""
        if self._shadows:
            await asyncio.wait(self._shadows, timeout=timeout_s)

    def _in_background(self, work: Coroutine[Any, Any, object]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._shadows.add(task)  # the loop itself holds no reference
        task.add_done_callback(self._shadows.discard)


def by_version(serving: Serving, rows: Rows, read: Read) -> list[tuple[Served, Rows, np.ndarray]]:
    """Return who answers which customers, and their positions; nobody sees what a shadow says."""
    champion, trial, everyone = serving.champion, serving.trial, np.arange(len(rows))
    if trial is None or trial.shadow:
        return [(champion, rows, everyone)]
    chosen = to_challenger(rows.ids, len(rows), trial.share, trial.served.version)
    same = trial.served.questions.reads_as(champion.questions)
    its_rows = rows if same or not chosen.any() else read(trial.served)
    parts = [(champion, rows, ~chosen), (trial.served, its_rows, chosen)]
    return [
        (served, its.take(np.flatnonzero(members)), np.flatnonzero(members))
        for served, its, members in parts
        if members.any()
    ]
