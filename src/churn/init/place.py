"""Put a table into ``data/``; what is there is removed only if DVC can bring it back."""

from __future__ import annotations

import re
import shutil
from configparser import ConfigParser
from pathlib import Path

from churn.core.errors import ArtifactError, DataError
from churn.core.files import scratch_beside
from churn.core.paths import Workspace
from churn.data import sources
from churn.provenance import listing

_NOT_PLAIN = re.compile(r"[^\w.-]+")  # patterns of file names, and blanks


def path_in_data(file: Path) -> str:
    """Return the path below the project's folder that a table gets.

    Examples
    --------
    >>> path_in_data(Path("/tmp/My customers (1).csv"))
    'data/My_customers_1_.csv'
    """
    return "data/" + _NOT_PLAIN.sub("_", file.name)


def source_of(root: Path, file: Path) -> Path:
    """Return where the table is: the file, or where an interrupted run has moved it.

    Raises
    ------
    DataError
        If it is nowhere.
    """
    moved = root / path_in_data(file)
    if file.exists():
        return file
    if is_inside(root, file) and moved.exists():
        return moved
    raise DataError(f"{file}: not there")


def require_room(root: Path, file: Path) -> list[Path]:
    """Check that nothing in ``data/`` would be lost.

    Returns
    -------
    list of Path
        The other files there, which DVC can bring back.

    Raises
    ------
    ArtifactError
        If a file there is in no version of ``data.dvc`` that is known here.
    """
    folder, target = Workspace(root).data, root / path_in_data(file)
    md5s = {
        path: _md5(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(n.startswith(".") for n in path.relative_to(folder).parts)
    }
    if md5s.get(target) == _md5(file):
        del md5s[target]
    known = listing.files(root) if md5s else {}
    for path, md5 in md5s.items():
        name = path.relative_to(folder).as_posix()
        if known.get(name) != md5 or not _is_stored(root, md5):
            raise ArtifactError(
                f"data/{name}: not in data.dvc, so it would be lost; move it out of data/, or run"
                " dvc add data and dvc push first"
            )
    return list(md5s)


def put(root: Path, file: Path) -> None:
    """Copy a table into ``data/``, and make it the only one there."""
    others, target = require_room(root, file), root / path_in_data(file)
    with scratch_beside(target) as fresh:  # removes what a killed run has left, too
        if not target.exists() or _md5(target) != _md5(file):
            shutil.copyfile(file, fresh)
            fresh.replace(target)  # a link into DVC's cache is never written through
    for path in others:
        if path != target:
            path.unlink()


def remove_original(root: Path, file: Path) -> bool:
    """Remove a table that lies in the project's folder, where git would take it, and only there.

    Returns
    -------
    bool
        Whether there was one, beside that in ``data/``.

    Raises
    ------
    ArtifactError
        If it is not what is in ``data/``.
    """
    target = root / path_in_data(file)
    if not is_inside(root, file) or not file.exists() or file.resolve() == target.resolve():
        return False
    if _md5(file) != _md5(target):
        raise ArtifactError(f"{file}: has changed meanwhile; run churn init again")
    file.unlink()
    return True


def is_inside(root: Path, file: Path) -> bool:
    """Tell whether a file, or a link to one, lies in the project's folder."""
    return root.resolve() in (file.parent.resolve() / file.name).parents


def remote_is_in_git(root: Path) -> bool:
    """Tell whether DVC's default remote is a folder of this repository, as it is shipped."""
    config = ConfigParser(interpolation=None)
    config.read([root / ".dvc/config", root / ".dvc/config.local"], encoding="utf-8")
    name = config.get("core", "remote", fallback="")
    url = config.get(f"'remote \"{name}\"'", "url", fallback="")
    is_folder = bool(url) and "://" not in url
    return is_folder and root.resolve() in (root / ".dvc" / url).resolve().parents


def _is_stored(root: Path, md5: str) -> bool:
    """Tell whether the cache here, or the remote in the repository, has a file."""
    folders = (root / ".dvc/cache/files/md5", root / "dvc-remote/files/md5")
    return any((folder / md5[:2] / md5[2:]).exists() for folder in folders)


def _md5(path: Path) -> str:
    return sources.digest(path, "md5") or ""
