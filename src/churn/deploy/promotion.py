"""Promote versions and roll them back, each after `rules` and a check of its files."""

from __future__ import annotations

import getpass
import os
import tempfile
from pathlib import Path

from churn.core.errors import ArtifactError, RegistryError
from churn.deploy import rules
from churn.deploy.commits import Commit, commit_tags, is_older
from churn.provenance.git import git
from churn.registry import Event, Move, Registry, Target, Version, verified


def current_actor(root: Path) -> str:
    """Return who runs this: the workflow's actor, else git's ``user.name``, else the account."""
    actor = os.environ.get("GITHUB_TRIGGERING_ACTOR") or os.environ.get("GITHUB_ACTOR")
    if actor:
        return actor
    try:
        return git(root, "config", "user.name").strip() or getpass.getuser()
    except ArtifactError:
        return getpass.getuser()


def promote(root: Path, registry: Registry, number: int, to: Target, by: str, why: str) -> Version:
    """Move a version to Staging or Production by hand.

    Parameters
    ----------
    root : Path
        The repository, for the order of commits.
    registry : Registry
    number : int
    to : {"staging", "production"}
    by, why : str
        For the audit trail.

    Raises
    ------
    RegistryError
        If there is no such version, it is not tested, or its commit is older than Production's.
    CandidateError
        If its files are not those that were registered.
    """
    with registry.locked(by):
        version = registry.version(number)
        current = registry.production()
        if current is not None and current.number == number:
            if to == "staging":
                raise RegistryError(f"version {number} is in Production; it stays there")
            return current
        require_unchanged_files(registry, version)
        if to == "production":
            rules.require_tested(version)
            if current is not None:
                rules.require_newer(root, Commit.newest_of(version), current)
            if version.tags.get("smoke") == "failed":  # a promotion by hand overrules the test
                registry.tag(version, {"smoke": "pending"})
        registry.move(version, to, by, why)
        return registry.version(number)


def rollback(registry: Registry, number: int | None, by: str, why: str) -> tuple[Version, Version]:
    """Put an earlier version back into Production.

    Parameters
    ----------
    registry : Registry
    number : int or None
        None for the version that the current one has replaced.
    by, why : str
        For the audit trail.

    Returns
    -------
    tuple of Version
        The version that was in Production, and the one that is now.

    Raises
    ------
    RegistryError
        If there is no version to roll back to.
    CandidateError
        If its files are not those that were registered.
    """
    with registry.locked(by):
        current = registry.production()
        if current is None:
            raise RegistryError("nothing is in Production, so nothing can be rolled back")
        target = registry.version(rules.previous_version(current) if number is None else number)
        if target.number == current.number:
            raise RegistryError(f"version {target.number} is in Production already")
        if not target.was_in_production:
            raise RegistryError(
                f"version {target.number} was never in Production; see churn history, or move it"
                f" there: churn promote {target.number} --to production"
            )
        require_unchanged_files(registry, target)
        # Undoing a rollback does not flag the current version.
        what: Move = "restore" if rules.describe_rollback(target) else "rollback"
        registry.move(target, what, by, why)
        return current, registry.version(target.number)


def require_unchanged_files(registry: Registry, version: Version) -> None:
    """Check that a version's files are those that were registered.

    Raises
    ------
    CandidateError
        If they differ, or the version was registered without a digest.
    TrackingError
        If they cannot be downloaded.
    """
    with tempfile.TemporaryDirectory(prefix="churn-version-") as folder:
        verified.fetch(registry, version, Path(folder))


def record_commit(
    root: Path, registry: Registry, version: Version, commit: Commit, fingerprint: str, by: str
) -> None:
    """Record that a newer commit has a version's model, for the order of later releases.

    Parameters
    ----------
    root : Path
        The repository, for the order of commits.
    registry : Registry
        Locked.
    version : Version
    commit : Commit
    fingerprint : str
        Of the commit's inputs.
    by : str
        For the audit trail.
    """
    known = Commit.newest_of(version)
    if known is not None and known != commit and not is_older(root, commit, known):
        registry.tag(version, commit_tags(commit, fingerprint))
        why = f"commit {commit.id[:12]} has the same model"
        registry.record(version, Event.now("confirmed", by, why))


def record_commit_if_released(
    root: Path, registry: Registry, commit: Commit, fingerprint: str
) -> Version | None:
    """Record that a commit has the model in Production, if it has.

    Parameters
    ----------
    root : Path
        The repository.
    registry : Registry
    commit : Commit
    fingerprint : str
        Of its inputs.

    Returns
    -------
    Version or None
        The version in Production; None if it is not `rules.is_released`.

    Raises
    ------
    RegistryError
        If another release is under way.
    TrackingError
        If the registry cannot be reached.
    """
    if not rules.is_released(registry.production(), fingerprint):
        return None
    by = current_actor(root)
    with registry.locked(by):
        version = registry.production()  # it may have changed before the lock was held
        if version is None or not rules.is_released(version, fingerprint):
            return None
        record_commit(root, registry, version, commit, fingerprint, by)
    return version
