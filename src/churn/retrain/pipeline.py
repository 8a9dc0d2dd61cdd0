"""Put a table into a work tree, and run what a person would run there: dvc and churn."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from churn.core import process
from churn.core.errors import ArtifactError
from churn.core.paths import Workspace


def install(newest: Path, table: Path) -> None:
    """Replace the table of a work tree by the newest.

    Parameters
    ----------
    newest : Path
        A file or a folder; it is moved.
    table : Path
        The table's place below ``data/``.
    """
    # What is there may be a link into DVC's cache: it is removed, never written through.
    if table.is_dir() and not table.is_symlink():
        shutil.rmtree(table)
    else:
        table.unlink(missing_ok=True)
    table.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(newest, table)


def dvc(project: Path, *arguments: str) -> None:
    """Run DVC in a work tree; what it prints goes to stderr.

    Raises
    ------
    ArtifactError
        If it fails.
    """
    _run(project, "dvc", *arguments)


def tune(project: Path) -> None:
    """Search for hyperparameters on the training rows, and write them to params.yaml.

    Raises
    ------
    ArtifactError
        If it fails.
    """
    dvc(project, "repro", "prepare")
    _run(project, "churn", "tune", "--write")


def review(root: Path, project: Path, base: str, production: bool) -> tuple[str, str]:
    """Review a work tree as the job of a pull request does.

    Parameters
    ----------
    root : Path
        The user's folder, where a registry may be.
    project : Path
        The work tree's, committed.
    base : str
        The branch to compare with.
    production : bool
        Whether to compare with the model in Production as well.

    Returns
    -------
    headline, report : str
        As Markdown. A change that is blocked has them too.

    Raises
    ------
    ArtifactError
        If there is no report.
    """
    from churn.core.shapes import from_json
    from churn.review.report import markdown
    from churn.review.report.facts import Facts

    command = ["review", "--baseline", base, *(["--production"] if production else [])]
    workspace = Workspace(project)
    # 1 and 2 are answers as well: a gate has failed, or it could not be judged.
    _run(project, "churn", *command, may_return=(0, 1, 2), environment=_registry(root))
    try:
        facts = from_json(Facts, json.loads(workspace.review.read_text(encoding="utf-8")))
        report = workspace.report.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ArtifactError(f"churn review: wrote no report ({error})") from error
    return markdown.headline(facts), report


def _registry(root: Path) -> dict[str, str]:
    """Return this environment, with the user's registry if it has none.

    `churn review` keeps the credentials from what it runs.
    """
    store = (root / "mlflow.db").resolve()  # MLflow would create it
    here = {"MLFLOW_TRACKING_URI": f"sqlite:///{store}"} if store.exists() else {}
    return {**here, **os.environ}


def _run(
    project: Path,
    program: str,
    *arguments: str,
    may_return: tuple[int, ...] = (0,),
    environment: Mapping[str, str] | None = None,
) -> None:
    from churn.review.run import stage_error

    lines = []
    with subprocess.Popen(
        [sys.executable, "-m", program, *arguments],
        cwd=project,
        env={
            **(process.without_credentials() if environment is None else environment),
            "PATH": process.path_with_this_python(),
            # The code of the commit, wherever this code is from.
            "PYTHONPATH": str((project / "src").resolve()),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as done:
        assert done.stdout is not None
        for line in done.stdout:
            sys.stderr.write(line)
            lines.append(line.strip())
    if done.returncode not in may_return:
        raise ArtifactError(f"{program} {arguments[0]}: {stage_error(lines)}")
