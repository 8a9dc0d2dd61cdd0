"""Choose what params.yaml says of a table, from the table alone: columns, features, slices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from churn.core.params import ROW_NUMBER, CsvParams
from churn.init import names
from churn.init.decisions import Decision
from churn.init.table import Table

_MOST_SLICES = 4
_MOST_VALUES = 10  # of a categorical column whose values are slices
_FEWEST_VALUES = 8  # of a numeric column that is cut into quantile bins
# Pairs of habits whose ratio says more than each alone.
_RATIOS = (
    ("monetary", "frequency"),
    ("recency", "frequency"),
    ("frequency", "tenure"),
    ("monetary", "tenure"),
    ("trouble", "frequency"),
    ("trouble", "tenure"),
)


def of_data(table: Table, path: str) -> Iterator[Decision]:
    """Decide the section ``data``."""
    roles, rows = table.roles, table.rows

    def data(key: str, value: Any, *why: str) -> Decision:
        return Decision(("data", key), value, why)

    yield data("path", path, f"{rows:,} rows")
    if roles.id == ROW_NUMBER:
        yield data("id", None, "no column has another value in each row, so rows are numbered")
    else:
        yield data("id", roles.id, "another value in each row")
    share = table.churned / rows
    yield data("target", roles.target, f"two values; {roles.positive} in {share:.1%} of the rows")
    yield data("positive", _value(roles.positive))
    left_out = [f"left out: {name}, {why}" for name, why in table.left_out.items()]
    suspicious = [
        f"{name} tells {roles.target} nearly alone (ROC AUC {area:.3f}): is it known before?"
        for name, area in table.suspicious.items()
    ]
    yield data("numeric", table.of_kind("numeric"), *left_out, *suspicious)
    yield data("dates", table.of_kind("dates"))
    yield data("categorical", table.of_kind("categorical"))
    found = [f"{', '.join(table.missing)} found in the table"] if table.missing else []
    yield data("missing", list(table.missing), *found)
    for key, value in table.csv.model_dump().items():
        is_default = value == getattr(CsvParams(), key)
        yield Decision(("data", "csv", key), value, () if is_default else ("as the file has it",))


def _value(positive: str) -> bool | int | str:
    """Write 1 as a number and true as a boolean, as people do."""
    if positive in ("true", "false"):
        return positive == "true"
    return int(positive) if positive in ("0", "1") else positive


def of_features(table: Table) -> Iterator[Decision]:
    """Decide ratios and RFM scores, from what the names of numeric columns say."""
    by_habit: dict[str, str] = {}
    for name in table.of_kind("numeric"):
        if (habit := names.habit(name)) is not None:
            by_habit.setdefault(habit, name)
    ratios = [
        {"numerator": by_habit[above], "denominator": by_habit[below]}
        for above, below in _RATIOS
        if above in by_habit and below in by_habit
    ]
    why = "by the names of the columns" if ratios else "no two columns' names suggest one"
    yield Decision(("features", "ratios"), ratios, (why,))
    rfm = {key: by_habit.get(key) for key in ("recency", "frequency", "monetary")}
    lacking = [key for key, name in rfm.items() if name is None]
    if lacking:
        why = f"no column's name speaks of {' or '.join(lacking)}"
        yield Decision(("features", "rfm"), None, (why,))
    else:
        yield Decision(("features", "rfm"), rfm, ("by the names of the columns",))


def of_slices(table: Table) -> Iterator[Decision]:
    """Decide the groups of customers with metrics of their own."""
    numeric = [n for n in table.of_kind("numeric") if table.used[n].distinct >= _FEWEST_VALUES]
    categorical = [
        n for n in table.of_kind("categorical") if 2 <= table.used[n].distinct <= _MOST_VALUES
    ]
    protected = [n for n in (*numeric, *categorical) if names.is_protected(n)]

    def first(columns: list[str]) -> list[str]:
        ranked = sorted(columns, key=lambda n: (n not in protected, -table.alone[n]))
        chosen = ranked[:_MOST_SLICES]
        return [name for name in columns if name in chosen]

    chosen = {"numeric": first(numeric), "categorical": first(categorical)}
    most = f"at most {_MOST_SLICES}, those that tell most of the target"
    whys = {"numeric": most, "categorical": f"{most}, with at most {_MOST_VALUES} values"}
    for key, columns in chosen.items():
        yield Decision(("evaluation", "slices", key), columns, (whys[key],))
    shown = [n for n in protected if n in chosen["numeric"] or n in chosen["categorical"]]
    why = (f"by {'their names' if len(shown) > 1 else 'its name'}",) if shown else ()
    yield Decision(("evaluation", "slices", "protected"), shown, why)
