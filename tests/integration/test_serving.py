"""A model as it is served: right answers, clear refusals, many callers, and in time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from itertools import cycle, islice
from threading import Barrier
from typing import Any

import numpy as np
import pandas as pd
import pytest

from churn.core.params import Params
from tests.integration.client import ROUNDING, Client, reason, require_close, require_offline
from tests.integration.rows import Record, Rows
from tests.integration.server import Server

pytestmark = pytest.mark.slow

Format = Callable[[list[Record]], Any]
UNSEEN = "never seen before"


def records(customers: list[Record]) -> Any:
    return {"dataframe_records": customers}


def split(customers: list[Record]) -> Any:
    cells = [list(customer.values()) for customer in customers]
    return {"dataframe_split": {"columns": list(customers[0]), "data": cells}}


def inputs(customers: list[Record]) -> Any:
    return {"inputs": customers}


def inputs_by_column(customers: list[Record]) -> Any:
    return {"inputs": {name: [one[name] for one in customers] for name in customers[0]}}


FORMATS = [records, split, inputs, inputs_by_column]
every_format = pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.__name__)


def test_it_answers_ping_within_the_time_that_it_has_to_start(
    server: Server, client: Client, settings: Params, record_property: Callable[[str, Any], None]
) -> None:
    assert client.ping() == 200
    if server.start_s is not None:  # else it was there before the tests were
        record_property("start_s", round(server.start_s, 3))
        assert server.start_s <= settings.release.start_s


@every_format
def test_the_answers_are_exactly_the_offline_predictions(
    form: Format, client: Client, rows: Rows
) -> None:
    answers = client.ask(form(rows.records))
    for name in rows.output.answered:
        np.testing.assert_array_equal(answers[name].to_numpy(), rows.answers[name].to_numpy())


@every_format
def test_a_customer_alone_gets_the_answer_that_it_gets_among_many(
    form: Format, client: Client, rows: Rows
) -> None:
    for place in range(min(10, len(rows.records))):
        answers = client.ask(form(rows.records[place : place + 1]))
        require_offline(answers, rows, slice(place, place + 1))


def test_csv_is_answered_as_json_is(client: Client, rows: Rows) -> None:
    cells = pd.DataFrame(rows.records)
    # MLflow takes a text such as NA in it for a missing one.
    read = pd.read_csv(StringIO(cells.to_csv(index=False)), dtype=object)
    same = (read.notna() == cells.notna()).all(axis="columns").to_numpy()
    require_offline(client.ask(cells[same].to_csv(index=False)), rows, same)


def test_the_answers_come_in_the_order_of_the_customers(client: Client, rows: Rows) -> None:
    assert len(rows.answers.drop_duplicates()) > 1
    require_offline(client.about(reversed(rows.records)), rows, slice(None, None, -1))


def test_each_part_of_an_answer_has_its_type(client: Client, rows: Rows) -> None:
    for answer in client.answers(records(rows.records)):
        assert {name: type(value) for name, value in answer.items()} == rows.output.answered


def test_the_prediction_follows_from_the_scores(client: Client, rows: Rows) -> None:
    """By a threshold, the largest of several probabilities by cost, or within its interval."""
    answers = client.about(rows.records)
    decide = {"binary": threshold, "regression": width}.get(rows.output.task, costs)
    assert decide(answers) == pytest.approx(decide(rows.answers), rel=0, abs=ROUNDING * 1e3)


def threshold(answers: pd.DataFrame) -> list[float]:
    """Return the ends of where the threshold is."""
    churns = answers["prediction"] == 1
    assert set(churns) == {True, False}, "customers of both predictions are needed to tell"
    ends = [answers["probability"][~churns].max(), answers["probability"][churns].min()]
    assert ends[0] < ends[1]
    return ends


def width(answers: pd.DataFrame) -> list[float]:
    """Return how far the ends of the intervals are from the predictions."""
    below, above = (abs(answers["prediction"] - answers[end]) for end in ("lower", "upper"))
    assert below.min() > 0
    return [*below, *above]


def costs(answers: pd.DataFrame) -> list[float]:
    """Return, by class, by how much the probability of each must be multiplied at most."""
    names = [name for name in answers if name != "prediction"]
    own = answers.apply(lambda row: row[f"probability_{row['prediction']}"], axis=1)
    assert answers["prediction"].nunique() > 1
    return [float((answers[name] / own).max()) for name in names]


def test_null_is_a_missing_value(client: Client, rows: Rows) -> None:
    unknown = [{**rows.complete, name: None} for name in rows.columns]
    unknown.append(dict.fromkeys(rows.columns))
    together = client.about(unknown)
    # Alone, because a column of nothing but nulls has no type.
    alone = pd.concat([client.about([one]) for one in unknown], ignore_index=True)
    require_close(together, alone, rows)


@pytest.mark.parametrize(
    ("written", "number"),
    [("41", 41), (" 4.5 ", 4.5), (True, 1), ("TRUE", 1), (" ", None)],
    ids=repr,
)
def test_a_number_may_be_written_as_text_or_as_a_truth_value(
    written: Any, number: float | None, client: Client, rows: Rows
) -> None:
    for name in rows.numeric:
        one, other = (client.about([{**rows.complete, name: cell}]) for cell in (written, number))
        pd.testing.assert_frame_equal(one, other, check_exact=True)


def test_whole_numbers_may_be_written_with_a_point_and_without(client: Client, rows: Rows) -> None:
    whole = {name: round(rows.complete[name] or 0) for name in rows.numeric}
    with_points = {name: float(number) for name, number in whole.items()}
    one, other = (client.about([{**rows.complete, **n}]) for n in (whole, with_points))
    pd.testing.assert_frame_equal(one, other, check_exact=True)


@every_format
def test_neither_other_columns_nor_the_order_of_columns_matter(
    form: Format, client: Client, rows: Rows
) -> None:
    other = [{"note": UNSEEN, "n": 1, **dict(reversed(one.items()))} for one in rows.records]
    require_offline(client.ask(form(other)), rows)


def test_texts_that_were_never_seen_are_answered_and_are_all_one(
    client: Client, rows: Rows
) -> None:
    # Of the model's categories, if it has any, and of a column that it does not take.
    def unseen(text: str) -> Record:
        return {"note": text, **rows.complete, **dict.fromkeys(rows.categorical, text)}

    answers = [client.about([unseen(text)]) for text in (UNSEEN, "ÄŸ \u2028'\"")]
    pd.testing.assert_frame_equal(*answers, check_exact=True)
    if not rows.categorical:
        known = client.about([rows.complete])
        pd.testing.assert_frame_equal(answers[0], known, check_exact=True)


@every_format
def test_a_missing_column_is_refused_by_name(form: Format, client: Client, rows: Rows) -> None:
    for missing in rows.columns:
        others = {name: cell for name, cell in rows.complete.items() if name != missing}
        said = reason(client.send(form([others])))
        # The whole message lists all columns that there should be.
        assert f"missing inputs {[missing]}" in said


@pytest.mark.parametrize("cell", ["old", "4,1", [41], [4, 1], {"age": 41}, float("inf")], ids=repr)
def test_what_is_no_number_is_refused_by_the_name_of_its_column(
    cell: Any, client: Client, rows: Rows
) -> None:
    for name in rows.numeric:
        wrong = {**rows.complete, name: cell}
        said = reason(client.send(records([rows.complete, wrong])))
        assert f"column {name!r} holds {str(cell)!r}" in said


def test_a_date_is_one_however_it_is_written(client: Client, rows: Rows) -> None:
    ways = ("2026-02-28", " 2026-02-28T00:00:00Z ", "2026-02-28 01:30:00+01:30", "20260228")
    for name in rows.dates or ["a column that the model does not take"]:
        one, *others = (client.about([{**rows.complete, name: way}]) for way in ways)
        for other in others:
            pd.testing.assert_frame_equal(one, other, check_exact=True)
    for name in rows.dates:
        said = reason(client.send(records([{**rows.complete, name: "2026-02-30"}])))
        assert f"column {name!r} holds '2026-02-30', which is not a date" in said


BODIES = {
    "empty": b"",
    "broken JSON": b'{"dataframe_records": [{',
    "not UTF-8": b"\xff\xfe{",
    "no object": b"[]",
    "null": b"null",
    "without customers": b"{}",
    "of an unknown format": b'{"customers": []}',
    "of two formats": b'{"inputs": [], "dataframe_records": []}',
    "no rows": b'{"dataframe_records": []}',
    "no list of records": b'{"dataframe_records": "all"}',
    "records of no columns": b'{"dataframe_records": [1, 2]}',
    "rows of other lengths": b'{"dataframe_split": {"columns": ["a", "b"], "data": [[1]]}}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_that_is_no_question_is_refused(body: bytes, client: Client) -> None:
    reason(client.post(body))


def test_a_table_without_rows_is_refused(client: Client, rows: Rows) -> None:
    table = {"columns": rows.columns, "data": []}
    reason(client.send({"dataframe_split": table}))


@pytest.mark.parametrize("kind", ["text/plain", "application/json; charset=latin-1"])
def test_a_body_of_another_kind_is_refused(kind: str, client: Client, rows: Rows) -> None:
    body = json.dumps(records([rows.complete])).encode()
    response = client.post(body, kind)
    assert reason(response)
    assert response.status_code == 415


def test_ten_thousand_customers_in_one_body_are_answered(client: Client, rows: Rows) -> None:
    count = 10_000
    answers = client.about(islice(cycle(rows.records), count))
    require_offline(answers, rows, np.arange(count) % len(rows.records))


def test_sixteen_clients_at_once_each_get_their_own_answers(server: Server, rows: Rows) -> None:
    clients, requests = 16, 6
    all_there = Barrier(clients)

    def call(number: int) -> None:
        client = Client(server.url, rows.output.answered)
        all_there.wait()
        for request in range(requests):
            first = (number * requests + request) % len(rows.records)
            which = slice(first, first + 1 + number % 3)  # of several lengths
            require_offline(client.about(rows.records[which]), rows, which)

    with ThreadPoolExecutor(clients) as pool:
        calls = [pool.submit(call, number) for number in range(clients)]
    errors = [error for call in calls if (error := call.exception())]
    assert not errors, f"{len(errors)} of {clients} clients: {errors[0]!r}"


def test_of_single_requests_95_in_100_are_answered_in_time(
    client: Client, rows: Rows, settings: Params, record_property: Callable[[str, Any], None]
) -> None:
    milliseconds = []
    for record in islice(cycle(rows.records), 200):
        begun = time.perf_counter()
        client.answers(records([record]))
        milliseconds.append((time.perf_counter() - begun) * 1000)
    p95 = float(np.quantile(milliseconds, 0.95, method="higher"))
    record_property("p95_ms", round(p95, 1))
    assert p95 <= settings.release.p95_ms
