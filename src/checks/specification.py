"""What is asked of the checks' program, and what it answers; JSON either way."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

Task = Literal["binary", "regression", "multiclass"]
Status = Literal["passed", "failed", "crashed"]


@dataclass(frozen=True)
class Listed:
    """A check as params.yaml lists it.

    Attributes
    ----------
    check : str
        Its name in deepchecks.
    arguments : dict
        Of its constructor; each check has others.
    conditions : dict
        Name without ``add_condition_`` to its only argument, a mapping of arguments, or null for
        none.
    """

    check: str
    # Which there are, deepchecks says (`checks.build`).
    arguments: dict[str, Any]
    conditions: dict[str, Any]


@dataclass(frozen=True)
class Specification:
    """What is to be checked, and by which checks.

    Attributes
    ----------
    train, test : str
        Parquet files with id, target, features, ``prediction`` and scores.
    id, target : str
        Columns.
    categorical : list of str
        The features that hold categories.
    task : {"binary", "regression", "multiclass"}
    scores : list of str
        Columns with the predicted probabilities, of each class but binary's first; or with the
        predicted number.
    seed : int
    suites : dict of str to list of Listed
        For each of ``data_integrity`` (run on both sides together), ``train_test`` and ``model``
        (run on both sides, or on the test side where a check takes one).
    whole_train, whole_test : str or None
        The same files with every customer, if `train` and `test` are samples.
    """

    train: str
    test: str
    id: str
    target: str
    categorical: Sequence[str]
    task: Task
    scores: Sequence[str]
    seed: int
    suites: dict[str, list[Listed]]
    whole_train: str | None = None
    whole_test: str | None = None

    @property
    def whole(self) -> Specification:
        """The same with every customer."""
        if self.whole_train is None or self.whole_test is None:
            return self
        return replace(self, train=self.whole_train, test=self.whole_test)

    @classmethod
    def read(cls, file: Path) -> Specification:
        """Read it from the file that `churn.validation.program` has written."""
        document = json.loads(file.read_text(encoding="utf-8"))
        suites = document.pop("suites")
        listed = {suite: [Listed(**check) for check in checks] for suite, checks in suites.items()}
        return cls(**document, suites=listed)


@dataclass(frozen=True)
class Outcome:
    """A condition of a check, and whether it is met."""

    condition: str
    passed: bool
    details: str


@dataclass(frozen=True)
class Found:
    """What a check has found: plain JSON in `value`; or an `error` where it has crashed."""

    status: Status
    outcomes: list[Outcome]
    value: Any = None
    error: str | None = None


@dataclass(frozen=True)
class Result:
    """A check, and what it has found."""

    suite: str
    listed: Listed
    found: Found


def write(results: Sequence[Result], file: Path) -> None:
    """Write the results as `churn.validation.results` reads them, in their order."""
    written = []
    for result in results:
        found = asdict(result.found)
        del found["value" if result.found.status == "crashed" else "error"]
        written.append({"suite": result.suite, **asdict(result.listed), **found})
    file.write_text(json.dumps({"checks": written}, allow_nan=False), encoding="utf-8")
