"""Command `review`: all that a pull request's job does, at the desk as on a runner."""

from __future__ import annotations

import os
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from churn import baseline, bundle, compare, gate, report, verdict
from churn.candidate import changed_inputs
from churn.errors import ArtifactError, ChurnError
from churn.gate import Verdict
from churn.paths import Workspace

Say = Callable[[str], None]


def run(workspace: Workspace, revision: str, production: bool, output: Path, say: Say) -> Verdict:
    """Train, test, compare, judge, report and pack; whatever happens, there is a verdict.

    Where no input of the pipeline differs from the baseline's, nothing is trained.

    Parameters
    ----------
    workspace : Workspace
        In the top folder of a git repository.
    revision : str
        The baseline: where the pull request would be merged to.
    production : bool
        Whether to compare with the model in Production as well.
    output : Path
        Folder of the packed candidate.
    say : callable
        Told what is being done.

    Returns
    -------
    Verdict
        Also in the candidate's folder, with the report.
    """
    try:
        judged = _judge(workspace, revision, production, say)
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


def _judge(workspace: Workspace, revision: str, production: bool, say: Say) -> Verdict:
    commit = baseline.resolve(workspace.root, revision)
    if not changed_inputs(workspace.root, commit):
        return gate.unchanged(revision)
    say("dvc repro")
    _repro(workspace.root)
    say(f"compare with {revision}")
    compare.run(workspace, revision, production)
    say("gate")
    return verdict.run(workspace)


def _repro(root: Path) -> None:
    """Run the pipeline up to its checks; what it prints goes through.

    Not `track`: a run is logged for what is merged, and a runner of a pull request has no store.
    """
    command = [sys.executable, "-m", "dvc", "repro", "validate"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    with subprocess.Popen(
        command, cwd=root, env=os.environ | {"PATH": path}, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            sys.stderr.write(line)
            said.append(line.strip())
    if process.returncode:
        raise ArtifactError(f"dvc repro: {_why(said)}")


def _why(said: list[str]) -> str:
    """Pick what the stage itself has said last; DVC's own lines only say which stage failed."""
    of_stage = [line for line in said if line and not line.startswith("ERROR: ")]
    lines = of_stage or said or ["it stopped and said nothing"]
    return lines[-1].removeprefix("Error: ")
