"""What identifies a candidate: the fingerprint of its inputs and the digest of its model."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from churn.errors import ArtifactError

# What decides the model. Not dvc.lock: it is an output, and holds the digests of this platform.
INPUTS = ("data.dvc", "dvc.yaml", "params.yaml", "src", "requirements")


def model_digest(folder: Path) -> str:
    """Digest a model's folder: names and bytes, nothing else.

    Parameters
    ----------
    folder : Path
        As `churn train` writes it.

    Returns
    -------
    str
        SHA-256, 64 hexadecimal digits, over a line ``sha256  path`` a file, sorted by path.

    Raises
    ------
    ArtifactError
        If there is no such folder, or it is empty.
    """
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    if not names:
        raise ArtifactError(f"{folder}: no model there; `churn train` writes build/model")
    lines = [
        f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}" for name in names
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def input_fingerprint(root: Path) -> str:
    """Fingerprint the inputs as they are in the work tree, committed or not.

    Built from git's object ids, so that the same content has the same fingerprint in another
    clone, after a squash and after a rebase.

    Parameters
    ----------
    root : Path
        Top folder of the git repository.

    Returns
    -------
    str
        SHA-256, 64 hexadecimal digits, over a line ``object-id  path`` a file, sorted by path.

    Raises
    ------
    ArtifactError
        If `root` is not in a git repository.
    """
    listed = git(
        root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *INPUTS
    )
    paths = sorted({path for path in listed.split("\0") if path and (root / path).is_file()})
    ids = git(root, "hash-object", "--stdin-paths", stdin="\n".join(paths) + "\n").split()
    lines = [f"{object_id}  {path}" for object_id, path in zip(ids, paths, strict=True)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def git(root: Path, *arguments: str, stdin: str | None = None) -> str:
    """Run git in `root` and return what it prints.

    Raises
    ------
    ArtifactError
        If git is not there, or refuses.
    """
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=root, input=stdin, capture_output=True, text=True, check=True
        )
    except FileNotFoundError as error:
        raise ArtifactError("git: not found; install it") from error
    except subprocess.CalledProcessError as error:
        said = (error.stderr.strip().splitlines() or ["it said nothing"])[0]
        raise ArtifactError(f"git {arguments[0]} in {root.resolve()}: {said}") from error
    return done.stdout
