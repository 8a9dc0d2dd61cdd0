"""A table as it was understood: which column is used as what, and which are left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from churn.core.errors import DataError
from churn.core.params import CsvParams
from churn.data import cells
from churn.init import names, roles, telling
from churn.init.asking import Asker
from churn.init.columns import Column, Kind, is_counter, says_nothing, understand
from churn.init.reading import RawTable
from churn.init.roles import Named, Roles
from churn.init.styles import csv_settings

_OUTPUTS = ("probability", "prediction")


@dataclass(frozen=True)
class Table:
    """A table as it was understood.

    Attributes
    ----------
    rows : int
    churned : int
        Number of rows with the positive value.
    roles : Roles
    used : dict of str to Column
        The columns that a model gets.
    left_out : dict of str to str
        Why another column is not used, by its name.
    alone : dict of str to float
        How well each used column alone ranks the customers: ROC AUC.
    csv : CsvParams
    missing : tuple of str
        Words for a missing cell.
    """

    rows: int
    churned: int
    roles: Roles
    used: dict[str, Column]
    left_out: dict[str, str]
    alone: dict[str, float]
    csv: CsvParams
    missing: tuple[str, ...]

    @property
    def suspicious(self) -> dict[str, float]:
        """The columns that tell the target nearly alone, with their ROC AUC."""
        return {name: area for name, area in self.alone.items() if area >= telling.SUSPICIOUS}

    def of_kind(self, kind: Kind) -> list[str]:
        """Return the names of the used columns of a kind."""
        return [name for name, column in self.used.items() if column.kind == kind]


@dataclass(frozen=True)
class Wishes:
    """What the user has said about the table.

    Attributes
    ----------
    named : Named
    missing : tuple of str
        Words for a missing cell.
    drop : tuple of str
        Columns that shall not be used.
    csv : mapping of str to str
        Keys of ``data.csv``.
    """

    named: Named
    missing: tuple[str, ...]
    drop: tuple[str, ...]
    csv: Mapping[str, str]


def describe(raw: RawTable, wishes: Wishes, asker: Asker) -> Table:
    """Understand a table, and ask where it is not clear.

    Raises
    ------
    DataError
        If it has no usable target, or no other usable column.
    """
    understood = understand(raw, wishes.missing, wishes.csv)
    missing, csv = understood.missing, understood.csv
    for question in understood.questions:
        if question.option == "--missing":
            if not asker.agree(question):
                raise DataError(f"{asker.name}: {question.what}; correct these cells")
            missing = (*missing, *question.choices)
        else:
            chosen = csv_settings([asker.answer(question)])
            plain = {} if "date" in chosen else {"decimal": ".", "thousands": "", "symbols": ""}
            csv = csv.model_copy(update=plain | chosen)
    if missing != understood.missing or csv != understood.csv:
        understood = understand(raw, missing, csv.model_dump(exclude_defaults=True))
    columns = understood.columns
    found = roles.find(columns, raw.cells, wishes.named, asker)
    is_positive = cells.texts(raw.cells[found.target]).eq(found.positive).to_numpy(dtype=bool)
    used, left_out, alone = _sorted_out(columns, found, is_positive, wishes.drop)
    if not used:
        why = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise DataError(f"{asker.name}: no column is left to learn from ({why or 'no other'})")
    return Table(
        len(raw.cells),
        int(is_positive.sum()),
        found,
        used,
        raw.unread | left_out,
        alone,
        understood.csv,
        understood.missing,
    )


def _sorted_out(
    columns: Mapping[str, Column], found: Roles, y: np.ndarray, drop: tuple[str, ...]
) -> tuple[dict[str, Column], dict[str, str], dict[str, float]]:
    used: dict[str, Column] = {}
    left_out: dict[str, str] = {}
    alone: dict[str, float] = {}
    for name, column in columns.items():
        if name in (found.id, found.target):
            continue
        why = "as --drop says" if name in drop else _no_use(column) or says_nothing(column)
        if why is None:
            area = telling.auc_alone(column, y)
            if area >= telling.COPY:
                why = f"tells {found.target} alone (ROC AUC {area:.3f}): a copy of it"
            else:
                used[name], alone[name] = column, area
        if why is not None:
            left_out[name] = why
    return used, left_out, alone


def _no_use(column: Column) -> str | None:
    if column.name in _OUTPUTS:
        return "has the name of an output; rename it to use it"
    if is_counter(column):
        return "numbers the rows"
    if column.is_whole and column.is_unique and names.is_id(column.name):
        return "another id"
    return None
