"""What to do: the options, and what the commit to start from says."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from churn.core import params
from churn.core.errors import ArtifactError, ParamsError
from churn.core.params import DvcAddress, Params
from churn.core.paths import Workspace
from churn.core.progress import Say
from churn.provenance import remote
from churn.retrain import branch
from churn.retrain.source import Source

_KEPT = "refs/churn/base"


@dataclass(frozen=True)
class Plan:
    """Options of a retraining.

    Attributes
    ----------
    base : str
        The branch to propose it to.
    source : str or None
        In place of `data.source`.
    why : tuple of str
        The reasons, as sentences; a regular run has none.
    opens_pull_request : bool
        Whether to push and open a pull request; else it ends with a branch here.
    production : bool
        Whether to compare with the model in Production as well.
    may_lack_source : bool
        Whether a missing `data.source` is no error.
    """

    base: str = "main"
    source: str | None = None
    why: tuple[str, ...] = ()
    opens_pull_request: bool = True
    production: bool = False
    may_lack_source: bool = False


@dataclass(frozen=True)
class Job:
    """A retraining in its work tree.

    Attributes
    ----------
    root, project : Path
        The user's folder, and the same folder of the work tree.
    base : str
        The commit that is checked out there.
    plan : Plan
    say : callable
    settings : Params
        Those of the commit.
    source : Source
    table : PurePosixPath
        The table's place in ``data/``.
    """

    root: Path
    project: Path
    base: str
    plan: Plan
    say: Say
    settings: Params
    source: Source
    table: PurePosixPath


def base(root: Path, plan: Plan) -> str:
    """Return the newest commit of the branch to propose it to.

    Raises
    ------
    ArtifactError
        If there is no such branch, or the remote cannot be reached.
    """
    if plan.opens_pull_request:
        found, where = remote.fetch(root, plan.base, _KEPT), "origin"
    else:
        found, where = branch.find(root, plan.base), "this repository"
    if not found:
        raise ArtifactError(f"{where} has no branch {plan.base!r}; name another one with --base")
    return found


def address(root: Path, settings: Params, plan: Plan) -> str | DvcAddress:
    """Return where the newest table is.

    Raises
    ------
    ParamsError
        If nothing says so.
    """
    if given := plan.source or settings.data.source:
        return given
    where = f"params.yaml on {plan.base}"
    if params.load(Workspace(root).params).data.source:
        raise ParamsError(
            f"{where}: no data.source, as there is in this folder; merge it first, or pass --source"
        )
    raise ParamsError(
        f"{where}: data.source is null, so there is nowhere to get a newer table from; set it to a"
        " file, an address such as s3://bucket/customers.csv, or a DVC repository (repo, path)"
    )


def table(settings: Params) -> PurePosixPath:
    """Return the table's place in ``data/``.

    Raises
    ------
    ParamsError
        If it is not below it, or not one file or folder.
    """
    path = PurePosixPath(os.path.normpath(settings.data.path))
    if path.parts[0] != "data" or len(path.parts) < 2:
        raise ParamsError(f"data.path: {path} is not below data/, which data.dvc tracks")
    if set(str(path)) & set("*?["):
        raise ParamsError(
            f"data.path: {path} is a pattern; churn retrain replaces one file or one folder"
        )
    return PurePosixPath(*path.parts[1:])
