"""Move a version into Production and test it there; after a failure put the previous one back."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np

from churn.core.errors import (
    BlockedError,
    ChurnError,
    LostLockError,
    NoAnswerError,
    RegistryError,
    TrackingError,
)
from churn.core.files import read_parquet
from churn.core.paths import Workspace
from churn.deploy import rules
from churn.deploy.context import Context
from churn.model import artifact
from churn.registry import MODEL_FILES, Version, verified
from churn.registry.version import CHAMPION


def put(context: Context, version: Version, workspace: Workspace) -> None:
    """Move a version into Production if it is not there, and run the smoke test.

    Raises
    ------
    BlockedError
        If one fails; the previous version was put back.
    ChurnError
        If the previous version could not be put back, or the version is not in Production.
    """
    try:
        if version is context.before:  # an earlier release was killed before its smoke test
            stored = _fetch(context, version, workspace)
        else:
            stored = _promote(context, version, workspace)
        smoke(context, version, workspace, stored)
    except Exception as error:
        raise _after_failure(context, version, error) from error


def _promote(context: Context, version: Version, workspace: Workspace) -> Path:
    """Move it, and return its files, which were verified at the last moment."""
    context.say("production")
    context.registry.require_lock()  # it may have expired during the tests
    stored = _fetch(context, version, workspace)
    rules.require_tested(context.registry.version(version.number))
    context.registry.tag(version, {"smoke": "pending"})
    context.move(version, "production", context.plan.why)
    return stored


def _fetch(context: Context, version: Version, workspace: Workspace) -> Path:
    return verified.fetch(context.registry, version, workspace.root / "served")


def smoke(context: Context, version: Version, workspace: Workspace, stored: Path) -> None:
    """Check that Production serves a version, and that its verified files predict as reviewed."""
    context.say("smoke test")
    context.registry.require_served("production", version)
    require_same_predictions(stored, workspace)
    context.registry.tag(version, {"smoke": "passed"})


def require_same_predictions(stored: Path, workspace: Workspace) -> None:
    """Compare what a version's files predict with the reviewed predictions, digit by digit."""
    # All rows at once, as in the review: another number of rows may round differently.
    rows = read_parquet(workspace.split("test"), "prepare")
    reviewed = read_parquet(workspace.predictions("test"), "evaluate")
    model = artifact.load(stored / MODEL_FILES)
    if not np.array_equal(model.scores(rows), model.output.scores(reviewed)):
        raise BlockedError("what Production serves predicts differently than in the review")


def _after_failure(context: Context, version: Version, error: Exception) -> Exception:
    """Restore the previous version if this one is in Production; return the error to raise."""
    if isinstance(error, LostLockError):  # another release is responsible for Production now
        return error
    reason = f"version {version.number} failed in Production: {error}"
    try:
        context.registry.reconcile()
        now = context.registry.version(version.number)
        return _restore(context, now, error, reason) if CHAMPION in now.aliases else error
    except LostLockError as lost:
        return lost
    except NoAnswerError as silent:
        first = "" if isinstance(error, NoAnswerError) else f"{reason}; then "
        return NoAnswerError(
            f"{first}{silent}; version {version.number} was being moved into Production: run"
            " the same command again to complete and test that, or churn rollback"
        )
    except ChurnError as failed:
        return RegistryError(
            f"{reason}; the previous version could not be put back ({failed}): churn rollback"
        )


def _restore(context: Context, now: Version, error: Exception, reason: str) -> BlockedError:
    # A model may be released again if not the model but the registry has failed.
    model_failed = not isinstance(error, (TrackingError, OSError))
    if now.replaced is None:
        context.registry.withdraw(now, context.plan.by, reason)
        done = "there is no previous version: nothing is in Production"
    else:
        before = context.registry.version(now.replaced)
        context.move(before, "rollback" if model_failed else "restore", reason)
        done = f"version {now.replaced} was put back into Production"
    if model_failed:
        with suppress(ChurnError):  # the rollback itself is recorded already
            context.registry.tag(now, {"smoke": "failed"})
    return BlockedError(f"{reason}; {done}")
