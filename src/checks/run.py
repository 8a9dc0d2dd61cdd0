"""Run checks over two frames and given predictions."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from deepchecks.core import BaseCheck, CheckResult
from deepchecks.core.errors import DeepchecksBaseError
from deepchecks.tabular import Dataset, TrainTestCheck

from checks.build import build
from checks.value import plain

PROBABILITY = "probability"
_EXACT_DIGITS = 15  # what a float64 holds exactly


def run(specification: dict[str, Any], done: Callable[[str], None]) -> dict[str, Any]:
    """Run every listed check.

    Parameters
    ----------
    specification : dict
        ``train`` and ``test`` (Parquet files with id, target, features and ``probability``),
        ``id``, ``target``, ``categorical``, ``threshold``, ``seed`` and ``suites``: a list of
        checks for each of ``data_integrity`` (run on both sides together), ``train_test`` and
        ``model`` (run on both sides, or on the test side where a check takes one).
    done : callable
        Called with the name of each check that has been run.

    Returns
    -------
    dict
        ``checks``: for each, in the order of the specification, suite, name, ``status``
        (``passed``, ``failed`` or ``crashed``), the outcome of each condition, and the value.

    Raises
    ------
    SpecificationError
        If a check cannot be built; none has been run then.
    """
    seed = specification["seed"]
    planned = [
        (suite, listed, build(f"checks.{suite}.{i}", listed, seed, specification["id"]))
        for suite, checks in specification["suites"].items()
        for i, listed in enumerate(checks)
    ]
    sides = _Sides(specification)
    results = []
    for suite, listed, check in planned:
        random.seed(seed)
        np.random.seed(seed)
        results.append({"suite": suite, **listed, **_outcome(suite, check, sides)})
        done(listed["check"])
    return {"checks": results}


class _Sides:
    """Both sides as deepchecks' datasets, with what was predicted for them."""

    def __init__(self, specification: dict[str, Any]) -> None:
        self._specification = specification
        frames = {side: pd.read_parquet(specification[side]) for side in ("train", "test")}
        both = pd.concat(frames.values(), ignore_index=True)
        both[specification["id"]] = _ordered(both[specification["id"]])
        n = len(frames["train"])
        self.train = self._dataset(both.iloc[:n])
        self.test = self._dataset(both.iloc[n:])
        self.all = self._dataset(both)
        self.predictions = {
            **self._predictions("train", frames["train"]),
            **self._predictions("test", frames["test"]),
        }

    def _dataset(self, frame: pd.DataFrame) -> Dataset:
        return Dataset(
            frame.drop(columns=PROBABILITY).reset_index(drop=True),
            label=self._specification["target"],
            index_name=self._specification["id"],
            cat_features=self._specification["categorical"],
            label_type="binary",
        )

    def _predictions(self, side: str, frame: pd.DataFrame) -> dict[str, np.ndarray]:
        probability = frame[PROBABILITY].to_numpy()
        decided = (probability >= self._specification["threshold"]).astype(int)
        both = np.column_stack([1 - probability, probability])
        return {f"y_pred_{side}": decided, f"y_proba_{side}": both}


def _ordered(ids: pd.Series) -> pd.Series:
    """Turn ids that end in digits into numbers: only an order can correlate with the label."""
    digits = ids.str.extract(r"(\d+)$", expand=False)
    prefixes = ids.str.replace(r"\d+$", "", regex=True)
    if digits.isna().any() or prefixes.nunique() > 1 or digits.str.len().max() > _EXACT_DIGITS:
        return ids
    numbers = pd.to_numeric(digits)
    return numbers if numbers.nunique() == ids.nunique() else ids


def _outcome(suite: str, check: BaseCheck, sides: _Sides) -> dict[str, Any]:
    """Run one check: what it found, or why it could not."""
    try:
        result = _run(suite, check, sides)
    except Exception as error:  # whatever it was, a check that did not run has not passed
        message = str(error).strip().splitlines() or [""]
        kind = "" if isinstance(error, DeepchecksBaseError) else f"{type(error).__name__}: "
        return {"status": "crashed", "outcomes": [], "error": f"{kind}{message[0]}"}
    outcomes = [
        {"condition": o.name, "passed": o.category.value == "PASS", "details": o.details}
        for o in result.conditions_results
    ]
    passed = bool(outcomes) and all(outcome["passed"] for outcome in outcomes)
    status = "passed" if passed else "failed"
    return {"status": status, "outcomes": outcomes, "value": plain(result.value)}


def _run(suite: str, check: BaseCheck, sides: _Sides) -> CheckResult:
    if isinstance(check, TrainTestCheck):
        return check.run(sides.train, sides.test, with_display=False, **sides.predictions)
    if suite == "data_integrity":
        return check.run(sides.all, with_display=False)
    # deepchecks calls the predictions of its only dataset those of "train".
    return check.run(
        sides.test,
        with_display=False,
        y_pred_train=sides.predictions["y_pred_test"],
        y_proba_train=sides.predictions["y_proba_test"],
    )
