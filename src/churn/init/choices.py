"""Choose what params.yaml says of a table, from the table alone: columns, features, slices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from churn.core.params import ROW_NUMBER, CsvParams, Params
from churn.init.columns import GROUPS, MOST_CODES, Kind
from churn.init.decisions import Decision
from churn.init.table import Table

_MOST_SLICES = 4
_BINS, _LEAST_BINS, _LEAST_ROWS, _ENOUGH_ROWS = 4, 2, 10, 50  # of slices
_HELD_OUT = 0.2  # about the share of customers who are held out, for the size of slices
_MOST_VALUES = MOST_CODES  # of a categorical column whose values are slices
_FEWEST_VALUES = 8  # of a numeric column that is cut into quantile bins
_PROTECTED = f"age alter {GROUPS}"
# Words by which people name what the scores of RFM are made of.
_RFM = {
    "recency": "recency since last",
    "frequency": "frequency orders purchases transactions visits bookings invoices",
    "monetary": "monetary spent spend revenue amount sales turnover",
}
# What the template says of its own table; a test compares them.
SHIPPED_CARD = {
    "purpose": "Ranks customers by the risk that they leave; the retention team offers discounts"
    " by it.",
    "out_of_scope": "Prices, credit or terms of a customer; customers of whom little is known yet.",
    "owner": "Retention team, retention@example.com",
}
_KINDS: dict[Kind, str] = {"numeric": "numbers", "dates": "dates", "categorical": "texts or codes"}
_OTHERS = "average avg mean monthly daily signup registration joined start"


def decide(table: Table, path: str) -> list[Decision]:
    """Decide what follows from the table alone; `path` is where it will be."""
    return [
        *_of_data(table, path),
        *_of_features(table),
        *_of_slices(table),
        *_of_size(table),
    ]


def _of_data(table: Table, path: str) -> Iterator[Decision]:
    def data(key: str, value: Any, *why: str) -> Decision:
        return Decision(("data", key), value, why)

    target = table.target
    yield data("path", path, f"{table.rows:,} rows")
    if table.id == ROW_NUMBER:
        yield data("id", None, "no column is sure to name a customer, so rows are numbered")
    else:
        yield data("id", table.id, "no two rows have the same value in it")
    yield data("target", target.name, table.labels)
    for key, value in target.settings.items():
        yield data(key, value, target.why(key))
    left_out = [f"left out: {name}, {why}" for name, why in table.left_out.items()]
    suspicious = [
        f"{name} tells {target.name} nearly alone ({target.told_alone(area)}): is it known before?"
        for name, area in table.suspicious.items()
    ]
    for kind, what in _KINDS.items():
        names = table.of_kind(kind)
        columns = "1 column" if len(names) == 1 else f"{len(names):,} columns"
        why = f"{columns} with {what}" if names else f"no other column has {what}"
        more = [*left_out, *suspicious] if kind == "numeric" else []
        yield data(kind, names, why, *more)
    found = [f"{', '.join(table.missing)} found in the table"] if table.missing else []
    yield data("missing", list(table.missing), *found)
    for key, value in table.csv.model_dump().items():
        is_default = value == getattr(CsvParams(), key)
        yield Decision(("data", "csv", key), value, () if is_default else ("as the file has it",))


def _of_features(table: Table) -> Iterator[Decision]:
    """Decide RFM scores, by the names of numeric columns; ratios are for people to add."""
    yield Decision(("features", "ratios"), [], ("none; add those that mean something to you",))
    rfm = {key: _first(table, words) for key, words in _RFM.items()}
    lacking = ", ".join(key for key, name in rfm.items() if name is None)
    why = (
        f"no numeric column has a name for {lacking}" if lacking else "by the names of the columns"
    )
    yield Decision(("features", "rfm"), None if lacking else rfm, (why,))


def _first(table: Table, words: str) -> str | None:
    for name in table.of_kind("numeric"):
        column = table.used[name]
        if column.speaks_of(words) and not column.speaks_of(_OTHERS):
            return name
    return None


def _of_slices(table: Table) -> Iterator[Decision]:
    """Decide the groups of customers with metrics of their own."""
    distinct = {name: column.distinct for name, column in table.used.items()}
    fit = {
        "numeric": [n for n in table.of_kind("numeric") if distinct[n] >= _FEWEST_VALUES],
        "categorical": [n for n in table.of_kind("categorical") if distinct[n] <= _MOST_VALUES],
    }
    protected = {n for names in fit.values() for n in names if table.used[n].speaks_of(_PROTECTED)}
    most = f"at most {_MOST_SLICES}, those that tell most of the target"
    whys = {"numeric": most, "categorical": f"{most}, with at most {_MOST_VALUES} values"}
    shown: list[str] = []
    for key, names in fit.items():
        ranked = sorted(names, key=lambda name: (name not in protected, -table.alone[name]))
        chosen = [name for name in names if name in ranked[:_MOST_SLICES]]
        shown += [name for name in chosen if name in protected]
        yield Decision(("evaluation", "slices", key), chosen, (whys[key],))
    why = f"by {'their names' if len(shown) > 1 else 'its name'}"
    if not shown:
        why = (
            "no slice is of age, gender or the like, by the names; add what shall be treated alike"
        )
    yield Decision(("evaluation", "slices", "protected"), shown, (why,))


def _of_size(table: Table) -> Iterator[Decision]:
    """Decide how many slices a column has, so that a slice has held-out customers enough."""
    # Bins are about equally large, in the training rows: some have fewer held-out customers.
    sure = table.rows * _HELD_OUT / 1.5
    bins = int(min(max(sure / _ENOUGH_ROWS, _LEAST_BINS), _BINS))
    least = int(min(max(sure / bins, _LEAST_ROWS), _ENOUGH_ROWS))
    few = f"as about {table.rows * _HELD_OUT:,.0f} of {table.rows:,} customers are held out"
    for key, value, usual in (("bins", bins, _BINS), ("min_rows", least, _ENOUGH_ROWS)):
        why = f"fewer than the usual {usual}, {few}" if value < usual else "the usual number"
        yield Decision(("evaluation", "slices", key), value, (why,))


def of_card(table: Table, settings: Params) -> Iterator[Decision]:
    """Empty what is not known of this table: what the template says of its own, or of a target.

    Parameters
    ----------
    table : Table
    settings : Params
        Of params.yaml as it is.
    """
    is_another = table.target.name != settings.data.target
    is_shipped = not is_another and set(settings.data.inputs) == set(table.used)
    for key, text in settings.card.model_dump().items():
        if is_another or text == "" or (text == SHIPPED_CARD[key] and not is_shipped):
            why = 'not known of this table: fill it in; until then the model card says "Not said"'
            yield Decision(("card", key), "", (why,))
