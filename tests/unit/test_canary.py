"""A trial in front of customers: what may begin one, what ends it, and what the trail says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from churn.core import params
from churn.core.errors import BlockedError, NotNowError, RegistryError
from churn.core.params import CanaryParams, Params
from churn.deploy import canary, promotion, release
from churn.registry import Canary, Event
from churn.registry.version import CHALLENGER
from tests.unit.releases import Candidates

pytestmark = pytest.mark.long

TENTH = Canary(0.1, shadow=False)


def begin(candidates: Candidates, number: int, trial: Canary = TENTH) -> None:
    canary.start(candidates.roots[1], candidates.registry, number, trial, "me", "to see")


def tried(candidates: Candidates) -> list[int]:
    return [v.number for v in candidates.registry.versions() if CHALLENGER in v.aliases]


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
    released: Candidates,
) -> None:
    released.release(2, until="integration")
    begin(released, 2)
    begin(released, 2)
    assert released.registry.version(2).canary == TENTH
    assert trail(released, 2).count("canary") == 1
    begin(released, 2, Canary(0.5, shadow=True))  # another share is a new trial
    assert trail(released, 2).count("canary") == 2
    canary.stop(released.registry, "me", "seen enough")
    assert tried(released) == []
    assert released.registry.version(2).canary is None
    assert trail(released, 2)[-1] == "canary_stopped"
    assert released.production is not None
    assert released.production.number == 1


def test_a_promotion_ends_the_trial_and_so_does_a_change_of_production(
    released: Candidates,
) -> None:
    released.release(2, until="integration")
    begin(released, 2)
    canary.promote(released.roots[1], released.registry, "me", "it is better")
    assert tried(released) == []
    promotion.rollback(released.registry, None, "me", "it was not")
    begin_again = released.registry
    with begin_again.locked("me"):
        begin_again.start_canary(begin_again.version(2), TENTH, "me", "once more")
    assert tried(released) == [2]
    promotion.promote(released.roots[1], released.registry, 2, "production", "me", "now")
    promotion.rollback(released.registry, 1, "me", "no")
    assert tried(released) == []


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
def test_a_release_tries_first_and_goes_on_when_the_trial_has_lasted(
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
    monkeypatch.setattr(canary, "due", lambda *_: datetime.now(UTC) - timedelta(seconds=1))
    assert candidates.release(2).done == "version 2 is in Production (version 1 before)"
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


def test_a_trial_is_due_after_its_hours(released: Candidates) -> None:
    released.release(2, until="integration")
    begin(released, 2)
    version = released.registry.version(2)
    begun = version.last("canary")
    assert isinstance(begun, Event)
    expected = datetime.fromisoformat(begun.when) + timedelta(hours=3)
    assert canary.due(version, CanaryParams(share=0.1, hours=3)) == expected
