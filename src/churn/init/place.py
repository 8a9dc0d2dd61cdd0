"""Put a table into ``data/``; what is there is removed only if DVC can bring it back."""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path

from churn.core.errors import ArtifactError, DataError
from churn.core.files import scratch_beside
from churn.core.paths import Workspace
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
    """Return where the table is: the file, or what an interrupted run has made of it.

    Raises
    ------
    DataError
        If it is nowhere.
    """
    moved = root / path_in_data(file)
    if not file.exists() and moved.exists() and _is_inside(root, file):
        return moved
    if not file.exists():
        raise DataError(f"{file}: not there")
    return file


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
    present = [path for path in sorted(folder.rglob("*")) if not path.is_dir()]
    same = [path for path in present if path == target and _md5(path) == _md5(file)]
    hidden = [p for p in present if any(x.startswith(".") for x in p.relative_to(folder).parts)]
    others = [path for path in present if path not in same and path not in hidden]
    if not others:
        return []
    known = listing.files(root)
    for path in others:
        name = path.relative_to(folder).as_posix()
        md5 = _md5(path)
        if known.get(name) != md5 or not _is_stored(root, md5):
            raise ArtifactError(
                f"data/{name}: not in data.dvc, so it would be lost; move it out of data/, or run"
                " dvc add data and dvc push first"
            )
    return others


def put(root: Path, file: Path) -> None:
    """Make a table the only one in ``data/``.

    A file in the project's folder is moved, because git would otherwise take it into its next
    commit; others are copied.
    """
    others, target = require_room(root, file), root / path_in_data(file)
    with scratch_beside(target) as fresh:  # removes what a killed run has left, too
        if not target.exists() or _md5(target) != _md5(file):
            shutil.copyfile(file, fresh)
            fresh.replace(target)  # a link into DVC's cache is never written through
    for path in others:
        if path != target:
            path.unlink()


def remove_original(root: Path, file: Path) -> bool:
    """Remove a table that lies in the project's folder, after it is in ``data/``."""
    target = root / path_in_data(file)
    if not _is_inside(root, file) or file.resolve() == target.resolve() or not file.exists():
        return False
    if _md5(file) != _md5(target):
        raise ArtifactError(f"{file}: has changed meanwhile; run churn init again")
    file.unlink()
    return True


def _is_inside(root: Path, file: Path) -> bool:
    return root.resolve() in file.absolute().parents


def _is_stored(root: Path, md5: str) -> bool:
    """Tell whether the cache here, or the remote in the repository, has a file."""
    folders = (root / ".dvc/cache/files/md5", root / "dvc-remote/files/md5")
    return any((folder / md5[:2] / md5[2:]).exists() for folder in folders)


def _md5(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
