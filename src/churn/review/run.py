"""Command `review`: everything that a pull request's job does, locally or on a runner."""

from __future__ import annotations

import subprocess
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from churn.core import process
from churn.core.errors import ArtifactError, ChurnError
from churn.core.files import write_json
from churn.core.paths import Workspace
from churn.core.progress import Say
from churn.provenance import bundle, tracked_data
from churn.provenance.candidate import INPUTS, changed_inputs
from churn.provenance.git import changed, git
from churn.provenance.lineage import Source
from churn.review import card, compare, outcome, proposal, report, resolve, revisions, verdict
from churn.review.baseline import PRODUCTION
from churn.review.outcome import Verdict


@dataclass(frozen=True)
class Plan:
    """Options of a review.

    Attributes
    ----------
    revision : str or None
        The baseline, which the pull request would be merged into. None for a release: then the
        candidate is compared with Production only, and always trained.
    production : bool
        Whether to compare with the model in Production as well.
    from_scratch : bool
        Whether to run every stage and ignore earlier results. True on a runner, which must not
        trust outputs from `dvc.lock` or a cache: the author of the pull request wrote them.
    source : Source or None
        How the candidate is made; packed with it.
    """

    revision: str | None
    production: bool = False
    from_scratch: bool = False
    source: Source | None = None


def run(workspace: Workspace, plan: Plan, output: Path, say: Say) -> Verdict:
    """Train, test, compare, judge, report and pack; any error becomes a blocking verdict.

    Nothing is trained if no input of the pipeline differs from the baseline's. The files of an
    earlier review are removed first, so that an old verdict is not mistaken for this one.

    Parameters
    ----------
    workspace : Workspace
        The project's folder, in a git repository.
    plan : Plan
    output : Path
        Folder of the packed candidate.
    say : callable
        Called with the name of each step.

    Returns
    -------
    Verdict
        Also in the candidate's folder, with the report.

    Raises
    ------
    ArtifactError
        If this is not the project's folder, or there is no commit; then nothing is written.
    """
    here, project = workspace.root, ("dvc.yaml", "params.yaml", "data.dvc")
    committed = git(here, "ls-tree", "--name-only", "HEAD", "--", *project)
    if not committed and not any((here / name).exists() for name in project):
        raise ArtifactError(f"{here.resolve()}: no project there; run churn in its folder")
    bundle.remove(output)
    for old in (workspace.changes, workspace.comparison, workspace.main_checks, workspace.verdict,
                 workspace.lineage, workspace.report, workspace.report_page,
                 workspace.review, workspace.model_card):  # fmt: skip
        old.unlink(missing_ok=True)
    if plan.source is not None:
        write_json(workspace.lineage, plan.source.model_dump())
    try:
        judged = _judge(workspace, plan, say)
    except (ChurnError, OSError) as error:
        judged = outcome.stopped(" ".join(str(error).split()))
    except Exception as error:  # a bug must give a verdict as well
        traceback.print_exc()
        judged = outcome.stopped(f"a bug in churn: {type(error).__name__}: {error}")
    verdict.write(workspace, judged)
    say("report")
    report.run(workspace)
    if judged.outcome == "judged":
        say("model card")
        _write_card(workspace, say)
    say("pack")
    bundle.pack(workspace, output)
    return judged


def _write_card(workspace: Workspace, say: Say) -> None:
    """Write the model card, or say why there is none: the verdict is to be packed all the same."""
    try:
        card.write(workspace)
    except (ChurnError, OSError, ValueError) as error:
        say(f"no model card: {' '.join(str(error).split())}")


def _judge(workspace: Workspace, plan: Plan, say: Say) -> Verdict:
    root = workspace.root
    resolve.require_merged(root)
    commit = None if plan.revision is None else revisions.resolve(root, plan.revision)
    if commit is not None:
        proposal.write(workspace, commit)
        if behind := int(git(root, "rev-list", "--count", f"HEAD..{commit}")):
            say(
                f"commits of {plan.revision} that are missing here: {behind}; their changes count"
                f" as undone by this one, so merge {plan.revision} first"
            )
    if tracked := git(root, "ls-files", "--", ".dvc/cache", ".dvc/tmp").split():
        raise ArtifactError(f"{tracked[0]}: DVC's cache is in git; remove it")
    tracked_data.require_data(root)
    if commit is not None and not changed_inputs(root, commit):
        return outcome.unchanged(str(plan.revision))
    say("dvc repro")
    # Without `track`: runs are logged for merged changes only, and this runner has no store.
    reproduce(root, *(["--force"] if plan.from_scratch else []), "validate")
    say(f"compare with {plan.revision or PRODUCTION}")
    compare.run(workspace, plan.revision, plan.production, share_cache=not plan.from_scratch)
    say("gate")
    judged = verdict.run(workspace, release=commit is None)
    # A runner judges commits: the run must not have changed any input.
    if plan.from_scratch and (uncommitted := changed(root, "HEAD", INPUTS)):
        raise ArtifactError(
            f"{uncommitted[0]}: not as in the commit that is judged; see .gitignore"
        )
    return judged


def reproduce(root: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
    """Run ``dvc repro`` and forward its output.

    Parameters
    ----------
    root : Path
    *arguments : str
    environment : mapping of str to str, optional
        Defaults to the current environment without credentials.

    Raises
    ------
    ArtifactError
        If a stage fails.
    """
    with subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro", *arguments],
        cwd=root,
        env={
            **(process.without_credentials() if environment is None else environment),
            "PATH": process.path_with_this_python(),
        },
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as reproduction:
        assert reproduction.stderr is not None
        errors = []
        for line in reproduction.stderr:
            sys.stderr.write(line)
            errors.append(line.strip())
    if reproduction.returncode:
        raise ArtifactError(f"dvc repro: {stage_error(errors)}")


def stage_error(lines: list[str]) -> str:
    """Return the stage's last line on stderr; DVC's lines only name the stage that failed."""
    of_stage = [line for line in lines if line and not line.startswith("ERROR: ")]
    return process.error_line("\n".join(of_stage or lines), last=True).removeprefix("Error: ")
