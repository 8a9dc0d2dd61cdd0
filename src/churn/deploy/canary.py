"""Try a version on a part of the customers before it moves to Production."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from churn.core.errors import BlockedError, NotNowError, NoTrialError, RegistryError
from churn.core.params import CanaryParams
from churn.deploy import promotion, rules
from churn.deploy.commits import Commit
from churn.deploy.context import Context
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
        If there is no such version, it is not tested, its commit is older than Production's,
        another version is tried, or nothing is in Production to compare with.
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
    require_no_other(tried, version.number)
    rules.require_tested(version)
    rules.require_newer(root, Commit.newest_of(version), champion)


def require_no_other(tried: Version | None, number: int | None) -> None:
    """Check that no other version is being tried.

    Raises
    ------
    NotNowError
        If one is.
    """
    if tried is not None and tried.number != number:
        raise NotNowError(
            f"version {tried.number} is being tried; end that first: churn canary promote, or"
            " churn canary stop"
        )


def stop(registry: Registry, by: str, why: str, number: int | None = None) -> Version | None:
    """End the trial; the champion answers everybody again.

    Parameters
    ----------
    registry : Registry
    by, why : str
        For the audit trail.
    number : int, optional
        Only a trial of this version; default is any.

    Returns
    -------
    Version or None
        The version; None if another one is tried, or none any more.

    Raises
    ------
    NoTrialError
        If no version is tried, and none was named.
    """
    with registry.locked(by):
        tried = on_trial(registry.versions())
        if number is not None and (tried is None or tried.number != number):
            return None
        version = require_running(registry.versions())
        registry.stop_canary(version, by, why)
        return registry.version(version.number)


def require_running(versions: Sequence[Version]) -> Version:
    """Return the version that is tried.

    Raises
    ------
    NoTrialError
        If there is none; it says if the last trial was stopped.
    """
    version = on_trial(versions)
    if version is None:
        begun = [(event.when, one) for one in versions if (event := one.last("canary"))]
        stop = describe_stop(max(begun, key=lambda pair: pair[0])[1]) if begun else None
        advice = stop or "churn canary start begins a trial"
        raise NoTrialError(f"no version is being tried; {advice}")
    return version


def describe_stop(version: Version) -> str | None:
    """Say who stopped a version's last trial and why; None if nobody has."""
    last = version.last("canary", "canary_ended", "canary_stopped", "production")
    if last is None or last.what != "canary_stopped":
        return None
    return (
        f"the canary of version {version.number} was stopped by {last.by} ({last.why}); to release"
        f" it anyway: churn promote {version.number} --to production"
    )


def due(version: Version, settings: CanaryParams) -> datetime:
    """Return when a trial has lasted as long as it must (`release.canary.hours`), in UTC."""
    begun = version.last("canary")
    moment = datetime.now(UTC) if begun is None else datetime.fromisoformat(begun.when)
    return moment + timedelta(hours=settings.hours)


def step(context: Context, version: Version) -> str:
    """Begin the trial of a release; only `churn canary promote` goes on from there.

    Parameters
    ----------
    context : Context
        Under the lock.
    version : Version
        Tested, in Staging.

    Returns
    -------
    str
        What was done, if the release ends here; empty if there is no trial before Production.

    Raises
    ------
    BlockedError
        If its trial was stopped.
    """
    settings, ends_here = context.settings.release.canary, context.plan.until == "canary"
    number = version.number
    if settings is None or context.before is None:
        why = "params.yaml has no release.canary" if settings is None else "it is the first"
        return f"version {number} needs no canary: {why}" if ends_here else ""
    version = context.registry.version(number)
    if version.canary is None:
        _begin(context, version, Canary(settings.share, settings.shadow))
        version = context.registry.version(number)
    return (
        f"version {number} is tried until {due(version, settings):%Y-%m-%d %H:%M} UTC;"
        " then churn canary promote moves it to Production"
    )


def _begin(context: Context, version: Version, trial: Canary) -> None:
    if stop := describe_stop(version):
        raise BlockedError(stop)
    context.say("canary")
    require_startable(context.root, context.registry, version)
    promotion.require_unchanged_files(context.registry, version)
    context.registry.start_canary(version, trial, context.plan.by, context.plan.why)
