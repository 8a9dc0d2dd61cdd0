"""The space: what is valid, what is drawn, what is written."""

from __future__ import annotations

from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from churn.core import params
from churn.core.errors import ParamsError
from churn.core.params import Params, SpaceParams
from churn.tune import space
from tests.conftest import PARAMS


def given(**overrides: Any) -> Params:
    """Return the shipped parameters with some replaced, dots written as two underscores."""
    dotted = {name.replace("__", "."): value for name, value in overrides.items()}
    return params.load(PARAMS, dotted)


def refusal(**overrides: Any) -> str:
    with pytest.raises(ParamsError) as caught:
        space.require_valid(given(**overrides))
    return str(caught.value)


def test_the_shipped_space_is_valid() -> None:
    space.require_valid(given())


def test_a_family_without_the_hyperparameter_is_told_what_it_has() -> None:
    message = refusal(model__family="logistic_regression", model__hyperparameters={})
    assert message.startswith("tune.space.learning_rate: logistic_regression has none of that name")
    assert "(valid: C, class_weight" in message


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"low": -3, "high": 4}, "The 'max_depth' parameter"),
        ({"low": 0.5, "high": 1.5}, "The 'max_depth' parameter"),
        ({"choices": [3, "deep"]}, "The 'max_depth' parameter"),
    ],
)
def test_an_end_that_scikit_learn_does_not_take_is_refused(values: Any, expected: str) -> None:
    assert refusal(tune__space={"max_depth": values}).startswith(
        f"tune.space.max_depth: {expected}"
    )


def test_an_empty_space_is_refused() -> None:
    assert refusal(tune__space={}).startswith("tune.space: empty")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, "tune.space.max_depth: give either low and high, or choices"),
        ({"low": 1}, "tune.space.max_depth: give either low and high, or choices"),
        ({"low": 1, "high": 2, "choices": [1]}, "give either low and high, or choices"),
        ({"low": 2, "high": 2}, "low (2) must be smaller than high (2)"),
        ({"low": 0, "high": 2, "log": True}, "with log, low must be larger than 0"),
        ({"choices": [1, 2], "log": True}, "log is for a range"),
        ({"choices": []}, "tune.space.max_depth.choices"),
        ({"lo": 1, "high": 2}, "max_depth.lo: unknown key (valid: low, high, log, choices)"),
        ({"low": "1", "high": 2}, "tune.space.max_depth.low: "),
    ],
)
def test_what_is_no_range_is_refused_when_params_yaml_is_read(values: Any, expected: str) -> None:
    with pytest.raises(ParamsError) as caught:
        given(tune__space={"max_depth": values})
    assert expected in str(caught.value)


def test_whole_ends_give_whole_numbers() -> None:
    found = space.distributions(
        {
            "a": SpaceParams(low=1, high=5),
            "b": SpaceParams(low=1.0, high=5, log=True),
            "c": SpaceParams(choices=(None, "x")),
        }
    )
    assert found == {
        "a": IntDistribution(1, 5),
        "b": FloatDistribution(1.0, 5.0, log=True),
        "c": CategoricalDistribution((None, "x")),
    }


@pytest.mark.parametrize(
    ("suggested", "written"),
    [(0.123456, 0.123), (1.00049, 1.0), (0.0999999, 0.1), (9.8765, 9.88), (9.8799999, 9.8765)],
)
def test_numbers_are_rounded_and_stay_within_their_range(suggested: float, written: float) -> None:
    high = 9.8765 if written == 9.8765 else 10.0
    assert space.rounded({"a": suggested}, {"a": SpaceParams(low=0.1, high=high)}) == {"a": written}


def test_other_values_stay_as_they_are() -> None:
    given = {"a": 12345, "b": 0.123456, "c": None}
    spaces = {
        "a": SpaceParams(low=1, high=99999),
        "b": SpaceParams(choices=(0.123456,)),
        "c": SpaceParams(choices=(None,)),
    }
    assert space.rounded(given, spaces) == given
