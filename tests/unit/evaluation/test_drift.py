"""The population stability index."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from churn.evaluation.differences import ColumnDrift
from churn.evaluation.drift import drift


def numbers(*values: float | None) -> pd.DataFrame:
    return pd.DataFrame({"x": pd.Series(values, dtype="float64")})


def texts(*values: str | None) -> pd.DataFrame:
    return pd.DataFrame({"x": pd.Series(values, dtype="str")})


def one(before: pd.DataFrame, after: pd.DataFrame, kind: str = "numeric") -> ColumnDrift:
    columns = {"numeric": (), "categorical": ()} | {kind: ("x",)}
    [found] = drift(before, after, **columns)
    return found


def test_a_table_has_not_drifted_from_itself(customers: pd.DataFrame) -> None:
    columns = ("age", "frequency", "recency_days", "support_tickets")
    found = drift(customers, customers, columns, ())
    assert [each.psi for each in found] == [0] * 4
    assert {each.word for each in found} == {"none"}
    assert [each.before for each in found] == [each.after for each in found]


def test_the_index_of_categories_is_the_sum_over_their_shares() -> None:
    before = texts(*["a"] * 6, *["b"] * 4)
    after = texts(*["a"] * 3, *["b"] * 7)
    found = one(before, after, "categorical")
    expected = (0.3 - 0.6) * np.log(0.3 / 0.6) + (0.7 - 0.4) * np.log(0.7 / 0.4)
    assert found.psi == pytest.approx(expected, abs=1e-4)
    assert (found.before, found.after) == (None, None)


def test_the_index_of_numbers_is_over_tenths_of_the_first_table() -> None:
    before = numbers(*range(1, 101))
    after = numbers(*range(1, 51), *range(1, 51))  # the upper half is gone
    share, least = 0.2, 1e-4
    expected = 5 * (share - 0.1) * np.log(share / 0.1) + 5 * (least - 0.1) * np.log(least / 0.1)
    found = one(before, after)
    assert found.psi == pytest.approx(expected, abs=0.03)  # a quantile may lie between two bins
    assert (found.before, found.after) == (50.5, 25.5)
    assert found.word == "large"


@pytest.mark.parametrize(
    ("share", "word"), [(0.5, "none"), (0.61, "none"), (0.7, "moderate"), (0.8, "large")]
)
def test_the_words_are_the_usual_ones(share: float, word: str) -> None:
    n = round(1000 * share)
    found = one(
        texts(*["a"] * 500, *["b"] * 500), texts(*["a"] * n, *["b"] * (1000 - n)), "categorical"
    )
    assert found.word == word
    assert (found.psi < 0.1, found.psi >= 0.25) == (word == "none", word == "large")


def test_missing_values_that_come_are_drift() -> None:
    values = list(np.linspace(0, 1, 100))
    found = one(numbers(*values), numbers(*values[::2], *[None] * 50))
    assert found.word == "large"
    assert (found.missing_before, found.missing_after) == (0.0, 0.5)
    category = one(texts(*"ab" * 50), texts(*"ab" * 25, *[None] * 50), "categorical")
    assert category.word == "large"
    assert category.missing_after == 0.5


def test_a_category_that_is_new_is_drift_and_one_that_is_gone_too() -> None:
    assert one(texts(*"ab" * 50), texts(*"ac" * 50), "categorical").word == "large"
    assert one(texts(*"ab" * 50), texts(*"a" * 100), "categorical").word == "large"


@pytest.mark.parametrize("fresh", ["c", None])
def test_what_is_new_or_missing_has_a_bin_of_its_own(fresh: str | None) -> None:
    found = one(texts(*"ab" * 50), texts(*"a" * 50, *[fresh] * 50), "categorical")
    least = 1e-4
    gone = (least - 0.5) * np.log(least / 0.5)
    came = (0.5 - least) * np.log(0.5 / least)
    assert found.psi == pytest.approx(gone + came, abs=1e-3)


def test_numbers_beyond_all_that_was_are_drift() -> None:
    before = numbers(*np.linspace(0, 1, 100))
    assert one(before, numbers(*np.linspace(5, 6, 100))).word == "large"
    assert one(before, numbers(*np.linspace(-6, -5, 100))).word == "large"


def test_a_constant_that_stays_has_not_drifted_and_one_that_moves_has() -> None:
    assert one(numbers(*[3] * 50), numbers(*[3] * 20)).word == "none"
    assert one(numbers(*[3] * 50), numbers(*[4] * 20)).word == "large"


def test_columns_of_nothing_but_missing_values_are_not_refused() -> None:
    empty = numbers(*[None] * 20)
    assert one(empty, empty).psi == 0
    assert one(empty, empty).before is None
    found = one(empty, numbers(*range(20)))
    assert (found.word, found.before, found.after) == ("large", None, 9.5)
    assert one(numbers(*range(20)), empty).word == "large"


@pytest.mark.parametrize(("before", "after"), [(texts, numbers), (numbers, texts)])
def test_a_column_that_has_become_another_kind_has_drifted(before: object, after: object) -> None:
    tables = [
        make(*["gold"] * 20) if make is texts else numbers(*range(20)) for make in (before, after)
    ]
    found = one(*tables)
    assert found.word == "large"
    assert (found.before, found.after) == (None, None)


def test_whole_and_true_or_false_numbers_are_numbers() -> None:
    whole = pd.DataFrame({"x": [1, 2, 3] * 20})
    assert one(whole, whole.astype("float64")).psi == 0


def test_the_most_drifted_comes_first_and_columns_of_one_table_are_left_out() -> None:
    before = pd.DataFrame({"a": [1.0, 2] * 50, "b": [1.0, 2] * 50, "gone": 1.0, "c": ["x"] * 100})
    after = pd.DataFrame({"a": [1.0, 2] * 50, "b": [9.0] * 100, "new": 1.0, "c": ["x"] * 100})
    found = drift(before, after, ("a", "b", "gone", "new"), ("c",))
    assert [each.column for each in found] == ["b", "a", "c"]
