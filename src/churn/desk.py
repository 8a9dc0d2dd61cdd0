"""The commands that move versions, as a person at a desk or a job of a workflow gives them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from churn import embedded, params, promotion, tracking
from churn import status as standing
from churn.candidate import holds_commit, input_fingerprint
from churn.errors import (
    ArtifactError,
    BlockedError,
    ChurnError,
    NoAnswerError,
    NotNowError,
    RegistryError,
    RolledBackError,
)
from churn.files import atomic
from churn.paths import Workspace
from churn.progress import announce
from churn.registry import Registry, Version
from churn.registry import migrate as moving
from churn.registry.version import in_production
from churn.report.text import prose

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
        As `churn.release.run` does, but for what was blocked.
    """
    # What rolls back or looks needs none of what trains and compares, and should not wait for it.
    from churn import release as releasing

    registry = _registry(root)
    try:
        if folder is None and _is_released(root, registry, commit):
            return 0
        folder = _packed(root, registry) if folder is None else folder
        plan = releasing.Plan(folder, promotion.whoever(root), why, commit, until, digest)
        done = releasing.run(root, plan, announce)
    except BlockedError as error:
        known = on_the_way and isinstance(error, RolledBackError)
        _tell(root, registry, f"{'not released' if known else 'blocked'}: {error}")
        return 0 if known else 1
    except NotNowError as error:
        _tell(root, registry, f"not released: {error}")
        if not on_the_way:
            raise
        return 0
    except NoAnswerError:
        _tell(root, None, "stopped, because the registry does not answer")
        raise
    except Exception:
        _tell(root, registry, "not released, because of an error")
        raise
    standing.show(registry, _console())
    _tell(root, registry, done.done)
    return 0


def _is_released(root: Path, registry: Registry, revision: str) -> bool:
    """Tell whether Production is of these very inputs, and say so; it takes a moment."""
    commit = promotion.Commit.of(root, revision)
    if not holds_commit(root, commit.id):
        return False
    version = promotion.released(root, registry, commit, input_fingerprint(root))
    if version is None:
        return False
    standing.show(registry, _console())
    _tell(root, registry, f"version {version.number} is in Production already")
    return True


def _packed(root: Path, registry: Registry) -> Path:
    """Run, judge and pack what is here."""
    from churn import review, verdict

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
    registry = _registry(root)
    before = registry.production()
    moved = promotion.promote(root, registry, version, to, promotion.whoever(root), why)
    was_there = to == "production" and before is not None and before.number == moved.number
    click.echo(f"version {moved.number} is in {to.title()}{' already' if was_there else ''}")


def rollback(root: Path, version: int | None, why: str) -> None:
    """Roll back, and say so."""
    registry = _registry(root)
    before, now = promotion.rollback(registry, version, promotion.whoever(root), why)
    click.echo(f"version {now.number} is in Production again; it was version {before.number}")


def migrate(root: Path, source: str) -> None:
    """Copy all versions from another MLflow, and say how many."""
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        raise RegistryError("set MLFLOW_TRACKING_URI to the server that the versions are to go to")
    settings = params.load(Workspace(root).params).release
    if source == _FILE and not Path("mlflow.db").exists():
        raise RegistryError("mlflow.db: not there; name the source with --source")
    embedded.follow(root)
    count = moving.migrate(root, source, settings, promotion.whoever(root), click.echo)
    click.echo(f"{count} versions copied to {tracking.shown_uri()}")


def status(root: Path, markdown: bool) -> None:
    """Print what is in Production."""
    if markdown:
        registry = _registry(root)
        click.echo(standing.markdown(registry.versions(), registry.has_stages, "In Production"))
    else:
        standing.show(_registry(root), _console())


def history(root: Path) -> None:
    """Print the audit trail."""
    standing.history(_registry(root), _console())


def _registry(root: Path) -> Registry:
    return Registry(root, params.load(Workspace(root).params).release)


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
