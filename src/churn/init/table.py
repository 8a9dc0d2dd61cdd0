"""A table as it was understood: which column is used as what, and which are left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from churn.core.errors import DataError, ParamsError
from churn.core.params import ROW_NUMBER, CsvParams, TaskName
from churn.init import target
from churn.init.asking import Asker, Question
from churn.init.columns import Column, Kind, Understood, understand
from churn.init.reading import RawTable, csv_settings
from churn.init.target import Target
from churn.model import outputs

_COPY, _SUSPICIOUS = 0.999, 0.97  # ROC AUC of one column alone
_IDS = (
    "id ids uuid guid key customerid clientid userid accountid memberid customernumber number no nr"
    " rownumber email kundennummer nummer msisdn phone"
)
_CUSTOMERS = "customer client user account member subscriber kunde person patient household"


@dataclass(frozen=True)
class Wishes:
    """What the user has said about the table; None for what has to be found.

    Attributes
    ----------
    id, target, positive, task : str or None
        An id of ``null`` numbers the rows.
    missing : tuple of str
        Words for a missing cell.
    drop : tuple of str
        Columns that shall not be used.
    csv : mapping of str to str
        Keys of ``data.csv``.
    """

    id: str | None = None
    target: str | None = None
    positive: str | None = None
    task: TaskName | None = None
    missing: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    csv: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """A table as it was understood.

    Attributes
    ----------
    rows : int
    labels : str
        What the target holds, in a few words.
    id : str
        `churn.core.params.ROW_NUMBER` if there is none.
    target : Target
    used : dict of str to Column
        The columns that a model gets.
    left_out : dict of str to str
        Why another column is not used, by its name.
    alone : dict of str to float
        How well each used column alone ranks the customers (`Column.auc_alone`).
    csv : CsvParams
    missing : tuple of str
        Words for a missing cell.
    """

    rows: int
    labels: str
    id: str
    target: Target
    used: dict[str, Column]
    left_out: dict[str, str]
    alone: dict[str, float]
    csv: CsvParams
    missing: tuple[str, ...]

    @property
    def suspicious(self) -> dict[str, float]:
        """The columns that tell the target nearly alone."""
        return {name: area for name, area in self.alone.items() if area >= _SUSPICIOUS}

    def of_kind(self, kind: Kind) -> list[str]:
        """Return the names of the used columns of a kind."""
        return [name for name, column in self.used.items() if column.kind == kind]


def describe(raw: RawTable, wishes: Wishes, asker: Asker) -> Table:
    """Understand a table, and ask where it is not clear.

    Raises
    ------
    DataError
        If it has no usable target, or no other usable column.
    ParamsError
        If the user has named a column that is not there.
    """
    _require_columns(raw, wishes, asker.name)
    understood = _understood(raw, wishes, asker)
    columns = understood.columns
    found = target.find(columns, wishes.target, wishes.positive, wishes.task, asker)
    ids = _id({name: c for name, c in columns.items() if name != found.name}, wishes.id, asker)
    y = found.labels(columns[found.name])
    used, left_out, alone = dict[str, Column](), dict[str, str](), dict[str, float]()
    for name, column in columns.items():
        if name not in (ids, found.name):
            area = column.auc_alone(y)
            why = "as --drop says" if name in wishes.drop else _no_use(column, area, found)
            if why is None:
                used[name], alone[name] = column, area
            else:
                left_out[name] = why
    if not used:
        why = "; ".join(f"{name}: {reason}" for name, reason in left_out.items()) or "no other"
        raise DataError(f"{asker.name}: no column is left to learn from ({why})")
    left_out = raw.unread | left_out
    csv, missing = understood.csv, understood.missing
    return Table(len(y), found.described(y), ids, found, used, left_out, alone, csv, missing)


def _require_columns(raw: RawTable, wishes: Wishes, file: str) -> None:
    """Check that the columns that the user has named are there."""
    named = [("--id", wishes.id), ("--target", wishes.target)]
    for option, name in (*named, *(("--drop", name) for name in wishes.drop)):
        if name is not None and name not in raw.cells and (option, name) != ("--id", "null"):
            there = ", ".join(map(repr, raw.cells))
            raise ParamsError(f"{file}: no column {name!r} for {option} (there are {there})")


def _understood(raw: RawTable, wishes: Wishes, asker: Asker) -> Understood:
    """Find the kinds of columns; what is asked may change them, so they are found again."""
    found = understand(raw, wishes.missing, wishes.csv)
    missing, csv = found.missing, found.csv
    for question in found.questions:
        if question.option == "--missing":
            if not asker.agree(question):
                raise DataError(f"{asker.name}: {question.what}; correct these cells")
            missing = (*missing, *question.choices)
        else:
            chosen = csv_settings([asker.answer(question)])
            plain = {} if "date" in chosen else {"decimal": ".", "thousands": "", "symbols": ""}
            csv = csv.model_copy(update=plain | chosen)
    if (missing, csv) == (found.missing, found.csv):
        return found
    return understand(raw, missing, csv.model_dump(exclude_defaults=True))


def _no_use(column: Column, area: float, target: Target) -> str | None:
    """Return why a column is not used; None if it is."""
    if column.name in outputs.of(target.task, target.classes).answered:
        return "has the name of an output; rename it to use it"
    if column.is_counter:
        return "numbers the rows"
    if column.is_id and _names_id(column):
        return "another id"
    if (why := column.says_nothing()) is not None:
        return why
    if area < _COPY:
        return None
    return f"tells {target.name} alone ({target.told_alone(area)}): a copy of it"


def _id(columns: Mapping[str, Column], named: str | None, asker: Asker) -> str:
    """Find the column that identifies a customer, and ask where it is not clear."""
    fit = [name for name, column in columns.items() if column.is_id]
    by_name = sorted(
        (name for name in fit if _names_id(columns[name])),
        key=lambda n: (columns[n].is_counter, not columns[n].speaks_of(f"{_CUSTOMERS} customerid")),
    )
    texts = [name for name in fit if columns[name].kind == "categorical"]
    if named is None and by_name:
        named = by_name[0]
    elif named is None and texts == [next(iter(columns))]:
        named = texts[0]
    elif named is None:
        what = "no column certainly identifies a customer; with null the rows are numbered"
        named = asker.answer(Question("--id", what, [*fit, "null"], "null"))
    return ROW_NUMBER if named == "null" else named


def _names_id(column: Column) -> bool:
    words = column.words
    return bool(words) and (
        words[-1] in _IDS.split() or words in map(str.split, _CUSTOMERS.split())
    )
