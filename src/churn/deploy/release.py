"""Command `release`: bring a candidate into Production, or restore the previous version.

Each step is skipped if it was done before. So the same command resumes a release that was killed,
or that continues in the next job of a workflow.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from churn.core import params
from churn.core.errors import BlockedError, CandidateError
from churn.core.files import read_json
from churn.core.paths import Workspace
from churn.core.progress import Say
from churn.deploy import canary, integration, production, rules
from churn.deploy.commits import Commit
from churn.deploy.context import Context, Plan
from churn.deploy.registration import register
from churn.deploy.rehydrate import rehydrate
from churn.evaluation.results import Metrics
from churn.provenance import bundle, lineage
from churn.provenance.bundle import Manifest
from churn.provenance.candidate import SERVED, commit_fingerprint
from churn.registry import Event, Registry, Version, verified
from churn.registry.version import STAGING, on_trial
from churn.review import compare, gate, limits, registered
from churn.review.baseline import PRODUCTION
from churn.review.comparison import Absent, Comparison
from churn.validation.results import Checks


@dataclass(frozen=True)
class Released:
    """The result of a release: the version, and a summary in one line."""

    version: Version
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
        commit = Commit.of(root, plan.commit)
        context = Context(
            root=root,
            plan=plan,
            say=say,
            settings=settings,
            manifest=manifest,
            registry=registry,
            commit=commit,
            source=lineage.read(plan.candidate),
            served=commit_fingerprint(root, commit.id, SERVED),
            before=registry.production(),
        )
        return _release(context)


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


def _release(context: Context) -> Released:
    root, plan, before = context.root, context.plan, context.before
    is_there = before is not None and context.is_same(before) and plan.until != "registered"
    if before is not None and is_there and before.tags.get("smoke") == "passed":
        context.record_commit(before)
        return Released(before, f"version {before.number} is in Production already")
    if before is not None and not is_there and plan.until != "registered":
        rules.require_newer(root, context.commit, before)
    with rehydrate(root, plan.candidate, context.manifest, context.settings) as workspace:
        if before is not None and is_there:
            version = before  # an earlier release was killed before its smoke test
        else:
            version, done = _prepare(context, workspace)
            if done:
                return Released(version, done)
        production.put(context, version, workspace)
    previous = f" (version {before.number} before)" if before and not is_there else ""
    done = f"version {version.number} is in Production{previous}"
    return Released(context.registry.version(version.number), done)


def _prepare(context: Context, workspace: Workspace) -> tuple[Version, str]:
    """Judge, register, stage, test and try; return what was done if that was the last step."""
    until = context.plan.until
    if until != "registered":
        _judge(context, workspace)
    version = register(context, workspace)
    name = f"version {version.number}"
    if until == "registered":
        return version, f"{name} is registered"
    if context.settings.release.canary is not None:  # Staging would change for nothing
        canary.require_no_other(on_trial(context.registry.versions()), version.number)
    _stage(context, version)
    if until == "staging":
        return version, f"{name} is in Staging"
    _test(context, version, workspace)
    if until == "integration":
        return version, f"{name} has passed its integration tests in Staging"
    done = canary.step(context, version)
    return context.registry.version(version.number), done


def _judge(context: Context, workspace: Workspace) -> None:
    """Check the candidate against its limits and against the current version in Production."""
    context.say("gate")
    results = gate.Results(
        metrics=read_json(workspace.metrics, "evaluate", Metrics),
        checks=read_json(workspace.checks, "validate", Checks),
        comparison=_comparison(context, workspace),
        model_digest=context.manifest.model_digest,
    )
    settings = context.settings
    accepted = limits.accepts(context.root, settings.gates, f"{context.commit.id}^1")
    own = [limits.own(settings)]
    verdict = gate.judge(results, own, release=True, accepted=accepted, again=True)
    if not verdict.passed:
        raise BlockedError(verdict.reason)
    if verdict.undecided:
        context.say(f"undecided, which gates.undecided lets pass: {verdict.reason}")


def _comparison(context: Context, workspace: Workspace) -> Comparison:
    """Return the review's comparison, or a new one if Production has changed since."""
    reviewed = read_json(workspace.comparison, "compare", Comparison)
    before = context.before
    now = None if before is None else (str(before.number), before.digest)
    for entry in reviewed.baselines:
        then = None if isinstance(entry, Absent) else (entry.identity, entry.model_digest)
        if entry.kind == "production" and then == now:
            return reviewed
    with registered.in_production(context.root, context.settings.release) as found:
        return compare.against(workspace, context.settings, {PRODUCTION: found})


def _stage(context: Context, version: Version) -> None:
    context.say("staging")
    if STAGING not in context.registry.version(version.number).aliases:
        context.move(version, "staging", context.plan.why)


def _test(context: Context, version: Version, workspace: Workspace) -> None:
    """Test it as Staging serves it, unless this version has passed already."""
    if context.registry.version(version.number).tags.get("integration") != "passed":
        context.registry.require_served("staging", version)
        test_served(context, version, workspace)


def test_served(context: Context, version: Version, workspace: Workspace) -> None:
    """Run the integration tests against a version as it is served, and record the result.

    Raises
    ------
    BlockedError
        If they fail.
    """
    registry = context.registry
    context.say("integration tests")
    stored = verified.fetch(registry, version, workspace.root / "tested")
    tested = integration.run(context.root, stored, workspace, context.settings)
    registry.tag(version, {"integration": "passed" if tested.passed else "failed"})
    registry.record(version, Event.now("tested", context.plan.by, tested.summary))
    if not tested.passed:
        context.say(tested.output.rstrip())
        raise BlockedError(tested.summary)
