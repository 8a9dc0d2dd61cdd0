"""The space of a search: what Optuna draws from, and the hyperparameters that a draw stands for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from churn.core.errors import ParamsError
from churn.core.params import Params, Scalar, SpaceParams
from churn.model import estimator, outputs

_DIGITS = 3  # significant ones of a number: more would be noise in params.yaml


def require_valid(settings: Params) -> None:
    """Check that the family has each hyperparameter of the space and takes each end of its range.

    Raises
    ------
    ParamsError
        With the key of params.yaml that is wrong.
    """
    space, model = settings.tune.space, settings.model
    output = outputs.of(settings.task, settings.data.classes)
    if not space:
        raise ParamsError("tune.space: empty; name hyperparameters and their values in it")
    for name, values in space.items():
        for value in _ends(values):
            given = {**model.hyperparameters, name: value}
            tried = model.model_copy(update={"hyperparameters": given})
            try:
                estimator.build(output, settings.data, settings.features, tried)
            except ParamsError as error:
                reason = str(error).removeprefix(f"model.hyperparameters.{name}: ")
                reason = reason.removeprefix("model.hyperparameters: ")
                raise ParamsError(f"tune.space.{name}: {reason}") from error


def _ends(values: SpaceParams) -> Iterator[Scalar]:
    yield from values.choices if values.choices is not None else (values.low, values.high)


def distributions(space: Mapping[str, SpaceParams]) -> dict[str, BaseDistribution]:
    """Return Optuna's distribution of each hyperparameter."""
    return {name: _distribution(values) for name, values in space.items()}


def _distribution(values: SpaceParams) -> BaseDistribution:
    low, high = values.low, values.high
    if low is None or high is None:
        return CategoricalDistribution(values.choices or ())
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=values.log)
    return FloatDistribution(float(low), float(high), log=values.log)


def rounded(suggested: Mapping[str, Any], space: Mapping[str, SpaceParams]) -> dict[str, Scalar]:
    """Round what Optuna suggests, so that what is tried is what params.yaml will say.

    Parameters
    ----------
    suggested : mapping of str to value
    space : mapping of str to SpaceParams
        The rounded values stay within its ranges.

    Returns
    -------
    dict of str to value
        Numbers that are not whole with three significant digits.
    """
    return {name: _rounded(value, space[name]) for name, value in suggested.items()}


def _rounded(value: Scalar, values: SpaceParams) -> Scalar:
    if not isinstance(value, float) or values.low is None or values.high is None:
        return value
    return float(min(max(float(f"{value:.{_DIGITS}g}"), values.low), values.high))
