"""The commands that release, promote, roll back and show versions: what they print and return."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console

from churn.core import params
from churn.core.errors import (
    ArtifactError,
    BlockedError,
    ChurnError,
    NoAnswerError,
    NotNowError,
    RegistryError,
    RolledBackError,
)
from churn.core.files import atomic
from churn.core.params import ReleaseParams
from churn.core.paths import Workspace
from churn.core.progress import announce
from churn.deploy import canary, promotion
from churn.deploy import status as status_page
from churn.deploy.commits import Commit
from churn.deploy.context import Plan, Until
from churn.provenance.candidate import holds_commit, input_fingerprint
from churn.registry import Canary, Registry, Version
from churn.registry import migrate as migration
from churn.registry.version import in_production
from churn.registry.working_copy import WorkingCopy, exported, working_copy
from churn.review.report.text import prose
from churn.tracking import connection, local_store

T = TypeVar("T")
_FILE = "sqlite:///mlflow.db"


def release(
    root: Path,
    folder: Path | None,
    commit: str,
    until: Until,
    why: str,
    skip_if_not_applicable: bool,
    digest: str | None = None,
) -> int:
    """Release a model, print the result and what is in Production, and return the exit code.

    Parameters
    ----------
    root : Path
        The repository.
    folder : Path or None
        A packed candidate; None to run, judge and pack the inputs in the work tree first.
    commit : str
        The commit whose model is released.
    until : {"registered", "staging", "integration", "canary", "production"}
        The last step.
    why : str
        For the audit trail.
    skip_if_not_applicable : bool
        Whether to return 0, as at the end of `make run`, if Production has a newer commit's model,
        this one was rolled back, or another release is under way.
    digest : str, optional
        The digest that the candidate's manifest must have.

    Returns
    -------
    int
        0 if it was released, 1 if a gate or a test has blocked it.

    Raises
    ------
    ChurnError
        As `churn.deploy.release.run`, except `BlockedError`.
    """

    def attempt() -> str:
        # Slow to import, because it trains and compares; rollback and status need none of it.
        from churn.deploy import release as steps

        nonlocal folder
        if folder is None:
            if version := _released(root, commit):
                return f"version {version.number} is in Production already"
            folder = _packed(root)
        plan = Plan(folder, promotion.current_actor(root), why, commit, until, digest)
        return steps.run(root, plan, announce).done

    with ExitStack() as stack:
        try:
            copy = stack.enter_context(working_copy(root))
        except ChurnError:
            _report(root, None, "not released, because the registry cannot be read")
            raise
        try:
            done = _change(root, copy, attempt, again=True)
        except BlockedError as error:
            skipped = skip_if_not_applicable and isinstance(error, RolledBackError)
            _report(root, _registry(root), f"{'not released' if skipped else 'blocked'}: {error}")
            return 0 if skipped else 1
        except NotNowError as error:
            _report(root, _registry(root), f"not released: {error}")
            if not skip_if_not_applicable:
                raise
            return 0
        except NoAnswerError:
            _report(root, None, "stopped, because the registry does not answer")
            raise
        except Exception:
            _report(root, _registry(root), "not released, because of an error")
            raise
        status_page.show(_registry(root), _console())
        _report(root, _registry(root), done)
        return 0


def confirm(root: Path, commit: str) -> None:
    """Record that Production's model is a commit's, if it is of its inputs, and print that."""
    try:
        with working_copy(root) as copy:
            version = _change(root, copy, lambda: _released(root, commit), again=True)
            said = f"nothing to note: Production is not of {commit}'s inputs"
            if version is not None:
                said = f"version {version.number} is in Production already"
            _report(root, _registry(root), said)
    except ChurnError:
        _report(root, None, "not noted, because of an error")
        raise


def _released(root: Path, revision: str) -> Version | None:
    """Return Production's version if it is of the inputs in the work tree, and record that."""
    commit = Commit.of(root, revision)
    if not holds_commit(root, commit.id):
        return None
    return promotion.record_commit_if_released(
        root, _registry(root), commit, input_fingerprint(root)
    )


def _change(root: Path, copy: WorkingCopy | None, act: Callable[[], T], again: bool = False) -> T:
    """Change the registry, and publish the change if a branch stores the registry."""
    if copy is None:
        return act()
    return copy.move(act, _settings(root), again)


def _packed(root: Path) -> Path:
    """Run the pipeline, judge the candidate and pack it."""
    from churn.review import run as review
    from churn.review import verdict

    workspace = Workspace(root)
    plan = review.Plan(revision=None, production=True)
    judged = review.run(workspace, plan, workspace.candidate, announce)
    if judged.outcome == "stopped":
        raise ArtifactError(judged.reason)
    if not judged.passed:
        click.echo("\n".join(verdict.lines(judged, "Release")), err=True)
        raise BlockedError(judged.reason)
    return workspace.candidate


def promote(root: Path, version: int, to: Any, why: str) -> None:
    """Move a version to Staging or Production by hand, and print it."""

    def act() -> tuple[Version | None, Version]:
        registry = _registry(root)
        before = registry.production()
        by = promotion.current_actor(root)
        return before, promotion.promote(root, registry, version, to, by, why)

    with working_copy(root) as copy:
        before, moved = _change(root, copy, act)
    was_there = to == "production" and before is not None and before.number == moved.number
    click.echo(f"version {moved.number} is in {to.title()}{' already' if was_there else ''}")


def rollback(root: Path, version: int | None, why: str) -> None:
    """Put an earlier version back into Production, and print which."""
    with working_copy(root) as copy:
        by = promotion.current_actor(root)
        before, now = _change(
            root, copy, lambda: promotion.rollback(_registry(root), version, by, why)
        )
    click.echo(f"version {now.number} is in Production again; it was version {before.number}")


def start_canary(root: Path, version: int, share: float, shadow: bool, why: str) -> None:
    """Try a version on a part of the customers, and print it."""
    trial = Canary(share, shadow)
    with working_copy(root) as copy:
        by = promotion.current_actor(root)
        tried = _change(
            root, copy, lambda: canary.start(root, _registry(root), version, trial, by, why)
        )
    click.echo(f"version {tried.number} is tried {trial.described}; watch it: churn canary status")


def stop_canary(root: Path, why: str) -> None:
    """End the trial, and print which."""
    with working_copy(root) as copy:
        by = promotion.current_actor(root)
        stopped = _change(root, copy, lambda: canary.stop(_registry(root), by, why))
    number = "" if stopped is None else f" {stopped.number}"
    click.echo(f"version{number} is no longer tried; Production answers everybody")


def promote_canary(root: Path, why: str, number: int | None = None) -> int:
    """Test the version that is tried, move it to Production, and print it.

    Parameters
    ----------
    root : Path
        The repository.
    why : str
        For the audit trail.
    number : int, optional
        The version that was decided on; default is whichever is tried.

    Returns
    -------
    int
        0 if it is in Production, 1 if a test has failed.
    """
    from churn.deploy import canary_release  # slow to import, as a release

    with working_copy(root) as copy:
        ending = canary_release.Ending(promotion.current_actor(root), why, number)

        def act() -> Version:
            return canary_release.promote(root, _registry(root), ending, announce)

        try:
            moved = _change(root, copy, act)
        except BlockedError as error:
            click.echo(f"not promoted: {error}")
            return 1
    click.echo(f"version {moved.number} is in Production")
    return 0


def migrate(root: Path, source: str) -> None:
    """Copy all versions from another MLflow, and print how many."""
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        raise RegistryError("set MLFLOW_TRACKING_URI to the server that the versions are copied to")
    with ExitStack() as stack:
        if source == _FILE and (branch := os.environ.get(local_store.BRANCH)):
            source = stack.enter_context(exported(root, branch))
        elif source == _FILE and not Path("mlflow.db").exists():
            raise RegistryError("mlflow.db: not there; name the source with --source")
        local_store.relocate_artifact_uris(root)
        by = promotion.current_actor(root)
        count = migration.migrate(root, source, _settings(root), by, click.echo)
    click.echo(f"{count} versions copied to {connection.shown_uri()}")


def status(root: Path, markdown: bool) -> None:
    """Print what is in Production."""
    with working_copy(root):
        registry = _registry(root)
        if markdown:
            click.echo(_summary(registry, registry.versions(), "In Production"))
        else:
            status_page.show(registry, _console())


def history(root: Path) -> None:
    """Print the audit trail."""
    with working_copy(root):
        status_page.history(_registry(root), _console())


def _registry(root: Path) -> Registry:
    return Registry(root, _settings(root))


def _settings(root: Path) -> ReleaseParams:
    return params.load(Workspace(root).params).release


def _report(root: Path, registry: Registry | None, what: str) -> None:
    """Print what has happened and what is in Production, and write both to the release note.

    The registry is None if it does not answer: asking again would take as long.
    """
    now, note = "unknown", f"## {prose(what)}\n"
    try:
        if registry is not None:
            versions = registry.versions()
            now, note = _now(versions), _summary(registry, versions, what)
    except ChurnError as error:
        now = f"unknown ({error})"
    with atomic(Workspace(root).release_note) as fresh:
        fresh.write_text(note, encoding="utf-8")
    click.echo(f"{what}. Production: {now}")


def _summary(registry: Registry, versions: list[Version], what: str) -> str:
    decision = status_page.decided_on(versions)
    shown = [] if decision is None else [v for v in (decision.version, decision.replaced) if v]
    metrics = {}
    with suppress(ChurnError):  # without them the summary still says what has happened
        metrics = {version.number: registry.metrics(version) for version in shown}
    return status_page.markdown(versions, registry.has_stages, what, metrics)


def _now(versions: list[Version]) -> str:
    version = in_production(versions)
    return "nothing" if version is None else f"version {version.number} ({version.digest[:12]})"


def _console() -> Console:
    # In a file or a pipe, a table must not be cut off.
    console = Console()
    return console if console.is_terminal else Console(width=160)
