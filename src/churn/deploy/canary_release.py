"""Bring the version that is tried into Production, tested as a release tests it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from churn.core import params
from churn.core.errors import RegistryError
from churn.core.paths import Workspace
from churn.core.progress import Say
from churn.deploy import canary, production, release, rules
from churn.deploy.commits import Commit
from churn.deploy.context import Context, Plan
from churn.deploy.rehydrate import rehydrate
from churn.provenance import lineage
from churn.registry import Registry, Version, verified
from churn.registry.version import in_production, on_trial


@dataclass(frozen=True)
class Ending:
    """How a trial is to end.

    Attributes
    ----------
    by, why : str
        For the audit trail.
    number : int or None
        The version that was decided on; None for whichever is tried.
    """

    by: str
    why: str
    number: int | None = None


def promote(root: Path, registry: Registry, ending: Ending, say: Say) -> Version:
    """Test the version that is tried, move it to Production, and run the smoke test.

    As in a release, a failure before the move leaves Production as it was, and a failure after it
    restores the previous version. After an interruption, the same call continues.

    Parameters
    ----------
    root : Path
        The repository, with the data and the tests.
    registry : Registry
    ending : Ending
    say : callable
        Called with the name of each step.

    Raises
    ------
    BlockedError
        If the integration tests or the smoke test fail.
    NoTrialError
        If no version is tried, for example because its trial was stopped.
    RegistryError
        If another one is tried than `ending` names, or its commit is older than Production's.
    CandidateError
        If its files are not those that were registered, or the data are not those of its review.
    """
    with registry.locked(ending.by):
        versions = registry.versions()
        before = in_production(versions)
        version = _wanted(root, versions, before, ending.number)
        with tempfile.TemporaryDirectory(prefix="churn-canary-") as folder:
            context = _context(root, registry, version, before, ending, say, Path(folder))
            candidate, settings = context.plan.candidate, context.settings
            with rehydrate(root, candidate, context.manifest, settings) as workspace:
                if version is not before:
                    release.test_served(context, version, workspace)
                production.put(context, version, workspace)
        return registry.version(version.number)


def _wanted(
    root: Path, versions: list[Version], before: Version | None, number: int | None
) -> Version:
    """Return the version to promote: Production's, if an earlier call was killed after the move."""
    tried = on_trial(versions)
    if tried is None:
        if before is not None and before.last("canary") and before.tags.get("smoke") == "pending":
            return before
        return canary.require_running(versions)
    if number not in (None, tried.number):
        raise RegistryError(f"version {tried.number} is being tried, and no longer {number}")
    if before is not None:
        rules.require_newer(root, Commit.newest_of(tried), before)
    return tried


def _context(
    root: Path,
    registry: Registry,
    version: Version,
    before: Version | None,
    ending: Ending,
    say: Say,
    folder: Path,
) -> Context:
    """Return the release that goes on here, of the candidate that was registered."""
    candidate, manifest = verified.candidate(version, folder)
    return Context(
        root=root,
        plan=Plan(candidate, ending.by, ending.why),
        say=say,
        # How its rows are made; a later commit may have other parameters.
        settings=params.load(Workspace(candidate).params),
        manifest=manifest,
        registry=registry,
        commit=Commit.newest_of(version) or Commit.of(root, "HEAD"),
        source=lineage.read(candidate),
        served=version.tags.get("served", ""),
        before=before,
    )
