"""The sections of params.yaml about the customer table: data, split and train."""

from __future__ import annotations

import codecs
import math
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from churn.core.params.section import Section, Share

ROW_NUMBER = "(row)"  # the id of a table that has none
_OUTPUT = "prediction"  # of every task; `Params` knows the others
Label = bool | int | float | str
OneCharacter = Annotated[str, Field(min_length=1, max_length=1)]


class CsvParams(Section):
    """How a CSV file is written.

    Attributes
    ----------
    separator : str
        Between columns: one character.
    decimal : {".", ","}
        The decimal mark.
    thousands : str
        Between groups of three digits.
    symbols : str
        Characters around numbers that are ignored, such as "$%".
    encoding : str
        Such as utf-8, cp1252 or utf-16.
    quote : str
        Around cells that hold a separator.
    date : str
        How dates are written, in the codes of strptime, such as "%d.%m.%Y". ISO 8601 (2026-05-31)
        is read anyway.
    """

    separator: OneCharacter = ","
    decimal: Literal[".", ","] = "."
    thousands: Annotated[str, Field(max_length=1)] = ""
    symbols: str = ""
    encoding: str = "utf-8"
    quote: OneCharacter = '"'
    date: str = ""

    @model_validator(mode="after")
    def _marks_differ(self) -> CsvParams:
        if self.decimal == self.thousands:
            raise ValueError("decimal and thousands are the same")
        return self

    @field_validator("date")
    @classmethod
    def _is_a_date(cls, style: str) -> str:
        if not style:
            return style
        probe = datetime(2024, 2, 3)
        try:
            written = probe.strftime(style)
            is_read = datetime.strptime(written, style) == probe
        except ValueError:
            is_read = False
        if not is_read:
            raise ValueError(
                f"{style!r} does not name year, month and day (such as %d.%m.%Y; see the codes of"
                " Python's strptime)"
            )
        if written == "2024-03-02":
            raise ValueError(f"{style!r} is ISO 8601 with day and month changed; write it as that")
        return style

    @field_validator("encoding")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            return codecs.lookup(name).name
        except LookupError as error:
            raise ValueError(f"{name!r} is unknown (such as utf-8, cp1252, utf-16)") from error


class Columns(Section):
    """The columns that a model takes, by kind.

    Attributes
    ----------
    numeric : tuple of str
        Columns with numbers. Missing ones are imputed.
    dates : tuple of str
        Columns with dates. The model gets the days before the newest one.
    categorical : tuple of str
        Columns with text. Rare values are grouped.
    """

    numeric: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """All columns, in the order in which the model takes them."""
        return (*self.numeric, *self.dates, *self.categorical)

    @property
    def by_kind(self) -> dict[str, tuple[str, ...]]:
        """All columns, under ``numeric``, ``dates`` and ``categorical``."""
        return {"numeric": self.numeric, "dates": self.dates, "categorical": self.categorical}


class DvcAddress(Section):
    """A file or folder that DVC tracks in another repository.

    Attributes
    ----------
    repo : str
        The repository: an address for git, or a folder.
    path : str
        The file or folder in it.
    rev : str or None
        A branch, tag or commit; null is the newest commit of the default branch.
    """

    repo: str
    path: str
    rev: str | None = None


class DataParams(Columns):
    """The customer table: where it is and what its columns are.

    Attributes
    ----------
    path : str
        The table: CSV or Parquet (docs/tables.md), in the folder that data.dvc tracks.
    id : str or None
        Column with one value per customer, which decides who is held out. With null the rows are
        numbered.
    target : str
        Column that is predicted: two values (binary), numbers (regression) or classes (multiclass).
    positive : bool, int, float, str or None
        Binary: the value of the target that means churned.
    classes : tuple of bool, int, float or str
        Multiclass: the values of the target, three or more.
    missing : tuple of str
        Further words for a missing cell, such as "?" and "#N/A".
    csv : CsvParams
        How a CSV file is written.
    source : str, DvcAddress or None
        Where `churn retrain` gets the newest table: a file, an address such as
        s3://bucket/customers.csv, or a DVC repository. Null is nowhere.
    min_share : float
        A newest table with a smaller share of today's rows is refused.
    max_label_shift : float
        A newest table is refused if its share of churned customers differs from today's by more
        than this (Cohen's h: 0.2 is small, 0.5 is medium; d of numbers, w of classes), beyond what
        chance does.
    """

    path: str
    id: Annotated[
        str,
        BeforeValidator(
            lambda name: ROW_NUMBER if name is None else name, json_schema_input_type=str | None
        ),
    ]
    target: str
    positive: Label | None = None
    classes: tuple[Label, ...] = ()
    missing: tuple[str, ...] = ()
    csv: CsvParams = CsvParams()
    source: str | DvcAddress | None = None
    min_share: Annotated[float, Field(ge=0, le=1)] = 0.9
    max_label_shift: Annotated[float, Field(gt=0, le=math.pi)] = 0.2

    @model_validator(mode="after")
    def _columns_have_one_role(self) -> DataParams:
        columns = [self.id, self.target, *self.inputs]
        twice = sorted({name for name in columns if columns.count(name) > 1})
        if twice:
            raise ValueError(f"column {twice[0]!r} is named twice")
        if _OUTPUT in columns:
            raise ValueError(f"column {_OUTPUT!r} has the name of an output; rename it")
        if not self.inputs:
            raise ValueError("name at least one column in numeric, dates or categorical")
        return self


class SplitParams(Section):
    """How customers are divided into train and test.

    Attributes
    ----------
    test_share : float
        Share of customers held out, by a hash of their id.
    salt : str
        Another salt holds out other customers.
    """

    test_share: Share
    salt: str


class TrainParams(Section):
    """The rows that a model is trained on.

    Attributes
    ----------
    max_rows : int or None
        Number of training rows at most, for tables of which one machine cannot train on all: those
        with the smallest hash of their id, so that they stay nearly the same when the table grows.
        Null: all. Held-out customers are never left out.
    """

    max_rows: Annotated[int, Field(ge=1000)] | None = None
