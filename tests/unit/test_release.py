"""A release: what it needs, what it leaves, and what is left where a step fails."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest

from churn.core.errors import (
    ArtifactError,
    BlockedError,
    CandidateError,
    ChurnError,
    LostLockError,
    NoAnswerError,
    RegistryError,
    TrackingError,
)
from churn.core.paths import Workspace
from churn.deploy import integration, production, promotion, release, rules
from churn.deploy.integration import Findings
from churn.model.artifact import Model
from churn.provenance import bundle, tracked_data
from churn.provenance.bundle import JudgedVerdict
from churn.provenance.git import git
from churn.registry import Registry, Version, lock, verified
from churn.stages import track
from churn.tracking import connection, runs
from tests.conftest import ROOT
from tests.exhaustive import rest_by_night
from tests.unit.releases import MADE, Candidates
from tests.unit.repositories import commit

pytestmark = pytest.mark.long


def stages(registry: Registry) -> dict[int, tuple[str, set[str]]]:
    return {v.number: (v.stage, set(v.aliases)) for v in registry.versions()}


def told(candidates: Candidates) -> list[tuple[int, str]]:
    events = [(e.when, v.number, e.what) for v in candidates.registry.versions() for e in v.events]
    return [(number, what) for _, number, what in sorted(events)]


def test_a_first_release_is_registered_tested_and_in_production(candidates: Candidates) -> None:
    done = candidates.release(1)

    assert candidates.production == done.version
    assert done.version.digest == candidates.digest(1)
    assert stages(candidates.registry) == {1: ("Production", {"champion"})}
    assert told(candidates) == [
        (1, "registered"), (1, "staging"), (1, "tested"), (1, "production"),
    ]  # fmt: skip


def test_a_version_says_where_it_comes_from(candidates: Candidates) -> None:
    version = candidates.release(1, why="the first").version

    head = git(candidates.roots[0], "rev-parse", "HEAD").strip()
    manifest = json.loads((candidates.plan(1).candidate / "manifest.json").read_text())
    assert version.tags["commit"] == head
    assert version.tags["pull_request"] == "12"
    assert version.tags["candidate_run"] == MADE.run
    for key in ("fingerprint", "model_digest", "data_md5"):
        assert version.tags[key] == manifest[key]
    assert version.tags["promoted_by"] == "somebody"
    assert version.tags["promoted_why"] == "the first"
    assert "pull request" in version.description
    assert "| ROC AUC | 0." in version.description
    assert "3 of 3 checks passed" in version.description


def test_a_second_release_archives_the_first_and_keeps_it_within_reach(
    released: Candidates,
) -> None:
    done = released.release(2)

    assert done.version.digest == released.digest(2)
    assert stages(released.registry) == {
        1: ("Archived", {"previous"}),
        2: ("Production", {"champion"}),
    }
    assert "| 95% interval |" in done.version.description  # against Production
    # Since what was in Production, because no pull request says since when.
    assert "Changed: `params.yaml`." in done.version.description
    assert "- `model.hyperparameters.max_iter`: `12` → `14`" in done.version.description


def test_the_same_candidate_again_finds_what_is_there(candidates: Candidates) -> None:
    first = candidates.release(1).version
    again = candidates.release(1)

    assert again.version.number == first.number
    assert again.done == "version 1 is in Production already"
    assert len(candidates.registry.versions()) == 1


def test_registering_again_finds_the_version(candidates: Candidates) -> None:
    assert candidates.release(1, until="registered").version.number == 1
    assert candidates.release(1, until="registered").version.number == 1
    assert stages(candidates.registry) == {1: ("None", set())}
    assert told(candidates) == [(1, "registered")]


def test_the_same_model_with_code_that_predicts_otherwise_is_another_version(
    candidates: Candidates,
) -> None:
    version = candidates.release(1).version
    candidates.registry.tag(version, {"predictions_digest": "of other code"})
    assert candidates.release(1).version.number == 2


def test_a_release_goes_on_where_it_was_told_to_stop(
    candidates: Candidates, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidates.release(1, until="staging")
    assert stages(candidates.registry) == {1: ("Staging", {"staging"})}
    candidates.release(1, until="integration")
    assert candidates.production is None
    monkeypatch.setattr(integration, "run", lambda *_: pytest.fail("tested twice"))
    candidates.release(1)
    assert stages(candidates.registry) == {1: ("Production", {"champion"})}
    assert [what for _, what in told(candidates)].count("staging") == 1


def test_a_later_commit_with_the_same_model_is_remembered(released: Candidates) -> None:
    root = released.roots[0]
    (root / "README.md").write_text("words")
    git(root, "-c", "user.name=x", "add", "--all")
    later = commit_at(root, "2030-01-01T00:00:00Z")
    released.release(1)
    version = released.production
    assert version is not None
    assert version.tags["newest_commit"] == later
    assert version.tags["commit"] != later
    assert told(released)[-1] == (1, "confirmed")
    with pytest.raises(RegistryError, match="is older than"):  # the second lies before it now
        released.release(2)


def commit_at(root: Path, when: str) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_COMMITTER_DATE", when)
        return commit(root)


def test_an_older_commit_never_replaces_a_newer_one(candidates: Candidates) -> None:
    candidates.release(2)
    with pytest.raises(RegistryError, match="older"):
        candidates.release(1)
    assert stages(candidates.registry) == {1: ("Production", {"champion"})}


def test_what_somebody_else_has_logged_under_its_name_is_not_what_is_registered(
    candidates: Candidates,
) -> None:
    track.run(Workspace(candidates.roots[0]))
    [code] = Path().glob("**/mlruns/**/models/*/artifacts/code")
    (code / "churn" / "model" / "threshold.py").write_text("everybody = 1\n")
    (code / "skops").mkdir()
    (code / "skops" / "__init__.py").write_text("evil = 1\n")

    version = candidates.release(1).version

    stored = candidates.registry.download(version, Path("stored"))
    ours = (ROOT / "src/churn/model/threshold.py").read_text()
    assert (stored / "code/churn/model/threshold.py").read_text() == ours
    assert not (stored / "code/skops").exists()
    [run] = mlflow.MlflowClient().search_runs([run_of(version).info.experiment_id])  # one run
    assert run.info.run_id == version.run_id


def run_of(version: Version) -> Any:
    return mlflow.MlflowClient().get_run(version.run_id)


def test_what_was_rolled_back_is_not_released_again_by_itself(
    released: Candidates,
) -> None:
    released.release(2)
    promotion.rollback(released.registry, None, "night shift", "it was worse")
    with pytest.raises(BlockedError, match=r"night shift rolled back .*\(it was worse\)"):
        released.release(2)
    assert released.release(2, until="registered").version.number == 2  # it is found, no more
    assert stages(released.registry) == {
        1: ("Production", {"champion"}),
        2: ("Archived", set()),
    }
    promotion.promote(released.roots[1], released.registry, 2, "production", "me", "after all")
    assert stages(released.registry)[2] == ("Production", {"champion"})


def test_a_model_that_came_back_by_a_revert_and_was_rolled_back_stays_away(
    released: Candidates,
) -> None:
    released.release(2)
    root = released.roots[0]
    (root / "README.md").write_text("a revert: the first model again, in a newer commit")
    git(root, "-c", "user.name=x", "add", "--all")
    commit_at(root, "2030-01-01T00:00:00Z")
    assert released.release(1).version.number == 1
    promotion.rollback(released.registry, None, "night shift", "it was worse")
    with pytest.raises(BlockedError, match="this is version 1, which night shift rolled back"):
        released.release(1)
    assert stages(released.registry)[2] == ("Production", {"champion"})


def fail(error: BaseException) -> Callable[..., Any]:
    def raising(*_: Any, **__: Any) -> None:
        raise error

    return raising


BROKEN = {
    "verify": (release, "verify", CandidateError("a byte differs")),
    "gate": (release.gate, "judge", ArtifactError("no comparison")),
    "register: run": (runs, "log_once", TrackingError("gone")),
    "register: files": (runs, "add_files", TrackingError("gone")),
    "register: version": (Registry, "register", TrackingError("gone")),
    "staging": (Registry, "move", TrackingError("gone")),
    "integration: bytes": (verified, "fetch", CandidateError("changed")),
    "integration: tests": (integration, "run", OSError("disk full")),
    "integration: failed": (integration, "run", BlockedError("2 tests failed")),
    "production: tests": (rules, "require_tested", RegistryError("not tested")),
    "smoke": (production, "require_same_predictions", ArtifactError("does not load")),
}


@pytest.mark.parametrize(
    "step", rest_by_night(BROKEN, ["gate", "register: files", "integration: failed", "smoke"])
)
def test_where_a_step_fails_production_is_what_it_was_and_the_next_try_finishes(
    step: str, released: Candidates, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, name, error = BROKEN[step]
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, fail(error))
        with pytest.raises((ChurnError, OSError)):
            released.release(2)
    production = released.production
    assert production is not None
    assert production.number == 1
    assert stages(released.registry)[1][0] == "Production"
    promotion.require_unchanged_files(released.registry, production)
    if step == "smoke":  # it was seen to fail in Production: that is a rollback
        with pytest.raises(BlockedError, match="rolled back"):
            released.release(2)
    else:
        assert released.release(2).version.digest == released.digest(2)


def test_failing_integration_tests_block_and_say_which(
    released: Candidates, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = Findings(False, "integration tests failed: test_parity", "E  assert 0.1 == 0.2")
    monkeypatch.setattr(integration, "run", lambda *_: failed)
    said: list[str] = []
    with pytest.raises(BlockedError, match="test_parity"):
        release.run(released.roots[1], released.plan(2), said.append)
    assert "E  assert 0.1 == 0.2" in said
    assert stages(released.registry) == {
        1: ("Production", {"champion"}),
        2: ("Staging", {"staging"}),
    }
    with pytest.raises(RegistryError, match="has not passed the integration tests"):
        promotion.promote(released.roots[1], released.registry, 2, "production", "me", "now")


def test_what_is_tested_is_the_copy_that_was_verified(
    candidates: Candidates, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a store in which byte code was put beside the code
    candidates.release(1, until="staging")
    [code] = Path().glob("**/mlruns/**/models/*/artifacts/code")
    (code / "churn/__pycache__").mkdir()
    (code / "churn/__pycache__/evil.pyc").write_text("")
    served: list[Path] = []

    def run(root: Path, model: Path, *_: Any) -> Findings:
        (code / "churn/core/errors.py").write_text("swapped = 'while it is tested'")
        served.extend(path.relative_to(model) for path in model.rglob("*") if path.is_file())
        assert "swapped" not in (model / "code/churn/core/errors.py").read_text()
        return Findings(True, "16 passed", "")

    monkeypatch.setattr(integration, "run", run)
    with pytest.raises(CandidateError, match="its files were changed"):  # before Production again
        candidates.release(1)
    assert Path("MLmodel") in served
    assert not [path for path in served if "__pycache__" in path.parts]
    assert candidates.production is None


@pytest.mark.parametrize(
    "target", [pytest.param("staging", marks=pytest.mark.exhaustive), "production"]
)
def test_a_stage_that_leads_elsewhere_is_not_taken_for_the_version(
    target: Any, candidates: Candidates
) -> None:
    first = candidates.release(1).version
    second = candidates.release(2, until="staging").version
    registry, asked = candidates.registry, second if target == "staging" else first
    registry.require_served(target, asked)
    other = first if target == "staging" else second
    with pytest.raises(RegistryError, match=f"{target.title()} does not lead to version"):
        registry.require_served(target, other)
    registry.set_stage(other, target.title())  # by hand, beside the other one
    if target == "production":
        with pytest.raises(RegistryError, match="Production does not lead to version 1"):
            registry.require_served(target, asked)


def test_a_smoke_test_that_fails_puts_the_old_version_back(
    released: Candidates, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Model.scores
    monkeypatch.setattr(Model, "scores", lambda self, rows: np.nextafter(real(self, rows), 1))
    with pytest.raises(BlockedError, match=r"failed in Production.*version 1 was put back"):
        released.release(2)
    assert stages(released.registry) == {
        1: ("Production", {"champion"}),
        2: ("Archived", set()),
    }
    assert told(released)[-2:] == [(2, "production"), (1, "rollback")]


@pytest.mark.parametrize("kind", [ArtifactError, NoAnswerError])
def test_a_first_version_that_does_not_work_leaves_nothing_in_production(
    kind: type[ChurnError], candidates: Candidates, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(production, "require_same_predictions", fail(kind("does not load")))
        with pytest.raises(BlockedError, match="no previous version: nothing is in Production"):
            candidates.release(1)
    assert candidates.production is None
    assert stages(candidates.registry) == {1: ("Archived", set())}
    [version] = candidates.registry.versions()
    assert not version.was_in_production
    assert version.events[-1].what == "withdrawn"
    assert "does not load" in version.events[-1].why
    candidates.release(1)
    assert stages(candidates.registry) == {1: ("Production", {"champion"})}


def test_a_move_that_fails_behind_its_switch_is_undone(
    released: Candidates, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        real, left = Registry.set_stage, [2]

        def transition(self: Registry, *arguments: Any) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise TrackingError("a write failed")
            real(self, *arguments)

        patch.setattr(Registry, "set_stage", transition)
        with pytest.raises(BlockedError, match=r"a write failed; version 1 was put back"):
            released.release(2)
    assert stages(released.registry)[1] == ("Production", {"champion"})
    assert released.release(2).version.number == 2


def test_the_same_model_with_other_code_to_serve_it_is_another_version(
    candidates: Candidates,
) -> None:
    version = candidates.release(1).version
    candidates.registry.tag(version, {"served": "other code"})
    again = candidates.release(1)
    assert (again.version.number, again.version.digest) == (2, version.digest)


def test_registering_an_older_checkout_moves_no_order_back(candidates: Candidates) -> None:
    version = candidates.release(2).version
    candidates.registry.tag(version, {"newest_commit_time": "4102444800"})  # the year 2100
    candidates.release(2, until="registered")
    assert candidates.registry.version(1).tags["newest_commit_time"] == "4102444800"


def test_what_a_model_said_when_it_was_reviewed_it_has_to_say_again(
    candidates: Candidates, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(candidates.roots[0] / "build" / "predictions")  # as on a runner
    monkeypatch.setattr(tracked_data, "require_data", lambda root: None)
    real = Model.scores
    with monkeypatch.context() as patch:
        patch.setattr(Model, "scores", lambda self, rows: 1 - real(self, rows))
        with pytest.raises(CandidateError, match="predicts differently for the held-out customers"):
            candidates.release(1)
    assert candidates.registry.versions() == []
    assert candidates.release(1).version.number == 1


def test_who_has_slept_too_long_touches_nothing_of_what_has_taken_over(
    released: Candidates, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def asleep(*_: Any) -> Findings:
        monkeypatch.setattr(integration, "run", lambda *_: Findings(True, "16 passed", ""))
        with monkeypatch.context() as patch:
            patch.setattr(lock.Holder, "is_dead", True)
            patch.setattr(lock, "SETTLE_S", 0)
            released.release(2)  # by another process, which takes the lock over
        seen.append(released.registry.versions())
        return Findings(True, "16 passed", "")

    monkeypatch.setattr(integration, "run", asleep)
    with pytest.raises(LostLockError, match="another release has taken over"):
        released.release(2)
    [was], now = seen, released.registry.versions()
    assert [(v.number, v.stage, v.aliases) for v in now] == [
        (v.number, v.stage, v.aliases) for v in was
    ]
    for key in ("smoke", "replaced", "pending", "rolled_back"):
        assert now[1].tags.get(key) == was[1].tags.get(key)
    assert now[1].tags["smoke"] == "passed"


def test_who_loses_the_lock_while_production_works_badly_puts_nothing_back(
    released: Candidates, monkeypatch: pytest.MonkeyPatch
) -> None:

    def taken_over(self: Any) -> None:
        raise LostLockError("another release has taken over")

    def works_badly(*_: Any) -> None:
        monkeypatch.setattr(lock.Lock, "require", taken_over)
        raise BlockedError("predicts otherwise")

    monkeypatch.setattr(production, "require_same_predictions", works_badly)
    with pytest.raises(LostLockError, match="another release has taken over"):
        released.release(2)
    assert released.production == released.registry.version(2)


@pytest.mark.parametrize(
    ("error", "comes_again"),
    [(BlockedError("predicts otherwise"), False), (TrackingError("timed out"), True)],
    ids=["its fault", "the registry's"],
)
def test_what_was_put_back_is_said_even_if_the_last_note_of_it_fails(
    error: Exception, comes_again: bool, released: Candidates, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Registry.tag

    def tag(self: Registry, version: Any, tags: dict[str, str]) -> None:
        if tags == {"smoke": "failed"}:
            raise TrackingError("away")
        real(self, version, tags)

    with monkeypatch.context() as patch:
        patch.setattr(production, "require_same_predictions", fail(error))
        patch.setattr(Registry, "tag", tag)
        with pytest.raises(BlockedError, match="version 1 was put back into Production"):
            released.release(2)
    assert released.production == released.registry.version(1)
    if comes_again:
        assert released.release(2).version.number == 2
        return
    with pytest.raises(BlockedError, match="this is version 2, which somebody rolled back"):
        released.release(2)


def release_while_smoke_test_fails(
    released: Candidates,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception | Callable[..., Any],
    ends: type[ChurnError],
    said: str,
) -> None:
    with monkeypatch.context() as patch:
        broken = fail(error) if isinstance(error, Exception) else error
        patch.setattr(production, "require_same_predictions", broken)
        with pytest.raises(ends, match=said):
            released.release(2)


@pytest.mark.parametrize("error", [TrackingError("it fails"), NoAnswerError("timed out")])
def test_a_registry_that_is_away_in_the_smoke_test_is_no_fault_of_the_model(
    error: ChurnError, released: Candidates, monkeypatch: pytest.MonkeyPatch
) -> None:
    release_while_smoke_test_fails(released, monkeypatch, error, BlockedError, "put back")
    assert released.production is not None
    assert released.production.number == 1
    assert released.release(2).version.number == 2


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NoAnswerError("timed out"), "^timed out; version 2 was being moved into Production"),
        (BlockedError("predicts otherwise"), "^version 2 failed in Production: predicts otherwise"),
    ],
)
def test_a_registry_that_does_not_answer_the_put_back_either_is_finished_the_next_time(
    error: ChurnError, said: str, released: Candidates, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = NoAnswerError("timed out")
    with monkeypatch.context() as patch:

        def works_badly(*_: Any) -> None:
            patch.setattr(Registry, "reconcile", fail(gone))
            raise error

        release_while_smoke_test_fails(released, monkeypatch, works_badly, NoAnswerError, said)
    monkeypatch.setattr(lock, "is_alive", lambda pid: False)  # it was another process
    monkeypatch.setattr(lock, "SETTLE_S", 0)
    assert stages(released.registry)[2] == ("Production", {"champion"})
    assert released.release(2).version.tags["smoke"] == "passed"


def test_one_that_died_before_its_smoke_test_is_looked_at_when_started_again(
    released: Candidates, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(production, "smoke", fail(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            released.release(2)
    with monkeypatch.context() as patch:
        patch.setattr(Model, "scores", fail(ArtifactError("does not load")))
        with pytest.raises(BlockedError, match="version 1 was put back"):
            released.release(2)
    assert stages(released.registry)[1] == ("Production", {"champion"})


def test_what_production_has_become_since_the_review_is_what_counts(
    candidates: Candidates, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[str] = []
    real = release.compare.against

    def against(workspace: Workspace, settings: Any, wanted: Any) -> Any:
        compared.extend(wanted)
        return real(workspace, settings, wanted)

    monkeypatch.setattr(release.compare, "against", against)
    candidates.release(1)  # reviewed when nothing was in Production, and nothing is
    assert compared == []
    candidates.release(2)  # reviewed when nothing was, and now there is
    assert compared == ["Production"]


def test_a_candidate_that_is_worse_than_production_is_blocked(
    released: Candidates, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = release.compare.against

    def against(*arguments: Any) -> Any:
        found = real(*arguments)
        everyone = found.baselines[0].everyone
        assert everyone.rows > 2 * found.baselines[0].rows  # what Production said out of fold
        everyone.metrics[:] = [
            replace(one, difference=-0.5, lower=-0.6, upper=-0.4, word="worse")
            if one.metric == "roc_auc"
            else one
            for one in everyone.metrics
        ]
        return found

    monkeypatch.setattr(release.compare, "against", against)
    with pytest.raises(BlockedError, match=r"ROC AUC is worse than Production: -0\.5"):
        released.release(2)
    assert stages(released.registry) == {1: ("Production", {"champion"})}


@pytest.mark.parametrize("outcome", [("judged", False), ("stopped", False), ("unchanged", True)])
def test_only_what_was_judged_and_passed_is_released(
    outcome: tuple[str, bool], candidates: Candidates, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdict = JudgedVerdict(outcome=outcome[0], passed=outcome[1])
    monkeypatch.setattr(bundle, "read_verdict", lambda _: verdict)
    with pytest.raises(BlockedError, match="its verdict"):
        candidates.release(1)


def test_a_candidate_with_another_byte_is_not_released(candidates: Candidates) -> None:
    model = candidates.plan(1).candidate / "model" / "pipeline.skops"
    model.write_bytes(model.read_bytes() + b" ")
    with pytest.raises(CandidateError, match="differs from the manifest"):
        candidates.release(1)
    assert candidates.registry.versions() == []


def test_a_candidate_of_other_inputs_is_not_released(candidates: Candidates) -> None:
    shutil.rmtree(candidates.plan(1).candidate)
    shutil.copytree(candidates.plan(2).candidate, candidates.plan(1).candidate)
    with pytest.raises(CandidateError, match="made from other inputs than those of HEAD"):
        candidates.release(1)


def test_a_work_tree_with_other_inputs_releases_nothing(candidates: Candidates) -> None:
    with (candidates.roots[0] / "params.yaml").open("a") as file:
        file.write("# changed\n")
    with pytest.raises(CandidateError, match="the inputs in the work tree differ"):
        candidates.release(1)


def test_of_two_at_once_one_wins_and_the_other_says_why(
    candidates: Candidates, monkeypatch: pytest.MonkeyPatch
) -> None:
    under_way, go_on = threading.Event(), threading.Event()

    def slow(*_: Any) -> Findings:
        under_way.set()
        assert go_on.wait(60)
        return Findings(True, "16 passed", "")

    monkeypatch.setattr(integration, "run", slow)
    monkeypatch.setattr(lock, "BEAT_S", 0.1)
    monkeypatch.setattr(lock, "POLL_S", 0.5)
    first = threading.Thread(target=candidates.release, args=(1,))
    first.start()
    assert under_way.wait(60)
    with pytest.raises(RegistryError, match="another release is under way: by somebody on"):
        candidates.release(2)
    go_on.set()
    first.join()
    assert stages(candidates.registry) == {1: ("Production", {"champion"})}


def test_a_registry_that_cannot_be_reached_is_an_error(
    candidates: Candidates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    connection.mlflow.set_tracking_uri(None)
    with pytest.raises(TrackingError, match="Connection refused"):
        candidates.release(1)
