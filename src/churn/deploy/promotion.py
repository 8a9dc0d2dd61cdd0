"""What has to hold before a version is moved, and moving it."""

from __future__ import annotations

import getpass
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from churn.core.errors import ArtifactError, NotNowError, RegistryError
from churn.provenance.candidate import INPUTS, git
from churn.registry import Event, Move, Registry, Target, Version, verified


@dataclass(frozen=True)
class Commit:
    """A commit, as far as the order of releases goes.

    Attributes
    ----------
    id : str
        40 hexadecimal digits.
    time : int
        When it was committed, in seconds since 1970.
    """

    id: str
    time: int

    @classmethod
    def of(cls, root: Path, revision: str) -> Commit:
        """Look a revision up.

        Raises
        ------
        ArtifactError
            If there is none.
        """
        named = git(root, "rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}")
        time = git(root, "show", "--no-patch", "--format=%ct", named.strip())
        return cls(named.strip(), int(time))

    @classmethod
    def newest_of(cls, version: Version) -> Commit | None:
        """Return the newest commit whose model a version was found to be."""
        time = version.tags.get("newest_commit_time", "")
        return cls(version.tags["newest_commit"], int(time)) if time.isdigit() else None


def current_actor(root: Path) -> str:
    """Return who is at work: the actor of the workflow, or as git calls them, or the account."""
    actor = os.environ.get("GITHUB_TRIGGERING_ACTOR") or os.environ.get("GITHUB_ACTOR")
    if actor:
        return actor
    try:
        return git(root, "config", "user.name").strip() or getpass.getuser()
    except ArtifactError:
        return getpass.getuser()


def newest(commit: Commit, fingerprint: str) -> dict[str, str]:
    """Return the tags that say which commit a version's model was last found to be of."""
    return {
        "newest_commit": commit.id,
        "newest_commit_time": str(commit.time),
        "newest_fingerprint": fingerprint,
    }


def released(root: Path, registry: Registry, commit: Commit, fingerprint: str) -> Version | None:
    """Return the version in Production if it is what a commit's inputs give, and works.

    Parameters
    ----------
    root : Path
        The repository.
    registry : Registry
    commit : Commit
    fingerprint : str
        Of its inputs.

    Raises
    ------
    TrackingError
        If the registry cannot be reached.
    """
    version = registry.production()
    return version if _is_released(version, fingerprint) else None


def confirm_released(
    root: Path, registry: Registry, commit: Commit, fingerprint: str
) -> Version | None:
    """Note that a commit has the model in Production, for the order of later releases.

    Parameters and return value are those of `released`; where that is None nothing is noted.

    Raises
    ------
    RegistryError
        If another release is under way.
    TrackingError
        If the registry cannot be reached.
    """
    if released(root, registry, commit, fingerprint) is None:
        return None
    by = current_actor(root)
    with registry.locked(by):
        version = released(root, registry, commit, fingerprint)  # it may have been moved meanwhile
        if version is not None:
            confirm(root, registry, version, newest(commit, fingerprint), by)
    return version


def _is_released(version: Version | None, fingerprint: str) -> bool:
    if version is None or version.tags.get("smoke") != "passed":
        return False
    return version.tags.get("newest_fingerprint") == fingerprint


def rolled_back(version: Version) -> str | None:
    """Say who has rolled a version back, and why; None where nobody has since it was promoted."""
    event = Event.parse(version.tags.get("rolled_back", ""))
    if event is None:
        return None
    number = version.number
    return (
        f"version {number}, which {event.by} rolled back on {event.when[:16]} ({event.why}); if it"
        f" is to come back all the same: churn promote {number} --to production"
    )


def inputs_unchanged_since(root: Path, version: Version, commit: Commit, fingerprint: str) -> bool:
    """Tell whether no commit has touched an input since the newest one of a version.

    Parameters
    ----------
    root : Path
        The repository, with its history.
    version : Version
    commit : Commit
        The commit until which is looked.
    fingerprint : str
        Of its inputs.
    """
    known = Commit.newest_of(version)
    if known is None or not _known(root, known) or not _is_ancestor(root, known, commit):
        return False
    if version.tags.get("newest_fingerprint") != fingerprint:
        return False
    between = f"{known.id}..{commit.id}"
    return not git(root, "log", "--format=%H", between, "--", *INPUTS)


def confirm(
    root: Path, registry: Registry, version: Version, tags: dict[str, str], by: str
) -> None:
    """Note that a newer commit has a version's model, for the order of later releases.

    Parameters
    ----------
    root : Path
        The repository, for the order of commits.
    registry : Registry
        Locked.
    version : Version
    tags : dict
        See `newest`.
    by : str
    """
    known = Commit.newest_of(version)
    found = Commit(tags["newest_commit"], int(tags["newest_commit_time"]))
    if known is not None and known != found and not is_older(root, found, known):
        registry.tag(version, tags)
        why = f"commit {tags['newest_commit'][:12]} has the same model"
        registry.note(version, Event.now("confirmed", by, why))


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
        If it may not be moved there: unknown, not tested, or of an older commit.
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
        require_bytes(registry, version)
        if to == "production":
            require_tested(version)
            if current is not None:
                require_newer(root, Commit.newest_of(version), current)
            if version.tags.get("smoke") == "failed":  # who moves it there knows better
                registry.tag(version, {"smoke": "pending"})
        registry.move(version, to, by, why)
        return registry.version(number)


def rollback(registry: Registry, number: int | None, by: str, why: str) -> tuple[Version, Version]:
    """Put an earlier version back into Production.

    Parameters
    ----------
    registry : Registry
    number : int or None
        None for the one that today's has replaced.
    by, why : str

    Returns
    -------
    tuple of Version
        The one that was in Production, and the one that is.

    Raises
    ------
    RegistryError
        If there is none to go back to.
    CandidateError
        If its files are not those that were registered.
    """
    with registry.locked(by):
        current = registry.production()
        if current is None:
            raise RegistryError("nothing is in Production, so nothing can be rolled back")
        target = registry.version(_before(current) if number is None else number)
        if target.number == current.number:
            raise RegistryError(f"version {target.number} is in Production already")
        if not target.was_in_production:
            raise RegistryError(
                f"version {target.number} was never in Production; see churn history, or move it"
                f" there: churn promote {target.number} --to production"
            )
        require_bytes(registry, target)
        # Who brings back what was rolled back says nothing of what is there meanwhile.
        what: Move = "restore" if rolled_back(target) else "rollback"
        registry.move(target, what, by, why)
        return current, registry.version(target.number)


def _before(current: Version) -> int:
    last = current.last("production", "rollback")
    if last is not None and last.what == "rollback":
        # Said once more because an answer was lost, it must not go one further back.
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


def require_bytes(registry: Registry, version: Version) -> None:
    """Make sure that a version's files are those with which it was registered.

    Raises
    ------
    CandidateError
        If they differ, or nobody can tell.
    TrackingError
        If they cannot be had.
    """
    with tempfile.TemporaryDirectory(prefix="churn-version-") as folder:
        verified.fetch(registry, version, Path(folder))


def require_tested(version: Version) -> None:
    """Make sure that a version has passed the integration tests.

    Raises
    ------
    RegistryError
        If not.
    """
    if version.tags.get("integration") != "passed":
        raise RegistryError(
            f"version {version.number} has not passed the integration tests; churn release runs"
            " them"
        )


def require_newer(root: Path, commit: Commit | None, current: Version) -> None:
    """Make sure that an older commit's model does not replace a newer one's.

    By the history where it is known here, else by the times of the commits.

    Raises
    ------
    RegistryError
        If it would.
    """
    there = Commit.newest_of(current)
    if there is None:  # registered by other means: nobody can tell, and nobody has said
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


def is_older(root: Path, commit: Commit, other: Commit) -> bool:
    """Tell whether a commit comes before another: by history where it is known, else by time."""
    if _known(root, commit) and _known(root, other):
        if _is_ancestor(root, commit, other):
            return True
        if _is_ancestor(root, other, commit):
            return False
    return commit.time < other.time


def _known(root: Path, commit: Commit) -> bool:
    try:
        git(root, "cat-file", "-e", f"{commit.id}^{{commit}}")
    except ArtifactError:
        return False
    return True


def _is_ancestor(root: Path, one: Commit, other: Commit) -> bool:
    try:
        git(root, "merge-base", "--is-ancestor", one.id, other.id)
    except ArtifactError:  # it says no by its exit code
        return False
    return True
