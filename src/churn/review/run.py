"""Command `review`: all that a pull request's job does, at the desk as on a runner."""

from __future__ import annotations

import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from churn.core import process
from churn.core.errors import ArtifactError, ChurnError
from churn.core.files import write_json
from churn.core.paths import Workspace
from churn.provenance import bundle, tracked_data
from churn.provenance.candidate import INPUTS, changed_inputs
from churn.provenance.git import changed, git
from churn.provenance.lineage import Source
from churn.review import baseline, compare, gate, proposal, report, resolve, verdict
from churn.review.gate import Verdict

Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """What a review looks at.

    Attributes
    ----------
    revision : str or None
        The baseline: where the pull request would be merged to. None for what is to be released:
        it is compared with Production alone, and never taken for unchanged.
    production : bool
        Whether to compare with the model in Production as well.
    from_scratch : bool
        Whether every stage is run, whatever was computed before. A runner does: what `dvc.lock`
        and a cache say came out of a stage was written by whoever opened the pull request.
    source : Source or None
        Where the candidate comes from; packed with it.
    """

    revision: str | None
    production: bool = False
    from_scratch: bool = False
    source: Source | None = None


def run(workspace: Workspace, plan: Plan, output: Path, say: Say) -> Verdict:
    """Train, test, compare, judge, report and pack; whatever happens, there is a verdict.

    Where no input of the pipeline differs from the baseline's, nothing is trained. What an earlier
    review has left is removed first, so that no old verdict stands for a new change.

    Parameters
    ----------
    workspace : Workspace
        Of the project's folder, in a git repository.
    plan : Plan
    output : Path
        Folder of the packed candidate.
    say : callable
        Told what is being done.

    Returns
    -------
    Verdict
        Also in the candidate's folder, with the report.

    Raises
    ------
    ArtifactError
        If this is not the project's folder, or there is no commit; nothing is written then.
    """
    here, project = workspace.root, ("dvc.yaml", "params.yaml", "data.dvc")
    committed = git(here, "ls-tree", "--name-only", "HEAD", "--", *project)
    if not committed and not any((here / name).exists() for name in project):
        raise ArtifactError(f"{here.resolve()}: no project there; run churn in its folder")
    bundle.remove(output)
    for left in (workspace.changes, workspace.comparison, workspace.main_checks, workspace.verdict,
                 workspace.lineage, workspace.report, workspace.report_page,
                 workspace.review):  # fmt: skip
        left.unlink(missing_ok=True)
    if plan.source is not None:
        write_json(workspace.lineage, plan.source.model_dump())
    try:
        judged = _judge(workspace, plan, say)
    except (ChurnError, OSError) as error:
        judged = gate.stopped(" ".join(str(error).split()))
    except Exception as error:  # a defect of this project: without a verdict nobody would be told
        traceback.print_exc()
        judged = gate.stopped(f"a defect of churn itself: {type(error).__name__}: {error}")
    verdict.write(workspace, judged)
    say("report")
    report.run(workspace)
    say("pack")
    bundle.pack(workspace, output)
    return judged


def _judge(workspace: Workspace, plan: Plan, say: Say) -> Verdict:
    root = workspace.root
    resolve.require_merged(root)
    commit = None if plan.revision is None else baseline.resolve(root, plan.revision)
    if commit is not None:
        proposal.write(workspace, commit)
        if behind := int(git(root, "rev-list", "--count", f"HEAD..{commit}")):
            say(
                f"commits of {plan.revision} that are not here: {behind}; what they change counts"
                f" as undone by this one, so merge {plan.revision} first"
            )
    if tracked := git(root, "ls-files", "--", ".dvc/cache", ".dvc/tmp").split():
        raise ArtifactError(f"{tracked[0]}: DVC's cache is in git; take it out")
    tracked_data.require_data(root)
    if commit is not None and not changed_inputs(root, commit):
        return gate.unchanged(str(plan.revision))
    say("dvc repro")
    # Not `track`: a run is logged for what is merged, and a runner of a pull request has no store.
    reproduce(root, *(["--force"] if plan.from_scratch else []), "validate")
    say(f"compare with {plan.revision or baseline.PRODUCTION}")
    compare.run(workspace, plan.revision, plan.production, share_cache=not plan.from_scratch)
    say("gate")
    judged = verdict.run(workspace, release=commit is None)
    # Nothing that is not committed is compared with what is: a runner judges commits.
    if plan.from_scratch and (others := changed(root, "HEAD", INPUTS)):
        raise ArtifactError(f"{others[0]}: not as in the commit that is judged; see .gitignore")
    return judged


def reproduce(root: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
    """Run ``dvc repro``; what it prints goes through.

    Without credentials, if no other environment is given.

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
        said = []
        for line in reproduction.stderr:
            sys.stderr.write(line)
            said.append(line.strip())
    if reproduction.returncode:
        raise ArtifactError(f"dvc repro: {_why(said)}")


def _why(said: list[str]) -> str:
    """Pick what the stage itself has said last; DVC's own lines only say which stage failed."""
    of_stage = [line for line in said if line and not line.startswith("ERROR: ")]
    return process.error_line("\n".join(of_stage or said), last=True).removeprefix("Error: ")
