"""Requests that arrive together are predicted for together, counted and logged."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from churn.model.artifact import Model
from churn.serve.compiled import Compiled
from churn.serve.predicting import LARGE, Asked, Predictor
from churn.serve.prediction_log import Entry, table
from churn.serve.rows import Rows, from_frame
from churn.serve.served import Served
from tests.unit.serve.models import same_bits


class Watched(Compiled):
    """A compiled model that notes for how many customers it was asked, and may fail."""

    def __init__(self, right: Compiled, by_row: bool = True, failure: str = "") -> None:
        object.__setattr__(self, "by_row", by_row)
        object.__setattr__(self, "_right", right)
        object.__setattr__(self, "_failure", failure)
        object.__setattr__(self, "calls", [])

    def scores(self, numbers: np.ndarray, categories: Any) -> np.ndarray:
        self.calls.append(len(numbers))  # type: ignore[attr-defined]
        if self._failure:  # type: ignore[attr-defined]
            raise ValueError(self._failure)  # type: ignore[attr-defined]
        found: np.ndarray = self._right.scores(numbers, categories)  # type: ignore[attr-defined]
        return found


def watched(served: Served, **how: Any) -> tuple[Served, list[int]]:
    assert served.compiled is not None
    compiled = Watched(served.compiled, **how)
    return replace(served, compiled=compiled), compiled.calls  # type: ignore[attr-defined]


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture(scope="module")
def parts(model: Model, planned: pd.DataFrame) -> list[Rows]:
    """Return customers of requests of several sizes."""
    rows = from_frame(model, planned)
    edges = np.cumsum([0, 1, 1, 3, 1, 40, 1, 2, LARGE])
    return [rows.take(np.arange(start, end)) for start, end in itertools.pairwise(edges)]


async def probability(predictor: Predictor, served: Served, rows: Rows) -> np.ndarray:
    found = await predictor.predict(Asked("r7", 0.0, 0.0), served, rows, "champion")
    assert found.version == served.version
    return found.answer["probability"]


async def all_of(predictor: Predictor, served: Served, parts: list[Rows]) -> list[Any]:
    asked = (probability(predictor, served, rows) for rows in parts)
    return await asyncio.gather(*asked, return_exceptions=True)


def test_joined_answers_are_those_of_single_requests(
    champion: Served, parts: list[Rows], threads: ThreadPoolExecutor
) -> None:
    served, calls = watched(champion)
    found = asyncio.run(all_of(Predictor(threads, 30), served, parts))
    assert calls == [sum(map(len, parts))]
    for answer, rows in zip(found, parts, strict=True):
        assert same_bits(answer, champion.scores(rows))


def test_a_model_whose_bits_depend_on_the_others_is_asked_for_each(
    champion: Served, parts: list[Rows], threads: ThreadPoolExecutor
) -> None:
    served, calls = watched(champion, by_row=False)
    found = asyncio.run(all_of(Predictor(threads, 30), served, parts))
    assert calls == [len(rows) for rows in parts]
    for answer, rows in zip(found, parts, strict=True):
        assert same_bits(answer, champion.scores(rows))


def test_two_versions_are_not_mixed(
    champion: Served, parts: list[Rows], threads: ThreadPoolExecutor
) -> None:
    one, its_calls = watched(champion)
    other, other_calls = watched(champion)
    predictor = Predictor(threads, 30)

    async def run() -> list[np.ndarray]:
        asked = [probability(predictor, (one, other)[i % 2], rows) for i, rows in enumerate(parts)]
        return await asyncio.gather(*asked)

    for answer, rows in zip(asyncio.run(run()), parts, strict=True):
        assert same_bits(answer, champion.scores(rows))
    assert its_calls == [sum(len(rows) for rows in parts[::2])]
    assert other_calls == [sum(len(rows) for rows in parts[1::2])]


def test_large_requests_and_the_reference_are_predicted_by_threads(
    champion: Served, model: Model, planned: pd.DataFrame, threads: ThreadPoolExecutor
) -> None:
    rows = from_frame(model, planned.head(LARGE + 1))
    served, calls = watched(champion)
    predictor = Predictor(threads, 30)

    async def run() -> tuple[list[np.ndarray], int]:
        asked = [probability(predictor, served, rows), probability(predictor, served, rows)]
        reference = replace(champion, compiled=None)
        asked.append(probability(predictor, reference, rows))
        tasks = [asyncio.create_task(one) for one in asked]  # type: ignore[arg-type]
        await asyncio.sleep(0)
        waiting = len(predictor._waiting)
        return await asyncio.gather(*tasks), waiting

    found, waiting = asyncio.run(run())
    assert waiting == 0
    assert calls == [LARGE + 1] * 2
    for answer in found:
        assert same_bits(answer, model.scores(planned.head(LARGE + 1)))


def test_a_failure_reaches_each_of_those_who_wait(
    champion: Served, parts: list[Rows], threads: ThreadPoolExecutor
) -> None:
    served, _ = watched(champion, failure="broken")
    found = asyncio.run(all_of(Predictor(threads, 30), served, parts))
    assert [str(error) for error in found] == ["broken"] * len(parts)
    assert {type(error) for error in found} == {ValueError}


def test_a_failure_of_one_version_spares_the_other(
    champion: Served, parts: list[Rows], threads: ThreadPoolExecutor
) -> None:
    served, _ = watched(champion, failure="broken")
    predictor = Predictor(threads, 30)

    async def run() -> list[Any]:
        asked = [probability(predictor, one, parts[0]) for one in (served, champion)]
        return await asyncio.gather(*asked, return_exceptions=True)

    failed, answered = asyncio.run(run())
    assert isinstance(failed, ValueError)
    assert same_bits(answered, champion.scores(parts[0]))


@pytest.mark.parametrize("failure", ["", "broken"])
def test_who_has_gone_is_left_out_and_the_others_are_answered(
    failure: str, champion: Served, parts: list[Rows], threads: ThreadPoolExecutor
) -> None:
    served, calls = watched(champion, failure=failure)
    predictor = Predictor(threads, 30)

    async def run() -> list[Any]:
        tasks = [asyncio.create_task(probability(predictor, served, rows)) for rows in parts]
        await asyncio.sleep(0)
        tasks[1].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    found = asyncio.run(run())
    assert isinstance(found[1], asyncio.CancelledError)
    for place, (answer, rows) in enumerate(zip(found, parts, strict=True)):
        if place != 1:
            ok = isinstance(answer, ValueError) if failure else len(answer) == len(rows)
            assert ok
            assert failure or same_bits(answer, champion.scores(rows))
    assert len(calls) == 1


def test_after_a_failure_and_in_the_next_turn_it_goes_on(
    champion: Served, parts: list[Rows], threads: ThreadPoolExecutor
) -> None:
    served, _ = watched(champion, failure="broken")
    predictor = Predictor(threads, 30)

    async def run() -> Any:
        await all_of(predictor, served, parts[:2])
        first = await probability(predictor, champion, parts[2])
        return first, await probability(predictor, champion, parts[3])

    one, two = asyncio.run(run())
    assert same_bits(one, champion.scores(parts[2]))
    assert same_bits(two, champion.scores(parts[3]))


def arriving(turns: list[int], served: Served, rows: Rows, threads: ThreadPoolExecutor) -> None:
    """Let so many requests come in each turn of the loop, and wait for all answers."""

    async def run() -> None:
        predictor, tasks = Predictor(threads, 30), list[asyncio.Task[Any]]()
        for count in turns:
            tasks += [
                asyncio.create_task(probability(predictor, served, rows)) for _ in range(count)
            ]
            await asyncio.sleep(0)
        await asyncio.gather(*tasks)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("turns", "together"),
    [
        ([1, 0, 0], [1]),
        ([1, 0, 1, 0, 1], [1, 1, 1]),  # who comes alone waits for nobody
        ([2, 0, 2], [2, 2]),
        ([2, 3, 1, 0, 5], [6, 5]),  # where several come, more are on their way
        ([40, 40, 40, 40], [80, 80]),  # and there is an end to it
    ],
)
def test_requests_are_collected_as_long_as_several_come_in_each_turn(
    turns: list[int],
    together: list[int],
    champion: Served,
    parts: list[Rows],
    threads: ThreadPoolExecutor,
) -> None:
    served, calls = watched(champion)
    arriving(turns, served, parts[0], threads)
    assert calls == together


class Kept:
    """A prediction log that keeps what it gets."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def add(self, entry: Entry) -> None:
        self.entries.append(entry)


def test_requests_that_were_predicted_together_are_logged_each_with_its_own_customers(
    champion: Served, parts: list[Rows], threads: ThreadPoolExecutor
) -> None:
    log = Kept()
    predictor = Predictor(threads, 30, log)  # type: ignore[arg-type]

    async def run() -> list[Any]:
        asked = [
            predictor.predict(Asked(f"r{i}", 0.0, float(i)), champion, rows, "champion")
            for i, rows in enumerate(parts)
        ]
        return await asyncio.gather(*asked)

    found = asyncio.run(run())
    [entry] = log.entries
    rows = table([entry], champion.model.card, frozenset()).to_pandas()
    assert rows["request_id"].tolist() == [
        f"r{i}" for i, part in enumerate(parts) for _ in part.ids
    ]
    assert rows["row"].tolist() == [place for part in parts for place in range(len(part))]
    assert rows["customer_id"].tolist() == [one for part in parts for one in part.ids or []]
    assert rows["probability"].tolist() == [p for one in found for p in one.answer["probability"]]
    assert rows["prediction"].tolist() == [p for one in found for p in one.answer["prediction"]]
