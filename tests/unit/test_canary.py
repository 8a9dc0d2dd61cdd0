"""A trial in front of customers: what may begin one, what ends it, and what the trail says."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from churn.core import params
from churn.core.errors import (
    BlockedError,
    CandidateError,
    NotNowError,
    NoTrialError,
    RegistryError,
)
from churn.core.params import CanaryParams, Params
from churn.deploy import canary, canary_release, integration, production, promotion, release
from churn.deploy.canary_release import Ending
from churn.deploy.integration import Findings
from churn.provenance import tracked_data
from churn.provenance.candidate import model_digest
from churn.registry import MODEL_FILES, Canary, Event
from churn.registry.version import CHALLENGER
from tests.unit.releases import PASSED, Candidates

pytestmark = pytest.mark.long

TENTH = Canary(0.1, shadow=False)


def begin(candidates: Candidates, number: int, trial: Canary = TENTH) -> None:
    canary.start(candidates.roots[1], candidates.registry, number, trial, "me", "to see")


def tried(candidates: Candidates) -> list[int]:
    return [v.number for v in candidates.registry.versions() if CHALLENGER in v.aliases]


def promote(candidates: Candidates, number: int | None = None, at: int = 2) -> None:
    ending = Ending("me", "it is better", number)
    root = candidates.roots[at - 1]
    canary_release.promote(root, candidates.registry, ending, lambda step: None)


def trail(candidates: Candidates, number: int) -> list[str]:
    return [event.what for event in candidates.registry.version(number).events]


def test_only_what_could_go_to_production_is_tried(candidates: Candidates) -> None:
    candidates.release(1, until="integration")
    with pytest.raises(RegistryError, match="nothing is in Production"):
        begin(candidates, 1)
    candidates.release(1)
    with pytest.raises(RegistryError, match="version 1 is in Production already"):
        begin(candidates, 1)
    candidates.release(2, until="staging")
    with pytest.raises(RegistryError, match="has not passed the integration tests"):
        begin(candidates, 2)
    assert tried(candidates) == []
    with pytest.raises(RegistryError, match="no version is being tried"):
        canary.stop(candidates.registry, "me", "why")


def test_an_older_commit_s_model_is_not_tried(candidates: Candidates) -> None:
    candidates.release(1, until="integration")
    candidates.release(2)
    with pytest.raises(NotNowError, match="is older than"):
        begin(candidates, 1)


def test_one_version_is_tried_at_a_time_and_the_same_command_again_changes_nothing(
    tested: Candidates,
) -> None:
    begin(tested, 2)
    begin(tested, 2)
    assert tested.registry.version(2).canary == TENTH
    assert trail(tested, 2).count("canary") == 1
    begin(tested, 2, Canary(0.5, shadow=True))  # another share is a new trial
    assert trail(tested, 2).count("canary") == 2
    canary.stop(tested.registry, "me", "seen enough")
    assert tried(tested) == []
    assert tested.registry.version(2).canary is None
    assert trail(tested, 2)[-1] == "canary_stopped"
    assert tested.production is not None
    assert tested.production.number == 1


def test_a_promotion_ends_the_trial_and_so_does_a_change_of_production(
    tested: Candidates,
) -> None:
    begin(tested, 2)
    promote(tested)
    assert tried(tested) == []
    assert trail(tested, 2)[-1] == "production"  # which says it
    promotion.rollback(tested.registry, None, "me", "it was not")
    begin_again = tested.registry
    with begin_again.locked("me"):
        begin_again.start_canary(begin_again.version(2), TENTH, "me", "once more")
    assert tried(tested) == [2]
    promotion.promote(tested.roots[1], tested.registry, 2, "production", "me", "now")
    promotion.rollback(tested.registry, 1, "me", "no")
    assert tried(tested) == []


def test_a_promotion_tests_the_version_as_it_is_served_and_in_production(
    tested: Candidates, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(tested, 2)
    served: list[str] = []

    def run(root: Path, model: Path, *_: object) -> Findings:
        served.append(model_digest(model / MODEL_FILES))
        return PASSED

    monkeypatch.setattr(integration, "run", run)
    promote(tested)
    assert served == [tested.digest(2)]
    version = tested.production
    assert version is not None
    assert (version.number, version.tags["smoke"], version.replaced) == (2, "passed", 1)
    assert trail(tested, 2)[-3:] == ["canary", "tested", "production"]


def test_a_version_that_fails_its_tests_is_not_promoted(
    tested: Candidates, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(tested, 2)
    failed = Findings(False, "integration tests failed: test_parity", "")
    monkeypatch.setattr(integration, "run", lambda *_: failed)
    with pytest.raises(BlockedError, match="integration tests failed: test_parity"):
        promote(tested)
    assert tested.production is not None
    assert (tested.production.number, tried(tested)) == (1, [2])


def test_a_version_that_fails_in_production_is_taken_back(
    tested: Candidates, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(tested, 2)

    def fail(*_: object) -> None:
        raise BlockedError("it predicts differently")

    monkeypatch.setattr(production, "require_same_predictions", fail)
    with pytest.raises(BlockedError, match="version 1 was put back into Production"):
        promote(tested)
    assert tested.production is not None
    assert (tested.production.number, tried(tested)) == (1, [])


def test_a_promotion_that_is_killed_after_the_move_is_completed_by_the_next(
    tested: Candidates, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(BaseException):
        pass

    def die(*_: object) -> None:
        raise KilledError

    begin(tested, 2)
    with monkeypatch.context() as patch:
        patch.setattr(production, "smoke", die)
        with pytest.raises(KilledError):
            promote(tested)
    assert tested.registry.version(2).tags["smoke"] == "pending"
    promote(tested)
    assert tested.registry.version(2).tags["smoke"] == "passed"
    assert trail(tested, 2).count("production") == 1


def test_a_trial_that_was_stopped_or_is_another_s_is_not_promoted(tested: Candidates) -> None:
    begin(tested, 2)
    with pytest.raises(RegistryError, match="version 2 is being tried, and no longer 3"):
        promote(tested, 3)
    canary.stop(tested.registry, "churn serve", "it could not answer 9 of 90 requests")
    with pytest.raises(NoTrialError, match=r"2 was stopped by churn serve \(it could not answer 9"):
        promote(tested)
    assert tested.production is not None
    assert tested.production.number == 1


def test_another_commit_promotes_with_the_parameters_of_the_version_s_own(
    tested: Candidates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracked_data, "require_data", lambda root: None)
    begin(tested, 2)
    shutil.rmtree(tested.roots[0] / "build")
    promote(tested, at=1)
    assert tested.production is not None
    assert tested.production.tags["smoke"] == "passed"


def test_other_data_than_those_of_the_review_block_a_promotion(
    tested: Candidates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracked_data, "require_data", lambda root: None)
    begin(tested, 2)
    root = tested.roots[1]
    shutil.rmtree(root / "build")
    table = pd.read_csv(root / "data" / "customers.csv")
    table.assign(frequency=table["frequency"] + 1).to_csv(root / "data/customers.csv", index=False)
    with pytest.raises(CandidateError, match="predicts differently for the held-out customers"):
        promote(tested)
    assert tested.production is not None
    assert tested.production.number == 1


@pytest.mark.parametrize("tag", ["", "{}", '{"share": 0, "shadow": false}', '{"share": 2}', "x"])
def test_a_tag_that_is_no_trial_is_none(tag: str) -> None:
    assert Canary.parse(tag) is None


@pytest.fixture
def trial_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let params.yaml have a canary; in the file itself it would be another commit's."""
    load = params.load

    def with_canary(path: Path) -> Params:
        found = load(path)
        settings = CanaryParams(share=0.2, hours=24)
        return found.model_copy(
            update={"release": found.release.model_copy(update={"canary": settings})}
        )

    monkeypatch.setattr(release.params, "load", with_canary)


@pytest.mark.usefixtures("trial_first")
def test_a_release_begins_the_trial_and_never_ends_it(
    candidates: Candidates, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert candidates.release(1).done.startswith("version 1 is in Production")  # the first
    made = candidates.release(2)
    assert made.done.startswith("version 2 is tried until ")
    assert candidates.registry.version(2).canary == Canary(0.2, shadow=False)
    assert candidates.release(2).done == made.done
    assert trail(candidates, 2).count("canary") == 1
    assert candidates.production is not None
    assert candidates.production.number == 1
    # Also when it has lasted: what its predictions say is asked by canary promote alone.
    monkeypatch.setattr(canary, "due", lambda *_: datetime.now(UTC) - timedelta(seconds=1))
    assert candidates.release(2).done.startswith("version 2 is tried until ")
    assert (tried(candidates), candidates.production.number) == ([2], 1)
    promote(candidates)
    assert candidates.release(2).done == "version 2 is in Production already"
    assert tried(candidates) == []


@pytest.mark.usefixtures("trial_first")
def test_a_trial_that_was_stopped_blocks_the_release(candidates: Candidates) -> None:
    candidates.release(1)
    candidates.release(2)
    canary.stop(candidates.registry, "churn serve", "it could not answer 9 of 90 requests")
    with pytest.raises(BlockedError, match=r"stopped by churn serve \(it could not answer 9"):
        candidates.release(2)
    assert candidates.production is not None
    assert candidates.production.number == 1


def test_a_trial_is_due_after_its_hours(tested: Candidates) -> None:
    begin(tested, 2)
    version = tested.registry.version(2)
    begun = version.last("canary")
    assert isinstance(begun, Event)
    expected = datetime.fromisoformat(begun.when) + timedelta(hours=3)
    assert canary.due(version, CanaryParams(share=0.1, hours=3)) == expected
