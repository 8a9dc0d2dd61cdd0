"""How much of today's table a newest one has to keep."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from churn.core.errors import DataError
from churn.core.params import DataParams
from churn.retrain.limits import label_range, require_label_rate, require_rows, require_target


def test_rows_at_the_limit_are_enough_and_one_less_is_not() -> None:
    require_rows(900, 1000, 0.9)
    require_rows(5000, 1000, 0.9)
    with pytest.raises(DataError, match=r"899 rows, 90% of today's 1,000; .*data\.min_share"):
        require_rows(899, 1000, 0.9)


def test_the_range_is_the_shift_that_matters_plus_chance() -> None:
    # By hand: 2 arcsin(sqrt(0.25)) = pi / 3, chance with these rows 3.2905 * sqrt(2 / 1000).
    reach = 0.2 + 3.29053 * np.sqrt(2 / 1000)
    expected = [np.sin((np.pi / 3 + sign * reach) / 2) ** 2 for sign in (-1, 1)]
    assert label_range(0.25, 1000, 1000, 0.2) == pytest.approx(tuple(expected), abs=1e-6)


@pytest.mark.parametrize("rate", [0.01, 0.25, 0.5, 0.99])
def test_fewer_rows_widen_it_and_it_stays_within_zero_and_one(rate: float) -> None:
    small, large = (label_range(rate, n, n, 0.2) for n in (50, 100_000))
    assert 0 <= small[0] <= large[0] < rate < large[1] <= small[1] <= 1


@pytest.mark.parametrize(("rows", "rate"), [(200, 0.3), (2_000, 0.05), (20_000, 0.25)])
def test_tables_of_the_same_population_are_never_refused(rows: int, rate: float) -> None:
    rng = np.random.default_rng(1)
    before, now = rng.binomial(rows, rate, size=(2, 5_000)) / rows
    for one, other in zip(before, now, strict=True):
        require_label_rate(other, rows, one, rows, 0.2)


def test_a_shift_of_just_the_limit_is_refused_once_in_2000() -> None:
    rows, rate = 10_000, 0.25
    at_limit = np.sin((2 * np.arcsin(np.sqrt(rate)) + 0.2) / 2) ** 2
    rng = np.random.default_rng(2)
    before, now = (rng.binomial(rows, p, size=100_000) / rows for p in (rate, at_limit))
    angles = [2 * np.arcsin(np.sqrt(shares)) for shares in (before, now)]
    refused = np.mean(angles[1] - angles[0] > 0.2 + 3.29053 * np.sqrt(2 / rows))
    assert 0.0002 < refused < 0.0009


@pytest.mark.parametrize("rate", [0.0, 0.05, 0.45, 0.75, 1.0])
def test_another_label_rate_is_refused_with_what_would_pass(rate: float) -> None:
    with pytest.raises(DataError, match=r"25\.0% in today's table.*14\.\d% to 37\.\d% would"):
        require_label_rate(rate, 6_000, 0.25, 6_000, 0.2)


CLASSES = DataParams(
    path="data/c.csv", id="id", target="level", numeric=("x",), classes=("low", "mid", "top")
)
NUMBER = CLASSES.model_copy(update={"classes": ()})


def test_a_class_that_is_new_is_no_shift_but_a_change_by_hand() -> None:
    both = pd.Series([0, 1] * 200), pd.Series([0, 1, 2, 1] * 100)
    with pytest.raises(DataError, match="in today's table nobody is 'top', so there is nothing"):
        require_target(*both, CLASSES)
    with pytest.raises(DataError, match=r"low 25\.0% \(today 50\.0%\)"):
        require_target(pd.Series([0, 0, 1, 2] * 100), pd.Series([0, 1, 2, 1] * 100), CLASSES)
    require_target(both[1], both[1], CLASSES)


def test_a_target_that_was_one_number_is_nothing_to_compare_with() -> None:
    with pytest.raises(DataError, match="in today's table they all have the same target"):
        require_target(pd.Series([5.0] * 100), pd.Series([5.0, 6.0] * 50), NUMBER)
    with pytest.raises(DataError, match=r"level is -1e\+09 on average, 1e\+09 in today's table"):
        require_target(pd.Series([0.9e9, 1.1e9] * 50), pd.Series([-0.9e9, -1.1e9] * 50), NUMBER)
