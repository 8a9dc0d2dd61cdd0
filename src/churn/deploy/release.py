"""Command `release`: from a candidate to Production, or back to what was there.

Each step looks first whether it was done before, so that a release that was killed, or that goes
from job to job of a workflow, is the same command started again.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
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
from churn.deploy import integration, promotion, rules
from churn.deploy.commits import Commit, commit_tags
from churn.deploy.description import describe
from churn.deploy.rehydrate import rehydrate
from churn.evaluation.results import Metrics
from churn.model import artifact
from churn.provenance import bundle, lineage
from churn.provenance.bundle import Manifest
from churn.provenance.candidate import SERVED, commit_fingerprint
from churn.provenance.git import git
from churn.registry import MODEL_FILES, Event, Move, Registry, Version, verified
from churn.registry.version import CHAMPION
from churn.review import baseline, compare, gate, limits, proposal
from churn.review.changes import Changes
from churn.review.comparison import Absent, Comparison
from churn.stages import track
from churn.tracking import connection, pyfunc, runs
from churn.validation.results import Checks

Say = Callable[[str], None]
Until = Literal["registered", "staging", "integration", "production"]


@dataclass(frozen=True)
class Plan:
    """What is released, and how far.

    Attributes
    ----------
    candidate : Path
        Folder of a packed candidate.
    by : str
        Who releases, for the audit trail.
    why : str
    commit : str
        Whose model it is.
    until : {"registered", "staging", "integration", "production"}
        The last thing that is done.
    digest : str or None
        Of the manifest that the candidate has to have.
    """

    candidate: Path
    by: str
    why: str = "released"
    commit: str = "HEAD"
    until: Until = "production"
    digest: str | None = None


@dataclass(frozen=True)
class Released:
    """How a release has ended.

    Attributes
    ----------
    version : Version
    before : Version or None
        What was in Production.
    done : str
        In one line.
    """

    version: Version
    before: Version | None
    done: str


def run(root: Path, plan: Plan, say: Say) -> Released:
    """Verify, hold against Production, register, stage, test, promote, and look whether it works.

    Before the switch to Production any failure leaves Production as it was. After it, the version
    from before is put back.

    Parameters
    ----------
    root : Path
        Top folder of the repository, at the commit whose model is released.
    plan : Plan
    say : callable
        Told what is being done.

    Raises
    ------
    BlockedError
        If a gate, the integration tests or the smoke test are not passed.
    CandidateError
        If the candidate is not what its manifest says, or of other inputs.
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
    """Make sure that a candidate is whole, was judged good, and is of the commit's inputs."""
    manifest = bundle.verify(plan.candidate, root, plan.commit)
    if plan.digest is not None and manifest.digest != plan.digest:
        raise CandidateError(
            f"{plan.candidate}: its manifest is {manifest.digest[:12]}, and not"
            f" {plan.digest[:12]}; it is another candidate"
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
        there = before if before is not None and self._is_same(before) else None
        if there is not None and there.tags.get("smoke") == "passed":
            promotion.record_commit(self.root, self.registry, there, self._newest(), self.plan.by)
            return Released(there, there, f"version {there.number} is in Production already")
        if there is None and before is not None:
            rules.require_newer(self.root, self.commit, before)
        with rehydrate(self.root, self.plan.candidate, self.manifest, self.settings) as workspace:
            if there is not None:  # it was killed before it had looked
                version = there
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
            try:
                if version is not before:
                    self._promote(version)
                self._smoke(version, workspace)
            except Exception as error:
                raise self._undone(version, error) from error
        released = self.registry.version(version.number)
        was = f" (version {before.number} before)" if before and before != version else ""
        return Released(released, before, f"version {version.number} is in Production{was}")

    def _only_register(self) -> Released:
        with rehydrate(self.root, self.plan.candidate, self.manifest, self.settings) as workspace:
            version = self._register(workspace)
        return Released(version, self.before, f"version {version.number} is registered")

    def _is_same(self, version: Version) -> bool:
        """Tell whether a version is this candidate.

        Its bytes, what it says of customers, and the code and libraries that are served with it.
        """
        return bool(
            version.digest == self.manifest.model_digest
            and version.tags.get("predictions_digest") == self.manifest.predictions_digest
            and version.tags.get("served") == self.served
        )

    def _newest(self) -> dict[str, str]:
        return commit_tags(self.commit, self.manifest.fingerprint)

    def _judge(self, workspace: Workspace) -> None:
        """Hold the candidate against its limits and against what is in Production now."""
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
            self.say(f"cannot tell, and gates.undecided lets it pass: {verdict.reason}")

    def _comparison(self, workspace: Workspace) -> Comparison:
        """Return the review's comparison where Production has not changed since, else a new one."""
        reviewed = read_json(workspace.comparison, "compare", Comparison)
        before = self.before
        now = (None, None) if before is None else (str(before.number), before.digest)
        for entry in reviewed.baselines:
            was: tuple[str | None, str | None] = (None, None)
            if not isinstance(entry, Absent):
                was = entry.identity, entry.model_digest
            if entry.kind == "production" and was == now:
                return reviewed
        with baseline.in_production(self.root, self.settings.release) as found:
            return compare.against(workspace, self.settings, {baseline.PRODUCTION: found})

    def _register(self, workspace: Workspace) -> Version:
        """Find the version that has this model, or make it."""
        self.say("register")
        for version in reversed(self.registry.versions()):
            if self._is_same(version):
                told = rules.describe_rollback(version)
                if told and self.plan.until != "registered":
                    raise RolledBackError(f"this is {told}")
                promotion.record_commit(
                    self.root, self.registry, version, self._newest(), self.plan.by
                )
                return version
        identity, record = track.gather(workspace, self.settings, self.root)
        tracked = runs.log_once(connection.connect(self.root), identity, record)
        runs.add_files(tracked.run_id, self.plan.candidate, verified.CANDIDATE_FOLDER)
        # Logged here and now: who has tracked it before may have had other code beside it.
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
            **self._newest(),
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
        """Return what the review says has changed; without a base, what has since Production's."""
        if workspace.changes.exists():
            return read_json(workspace.changes, "compare", Changes)
        if self.before is not None and (commit := self.before.tags.get("commit")):
            with suppress(ArtifactError):  # a commit that is not here
                return proposal.against(Workspace(self.root), commit)
        return Changes()

    def _stage(self, version: Version) -> None:
        self.say("staging")
        if "staging" not in self.registry.version(version.number).aliases:
            self.registry.move(version, "staging", self.plan.by, self.plan.why)

    def _test(self, version: Version, workspace: Workspace) -> None:
        """Run the integration tests, unless this version has passed them."""
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

    def _promote(self, version: Version) -> None:
        self.say("production")
        self.registry.require_lock()  # the tests may have taken longer than anybody waits
        promotion.require_unchanged_files(self.registry, version)
        rules.require_tested(self.registry.version(version.number))
        self.registry.tag(version, {"smoke": "pending"})
        self.registry.move(version, "production", self.plan.by, self.plan.why)

    def _smoke(self, version: Version, workspace: Workspace) -> None:
        """Load what Production is now, and ask it about the held-out customers."""
        self.say("smoke test")
        self._require_works(version, workspace)
        self.registry.tag(version, {"smoke": "passed"})

    def _require_works(self, version: Version, workspace: Workspace) -> None:
        self.registry.require_served("production", version)
        stored = verified.fetch(self.registry, version, workspace.root / "served")
        # All of them, as they were predicted: another number of rows may round otherwise.
        rows = read_parquet(workspace.split("test"), "prepare")
        said = read_parquet(workspace.predictions("test"), "evaluate")
        served = artifact.load(stored / MODEL_FILES).probability(rows)
        if not np.array_equal(served, said["probability"].to_numpy()):
            raise BlockedError("what is served from Production predicts otherwise than it did")

    def _undone(self, version: Version, error: Exception) -> Exception:
        """Put the version from before back, if the switch was done; return what there is to say."""
        if isinstance(error, LostLockError):  # it is another one's now, whatever is there
            return error
        reason = f"version {version.number} failed in Production: {error}"
        try:
            self.registry.reconcile()
            now = self.registry.version(version.number)
            return self._put_back(now, error, reason) if CHAMPION in now.aliases else error
        except LostLockError as lost:
            return lost
        except NoAnswerError as silent:
            seen = "" if isinstance(error, NoAnswerError) else f"{reason}; and then "
            return NoAnswerError(
                f"{seen}{silent}; it happened while version {version.number} was moved into"
                " Production: the same command again finishes that and looks whether it works, or"
                " churn rollback"
            )
        except ChurnError as failed:
            return RegistryError(
                f"{reason}; the version before could not be put back ({failed}): churn rollback"
            )

    def _put_back(self, now: Version, error: Exception, reason: str) -> BlockedError:
        # The registry's fault is none of the model's, which may come again.
        is_to_blame = not isinstance(error, (TrackingError, OSError))
        if now.replaced is None:
            self.registry.withdraw(now, self.plan.by, reason)
            done = "it was the first: nothing is in Production"
        else:
            what: Move = "rollback" if is_to_blame else "restore"
            before = self.registry.version(now.replaced)
            self.registry.move(before, what, self.plan.by, reason)
            done = f"version {now.replaced} was put back into Production"
        if is_to_blame:
            with suppress(ChurnError):  # of what was rolled back the registry knows in any case
                self.registry.tag(now, {"smoke": "failed"})
        return BlockedError(f"{reason}; {done}")
