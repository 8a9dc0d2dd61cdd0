"""Command `release`: bring a candidate into Production, or restore the previous version.

Each step is skipped if it was done before. So the same command resumes a release that was killed,
or that continues in the next job of a workflow.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np

from churn.core import params
from churn.core.errors import (
    ArtifactError,
    BlockedError,
    CandidateError,
    ChurnError,
    LostLockError,
    NoAnswerError,
    RegistryError,
    RolledBackError,
    TrackingError,
)
from churn.core.files import read_json, read_parquet
from churn.core.params import Params
from churn.core.paths import Workspace
from churn.deploy import canary, integration, promotion, rules
from churn.deploy.commits import Commit, commit_tags
from churn.deploy.description import describe
from churn.deploy.rehydrate import rehydrate
from churn.evaluation.results import Metrics
from churn.model import artifact
from churn.provenance import bundle, lineage
from churn.provenance.bundle import Manifest
from churn.provenance.candidate import SERVED, commit_fingerprint
from churn.provenance.git import git
from churn.registry import MODEL_FILES, Canary, Event, Move, Registry, Version, verified
from churn.registry.version import CHAMPION
from churn.review import baseline, compare, gate, limits, proposal
from churn.review.changes import Changes
from churn.review.comparison import Absent, Comparison
from churn.stages import track
from churn.tracking import connection, pyfunc, runs
from churn.validation.results import Checks

Say = Callable[[str], None]
Until = Literal["registered", "staging", "integration", "canary", "production"]


@dataclass(frozen=True)
class Plan:
    """What to release, and how far.

    Attributes
    ----------
    candidate : Path
        Folder of a packed candidate.
    by : str
        Who releases, for the audit trail.
    why : str
        The reason, for the audit trail.
    commit : str
        The commit whose model it is.
    until : {"registered", "staging", "integration", "canary", "production"}
        The last step.
    digest : str or None
        Expected digest of the candidate's manifest; None if any is accepted.
    """

    candidate: Path
    by: str
    why: str = "released"
    commit: str = "HEAD"
    until: Until = "production"
    digest: str | None = None


@dataclass(frozen=True)
class Released:
    """The result of a release.

    Attributes
    ----------
    version : Version
    before : Version or None
        The version that was in Production before.
    done : str
        A summary in one line.
    """

    version: Version
    before: Version | None
    done: str


def run(root: Path, plan: Plan, say: Say) -> Released:
    """Verify, compare with Production, register, stage, test, promote, and run the smoke test.

    A failure before the move to Production leaves Production as it was. A failure after it restores
    the previous version.

    Parameters
    ----------
    root : Path
        Top folder of the repository, at the commit whose model is released.
    plan : Plan
    say : callable
        Called with the name of each step.

    Raises
    ------
    BlockedError
        If a gate, the integration tests or the smoke test fail.
    CandidateError
        If the candidate differs from its manifest, or was made from other inputs.
    RegistryError
        If another release is under way, or Production has a newer commit's model.
    TrackingError
        If the registry cannot be reached.
    """
    say("verify")
    settings = params.load(Workspace(root).params)
    manifest = verify(root, plan)
    registry = Registry(root, settings.release)
    with registry.locked(plan.by):
        return _Release(root, plan, say, settings, manifest, registry).run()


def verify(root: Path, plan: Plan) -> Manifest:
    """Check that a candidate is complete, has passed, and was made from the commit's inputs."""
    manifest = bundle.verify(plan.candidate, root, plan.commit)
    if plan.digest is not None and manifest.digest != plan.digest:
        raise CandidateError(
            f"{plan.candidate}: its manifest's digest is {manifest.digest[:12]}, not"
            f" {plan.digest[:12]}: another candidate"
        )
    if reason := bundle.rejection_reason(plan.candidate, manifest):
        raise BlockedError(f"{plan.candidate}: {reason}")
    return manifest


class _Release:
    """One release, under the lock."""

    def __init__(
        self,
        root: Path,
        plan: Plan,
        say: Say,
        settings: Params,
        manifest: Manifest,
        registry: Registry,
    ) -> None:
        self.root, self.plan, self.say = root, plan, say
        self.settings, self.manifest, self.registry = settings, manifest, registry
        self.commit = Commit.of(root, plan.commit)
        self.source = lineage.read(plan.candidate)
        self.served = commit_fingerprint(root, self.commit.id, SERVED)
        self.before = registry.production()

    def run(self) -> Released:
        before = self.before
        if self.plan.until == "registered":
            return self._only_register()
        released = before if before is not None and self._is_same(before) else None
        if released is not None and released.tags.get("smoke") == "passed":
            promotion.record_commit(
                self.root, self.registry, released, self._commit_tags(), self.plan.by
            )
            done = f"version {released.number} is in Production already"
            return Released(released, released, done)
        if released is None and before is not None:
            rules.require_newer(self.root, self.commit, before)
        with rehydrate(self.root, self.plan.candidate, self.manifest, self.settings) as workspace:
            if released is not None:  # an earlier release was killed before its smoke test
                version = released
            else:
                self._judge(workspace)
                version = self._register(workspace)
                self._stage(version)
                if self.plan.until == "staging":
                    return Released(version, before, f"version {version.number} is in Staging")
                self._test(version, workspace)
                if self.plan.until == "integration":
                    done = f"version {version.number} has passed its integration tests in Staging"
                    return Released(version, before, done)
                if done := self._try(version):
                    return Released(self.registry.version(version.number), before, done)
            try:
                if version is not before:
                    self._promote(version)
                self._smoke(version, workspace)
            except Exception as error:
                raise self._after_failure(version, error) from error
        previous = f" (version {before.number} before)" if before and before != version else ""
        done = f"version {version.number} is in Production{previous}"
        return Released(self.registry.version(version.number), before, done)

    def _only_register(self) -> Released:
        with rehydrate(self.root, self.plan.candidate, self.manifest, self.settings) as workspace:
            version = self._register(workspace)
        return Released(version, self.before, f"version {version.number} is registered")

    def _is_same(self, version: Version) -> bool:
        """Tell whether a version equals this candidate.

        By the model's bytes, its predictions, and the code and libraries that are served with it.
        """
        return bool(
            version.digest == self.manifest.model_digest
            and version.tags.get("predictions_digest") == self.manifest.predictions_digest
            and version.tags.get("served") == self.served
        )

    def _commit_tags(self) -> dict[str, str]:
        return commit_tags(self.commit, self.manifest.fingerprint)

    def _judge(self, workspace: Workspace) -> None:
        """Check the candidate against its limits and against the current version in Production."""
        self.say("gate")
        results = gate.Results(
            metrics=read_json(workspace.metrics, "evaluate", Metrics),
            checks=read_json(workspace.checks, "validate", Checks),
            comparison=self._comparison(workspace),
            model_digest=self.manifest.model_digest,
        )
        accepted = limits.accepts(self.root, self.settings.gates, f"{self.commit.id}^1")
        verdict = gate.judge_again(results, limits.own(self.settings), accepted)
        if not verdict.passed:
            raise BlockedError(verdict.reason)
        if verdict.undecided:
            self.say(f"undecided, which gates.undecided lets pass: {verdict.reason}")

    def _comparison(self, workspace: Workspace) -> Comparison:
        """Return the review's comparison, or a new one if Production has changed since."""
        reviewed = read_json(workspace.comparison, "compare", Comparison)
        before = self.before
        now = (None, None) if before is None else (str(before.number), before.digest)
        for entry in reviewed.baselines:
            then: tuple[str | None, str | None] = (None, None)
            if not isinstance(entry, Absent):
                then = entry.identity, entry.model_digest
            if entry.kind == "production" and then == now:
                return reviewed
        with baseline.in_production(self.root, self.settings.release) as found:
            return compare.against(workspace, self.settings, {baseline.PRODUCTION: found})

    def _register(self, workspace: Workspace) -> Version:
        """Return the version that has this model, or register it."""
        self.say("register")
        for version in reversed(self.registry.versions()):
            if self._is_same(version):
                rollback = rules.describe_rollback(version)
                if rollback and self.plan.until != "registered":
                    raise RolledBackError(f"this is {rollback}")
                promotion.record_commit(
                    self.root, self.registry, version, self._commit_tags(), self.plan.by
                )
                return version
        identity, record = track.gather(workspace, self.settings, self.root)
        tracked = runs.log_once(connection.connect(self.root), identity, record)
        runs.add_files(tracked.run_id, self.plan.candidate, verified.CANDIDATE_FOLDER)
        # A model that was tracked earlier may have been logged with other code.
        logged = tracked.model or runs.log_model(tracked.run_id, record)
        event = Event.now("registered", self.plan.by, self.source.summary)
        stored = runs.fetch(logged, workspace.root / "logged")
        pyfunc.remove_bytecode(stored)
        serving = pyfunc.serving_digest(stored)
        return self.registry.register(
            logged,
            tracked.run_id,
            self._description(workspace),
            {**self._lineage(), "serving_digest": serving, event.key: event.text},
        )

    def _lineage(self) -> dict[str, str]:
        manifest = self.manifest
        return {
            "commit": self.commit.id,
            "reviewed_commit": manifest.commit,
            "fingerprint": manifest.fingerprint,
            "model_digest": manifest.model_digest or "",
            "predictions_digest": manifest.predictions_digest or "",
            "served": self.served,
            "manifest_digest": manifest.digest,
            "data_md5": manifest.data_md5 or "",
            "data_sha256": manifest.data_sha256 or "",
            **self.source.tags,
            **self._commit_tags(),
        }

    def _description(self, workspace: Workspace) -> str:
        subject = git(self.root, "show", "--no-patch", "--format=%s", self.commit.id).strip()
        return describe(
            subject,
            [
                *self.source.lines,
                f"commit {self.commit.id}",
                f"model {self.manifest.model_digest}",
            ],
            self._changes(workspace),
            read_json(workspace.metrics, "evaluate", Metrics),
            read_json(workspace.comparison, "compare", Comparison),
            read_json(workspace.checks, "validate", Checks),
        )

    def _changes(self, workspace: Workspace) -> Changes:
        """Return the review's changes, or, without a base, those since Production's commit."""
        if workspace.changes.exists():
            return read_json(workspace.changes, "compare", Changes)
        if self.before is not None and (commit := self.before.tags.get("commit")):
            with suppress(ArtifactError):  # the commit is not in this clone
                return proposal.against(Workspace(self.root), commit)
        return Changes()

    def _stage(self, version: Version) -> None:
        self.say("staging")
        if "staging" not in self.registry.version(version.number).aliases:
            self.registry.move(version, "staging", self.plan.by, self.plan.why)

    def _test(self, version: Version, workspace: Workspace) -> None:
        """Run the integration tests, unless this version has passed them already."""
        if self.registry.version(version.number).tags.get("integration") == "passed":
            return
        self.say("integration tests")
        stored = verified.fetch(self.registry, version, workspace.root / "staged")
        self.registry.require_served("staging", version)
        tested = integration.run(self.root, stored, workspace, self.settings)
        self.registry.tag(version, {"integration": "passed" if tested.passed else "failed"})
        self.registry.record(version, Event.now("tested", self.plan.by, tested.summary))
        if not tested.passed:
            self.say(tested.output.rstrip())
            raise BlockedError(tested.summary)

    def _try(self, version: Version) -> str:
        """Begin the canary, or see whether it has lasted; empty if the next step is Production."""
        settings, number = self.settings.release.canary, version.number
        ends_here = self.plan.until == "canary"
        if settings is None or self.before is None:
            why = "params.yaml has no release.canary" if settings is None else "it is the first"
            return f"version {number} needs no canary: {why}" if ends_here else ""
        version = self.registry.version(number)
        if version.canary is None:
            last = version.last("canary", "canary_stopped")
            if last is not None and last.what == "canary_stopped":
                raise BlockedError(
                    f"the canary of version {number} was stopped by {last.by} ({last.why}); to"
                    f" release it anyway: churn promote {number} --to production"
                )
            self.say("canary")
            canary.require_startable(self.root, self.registry, version)
            promotion.require_unchanged_files(self.registry, version)
            trial = Canary(settings.share, settings.shadow)
            self.registry.start_canary(version, trial, self.plan.by, self.plan.why)
            version = self.registry.version(number)
        until = canary.due(version, settings)
        if until <= datetime.now(UTC) and not ends_here:
            return ""
        return (
            f"version {number} is tried until {until:%Y-%m-%d %H:%M} UTC;"
            " then churn canary promote moves it to Production"
        )

    def _promote(self, version: Version) -> None:
        self.say("production")
        self.registry.require_lock()  # it may have expired during the tests
        promotion.require_unchanged_files(self.registry, version)
        rules.require_tested(self.registry.version(version.number))
        self.registry.tag(version, {"smoke": "pending"})
        self.registry.move(version, "production", self.plan.by, self.plan.why)

    def _smoke(self, version: Version, workspace: Workspace) -> None:
        """Check that what Production serves predicts as it did in the review."""
        self.say("smoke test")
        self._require_same_predictions(version, workspace)
        self.registry.tag(version, {"smoke": "passed"})

    def _require_same_predictions(self, version: Version, workspace: Workspace) -> None:
        self.registry.require_served("production", version)
        stored = verified.fetch(self.registry, version, workspace.root / "served")
        # All rows at once, as in the review: another number of rows may round differently.
        rows = read_parquet(workspace.split("test"), "prepare")
        reviewed = read_parquet(workspace.predictions("test"), "evaluate")
        served = artifact.load(stored / MODEL_FILES).probability(rows)
        if not np.array_equal(served, reviewed["probability"].to_numpy()):
            raise BlockedError("what Production serves predicts differently than in the review")

    def _after_failure(self, version: Version, error: Exception) -> Exception:
        """Restore the previous version if this one is in Production; return the error to raise."""
        if isinstance(error, LostLockError):  # another release is responsible for Production now
            return error
        reason = f"version {version.number} failed in Production: {error}"
        try:
            self.registry.reconcile()
            now = self.registry.version(version.number)
            return self._restore(now, error, reason) if CHAMPION in now.aliases else error
        except LostLockError as lost:
            return lost
        except NoAnswerError as silent:
            first = "" if isinstance(error, NoAnswerError) else f"{reason}; then "
            return NoAnswerError(
                f"{first}{silent}; version {version.number} was being moved into Production: run"
                " the same command again to complete and test that, or churn rollback"
            )
        except ChurnError as failed:
            return RegistryError(
                f"{reason}; the previous version could not be put back ({failed}): churn rollback"
            )

    def _restore(self, now: Version, error: Exception, reason: str) -> BlockedError:
        # A model may be released again if not the model but the registry has failed.
        model_failed = not isinstance(error, (TrackingError, OSError))
        if now.replaced is None:
            self.registry.withdraw(now, self.plan.by, reason)
            done = "there is no previous version: nothing is in Production"
        else:
            move: Move = "rollback" if model_failed else "restore"
            before = self.registry.version(now.replaced)
            self.registry.move(before, move, self.plan.by, reason)
            done = f"version {now.replaced} was put back into Production"
        if model_failed:
            with suppress(ChurnError):  # the rollback itself is recorded already
                self.registry.tag(now, {"smoke": "failed"})
        return BlockedError(f"{reason}; {done}")
