"""Read the customers of a request: MLflow's scoring protocol.

Usual bodies, numbers as numbers and texts as texts, are decoded straight into arrays. Whatever else
is valid, such as a number written as text, goes through the table conversion that training uses.
Both ways give the same cells. The second one also says what is wrong with a body.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from functools import lru_cache
from io import StringIO
from typing import Annotated, Any

import msgspec
import numpy as np
import pandas as pd
from msgspec import UNSET, UnsetType

from churn.core.errors import DataError
from churn.data import cells
from churn.model.artifact import Model
from churn.serve.rows import Cell, Rows, from_frame

FORMATS = ("dataframe_records", "dataframe_split", "instances", "inputs")
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_DAY = len("2026-02-28")


class QuestionError(DataError):
    """A body that is not a question, or names customers that the model cannot take."""


# JSON has no infinity; what is too large is told by the table conversion.
_Number = Annotated[float, msgspec.Meta(ge=-cells.MAX_NUMBER, le=cells.MAX_NUMBER)]


class _Split(msgspec.Struct):
    columns: list[str]
    data: list[list[Cell]]


class _Unusual(Exception):  # noqa: N818 (not an error: the table conversion reads it)
    """A cell that only the table conversion reads."""


class Questions:
    """Reads the questions to a model.

    Parameters
    ----------
    model : Model
    max_rows : int
        Maximum number of customers of a question.
    """

    def __init__(self, model: Model, max_rows: int) -> None:
        self._model, self._card, self._max_rows = model, model.card, max_rows
        self._numeric, self._dates = model.card.numeric, model.card.dates
        self._n_inputs = len(model.card.inputs)
        self._known = known_categories(model)
        # A number or a date may be a word for a missing cell, such as -999 and 9999-12-31.
        self._missing = frozenset(self._card.missing)
        self._missing_numbers = _numbers_among(self._missing)
        self._decoder, self._records_decoder = self._usual_decoders()

    def reads_as(self, other: Questions) -> bool:
        """Tell whether another model's questions are read to the same rows."""
        one, its = self._card, other._card
        return (one.by_kind, one.id, one.missing) == (its.by_kind, its.id, its.missing)

    def _usual_decoders(self) -> tuple[msgspec.json.Decoder[Any] | None, ...]:
        """Return what decodes usual bodies, and the most usual ones.

        None if a column's name has a quotation mark: msgspec takes no name that JSON has to escape.
        """
        try:
            customer: Any = self._customer()
        except ValueError:
            return None, None
        only: list[Any] = [("dataframe_records", list[customer])]
        records = msgspec.defstruct("Records", only, forbid_unknown_fields=True)
        return msgspec.json.Decoder(_body(customer)), msgspec.json.Decoder(records)

    def _customer(self) -> Any:
        """Define a usual customer: exactly the model's types, and other columns ignored."""
        inputs: list[Any] = [(name, _Number | None) for name in self._numeric]
        inputs += [(name, str | None) for name in (*self._dates, *self._card.categorical)]
        fields: list[Any] = [(f"c{i}", kind) for i, (_, kind) in enumerate(inputs)]
        rename = {f"c{i}": name for i, (name, _) in enumerate(inputs)}
        if self._card.id not in self._card.inputs:
            fields.append(("id", str | int | float | None | UnsetType, UNSET))
            rename["id"] = self._card.id
        return msgspec.defstruct("Customer", fields, rename=rename, gc=False)

    def read_json(self, body: bytes) -> Rows:
        """Read a question in JSON.

        Parameters
        ----------
        body : bytes
            An object with one of ``dataframe_records``, ``dataframe_split``, ``instances`` and
            ``inputs``, as ``mlflow models serve`` takes it.

        Raises
        ------
        QuestionError
            If it is not one, or has no customers or too many.
        DataError
            If a column is missing or a cell does not fit its column.
        """
        try:
            rows = self._usual(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, _Unusual):
            return self._careful(body)
        self._require_rows(len(rows))
        return rows

    def read_csv(self, body: bytes) -> Rows:
        """Read a question in CSV, with a header; errors as for `read_json`."""
        try:
            text = body.decode("utf-8-sig")
            table = pd.read_csv(StringIO(text), dtype=object)
            header = next(filter(None, csv.reader(StringIO(text))), [])
        except UnicodeDecodeError as error:
            raise QuestionError(f"not UTF-8: {error.reason} at byte {error.start}") from error
        except (ValueError, csv.Error) as error:
            raise QuestionError(f"not CSV: {' '.join(str(error).split())}") from error
        if not isinstance(table.index, pd.RangeIndex):  # pandas takes the first cells for names
            raise QuestionError("not CSV: rows have more cells than the header")
        for name in (*self._card.inputs, self._card.id):
            if header.count(name) > 1:  # pandas gives the second one another name
                raise QuestionError(f"column {name!r} is there twice")
        return self._converted(table)

    def read_columns(self, columns: Mapping[str, Sequence[Any]]) -> Rows:
        """Read a question whose columns are decoded already; errors as for `read_json`."""
        try:
            rows = self._from_columns(columns)
        except _Unusual:
            return self._converted(_framed(dict(columns)))
        self._require_rows(len(rows))
        return rows

    def _careful(self, body: bytes) -> Rows:
        try:
            return self._converted(_table(_document(body)))
        except UnicodeEncodeError as error:
            # JSON can name half of a character that takes two, and no text can hold it.
            raise QuestionError("not JSON: a text has half of a surrogate pair") from error

    def _usual(self, body: bytes) -> Rows:
        if self._decoder is None or self._records_decoder is None:
            raise _Unusual
        try:
            return self._from_records(self._records_decoder.decode(body).dataframe_records)
        except msgspec.ValidationError:
            pass  # another form, or a cell of another type
        question = self._decoder.decode(body)
        given = [found for name in FORMATS if (found := getattr(question, name)) is not UNSET]
        if len(given) != 1:
            raise _Unusual
        [found] = given
        if isinstance(found, dict):
            return self._from_columns(found)
        if isinstance(found, _Split):
            if len(set(found.columns)) != len(found.columns):
                raise _Unusual
            width = len(found.columns)
            if any(len(row) != width for row in found.data):
                raise _Unusual
            if not found.data:
                raise _Unusual
            columns = zip(*found.data, strict=True)
            return self._from_columns(dict(zip(found.columns, columns, strict=True)))
        return self._from_records(found)

    def _from_records(self, customers: list[Any]) -> Rows:
        if not customers:
            raise _Unusual
        table = [msgspec.structs.astuple(customer) for customer in customers]
        n, n_inputs = len(self._numeric), self._n_inputs
        numbers = np.array([row[:n] for row in table], dtype=np.float64)
        ids = [row[n_inputs] for row in table] if len(table[0]) > n_inputs else None
        if n == n_inputs:
            return self._rows(numbers, (), (), ids)
        rest = list(zip(*(row[n:n_inputs] for row in table), strict=True))
        n_dates = len(self._dates)
        return self._rows(numbers, rest[:n_dates], rest[n_dates:], ids)

    def _from_columns(self, columns: Mapping[str, Sequence[Any]]) -> Rows:
        if any(name not in columns for name in self._card.inputs):
            raise _Unusual
        if len({len(column) for column in columns.values()}) != 1:
            raise _Unusual
        numbers = [columns[name] for name in self._numeric]
        for column in numbers:
            # A boolean is a number to NumPy, and "1_0" to Python.
            if not {type(cell) for cell in column} <= {float, int, type(None)}:
                raise _Unusual
        count = len(columns[self._card.inputs[0]])
        try:
            array = np.array(numbers, dtype=np.float64).reshape(len(numbers), count).T
        except OverflowError as error:
            raise _Unusual from error
        if not _all_within(array):
            raise _Unusual
        dates = [columns[name] for name in self._dates]
        texts = [columns[name] for name in self._card.categorical]
        return self._rows(array, dates, texts, columns.get(self._card.id))

    def _rows(
        self,
        numbers: np.ndarray,
        dates: Sequence[Sequence[Any]],
        texts: Sequence[Sequence[Any]],
        ids: Sequence[Any] | None,
    ) -> Rows:
        if not len(numbers):
            raise _Unusual
        if len(self._missing_numbers) and np.isin(numbers, self._missing_numbers).any():
            raise _Unusual
        if dates:
            if self._missing and any(cell in self._missing for column in dates for cell in column):
                raise _Unusual
            days = np.array([[_day(cell) for cell in column] for column in dates])
            numbers = np.concatenate([numbers, days.T], axis=1)
        categories = {}
        for name, column in zip(self._card.categorical, texts, strict=True):
            known = self._known[name]
            if not all(cell is None or (type(cell) is str and cell in known) for cell in column):
                raise _Unusual
            categories[name] = list(column)
        return Rows(numbers, categories, None if ids is None else _ids(ids))

    def _converted(self, table: pd.DataFrame) -> Rows:
        self._require_rows(len(table))
        missing = [name for name in self._card.inputs if name not in table]
        if missing:
            # In the words of MLflow's server.
            raise QuestionError(
                f"Model is missing inputs {missing}. It takes the columns"
                f" {list(self._card.inputs)}, and the request has {[str(name) for name in table]}"
            )
        if not table.columns.is_unique:
            twice = table.columns[table.columns.duplicated()][0]
            raise QuestionError(f"column {twice!r} is there twice")
        return from_frame(self._model, table)

    def _require_rows(self, count: int) -> None:
        if count == 0:
            raise QuestionError("no customers to predict for")
        if count > self._max_rows:
            raise TooManyRowsError(
                f"{count} customers; a request may have {self._max_rows} (serve.max_rows)"
            )


def _body(customer: Any) -> Any:
    """Define the usual body of such customers."""
    records = list[customer] | UnsetType
    return msgspec.defstruct(
        "Question",
        [
            ("dataframe_records", records, UNSET),
            ("dataframe_split", _Split | UnsetType, UNSET),
            ("instances", records, UNSET),
            ("inputs", list[customer] | dict[str, list[Cell]] | UnsetType, UNSET),
        ],
        forbid_unknown_fields=True,
    )


class TooManyRowsError(QuestionError):
    """More customers than a request may have."""


def known_categories(model: Model) -> dict[str, frozenset[str]]:
    """Return the categories of the training rows by column."""
    if not model.card.categorical:
        return {}
    imputer, encoder = model.pipeline["features"].named_transformers_["category"]
    # scikit-learn leaves out a column in which every cell is missing.
    names = imputer.get_feature_names_out()
    found = dict.fromkeys(model.card.categorical, frozenset[str]())
    for name, known in zip(names, encoder.categories_, strict=True):
        # A number among them would be a text that is written in several ways.
        found[name] = frozenset(map(str, known)).difference(model.card.missing)
    return found


def _numbers_among(words: Collection[str]) -> np.ndarray:
    """Return the numbers among words."""
    found = []
    for word in words:
        try:
            found.append(float(word))
        except ValueError:
            pass
    return np.array(found)


def _all_within(numbers: np.ndarray) -> bool:
    """Tell whether no number is infinite or too large; NaN passes."""
    return not (np.abs(numbers) > cells.MAX_NUMBER).any()


def _day(cell: Any) -> float:
    """Return a date's days since 1970."""
    if cell is None:
        return math.nan
    if type(cell) is not str:
        raise _Unusual
    return _text_day(cell)


@lru_cache(maxsize=4096)
def _text_day(cell: str) -> float:
    if len(cell) == _DAY and cell[4] == cell[7] == "-" and "W" not in cell:
        try:
            return float(date.fromisoformat(cell).toordinal() - _EPOCH_DAY)
        except ValueError:
            pass
    raise _Unusual


def _ids(column: Sequence[Any]) -> list[str | None] | None:
    """Return ids as text, as the table conversion does; None if no customer has one."""
    if column[0] is UNSET and all(cell is UNSET for cell in column):
        return None
    if all(type(cell) is str and _is_plain(cell) for cell in column):
        return list(column)
    if all(type(cell) is int for cell in column):
        return list(map(str, column))
    series = pd.Series([None if cell is UNSET else cell for cell in column], dtype=object)
    text = cells.texts(series)
    return [None if missing else str(x) for x, missing in zip(text, text.isna(), strict=True)]


def _is_plain(cell: str) -> bool:
    """Tell whether a text is written as the table conversion writes it."""
    is_trimmed = cell != "" and cell == cell.strip()
    return is_trimmed and not cell.endswith(".0") and cell.lower() not in ("true", "false")


def _document(body: bytes) -> dict[str, object]:
    """Read any JSON object, as MLflow's server does: with NaN, which JSON does not have."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise QuestionError(f"not JSON: {error}") from error
    if not isinstance(document, dict):
        raise QuestionError(f"an object with one of {', '.join(FORMATS)} is needed")
    return document


def _table(document: dict[str, object]) -> pd.DataFrame:
    given = [name for name in FORMATS if name in document]
    if len(given) != 1:
        raise QuestionError(
            f"one of {', '.join(FORMATS)} is needed, and the request has {list(document)}"
        )
    [name] = given
    found = document[name]
    if name == "dataframe_split":
        return _split(found)
    if isinstance(found, dict) and name in ("inputs", "instances"):
        return _framed(found)
    if not isinstance(found, list):
        raise QuestionError(f"{name}: a list of customers is needed")
    if not all(isinstance(customer, dict) for customer in found):
        raise QuestionError(f"{name}: each customer is an object, its columns by name")
    return pd.DataFrame(found, dtype=object)


def _split(found: Any) -> pd.DataFrame:
    columns, data = (
        (found.get("columns"), found.get("data")) if isinstance(found, dict) else (None, None)
    )
    if not isinstance(columns, list) or not isinstance(data, list):
        raise QuestionError("dataframe_split: an object with columns and data is needed")
    if not all(isinstance(row, list) and len(row) == len(columns) for row in data):
        raise QuestionError("dataframe_split: data has rows of another length than columns")
    return pd.DataFrame(data, columns=pd.Index(list(map(str, columns))), dtype=object)


def _framed(columns: dict[str, object]) -> pd.DataFrame:
    """Make a table of columns; a single cell is a column of one."""
    listed = {
        name: list(column) if isinstance(column, (list, tuple)) else [column]
        for name, column in columns.items()
    }
    lengths = {name: len(column) for name, column in listed.items()}
    if len(set(lengths.values())) > 1:
        raise QuestionError(f"columns of different lengths: {lengths}")
    return pd.DataFrame({n: pd.Series(column, dtype=object) for n, column in listed.items()})
