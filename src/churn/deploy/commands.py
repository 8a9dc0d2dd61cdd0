"""The commands that move versions, as a person at a desk or a job of a workflow gives them."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
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
from churn.deploy import promotion
from churn.deploy import status as standing
from churn.deploy.commits import Commit
from churn.provenance.candidate import holds_commit, input_fingerprint
from churn.registry import Registry, Version
from churn.registry import migrate as moving
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
    until: Any,
    why: str,
    on_the_way: bool,
    digest: str | None = None,
) -> int:
    """Release, say how it went and what is in Production now, and return the exit code.

    `on_the_way`, at the end of `make run`, an older commit's model, one that was rolled back, or
    another release under way, is no error: it is just not released.

    Raises
    ------
    ChurnError
        As `churn.deploy.release.run` does, but for what was blocked.
    """
    with ExitStack() as stack:
        try:
            copy = stack.enter_context(working_copy(root))
        except ChurnError:
            _tell(root, None, "not released, because the registry cannot be read")
            raise
        try:
            done = _moved(
                root, copy, _Attempt(root, folder, commit, until, why, digest), again=True
            )
        except BlockedError as error:
            known = on_the_way and isinstance(error, RolledBackError)
            _tell(root, _registry(root), f"{'not released' if known else 'blocked'}: {error}")
            return 0 if known else 1
        except NotNowError as error:
            _tell(root, _registry(root), f"not released: {error}")
            if not on_the_way:
                raise
            return 0
        except NoAnswerError:
            _tell(root, None, "stopped, because the registry does not answer")
            raise
        except Exception:
            _tell(root, _registry(root), "not released, because of an error")
            raise
        standing.show(_registry(root), _console())
        _tell(root, _registry(root), done)
        return 0


@dataclass
class _Attempt:
    """A release, which may have to be begun once more on a newer registry."""

    root: Path
    folder: Path | None
    commit: str
    until: Any
    why: str
    digest: str | None

    def __call__(self) -> str:
        # What rolls back or looks needs none of what trains and compares, and should not wait.
        from churn.deploy import release as releasing

        if self.folder is None:
            if version := _released(self.root, self.commit):
                return f"version {version.number} is in Production already"
            self.folder = _packed(self.root)
        by = promotion.current_actor(self.root)
        plan = releasing.Plan(self.folder, by, self.why, self.commit, self.until, self.digest)
        return releasing.run(self.root, plan, announce).done


def confirm(root: Path, commit: str) -> None:
    """Note that a commit has Production's model, where that is so, and say it."""
    try:
        with working_copy(root) as copy:
            version = _moved(root, copy, lambda: _released(root, commit), again=True)
            said = f"nothing to note: Production is not of {commit}'s inputs"
            if version is not None:
                said = f"version {version.number} is in Production already"
            _tell(root, _registry(root), said)
    except ChurnError:
        _tell(root, None, "not noted, because of an error")
        raise


def _released(root: Path, revision: str) -> Version | None:
    """Return what is in Production if it is of these very inputs, and note that it is."""
    commit = Commit.of(root, revision)
    if not holds_commit(root, commit.id):
        return None
    return promotion.record_commit_if_released(
        root, _registry(root), commit, input_fingerprint(root)
    )


def _moved(root: Path, copy: WorkingCopy | None, act: Callable[[], T], again: bool = False) -> T:
    """Change the registry, and publish that where a branch holds it."""
    if copy is None:
        return act()
    return copy.move(act, _settings(root), again)


def _packed(root: Path) -> Path:
    """Run, judge and pack what is here."""
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
    """Move a version by hand, and say so."""

    def act() -> tuple[Version | None, Version]:
        registry = _registry(root)
        before = registry.production()
        by = promotion.current_actor(root)
        return before, promotion.promote(root, registry, version, to, by, why)

    with working_copy(root) as copy:
        before, moved = _moved(root, copy, act)
    was_there = to == "production" and before is not None and before.number == moved.number
    click.echo(f"version {moved.number} is in {to.title()}{' already' if was_there else ''}")


def rollback(root: Path, version: int | None, why: str) -> None:
    """Roll back, and say so."""
    with working_copy(root) as copy:
        by = promotion.current_actor(root)
        before, now = _moved(
            root, copy, lambda: promotion.rollback(_registry(root), version, by, why)
        )
    click.echo(f"version {now.number} is in Production again; it was version {before.number}")


def migrate(root: Path, source: str) -> None:
    """Copy all versions from another MLflow, and say how many."""
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        raise RegistryError("set MLFLOW_TRACKING_URI to the server that the versions are to go to")
    with ExitStack() as stack:
        if source == _FILE and (branch := os.environ.get(local_store.BRANCH)):
            source = stack.enter_context(exported(root, branch))
        elif source == _FILE and not Path("mlflow.db").exists():
            raise RegistryError("mlflow.db: not there; name the source with --source")
        local_store.relocate_artifact_uris(root)
        by = promotion.current_actor(root)
        count = moving.migrate(root, source, _settings(root), by, click.echo)
    click.echo(f"{count} versions copied to {connection.shown_uri()}")


def status(root: Path, markdown: bool) -> None:
    """Print what is in Production."""
    with working_copy(root):
        registry = _registry(root)
        if markdown:
            click.echo(standing.markdown(registry.versions(), registry.has_stages, "In Production"))
        else:
            standing.show(registry, _console())


def history(root: Path) -> None:
    """Print the audit trail."""
    with working_copy(root):
        standing.history(_registry(root), _console())


def _registry(root: Path) -> Registry:
    return Registry(root, _settings(root))


def _settings(root: Path) -> ReleaseParams:
    return params.load(Workspace(root).params).release


def _tell(root: Path, registry: Registry | None, what: str) -> None:
    """Say the last line, what has happened and what is in Production, and write it down.

    Without a registry nothing is asked, where that would only take as long again.
    """
    now, note = "unknown", f"## {prose(what)}\n"
    try:
        if registry is not None:
            versions = registry.versions()
            now, note = _now(versions), standing.markdown(versions, registry.has_stages, what)
    except ChurnError as error:
        now = f"unknown ({error})"
    with atomic(Workspace(root).release_note) as fresh:
        fresh.write_text(note, encoding="utf-8")
    click.echo(f"{what}. Production: {now}")


def _now(versions: list[Version]) -> str:
    version = in_production(versions)
    return "nothing" if version is None else f"version {version.number} ({version.digest[:12]})"


def _console() -> Console:
    # A table that is cut off is worth nothing in a file or a pipe.
    console = Console()
    return console if console.is_terminal else Console(width=160)
