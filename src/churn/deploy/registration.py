"""Register a candidate as a version, with its lineage as tags and in its notes."""

from __future__ import annotations

from contextlib import suppress

from churn.core.errors import ArtifactError, RolledBackError
from churn.core.files import read_json
from churn.core.paths import Workspace
from churn.deploy import rules
from churn.deploy.commits import commit_tags
from churn.deploy.context import Context
from churn.deploy.description import describe
from churn.evaluation.results import Metrics
from churn.provenance.git import git
from churn.registry import Event, Version, verified
from churn.review import proposal
from churn.review.changes import Changes
from churn.review.comparison import Comparison
from churn.stages import track
from churn.tracking import connection, runs
from churn.validation.results import Checks


def register(context: Context, workspace: Workspace) -> Version:
    """Return the version that has the candidate's model, or register it.

    Raises
    ------
    RolledBackError
        If that version was rolled back, and is to be more than registered.
    """
    plan, registry = context.plan, context.registry
    context.say("register")
    for version in filter(context.is_same, reversed(registry.versions())):
        rollback = rules.describe_rollback(version)
        if rollback and plan.until != "registered":
            raise RolledBackError(f"this is {rollback}")
        context.record_commit(version)
        return version
    identity, record = track.gather(workspace, context.settings, context.root)
    tracked = runs.log_once(connection.connect(context.root), identity, record)
    runs.add_files(tracked.run_id, plan.candidate, verified.CANDIDATE_FOLDER)
    # A model that was tracked earlier may have been logged with other code.
    logged = tracked.model or runs.log_model(tracked.run_id, record)
    event = Event.now("registered", plan.by, context.source.summary)
    tags = {**_lineage(context), "serving_digest": logged.serving_digest}
    tags[event.key] = event.text
    if card := _card(context):
        tags["model_card"] = card
    return registry.register(logged.uri, tracked.run_id, _description(context, workspace), tags)


def _card(context: Context) -> str:
    """Return where the model card is in the run; empty if an older release has packed none."""
    name = Workspace().model_card.name
    is_there = (context.plan.candidate / name).is_file()
    return f"{verified.CANDIDATE_FOLDER}/{name}" if is_there else ""


def _lineage(context: Context) -> dict[str, str]:
    manifest = context.manifest
    return {
        "commit": context.commit.id,
        "reviewed_commit": manifest.commit,
        "fingerprint": manifest.fingerprint,
        "model_digest": manifest.model_digest or "",
        "predictions_digest": manifest.predictions_digest or "",
        "served": context.served,
        "manifest_digest": manifest.digest,
        "data_md5": manifest.data_md5 or "",
        "data_sha256": manifest.data_sha256 or "",
        **context.source.tags,
        **commit_tags(context.commit, manifest.fingerprint),
    }


def _description(context: Context, workspace: Workspace) -> str:
    commit, model = context.commit.id, context.manifest.model_digest
    return describe(
        git(context.root, "show", "--no-patch", "--format=%s", commit).strip(),
        [*context.source.lines, f"commit {commit}", f"model {model}"],
        _changes(context, workspace),
        read_json(workspace.metrics, "evaluate", Metrics),
        read_json(workspace.comparison, "compare", Comparison),
        read_json(workspace.checks, "validate", Checks),
        _card(context),
    )


def _changes(context: Context, workspace: Workspace) -> Changes:
    """Return the review's changes, or, without a base, those since Production's commit."""
    if workspace.changes.exists():
        return read_json(workspace.changes, "compare", Changes)
    if context.before is not None and (commit := context.before.tags.get("commit")):
        with suppress(ArtifactError):  # the commit is not in this clone
            return proposal.against(Workspace(context.root), commit)
    return Changes()
