"""Rules for promotion and rollback: what may be in Production; nothing is moved here."""

from __future__ import annotations

from pathlib import Path

from churn.core.errors import NotNowError, RegistryError
from churn.deploy.commits import Commit, is_older
from churn.registry import Event, Version


def is_released(production: Version | None, fingerprint: str) -> bool:
    """Tell whether Production has the model of some inputs and has passed its smoke test.

    Parameters
    ----------
    production : Version or None
        The version in Production.
    fingerprint : str
        Of the inputs.
    """
    if production is None or production.tags.get("smoke") != "passed":
        return False
    return production.tags.get("newest_fingerprint") == fingerprint


def describe_rollback(version: Version) -> str | None:
    """Say who rolled a version back and why; None if nobody has since it was last promoted."""
    event = Event.parse(version.tags.get("rolled_back", ""))
    if event is None:
        return None
    number = version.number
    return (
        f"version {number}, which {event.by} rolled back on {event.when[:16]} ({event.why}); to"
        f" release it anyway: churn promote {number} --to production"
    )


def previous_version(current: Version) -> int:
    """Return the number of the version to which Production rolls back.

    Parameters
    ----------
    current : Version
        The version in Production.

    Raises
    ------
    RegistryError
        If there is none, or `current` is itself the result of a rollback: a command that is
        repeated because its answer was lost must not go one version further back.
    """
    last = current.last("production", "rollback")
    if last is not None and last.what == "rollback":
        further = f": churn rollback --to {current.replaced}" if current.replaced else " with --to"
        raise RegistryError(
            f"version {current.number} is in Production by a rollback of {last.when[:16]}"
            f" ({last.by}: {last.why}); to go further back name the version{further}"
        )
    if current.replaced is None:
        raise RegistryError(
            f"version {current.number} is the first in Production: there is none before it"
        )
    return current.replaced


def require_tested(version: Version) -> None:
    """Check that a version has passed the integration tests.

    Raises
    ------
    RegistryError
        If it has not.
    """
    if version.tags.get("integration") != "passed":
        raise RegistryError(
            f"version {version.number} has not passed the integration tests; churn release runs"
            " them"
        )


def require_newer(root: Path, commit: Commit | None, current: Version) -> None:
    """Check that an older commit's model does not replace a newer one's.

    Parameters
    ----------
    root : Path
        The repository, for the order of commits.
    commit : Commit or None
        The commit whose model is to be promoted.
    current : Version
        The version in Production. If no commit is recorded for it, every commit is allowed.

    Raises
    ------
    NotNowError
        If `commit` is older.
    RegistryError
        If `commit` is unknown, and that of `current` is known.
    """
    there = Commit.newest_of(current)
    if there is None:
        return
    if commit is None:
        raise RegistryError("a version without a commit does not replace one that has one")
    if commit.id == there.id:
        return
    if is_older(root, commit, there):
        raise NotNowError(
            f"commit {commit.id[:12]} is older than {there.id[:12]}, whose model is in Production"
            f" (version {current.number}); an earlier one comes back by churn rollback only"
        )
