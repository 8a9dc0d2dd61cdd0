"""Try a version on a part of the customers before it moves to Production."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from churn.core.errors import RegistryError
from churn.core.params import CanaryParams
from churn.deploy import promotion, rules
from churn.deploy.commits import Commit
from churn.registry import Canary, Registry, Version
from churn.registry.version import on_trial


def start(
    root: Path, registry: Registry, number: int, canary: Canary, by: str, why: str
) -> Version:
    """Begin a trial; what applies to a move to Production applies here.

    Parameters
    ----------
    root : Path
        The repository, for the order of commits.
    registry : Registry
    number : int
        The version.
    canary : Canary
    by, why : str
        For the audit trail.

    Raises
    ------
    RegistryError
        If there is no such version, it is not tested, its commit is older than Production's, it
        was rolled back, another version is tried, or nothing is in Production to compare with.
    CandidateError
        If its files are not those that were registered.
    """
    with registry.locked(by):
        version = registry.version(number)
        require_startable(root, registry, version)
        promotion.require_unchanged_files(registry, version)
        if version.canary != canary:  # else it was begun, and the answer was lost
            registry.start_canary(version, canary, by, why)
        return registry.version(number)


def require_startable(root: Path, registry: Registry, version: Version) -> None:
    """Check that a version may be tried; errors as for `start`."""
    versions = registry.versions()
    champion, tried = registry.production(), on_trial(versions)
    if champion is None:
        raise RegistryError("nothing is in Production, so there is nothing to compare with")
    if champion.number == version.number:
        raise RegistryError(f"version {version.number} is in Production already")
    if tried is not None and tried.number != version.number:
        raise RegistryError(
            f"version {tried.number} is being tried; end that first: churn canary promote, or"
            " churn canary stop"
        )
    rules.require_tested(version)
    rules.require_newer(root, Commit.newest_of(version), champion)


def stop(registry: Registry, by: str, why: str) -> Version:
    """End the trial; the champion answers everybody again.

    Parameters
    ----------
    registry : Registry
    by, why : str
        For the audit trail.

    Raises
    ------
    RegistryError
        If no version is tried.
    """
    with registry.locked(by):
        version = require_running(registry)
        registry.stop_canary(version, by, why)
        return registry.version(version.number)


def promote(root: Path, registry: Registry, by: str, why: str) -> Version:
    """Move the version that is tried to Production; errors as for `promotion.promote`."""
    number = require_running(registry).number
    return promotion.promote(root, registry, number, "production", by, why)


def require_running(registry: Registry) -> Version:
    """Return the version that is tried.

    Raises
    ------
    RegistryError
        If there is none.
    """
    version = on_trial(registry.versions())
    if version is None:
        raise RegistryError("no version is being tried; churn canary start begins a trial")
    return version


def due(version: Version, settings: CanaryParams) -> datetime:
    """Return when a trial has lasted as long as it must, in UTC."""
    begun = version.last("canary")
    moment = datetime.now(UTC) if begun is None else datetime.fromisoformat(begun.when)
    return moment + timedelta(hours=settings.hours)
