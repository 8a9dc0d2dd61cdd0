"""Run checks on two frames and their predictions."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np
from deepchecks.core import BaseCheck, CheckResult
from deepchecks.core.errors import DeepchecksBaseError
from deepchecks.tabular import TrainTestCheck
from joblib import parallel_config

from checks.build import build
from checks.noise import NOISE, Effects, Noise, describe_floor
from checks.sides import Sides
from checks.specification import Found, Outcome, Result, Specification
from checks.value import plain

# Messages of checks that raise an error for lack of data; every other error is a crash.
_TOO_FEW = "Not enough samples to calculate drift score"
_RAISED_FOR_LACK_OF_DATA = {
    "WeakSegmentsPerformance": (
        "was unable to train an error model",
        "'NoneType' object has no attribute 'filters'",  # no split of two columns is a segment
    ),
    "FeatureDrift": (_TOO_FEW,),
    "LabelDrift": (_TOO_FEW,),
    "PredictionDrift": (_TOO_FEW,),
}
_KINDS = ("y_pred", "y_proba")
_FEWEST = 10  # deepchecks' default for the minimum number of rows for drift
_NOTHING = "There was nothing to find fault with"
# These checks look for equal rows, of which a sample has fewer than its share.
_EVERY_ROW = ("ConflictingLabels", "DataDuplicates", "IndexTrainTestLeakage", "TrainTestSamplesMix")
# These checks depend on each label's held-out rows, if labels are classes. With fewer rows of the
# rarest label, a single row decides, and shuffled rows do not show how much.
_BY_LABEL = ("FeatureLabelCorrelationChange", "SimpleModelComparison")
_FEWEST_OF_A_LABEL = 10


def run(specification: Specification, done: Callable[[str], None]) -> list[Result]:
    """Run every listed check.

    Parameters
    ----------
    specification : Specification
    done : callable
        Called with the name of each finished check.

    Returns
    -------
    list of Result
        In the order of the specification.

    Raises
    ------
    SpecificationError
        If a check cannot be built; then none is run.
    """
    seed = specification.seed
    planned = [
        (suite, listed, build(f"checks.{suite}.{i}", listed, seed, specification.id))
        for suite, checks in specification.suites.items()
        for i, listed in enumerate(checks)
    ]
    sides = Sides.read(specification)
    whole = sides if specification.whole is specification else Sides.read(specification.whole)
    results = []
    # deepchecks asks for as many processes as there are cores, which take seconds to start.
    with parallel_config(backend="threading"):
        for suite, listed, check in planned:
            checked = whole if listed.check in _EVERY_ROW else sides
            results.append(Result(suite, listed, _found(suite, check, checked, seed)))
            done(listed.check)
    return results


def _found(suite: str, check: BaseCheck, sides: Sides, seed: int) -> Found:
    """Run a check, and return its result, or why it has none."""
    if (
        type(check).__name__ in _BY_LABEL
        and sides.has_classes
        and (rows := _fewest_of_a_label(sides)) < _FEWEST_OF_A_LABEL
    ):
        return _passed(f"{rows} held-out rows of the rarest label; it takes {_FEWEST_OF_A_LABEL}")
    try:
        result = _run(suite, check, sides, seed)
    except Exception as error:  # of any type: a check that did not run has not passed
        message = str(error).strip().splitlines() or [""]
        if _lacks_data(check, message[0]):
            return _passed(message[0])
        kind = "" if isinstance(error, DeepchecksBaseError) else f"{type(error).__name__}: "
        return Found("crashed", [], error=f"{kind}{message[0]}")
    outcomes = _outcomes(check, result)
    noise = NOISE.get(type(check).__name__)
    if noise is not None and not _all_passed(outcomes):
        with suppress(Exception):  # a value of another form is not corrected
            outcomes = _correct_for_chance(noise, suite, check, sides, seed, result, outcomes)
    passed = bool(outcomes) and _all_passed(outcomes)
    return Found("passed" if passed else "failed", outcomes, plain(result.value))


def _fewest_of_a_label(sides: Sides) -> int:
    labels, held_out = (sides.frames[side][sides.target] for side in ("train", "test"))
    return int(held_out.value_counts().reindex(labels.unique(), fill_value=0).min())


def _passed(why: str) -> Found:
    """Return the result of a check that lacks data."""
    return Found("passed", [Outcome(_NOTHING, True, why)])


def _lacks_data(check: BaseCheck, message: str) -> bool:
    fragments = _RAISED_FOR_LACK_OF_DATA.get(type(check).__name__, ())
    # With impossible settings it raises the same errors, and they are crashes.
    share = getattr(check, "segment_minimum_size_ratio", 0.05)
    fewest = getattr(check, "min_samples", None) or _FEWEST
    has_valid_settings = 0 < share < 0.5 and fewest <= _FEWEST
    return has_valid_settings and any(fragment in message for fragment in fragments)


def _outcomes(check: BaseCheck, result: CheckResult) -> list[Outcome]:
    return [
        Outcome(condition.name, condition.category.value == "PASS", condition.details)
        for condition in check.conditions_decision(result)
    ]


def _all_passed(outcomes: Sequence[Outcome]) -> bool:
    return all(outcome.passed for outcome in outcomes)


def _correct_for_chance(
    noise: Noise,
    suite: str,
    check: BaseCheck,
    sides: Sides,
    seed: int,
    result: CheckResult,
    outcomes: Sequence[Outcome],
) -> list[Outcome]:
    """Evaluate the failed conditions again, on the corrected value."""
    floor = noise.floor(list(_by_chance(noise, suite, check, sides, seed)))
    corrected = _outcomes(check, CheckResult(noise.without(result.value, floor)))
    note = describe_floor(noise.effects(result.value), floor)

    def judged(outcome: Outcome, again: Outcome) -> Outcome:
        # If the details do not change, the condition tests something else.
        if outcome.passed or again.details == outcome.details:
            return outcome
        # Replace deepchecks' details, which describe a failure.
        details = note if again.passed else f"{outcome.details}; {note}"
        return replace(outcome, passed=again.passed, details=details)

    return [judged(*pair) for pair in zip(outcomes, corrected, strict=True)]


def _by_chance(
    noise: Noise, suite: str, check: BaseCheck, sides: Sides, seed: int
) -> Iterator[Effects]:
    """Give the effects that a check finds by chance alone."""
    rng = np.random.default_rng(seed)
    for _ in range(noise.draws):
        drawn = noise.draw(sides, rng)
        try:
            yield noise.effects(_run(suite, check, drawn, seed).value)
        except Exception as error:  # such as a draw without customers of one class
            if _lacks_data(check, str(error)):
                yield {"": 0.0}


def _run(suite: str, check: BaseCheck, sides: Sides, seed: int) -> CheckResult:
    random.seed(seed)
    np.random.seed(seed)
    if isinstance(check, TrainTestCheck):
        train, test = sides.train, sides.test
        if suite == "model":
            train, test = sides.model_train, sides.model_test
        return check.run(train, test, with_display=False, **sides.predictions)
    if suite == "data_integrity":
        return check.run(sides.all, with_display=False)
    # deepchecks expects the predictions of a single dataset as those of "train".
    found = sides.predictions
    as_train = {
        f"{kind}_train": found[f"{kind}_test"] for kind in _KINDS if f"{kind}_test" in found
    }
    return check.run(sides.model_test, with_display=False, **as_train)
