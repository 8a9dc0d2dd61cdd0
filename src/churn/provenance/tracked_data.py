"""Get the data that ``data.dvc`` names, and check that the files here are those data."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import ConfigDict, Field, ValidationError

from churn.core import process
from churn.core.errors import ArtifactError
from churn.core.files import Shape
from churn.data import sources
from churn.provenance.candidate import table_path
from churn.provenance.git import git
from churn.provenance.lockfile import dvc_status


class _Out(Shape):
    path: Literal["data"]
    md5: object = None


class _DataFile(Shape):
    """data.dvc with a single output, ``data``, and no other key that DVC would act on."""

    model_config = ConfigDict(extra="forbid")

    outs: Annotated[list[_Out], Field(min_length=1, max_length=1)]
    meta: object = None
    desc: object = None


def get(root: Path) -> bool:
    """Fetch and check out the data; local changes in ``data/`` are kept.

    Returns
    -------
    bool
        Whether the data are those of ``data.dvc``; False if local changes were kept.

    Raises
    ------
    ArtifactError
        If ``data.dvc`` names more than ``data/``, or the data are unavailable.
    """
    require_data_file(root)
    _dvc(root, "fetch")
    require_data_file(root)  # again: the folder's listing is in the cache now
    try:
        _dvc(root, "checkout")
    except ArtifactError:
        if not any((root / "data").glob("*")):
            raise
        return False
    return True


def add(root: Path) -> None:
    """Let ``data.dvc`` name what is in ``data/``.

    Raises
    ------
    ArtifactError
        If DVC fails.
    """
    _dvc(root, "add", "data")


def _dvc(root: Path, verb: str, target: str = "data.dvc") -> None:
    done = process.run(
        [sys.executable, "-m", "dvc", verb, "--quiet", target],
        root,
        # The remote may need credentials, but not those of the registry.
        environment=process.without_credentials(),
    )
    if done.returncode:
        reason = process.error_line(done.stderr).removeprefix("ERROR: ")
        raise ArtifactError(f"dvc {verb} {target}: {reason}")


def require_data(root: Path) -> None:
    """Check that the files here are the data that ``data.dvc`` names, the table included.

    ``data.dvc`` must name nothing else: what DVC checks out could be code.

    Parameters
    ----------
    root : Path
        The project's folder.

    Raises
    ------
    ArtifactError
        If ``data.dvc`` names more, git tracks a file in ``data/``, DVC ignores the table, or a file
        differs. Missing data are no error here: reading them raises one.
    """
    require_data_file(root)
    if tracked := git(root, "ls-files", "--", "data").splitlines():
        raise ArtifactError(
            f"{tracked[0]}: tracked by git, but DVC tracks data/; git rm --cached it, and run dvc"
            " add data"
        )
    table = table_path(root)
    # A path without a file is checked as well: .dvcignore may match it before the file exists.
    for file in () if table is None else (sources.files(table) or [table]):
        if not _is_ignored(root, file):
            continue
        raise ArtifactError(
            f"{file.relative_to(root)}: ignored by .dvcignore, so data.dvc does not track it;"
            " remove that line, and run dvc add data"
        )
    for change in dvc_status(root, str((root / "data.dvc").absolute())).get("data.dvc", []):
        for path, how in change.get("changed outs", {}).items() if isinstance(change, dict) else ():
            if how != "deleted":
                raise ArtifactError(
                    f"{path} differs from data.dvc; run dvc add data, or dvc checkout"
                )


def require_data_file(root: Path) -> None:
    """Check that ``data.dvc`` names the folder ``data/`` and nothing else.

    DVC checks out every file that a ``.dvc`` file names, wherever it is: into an environment, or
    over the code, without a trace in `git status`. So this must run before any checkout.

    Raises
    ------
    ArtifactError
        If it names another path, or a listing in the cache has a path outside of the folder.
    """
    file = root / "data.dvc"
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ArtifactError(f"{file}: cannot be read ({error})") from error
    try:
        [out] = _DataFile.model_validate(document).outs
    except ValidationError as error:
        raise ArtifactError(
            "data.dvc: must name the folder data and nothing else; run dvc add data"
        ) from error
    md5 = str(out.md5)
    if not re.fullmatch(r"[0-9a-f]{32}\.dir", md5):
        raise ArtifactError("data.dvc: does not name a folder by its md5; run dvc add data")
    listing = root / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
    if listing.exists() and not all(map(_is_plain, json.loads(listing.read_bytes()))):
        raise ArtifactError(f"data.dvc: {md5} names files outside of data/")


def _is_plain(entry: Any) -> bool:
    """Tell whether an entry of a listing is below its folder."""
    parts = str(entry.get("relpath", "..")).replace("\\", "/").split("/")
    return not {"", ".", ".."}.intersection(parts)


def _is_ignored(root: Path, table: Path) -> bool:
    from dvc.repo import Repo

    with Repo(str(root)) as repo:
        return bool(repo.dvcignore.check_ignore(str(table.absolute())).match)
