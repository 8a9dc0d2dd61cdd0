"""How the customers of a request are read: MLflow's protocol, in a usual and a careful way."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import mlflow
import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import PyFuncModel, scoring_server

from churn.core.errors import DataError
from churn.model.artifact import Model
from churn.serve.questions import QuestionError, Questions, TooManyRowsError, known_categories
from churn.serve.rows import Rows, from_frame
from churn.tracking import connection, runs
from churn.tracking.runs import Record
from tests.binary import OUTPUT
from tests.unit.conftest import store_in
from tests.unit.serve.models import fitted, require_same

Cells = dict[str, Any]
Form = Callable[[list[Cells]], Any]


def records(customers: list[Cells]) -> Any:
    return {"dataframe_records": customers}


def instances(customers: list[Cells]) -> Any:
    return {"instances": customers}


def inputs(customers: list[Cells]) -> Any:
    return {"inputs": customers}


def split(customers: list[Cells]) -> Any:
    names = list(dict.fromkeys(name for one in customers for name in one))
    data = [[one.get(name) for name in names] for one in customers]
    return {"dataframe_split": {"columns": names, "data": data}}


def by_column(customers: list[Cells]) -> Any:
    names = list(dict.fromkeys(name for one in customers for name in one))
    return {"inputs": {name: [one.get(name) for one in customers] for name in names}}


FORMS = [records, instances, inputs, split, by_column]
every_form = pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)


def attempt(questions: Questions, body: bytes) -> Rows | DataError:
    try:
        return questions.read_json(body)
    except DataError as error:
        return error


class Reader:
    """Reads in both ways, and as the model itself reads a table."""

    def __init__(self, model: Model, max_rows: int = 1000) -> None:
        self.model = model
        self.usual, self.careful = Questions(model, max_rows), Questions(model, max_rows)
        self.careful._decoder = None

    def complete(self) -> Cells:
        card = self.model.card
        texts = {"plan": "gold", "channel": "web"}
        cells: Cells = {name: 10.5 + place for place, name in enumerate(card.numeric)}
        cells |= dict.fromkeys(card.dates, "2026-02-28")
        return {**cells, **{name: texts[name] for name in card.categorical}, card.id: "C7"}

    def read(self, body: Any) -> Rows:
        """Read in both ways, which must agree in what they return and in what they refuse."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        found, expected = (attempt(way, content) for way in (self.usual, self.careful))
        if isinstance(expected, Rows):
            assert isinstance(found, Rows), found
            require_same(found, expected)
            return found
        assert (type(found), str(found)) == (type(expected), str(expected))
        raise expected

    def refusal(self, body: Any) -> str:
        with pytest.raises(DataError) as caught:
            self.read(body)
        return str(caught.value)

    def is_usual(self, body: Any) -> bool:
        """Tell whether a body is read without the table conversion."""
        try:
            self.usual._usual(json.dumps(body).encode())
        except Exception:
            return False
        return True


@pytest.fixture(scope="module")
def reader(dated: Model) -> Reader:
    return Reader(dated)


@pytest.fixture(scope="module")
def small_reader(model: Model) -> Reader:
    return Reader(model)


@pytest.fixture(scope="module")
def words(rich: pd.DataFrame) -> Reader:
    """Return a reader for a table in which some numbers, texts and dates mean that it is empty."""
    missing = ["-999", "0", "9999-12-31", "gold", "?", "missing"]
    columns: dict[str, Any] = {"data__categorical": ["plan"], "data__dates": ["signup"]}
    return Reader(fitted(rich, data__missing=missing, **columns))


@every_form
def test_the_usual_body_is_read_without_a_table(form: Form, reader: Reader) -> None:
    one = reader.complete()
    body = form([one, {**one, **dict.fromkeys(reader.model.card.inputs)}])
    assert reader.is_usual(body)
    found = reader.read(body)
    assert found.ids == ["C7", "C7"]
    assert found.categories == {"plan": ["gold", None], "channel": ["web", None]}
    assert found.numbers[0].tolist() == [10.5 + place for place in range(8)] + [20512.0]
    assert np.isnan(found.numbers[1]).all()


@every_form
def test_other_columns_and_their_order_do_not_matter(form: Form, reader: Reader) -> None:
    one = reader.complete()
    other = {"note": {"a": [1]}, **dict(reversed(one.items())), "more": None}
    require_same(reader.read(form([other])), reader.read(form([one])))


texts = st.text(st.characters(codec="utf-8"), max_size=12)
floats = st.floats(allow_nan=False, allow_infinity=False)
within = st.floats(-1e38, 1e38, allow_nan=False)
whole = st.integers(-(10**40), 10**40)
blanks = st.sampled_from(["", " ", "\t", "\u00a0", " \n "])
numbers = st.one_of(
    within,
    st.integers(-(10**30), 10**30),
    within.map(repr),
    within.map(lambda x: f" {x:+.3e} "),
    st.integers(-(10**20), 10**20).map(str),
    st.booleans(),
    st.sampled_from(["TRUE", "false", "NA", "n/a", "null", "None", "-", "nan", "1.", ".5", "+.5"]),
    blanks,
    st.none(),
)
days = st.dates().map(str)
moments = st.datetimes().map(str)
dates = st.one_of(
    days,
    days.map(lambda x: f" {x} "),
    days.map(lambda x: x.replace("-", "")),
    st.dates(date(1000, 1, 1)).map(lambda x: int(x.strftime("%Y%m%d"))),
    moments,
    moments.map(lambda x: x.replace(" ", "T") + "Z"),
    moments.map(lambda x: x + "+01:30"),
    blanks,
    st.sampled_from(["NaT", "na", None]),
)
categories = st.one_of(
    st.sampled_from(["gold", "basic", "trial", "missing", " gold ", "never seen", "1.0", "TRUE"]),
    texts,
    blanks,
    st.booleans(),
    floats,
    whole,
    st.none(),
)
ids = st.one_of(st.sampled_from(["1.0", "-7.0", "TRUE", "true", " C7 ", "C7.0"]), categories)


@st.composite
def customers(draw: st.DrawFn) -> list[Cells]:
    """Draw valid customers for a model with columns of every kind."""
    count = draw(st.integers(1, 3))
    names = [
        "recency_days",
        "frequency",
        "monetary_value",
        "avg_order_value",
        "days_since_signup",
        "total_orders",
        "support_tickets",
        "age",
    ]
    usual = draw(st.booleans())
    kinds: dict[str, Any] = {
        **dict.fromkeys(names, st.one_of(within, st.none()) if usual else numbers),
        "signup": st.one_of(days, st.none()) if usual else dates,
        "plan": categories,
        "channel": st.sampled_from(["web", "shop", None]) if usual else categories,
    }
    if draw(st.booleans()):
        kinds["customer_id"] = ids
    found = [{name: draw(kind) for name, kind in kinds.items()} for _ in range(count)]
    if count > 1 and draw(st.booleans()):
        found[-1].pop("customer_id", None)
    if count > 1 and draw(st.integers(0, 9)) == 0:
        found[-1].pop("age", None)
    return found


@pytest.mark.slow
@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(customers(), st.sampled_from(FORMS))
def test_both_ways_give_the_same_cells_for_everything_valid(
    reader: Reader, drawn: list[Cells], form: Form
) -> None:
    found = reader.read(form(drawn))
    # What the model itself reads in a table of the same cells.
    require_same(found, from_frame(reader.model, pd.DataFrame(drawn, dtype=object)))
    require_same(reader.usual.read_columns(columns_of(drawn)), found)


@pytest.mark.slow
@settings(max_examples=40)
@given(st.lists(ids, min_size=1, max_size=4))
@example(["1.0"])
@example(["TRUE"])
@example([2**53 + 1])
@example([2**53 + 1, None])
@example([10**22 + 1, "x"])
@example([1.0, 1, True, "1"])
def test_an_id_is_the_same_text_in_every_format(reader: Reader, drawn: list[Any]) -> None:
    asked = [{**reader.complete(), "customer_id": one} for one in drawn]
    expected = from_frame(reader.model, pd.DataFrame(asked, dtype=object)).ids
    for form in FORMS:
        assert reader.read(form(asked)).ids == expected


@every_form
def test_an_id_of_many_digits_keeps_them_all(form: Form, reader: Reader) -> None:
    many = 12345678901234567891
    found = reader.read(form([{**reader.complete(), "customer_id": many}]))
    assert found.ids == [str(many)]


@pytest.mark.slow
@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.one_of(numbers, texts, floats, whole),
    st.one_of(dates, texts, floats),
    st.sampled_from(FORMS),
)
@example("1e400", "2026-02-30", records)
@example(10**400, "\uff12\uff10\uff12\uff16-01-01", split)
@example("0x10", "0000-01-01", by_column)
@example("1_0", "2026-W09-6", records)
@example("\x00", "\x00", records)
@example(3.5e38, "now", inputs)
def test_a_cell_that_does_not_fit_is_refused_as_the_model_refuses_it(
    reader: Reader, number: Any, day: Any, form: Form
) -> None:
    asked = [reader.complete(), {**reader.complete(), "age": number, "signup": day}]
    try:
        expected = from_frame(reader.model, pd.DataFrame(asked, dtype=object))
    except DataError as error:
        said = str(error)
    else:
        require_same(reader.read(form(asked)), expected)
        return
    assert reader.refusal(form(asked)) == said


@every_form
@pytest.mark.parametrize("cell", ["old", "4,1", [41], [4, 1], {"age": 41}, [[]], {}], ids=repr)
def test_what_is_no_number_is_refused_with_its_column(
    cell: Any, form: Form, reader: Reader
) -> None:
    said = reader.refusal(form([reader.complete(), {**reader.complete(), "age": cell}]))
    assert said == f"column 'age' holds {str(cell)!r}, which is not a finite number"


@pytest.mark.parametrize(("written", "which"), [("Infinity", "inf"), ("-Infinity", "-inf")])
def test_infinity_is_refused_and_nan_is_a_missing_cell(
    written: str, which: str, reader: Reader
) -> None:
    body = json.dumps(records([{**reader.complete(), "age": "@"}])).replace('"@"', written)
    assert reader.refusal(body.encode()) == f"column 'age' holds '{which}', which is infinite"
    body = json.dumps(records([{**reader.complete(), "age": "@"}])).replace('"@"', "NaN")
    assert np.isnan(reader.read(body.encode()).numbers[0, 7])


@pytest.mark.parametrize("digits", [39, 308, 309, 400, 4300, 4301, 100_000])
@every_form
def test_a_number_of_any_length_is_refused_and_not_an_accident(
    form: Form, digits: int, reader: Reader
) -> None:
    body = json.dumps(form([{**reader.complete(), "age": "@"}])).replace('"@"', "9" * digits)
    assert ("age" in reader.refusal(body.encode())) == (digits <= 4300)


@pytest.mark.parametrize("name", ["recency_days", "age", "plan", "channel", "signup"])
@every_form
def test_a_missing_column_is_named(form: Form, name: str, reader: Reader) -> None:
    others = {key: cell for key, cell in reader.complete().items() if key != name}
    said = reader.refusal(form([others]))
    assert said.startswith(f"Model is missing inputs {[name]}. It takes the columns")


def test_several_missing_columns_are_named_in_their_order(reader: Reader) -> None:
    said = reader.refusal(records([{"age": 1}]))
    others = [name for name in reader.model.card.inputs if name != "age"]
    assert f"missing inputs {others}." in said
    assert said.endswith("and the request has ['age']")


def test_a_column_that_some_customers_lack_is_missing_there(reader: Reader) -> None:
    one, other = reader.complete(), reader.complete()
    del other["age"], other["plan"], other["customer_id"]
    found = reader.read(records([one, other]))
    assert np.isnan(found.numbers[1, 7]) and not np.isnan(found.numbers[0, 7])
    assert found.categories["plan"] == ["gold", None]
    assert found.ids == ["C7", None]


def test_the_id_is_no_input(reader: Reader) -> None:
    without = {name: cell for name, cell in reader.complete().items() if name != "customer_id"}
    for form in FORMS:
        assert reader.read(form([without])).ids is None


def test_a_column_that_is_there_twice_is_refused(reader: Reader) -> None:
    body = split([reader.complete()])
    for name in ("age", "note"):
        twice = json.loads(json.dumps(body))
        twice["dataframe_split"]["columns"] += [name, name]
        twice["dataframe_split"]["data"][0] += [1, 2]
        assert reader.refusal(twice) == f"column {name!r} is there twice"


def test_of_a_key_that_is_there_twice_the_last_counts(reader: Reader) -> None:
    body = json.dumps(records([reader.complete()])).replace('"age"', '"age": 1, "age"')
    assert reader.read(body.encode()).numbers[0, 7] == 17.5


@every_form
def test_more_customers_than_the_limit_are_refused_in_both_ways(form: Form, dated: Model) -> None:
    limited = Reader(dated, max_rows=3)
    one = limited.complete()
    assert len(limited.read(form([one] * 3))) == 3
    for cell in (1, "1"):
        with pytest.raises(TooManyRowsError, match=r"4 customers; a request may have 3 \(serve"):
            limited.read(form([{**one, "age": cell}] * 4))


BODIES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "not JSON: "),
    "broken": (b'{"dataframe_records": [{', "not JSON: "),
    "not UTF-8": (b"\xff\xfe{", "not JSON: "),
    "not UTF-8 in a text": (b'{"inputs": [{"a": "\xff"}]}', "not JSON: "),
    "a list": (b"[]", "an object with one of dataframe_records, dataframe_split, inst"),
    "null": (b"null", "an object with one of"),
    "a text": (b'"inputs"', "an object with one of"),
    "no customers": (
        b"{}",
        "one of dataframe_records, dataframe_split, instances, inputs is needed",
    ),
    "unknown format": (b'{"customers": []}', "and the request has ['customers']"),
    "two formats": (b'{"inputs": [], "instances": []}', "has ['inputs', 'instances']"),
    "no rows": (b'{"dataframe_records": []}', "no customers to predict for"),
    "no columns": (b'{"inputs": {}}', "no customers to predict for"),
    "empty columns": (b'{"inputs": {"age": []}}', "no customers to predict for"),
    "no list": (b'{"dataframe_records": "all"}', "dataframe_records: a list of customers is"),
    "a number": (b'{"instances": 1}', "instances: a list of customers is needed"),
    "null records": (b'{"dataframe_records": null}', "a list of customers is needed"),
    "no objects": (b'{"dataframe_records": [1, 2]}', "each customer is an object"),
    "lists": (b'{"instances": [[1, 2]]}', "each customer is an object"),
    "null among them": (b'{"inputs": [{}, null]}', "each customer is an object"),
    "no split": (b'{"dataframe_split": [1]}', "an object with columns and data is needed"),
    "split in half": (b'{"dataframe_split": {"columns": []}}', "an object with columns and data"),
    "split without rows": (b'{"dataframe_split": {"columns": ["a"], "data": []}}', "no customers"),
    "ragged": (b'{"dataframe_split": {"columns": ["a", "b"], "data": [[1]]}}', "rows of another"),
    "no rows in data": (b'{"dataframe_split": {"columns": ["a"], "data": [1]}}', "rows of another"),
    "different lengths": (b'{"inputs": {"a": [1], "b": [1, 2]}}', "of different lengths: {'a': 1,"),
    "names of numbers": (b'{"dataframe_split": {"columns": [1], "data": [[1]]}}', "has ['1']"),
    "customers of nothing": (b'{"dataframe_records": [{}]}', "missing inputs ['recency_days', "),
    "params": (b'{"params": {}, "x": 1}', "and the request has ['params', 'x']"),
}


@pytest.mark.parametrize(("body", "said"), BODIES.values(), ids=BODIES)
def test_a_body_that_is_no_question_is_refused(body: bytes, said: str, reader: Reader) -> None:
    assert said in reader.refusal(body)


@pytest.mark.parametrize("depth", [500, 5000, 200_000])
@pytest.mark.parametrize(
    "around",
    [b"@", b'{"x": @}', b'{"inputs": @}', b'{"instances": [{"x": @}]}', b'{"inputs": {"x": @}}'],
)
def test_a_body_of_any_depth_is_refused(around: bytes, depth: int, reader: Reader) -> None:
    reader.refusal(around.replace(b"@", b"[" * depth + b"]" * depth))
    reader.refusal(around.replace(b"@", b'{"x": ' * depth + b"1" + b"}" * depth))
    reader.refusal(around.replace(b"@", b"[" * depth))


@pytest.mark.parametrize("name", ["age", "plan", "signup", "customer_id", "\udfff", "note"])
@every_form
def test_half_of_a_surrogate_pair_is_refused(form: Form, name: str, reader: Reader) -> None:
    body = form([{**reader.complete(), name: "\ud800"}])
    if name == "note":  # of which nothing is read
        assert len(reader.read(body)) == 1
    else:
        assert reader.refusal(body) == "not JSON: a text has half of a surrogate pair"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32-le"])
def test_json_with_a_byte_order_mark_is_read(encoding: str, reader: Reader) -> None:
    body = json.dumps(records([{**reader.complete(), "plan": "Gö"}]), ensure_ascii=False)
    assert reader.read(body.encode(encoding)).categories["plan"] == ["Gö"]


@pytest.mark.slow
def test_a_word_for_a_missing_cell_is_one_in_every_form_of_a_cell(words: Reader) -> None:
    one = {**words.complete(), "plan": "basic"}
    assert words.is_usual(records([one]))
    for form in FORMS:
        for cell in (-999, -999.0, "-999", 0, 0.0, "?"):
            assert np.isnan(words.read(form([one, {**one, "age": cell}])).numbers[1, 7]), cell
        assert np.isnan(words.read(form([{**one, "signup": "9999-12-31"}])).numbers[0, 8])
        assert words.read(form([{**one, "plan": "gold"}])).categories["plan"] == [None]
        assert words.read(form([{**one, "plan": "missing"}])).categories["plan"] == [None]
        assert words.read(form([{**one, "age": 999}])).numbers[0, 7] == 999


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ['a "b"', "a\\b", "a\nb", "ä ö", "", "c0", "def", "1", "a.b", " a"]
)
def test_a_column_may_have_any_name(name: str, planned: pd.DataFrame) -> None:
    renamed = planned.rename(columns={"age": name})
    columns = ["recency_days", "frequency", "monetary_value", name]
    other = {
        "features__ratios": [],
        "evaluation__slices__numeric": [],
        "evaluation__slices__protected": [],
        "data__numeric": columns,
    }
    reader = Reader(fitted(renamed, data__categorical=["plan"], **other))
    one = {**dict.fromkeys(columns, 2.5), "plan": "gold", "customer_id": 7}
    for form in FORMS:
        found = reader.read(form([one, {**one, name: None}]))
        np.testing.assert_array_equal(found.numbers[:, 3], [2.5, np.nan])
        assert f"column {name!r} holds 'x'" in reader.refusal(form([{**one, name: "x"}]))
        del one[name]
        assert f"missing inputs {[name]}" in reader.refusal(form([one]))
        one[name] = 2.5


def test_a_model_of_categories_alone_is_asked(rich: pd.DataFrame) -> None:
    kinds: dict[str, Any] = {"data__categorical": ["plan", "channel"], "data__numeric": []}
    none: dict[str, Any] = {
        "features__ratios": [],
        "evaluation__slices__numeric": [],
        "evaluation__slices__protected": [],
    }
    reader = Reader(fitted(rich, features__rfm=None, **kinds, **none))
    for form in FORMS:
        found = reader.read(form([reader.complete()]))
        assert found.numbers.shape == (1, 0)
        assert found.categories == {"plan": ["gold"], "channel": ["web"]}


def test_the_known_categories_are_those_of_the_training_rows(dated: Model, words: Reader) -> None:
    assert known_categories(dated)["channel"] == {"web", "shop"}
    assert known_categories(dated)["plan"] == {"basic", "gold", "trial", "missing"}
    assert known_categories(words.model)["plan"] == {"basic", "trial"}


def test_models_of_equal_columns_read_the_same(model: Model, dated: Model, words: Reader) -> None:
    assert Questions(model, 1).reads_as(Questions(model, 9))
    assert not Questions(model, 1).reads_as(Questions(dated, 1))
    same_columns = words.model.card.model_copy(update={"missing": ()})
    other = Questions(Model(words.model.pipeline, same_columns), 1)
    assert not other.reads_as(Questions(words.model, 1))


def columns_of(customers: list[Cells]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = by_column(customers)["inputs"]
    return found


def test_decoded_columns_are_refused_as_json_is(reader: Reader) -> None:
    with pytest.raises(QuestionError, match=r"missing inputs \['recency_days', "):
        reader.usual.read_columns({"age": [1]})
    with pytest.raises(QuestionError, match="no customers"):
        reader.usual.read_columns({name: [] for name in reader.model.card.inputs})
    with pytest.raises(QuestionError, match="columns of different lengths"):
        reader.usual.read_columns({**columns_of([reader.complete()]), "age": [1, 2]})
    huge = {**columns_of([reader.complete()]), "age": [10**400]}
    with pytest.raises(DataError, match="column 'age' holds '1000"):
        reader.usual.read_columns(huge)
    with pytest.raises(TooManyRowsError):
        Reader(reader.model, 1).usual.read_columns(columns_of([reader.complete()] * 2))


def csv(customers: list[Cells]) -> bytes:
    return pd.DataFrame(customers, dtype=object).to_csv(index=False).encode()


def test_csv_is_read_as_a_table_of_texts(reader: Reader) -> None:
    one = {**reader.complete(), "plan": "1.0", "signup": "20260228", "customer_id": "007"}
    found = reader.usual.read_csv(csv([one, {**one, "age": None, "plan": None}]))
    require_same(found, reader.read(records([one, {**one, "age": None, "plan": None}])))
    assert found.categories["plan"] == ["1", None]
    assert found.ids == ["007", "007"]


@pytest.mark.slow
@settings(max_examples=40)
@given(st.lists(within, min_size=8, max_size=8))
def test_csv_numbers_have_the_bits_of_json_numbers(reader: Reader, drawn: list[float]) -> None:
    one = {**reader.complete(), **dict(zip(reader.model.card.numeric, drawn, strict=True))}
    written = {name: repr(cell) if type(cell) is float else cell for name, cell in one.items()}
    require_same(reader.usual.read_csv(csv([written])), reader.read(records([one])))


def csv_refusal(reader: Reader, body: bytes) -> str:
    with pytest.raises(DataError) as caught:
        reader.usual.read_csv(body)
    return str(caught.value)


def test_csv_that_is_no_question_is_refused(reader: Reader) -> None:
    one = csv([reader.complete()])
    header, row, _ = one.split(b"\n")
    assert csv_refusal(reader, b"").startswith("not CSV: No columns")
    assert csv_refusal(reader, b"\n\n").startswith("not CSV: No columns")
    assert csv_refusal(reader, header) == "no customers to predict for"
    assert csv_refusal(reader, b"\xff" + one).startswith("not UTF-8: invalid start byte at byte 0")
    assert csv_refusal(reader, one + b'"').startswith("not CSV: Error tokenizing data.")
    assert "missing inputs ['age']" in csv_refusal(reader, one.replace(b"age", b"years"))
    assert csv_refusal(reader, one.replace(b"10.5", b"ten")).startswith("column 'recency_days'")
    more = csv([{**reader.complete(), "age": cell} for cell in range(4)])
    with pytest.raises(TooManyRowsError):
        Reader(reader.model, 3).usual.read_csv(more)
    assert csv_refusal(reader, header + b"\n" + row + b"\n" + row + b",1").startswith("not CSV: ")


def test_csv_rows_longer_than_the_header_do_not_shift_the_cells(reader: Reader) -> None:
    header, row, _ = csv([reader.complete()]).split(b"\n")
    said = csv_refusal(reader, header + b"\n1," + row)
    assert said == "not CSV: rows have more cells than the header"


def test_a_csv_column_that_is_there_twice_is_refused(reader: Reader) -> None:
    header, row, _ = csv([reader.complete()]).split(b"\n")
    for name in ("age", "customer_id"):
        body = b"\n" + header + b"," + name.encode() + b"\n" + row + b",1\n"
        assert csv_refusal(reader, body) == f"column {name!r} is there twice"
    unnamed = header + b",note,note,,\n" + row + b",1,2,3,4\n"
    assert len(reader.usual.read_csv(unnamed)) == 1


def test_csv_with_a_byte_order_mark_is_read(reader: Reader) -> None:
    assert len(reader.usual.read_csv(b"\xef\xbb\xbf" + csv([reader.complete()]))) == 1


@pytest.fixture(scope="module")
def mlflow_model(
    empty_store: Path,
    stored: Path,
    model: Model,
    planned: pd.DataFrame,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[PyFuncModel]:
    """Return the small model as MLflow's server loads it."""
    folder = tmp_path_factory.mktemp("mlflow")
    record = Record(
        name="served",
        params={},
        metrics={},
        tags={},
        files={},
        model=stored,
        inputs=model.card.by_kind,
        answered=OUTPUT.answered,
        example=planned[list(model.card.inputs)].head(2),
    )
    with pytest.MonkeyPatch.context() as patch, store_in(folder, empty_store, patch):
        patch.setattr("sys.path", [*__import__("sys").path])
        tracked = runs.log(connection.connect(folder), record)
        yield mlflow.pyfunc.load_model(f"runs:/{tracked.run_id}/model")


def of_mlflow(body: str, model: PyFuncModel, kind: str = "application/json") -> Any:
    """Return the predictions of MLflow's server, or None if it refuses."""
    schema = model.metadata.get_input_schema()
    try:
        answer = scoring_server.invocations(body, kind, model, schema)
    except MlflowException as error:
        if error.get_http_status_code() != 400:
            raise
        return None
    assert answer.status == 200
    return [one["probability"] for one in json.loads(answer.response)["predictions"]]


CELLS: list[Cells] = [
    {},
    {"age": None},
    {"age": "41"},
    {"age": " 4.5 "},
    {"age": True},
    {"age": "TRUE"},
    {"age": " "},
    {"age": 41, "frequency": 3, "recency_days": 7},
    {"age": 10**30},
    {"age": -0.0},
    {"plan": None},
    {"plan": "trial"},
    {"plan": " gold "},
    {"plan": "never seen"},
    {"plan": 1.0},
    {"plan": True},
    {"note": "x", "customer_id": 7},
    {"age": "old"},
    {"age": 1e39},
    {"age": [41]},
    {"age": {"years": 41}},
]


@pytest.mark.slow
def test_mlflows_own_server_gives_the_same_answers_and_refuses_the_same(
    mlflow_model: PyFuncModel, small_reader: Reader
) -> None:
    reader = small_reader
    one = {name: cell for name, cell in reader.complete().items() if name != "customer_id"}
    lacking = {name: cell for name, cell in one.items() if name != "age"}
    asked = [*([{**one, **cells}] for cells in CELLS), [lacking], [one, {**one, "age": 3}]]
    for form in (records, split, inputs, by_column):
        for these in asked:
            body = json.dumps(form(these))
            expected = of_mlflow(body, mlflow_model)
            try:
                rows = reader.read(body.encode())
            except DataError:
                assert expected is None, (form.__name__, these)
                continue
            found = reader.model.pipeline.predict_proba(rows.frame(reader.model.card))[:, 1]
            assert found.tolist() == expected, (form.__name__, these)


@pytest.mark.slow
@pytest.mark.parametrize("cells", [{}, {"age": ""}, {"age": "NA"}, {"plan": "1.0"}, {"age": "x"}])
def test_mlflows_own_server_answers_csv_in_the_same_way(
    cells: Cells, mlflow_model: PyFuncModel, small_reader: Reader
) -> None:
    body = csv([{**small_reader.complete(), **cells}])
    expected = of_mlflow(body.decode(), mlflow_model, "text/csv")
    if expected is None:
        csv_refusal(small_reader, body)
    else:
        card = small_reader.model.card
        rows = small_reader.usual.read_csv(body)
        found = small_reader.model.pipeline.predict_proba(rows.frame(card))[:, 1]
        assert found.tolist() == expected


def test_a_day_is_read_alike_in_all_centuries(reader: Reader) -> None:
    for day in ("0001-01-01", "1582-10-10", "1600-02-29", "1969-12-31", "1970-01-01", "9999-12-31"):
        found = reader.read(records([{**reader.complete(), "signup": day}])).numbers[0, 8]
        moment = np.datetime64(day, "D").astype(int)
        assert math.isclose(found, moment, abs_tol=0)
