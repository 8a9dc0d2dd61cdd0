"""Stage `track`: log each candidate once, as an MLflow run."""

from __future__ import annotations

import hashlib
from pathlib import Path

from churn.core import params
from churn.core.errors import ArtifactError
from churn.core.files import read_json, read_parquet, require, write_json
from churn.core.params import Params
from churn.core.paths import Workspace
from churn.core.progress import bar
from churn.data import sources
from churn.data.stats import DataStats
from churn.data.typical import typical
from churn.evaluation.results import Metrics
from churn.model import outputs
from churn.model.card import CARD_FILE, ModelCard
from churn.provenance import search_result
from churn.provenance.candidate import INPUTS, input_fingerprint, model_digest
from churn.provenance.git import git
from churn.tracking import connection, runs
from churn.tracking.runs import Record, Tracked
from churn.tracking.tracked import TrackedRun
from churn.validation.results import Checks


def run(workspace: Workspace) -> Tracked:
    """Log the candidate of the earlier stages as a run, or find the run that it has already.

    Raises
    ------
    ParamsError, ArtifactError
        If params.yaml or an earlier stage's output is invalid.
    TrackingError
        If MLflow cannot be reached.
    """
    settings = params.load(workspace.params)
    with bar("tracking", 2) as advance:
        candidate, logged = gather(workspace, settings, workspace.root)
        advance("gathered")
        tracked = runs.log_once(connection.connect(workspace.root), candidate, logged)
        advance("logged")
    digest = logged.tags["model_digest"]
    write_json(workspace.tracked_run, TrackedRun(run_id=tracked.run_id, model_digest=digest))
    return tracked


def gather(workspace: Workspace, settings: Params, repository: Path) -> tuple[str, Record]:
    """Return the candidate's identity and the content of its run.

    Parameters
    ----------
    workspace : Workspace
        With the results of the stages.
    settings : Params
    repository : Path
        With the inputs of the results.
    """
    checks = read_json(workspace.checks, "validate", Checks)
    logged = record(workspace, settings, repository, repository / settings.data.path)
    logged.tags["checks"] = f"{checks.passed}/{len(checks.checks)}"
    logged.tags["fingerprint"] = input_fingerprint(repository)
    if found := search_result.read(workspace.search, settings.model.model_dump(mode="json")):
        logged.tags["candidates_tried"] = str(found.candidates + found.earlier)
    for file in (workspace.checks, workspace.checks_page):
        require(file, "validate")
        logged.files[file] = ""
    if workspace.dvc_lock.exists():
        logged.files[workspace.dvc_lock] = ""
    identity = f"{logged.tags['fingerprint']}{logged.tags['model_digest']}"
    return hashlib.sha256(identity.encode()).hexdigest(), logged


def record(workspace: Workspace, settings: Params, repository: Path, table: Path) -> Record:
    """Collect what prepare, train and evaluate have written.

    Parameters
    ----------
    workspace : Workspace
        With the results of the stages.
    settings : Params
        The parameters of the stages.
    repository : Path
        The git repository whose commit is logged.
    table : Path
        The customer table.
    """
    data = settings.data
    if (md5 := sources.digest(table, "md5")) is None:
        raise ArtifactError(f"{table}: not there; get it with `dvc pull`")
    digest = model_digest(workspace.model)
    card = read_json(workspace.model / CARD_FILE, "train", ModelCard)
    metrics = read_json(workspace.metrics, "evaluate", Metrics)
    read_json(workspace.data_stats, "prepare", DataStats)  # validates it
    require(workspace.slices, "evaluate")
    files = {workspace.params: "", workspace.data_stats: "", workspace.metrics: ""}
    files |= {workspace.slices: ""}
    files |= dict.fromkeys(sorted(workspace.plot_images.glob("*.png")), "plots")
    flat = params.flatten(settings.model_dump(mode="json"))
    return Record(
        name=f"{settings.model.family}-{digest[:8]}",
        params={**flat, "feature_set": ", ".join(card.features)[:6000]},
        metrics=flat_metrics(metrics),
        tags={**git_tags(repository), "data_md5": md5, "model_digest": digest},
        files=files,
        model=workspace.model,
        inputs=data.by_kind,
        answered=outputs.of(settings.task, data.classes).answered,
        example=typical(read_parquet(workspace.split("test"), "prepare"), data),
    )


def flat_metrics(metrics: Metrics) -> dict[str, float]:
    """Flatten metrics.json to ``side_metric`` names; undefined metrics are left out."""
    learned = {"threshold": metrics.threshold, "half_width": metrics.half_width}
    flat = {name: value for name, value in learned.items() if value is not None}
    for side, values in metrics.sides.items():
        flat |= {f"{side}_{name}": value for name, value in values.items() if value is not None}
    return flat


def git_tags(repository: Path) -> dict[str, str]:
    """Return the commit, and whether anything differs from it, as tags of a run."""
    try:
        commit = git(repository, "rev-parse", "HEAD").strip()
        changed = git(repository, "status", "--porcelain", "--untracked-files=no", "--", ".")
        new = git(repository, "ls-files", "--others", "--exclude-standard", "--", *INPUTS)
        dirty = bool(changed.strip() or new.strip())
    except ArtifactError:  # no git, or no commit yet
        return {"git_commit": "none", "git_dirty": "true"}
    return {"git_commit": commit, "git_dirty": str(dirty).lower()}
