"""Ask for reasons in a process of its own, so that predictions do not wait for them.

shap holds Python's lock while it computes, and takes seconds to import. The process starts with the
first question. Who has waited too long is told so, and the late answer is discarded: the next
questions need the process. It is killed only if it seems to have stopped.
"""

from __future__ import annotations

import asyncio
import pickle
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from contextlib import suppress

import msgspec
import numpy as np

from churn.explanation.values import Explained
from churn.serve import explainer
from churn.serve.answers import RETRY, Refusal
from churn.serve.explainer import HEAD
from churn.serve.rows import Rows
from churn.serve.served import Served

_MOST_WAITING = 8  # questions; the others are told to come again
_START_S = 120.0  # in which a process has started, however busy the machine is
_STOPPED = 3  # times the limit of a question, and the seconds, after which none comes any more
_STOPPED_S = 30.0


# A customer's answer, its version, and the reasons: `base` and the reasons sum to `score`.
Explanation = dict[str, float | int | str | dict[str, float]]


class Explanations(msgspec.Struct):
    """The body of an answer."""

    explanations: list[Explanation]


class Explaining:
    """Asks for reasons, one question after the other.

    Parameters
    ----------
    timeout_s : float
        Maximum seconds for the reasons of one version, from its turn on.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._stopped_s = max(_STOPPED_S, _STOPPED * timeout_s)
        self._work: asyncio.Task[Explained | str | None] | None = None
        self._process: Process | None = None
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def answer(
        self, parts: Sequence[tuple[Served, Rows, np.ndarray]], count: int
    ) -> Explanations:
        """Return the reasons of predictions.

        Parameters
        ----------
        parts : sequence of (Served, Rows, ndarray of int)
            Who predicts for which customers, and their positions in the request.
        count : int
            Number of customers.

        Raises
        ------
        TimeoutError
            If they do not come in time.
        Refusal
            If too many others wait, there are no reasons for this model, or the process has died.
        """
        if self._waiting >= _MOST_WAITING:
            raise Refusal(503, "too many wait for reasons; try again", "overload", RETRY)
        self._waiting += 1
        found: dict[int, Explanation] = {}
        try:
            for served, rows, places in parts:
                for place, one in zip(places, await self._of(served, rows), strict=True):
                    found[int(place)] = one
        finally:
            self._waiting -= 1
        return Explanations([found[place] for place in range(count)])

    async def close(self) -> None:
        """End the process, and wait until it has ended."""
        process = self._process
        if self._work is not None and not self._work.done():
            self._work.cancel()
            await asyncio.wait([self._work])
        self._kill()
        if process is not None:
            with suppress(ConnectionError):
                await process.communicate()

    def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
        self._process = None

    async def _of(self, served: Served, rows: Rows) -> list[Explanation]:
        question = explainer.framed((served.folder, rows))
        await self._turn.acquire()
        # Goes on when this question is given up, and then the next one has its turn.
        self._work = asyncio.create_task(self._exchange(question))
        self._work.add_done_callback(self._end_turn)
        try:
            async with asyncio.timeout(self._timeout_s):
                reply = await asyncio.shield(self._work)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise Refusal(503, "the reasons did not come; try again", "reasons", RETRY) from error
        if reply is None:
            raise Refusal(503, "the reasons could not be found; see the log", "reasons", RETRY)
        if isinstance(reply, str):
            raise Refusal(501, reply, "reasons")
        scores = await asyncio.to_thread(served.scores, rows)
        # As Python's own: a number is encoded as one, and a class is a text already.
        answer = {name: values.tolist() for name, values in served.answer(scores).items()}
        columns = served.model.card.inputs
        return [
            {
                **{name: values[i] for name, values in answer.items()},
                "version": served.version,
                "score": float(reply.score[i]),
                "base": float(reply.base[i]),
                "unit": reply.unit,
                "reasons": dict(zip(columns, reply.values[i].tolist(), strict=True)),
            }
            for i in range(len(rows))
        ]

    def _end_turn(self, work: asyncio.Task[Explained | str | None]) -> None:
        if not work.cancelled():
            work.exception()  # whoever still waits is told; else nobody is
        self._turn.release()

    async def _exchange(self, question: bytes) -> Explained | str | None:
        """Ask the process, start it before if there is none, and kill it if it has stopped."""
        try:
            if self._process is None or self._process.returncode is not None:
                async with asyncio.timeout(_START_S):
                    self._process = await _started()
                    await _received(self._process)  # that it has started
            async with asyncio.timeout(self._stopped_s):
                assert self._process.stdin is not None
                self._process.stdin.write(question)
                await self._process.stdin.drain()
                return await _received(self._process)
        except BaseException:  # the next question gets another process
            self._kill()
            raise


async def _started() -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", explainer.__name__, stdin=PIPE, stdout=PIPE
    )


async def _received(process: Process) -> Explained | str | None:
    assert process.stdout is not None
    size = int.from_bytes(await process.stdout.readexactly(HEAD), "big")
    # Our own process has written it.
    reply: Explained | str | None = pickle.loads(  # noqa: S301
        await process.stdout.readexactly(size)
    )
    return reply
