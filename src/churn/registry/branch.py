"""A branch that stores a registry in its only commit; git only, nothing of MLflow.

Publishing replaces that commit by a new one without a parent, if it is still the commit that was
read: if two processes publish at once, one is rejected. The user's work tree, index, HEAD and other
branches do not change.
"""

from __future__ import annotations

import sqlite3
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import TypeVar

from churn.core.errors import ArtifactError, FasterError, RegistryError
from churn.provenance import remote

DATABASE, FILES = "mlflow.db", "mlruns"
Answer = TypeVar("Answer")
_REGULAR = "100644"
# A runner has no user.name. Who released and why is in the registry's audit trail.
_AUTHOR = {
    f"GIT_{role}_{key}": value
    for role in ("AUTHOR", "COMMITTER")
    for key, value in (("NAME", "churn"), ("EMAIL", "churn@registry.invalid"))
}


class Branch:
    """A branch of the remote ``origin``.

    Parameters
    ----------
    root : Path
        The repository.
    name : str
        The branch's name.

    Raises
    ------
    RegistryError
        If git does not allow that name.
    """

    def __init__(self, root: Path, name: str) -> None:
        self.name = name
        self._root, self._ref, self._kept = root, f"refs/heads/{name}", f"refs/churn/{name}"
        try:
            self._git("check-ref-format", self._ref)
        except RegistryError as error:
            raise RegistryError(
                f"CHURN_REGISTRY_BRANCH: {name!r} is not a valid branch name"
            ) from error

    def fetch(self) -> str:
        """Fetch the newest registry.

        Returns
        -------
        str
            Its commit; empty if the branch does not exist yet.

        Raises
        ------
        RegistryError
            If the remote cannot be reached.
        """
        return self._remote("read", remote.fetch, self.name, self._kept)

    def lay_out(self, commit: str, folder: Path) -> None:
        """Write the files of a commit into an empty folder, byte for byte.

        Raises
        ------
        RegistryError
            If it is not a registry.
        """
        blobs = self._blobs(commit)
        command = ["git", "cat-file", "--batch"]
        with subprocess.Popen(
            command, cwd=self._root, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as reading:
            assert reading.stdin is not None and reading.stdout is not None
            for name, blob in blobs.items():
                reading.stdin.write(f"{blob}\n".encode())
                reading.stdin.flush()
                described = reading.stdout.readline().split()  # id, kind and size
                if len(described) != 3:
                    raise RegistryError(f"branch {self.name}: {name} cannot be read from git")
                size = int(described[2])
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(reading.stdout.read(size))
                reading.stdout.read(1)  # the line end
        self._ask(folder, "SELECT name FROM sqlite_master")

    def _ask(self, folder: Path, statement: str, *values: str) -> None:
        try:
            with closing(sqlite3.connect(folder / DATABASE)) as store:
                store.execute(statement, values)
        except sqlite3.Error as error:
            raise RegistryError(f"branch {self.name}: {DATABASE}: {error}") from error

    def _blobs(self, commit: str) -> dict[str, str]:
        """Return the object ids of a registry's files by name.

        A branch that holds anything else is an error: with a wrong branch name, publishing would
        replace a branch of somebody's work.
        """
        listed = self._git("ls-tree", "-r", "-z", "--full-tree", commit)
        blobs = {}
        for line in filter(None, listed.split("\0")):
            described, _, name = line.partition("\t")
            mode, _, blob = described.split()
            path = PurePosixPath(name)
            is_ours = name == DATABASE or (path.parts[0] == FILES and len(path.parts) > 1)
            if mode != _REGULAR or not is_ours or ".." in path.parts:
                raise RegistryError(
                    f"branch {self.name}: holds {name[:80]!r}, so it is no registry; name another"
                    " branch in CHURN_REGISTRY_BRANCH"
                )
            blobs[name] = blob
        if DATABASE not in blobs:
            raise RegistryError(f"branch {self.name}: holds no {DATABASE}, so it is no registry")
        return blobs

    def tree(self, folder: Path) -> str:
        """Store a folder's registry in git, and return its object id.

        Equal content has an equal id: SQLite writes a complete copy, without a journal and without
        deleted rows.

        Raises
        ------
        RegistryError
            If the database cannot be read, or the folder holds links, which may have another
            target in another clone.
        """
        with tempfile.TemporaryDirectory(prefix="churn-tree-") as scratch:
            database = Path(scratch) / DATABASE
            self._ask(folder, "VACUUM INTO ?", str(database))
            below = sorted(path for path in (folder / FILES).rglob("*") if not path.is_dir())
            files = {DATABASE: database}
            files |= {path.relative_to(folder).as_posix(): path for path in below}
            if odd := [name for name, path in files.items() if path.is_symlink() or "\n" in name]:
                raise RegistryError(f"{folder / odd[0]}: not an ordinary file")
            paths = "\n".join(str(path.absolute()) for path in files.values())
            stored = self._git("hash-object", "-w", "--no-filters", "--stdin-paths", stdin=paths)
            entries = zip(stored.split(), files, strict=True)
            index = {"GIT_INDEX_FILE": str(Path(scratch) / "index")}
            listed = "".join(f"{_REGULAR} {blob}\t{name}\0" for blob, name in entries)
            self._git("update-index", "-z", "--index-info", stdin=listed, environment=index)
            return self._git("write-tree", environment=index).strip()

    def publish(self, tree: str, read: str, message: str) -> str:
        """Replace the registry that was read by another one.

        Parameters
        ----------
        tree : str
            As `tree` returns it.
        read : str
            As `fetch` returned it.
        message : str
            Of the commit.

        Returns
        -------
        str
            The branch's new commit.

        Raises
        ------
        FasterError
            If another process has published since it was read.
        RegistryError
            If the remote cannot be reached, or rejects it.
        """
        made = self._git("commit-tree", tree, "-m", message, environment=_AUTHOR).strip()
        try:
            self._remote("written to", remote.push, made, self.name, read)
        except RegistryError as error:
            self._explain(error, made, read)
        return made

    def _explain(self, error: RegistryError, made: str, read: str) -> None:
        """Raise the reason why a push has failed, unless it was done and its answer was lost."""
        try:
            found = self._newest()
        except RegistryError:
            raise error from None
        if found not in (made, read):
            raise FasterError(f"branch {self.name}: another process has published first") from error
        if found == read:
            raise error

    def _newest(self) -> str:
        return self._remote("read", remote.newest, self.name)

    def _remote(self, how: str, call: Callable[..., Answer], *arguments: str) -> Answer:
        try:
            return call(self._root, *arguments)
        except ArtifactError as error:
            raise RegistryError(f"branch {self.name} cannot be {how}: {error}") from error

    def _git(
        self, *arguments: str, stdin: str = "", environment: Mapping[str, str] | None = None
    ) -> str:
        try:
            return remote.run(self._root, *arguments, stdin=stdin, environment=environment or {})
        except ArtifactError as error:
            raise RegistryError(str(error)) from error
