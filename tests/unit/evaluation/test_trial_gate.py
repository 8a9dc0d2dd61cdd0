"""What becomes of a trial: each reason for which it does not end in Production."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from churn.core import params
from churn.evaluation.trial import Comparison, Interval, Side, Word
from churn.evaluation.trial_gate import Standing, decide, too_many_failures
from tests.conftest import PARAMS

NOON = datetime(2026, 2, 28, 12, tzinfo=UTC)
LIMITS = params.load(
    PARAMS,
    {"release.p95_ms": 300, "release.canary": {"share": 0.1, "hours": 24, "customers": 500}},
).release


def side(customers: int = 600, requests: int = 600, p95_ms: float = 2.0) -> Side:
    return Side(customers, 0.2, 0.2, requests, p95_ms)


def interval(word: Word) -> Interval:
    return Interval(900, 0.05, 0.04, 0.06, word)


def trial(**given: Any) -> Comparison:
    usual: dict[str, Any] = {
        "champion": side(5000, 5000),
        "challenger": side(),
        "failures": 0,
        "predicted": None,
        "cost": None,
        "log_loss": None,
    }
    return Comparison(**{**usual, **given})


def after(hours: float, found: Comparison | None) -> Standing:
    return decide(found, LIMITS, NOON + timedelta(hours=24), NOON + timedelta(hours=hours))


def test_a_trial_against_which_nothing_speaks_is_promoted_when_it_is_due() -> None:
    assert after(24, trial()).outcome == "promote"
    assert after(23.9, trial()) == Standing("wait", "the trial lasts until 2026-03-01 12:00 UTC")


@pytest.mark.parametrize("customers", [0, 499])
def test_too_few_answers_block_it_and_it_says_how_many(customers: int) -> None:
    found = after(24, trial(challenger=side(customers, customers)))
    assert found.outcome == "block"
    assert f"predicted for {customers} customers, and 500 are needed" in found.reason
    assert after(24, trial(challenger=side(500, 500))).outcome == "promote"


def test_a_log_in_which_nothing_is_blocks_it() -> None:
    assert after(24, None).reason.startswith("it has predicted for 0 customers")
    assert after(24, None).outcome == "block"
    assert after(1, None).outcome == "wait"


@pytest.mark.parametrize("hours", [1, 30])
def test_failures_block_it_at_any_time(hours: float) -> None:
    found = after(hours, trial(failures=7))
    assert found == Standing("block", "it has not predicted for 7 of 607 customers")
    assert after(30, trial(failures=6)).outcome == "promote"  # 6 of 606 are 1 %


@pytest.mark.parametrize("hours", [1, 30])
def test_a_slow_version_is_blocked_at_any_time(hours: float) -> None:
    found = after(hours, trial(challenger=side(p95_ms=301)))
    assert found.outcome == "block"
    assert "take more than 301 ms, and 300 ms are allowed" in found.reason
    assert after(30, trial(challenger=side(p95_ms=300))).outcome == "promote"


def test_a_few_slow_requests_count_at_the_end_only() -> None:
    few = trial(challenger=side(requests=99, p95_ms=900))
    assert after(1, few).outcome == "wait"
    assert after(30, few).outcome == "block"


def test_a_version_of_unknown_speed_is_blocked_at_the_end() -> None:
    unknown = trial(challenger=side(requests=0, p95_ms=np.nan))
    assert after(1, unknown).outcome == "wait"
    assert after(30, unknown) == Standing(
        "block", "the log does not say how long its predictions take"
    )


@pytest.mark.parametrize("hours", [1, 30])
@pytest.mark.parametrize("name", ["cost", "log_loss"])
def test_what_the_labels_call_worse_is_blocked_at_any_time(name: str, hours: float) -> None:
    found = after(hours, trial(**{name: interval("worse")}))
    assert found.outcome == "block"
    assert f"its {name.replace('_', ' ')} is worse by 0.0500, at least 0.0400" in found.reason
    for word in ("better", "not worse", "cannot tell"):
        assert after(30, trial(**{name: interval(word)})).outcome == "promote"  # type: ignore[arg-type]


def test_without_a_setting_a_person_decides_and_faults_are_told_all_the_same() -> None:
    manual = LIMITS.model_copy(update={"canary": None})
    assert decide(trial(), manual, None, NOON).outcome == "wait"
    assert "a person decides" in decide(trial(), manual, None, NOON).reason
    assert decide(trial(failures=90), manual, None, NOON).outcome == "block"


@pytest.mark.parametrize(
    ("failures", "asked", "many"),
    [(2, 2, False), (3, 3, True), (3, 300, False), (4, 300, True)],
)
def test_a_few_failures_are_an_accident(failures: int, asked: int, many: bool) -> None:
    assert too_many_failures(failures, asked) is many
