"""The folder of an output, on this machine or at an address: whole files or none."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from churn.core import addresses
from churn.core.errors import DataError
from churn.core.files import scratch

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

SCRATCH = "churn-batch-"  # of folders that are not the output's; those of a kill are removed
_SCRATCH = ".scratch-"


class Folder:
    """A folder in which files appear when they are complete.

    Parameters
    ----------
    address : str
        A path, or an address that fsspec knows.

    Raises
    ------
    DataError
        By every method, if the folder cannot be read or written.
    """

    def __init__(self, address: str) -> None:
        self.shown = addresses.public(address).rstrip("/") or "/"
        with self.writing():
            self._files, path = addresses.file_system(address)
        self.path = str(path).rstrip("/")
        self._is_local = not addresses.is_address(address)

    def names(self, below: str = "") -> list[str]:
        """Return the files below a subfolder, by their paths in it, sorted."""
        top = self._path(below) if below else self.path
        with self.writing():
            self._files.invalidate_cache()
            found = self._files.find(top)
        # A bucket may hold an empty object for a folder; its name ends in a slash.
        names = (name.removeprefix(top).lstrip("/") for name in found if not name.endswith("/"))
        return sorted(name for name in names if not name.startswith(_SCRATCH))

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Give a temporary folder for files that `publish` moves here."""
        if not self._is_local:
            with scratch(SCRATCH) as folder:
                yield folder
            return
        with self.writing():  # on the same disk, where a move is one step
            Path(self.path).mkdir(parents=True, exist_ok=True)
            for left in Path(self.path).glob(f"{_SCRATCH}*"):  # of a kill
                shutil.rmtree(left, ignore_errors=True)
            beside = tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=self.path)
        with beside as name:
            yield Path(name)

    def publish(self, file: Path, name: str) -> None:
        """Move a complete file here; replaces one of that name."""
        with self.writing():
            if self._is_local:
                target = Path(self._path(name))
                target.parent.mkdir(parents=True, exist_ok=True)
                file.replace(target)
            else:
                self._files.put_file(str(file), self._path(name))
                file.unlink()

    def move(self, name: str, other: str) -> None:
        """Move a file within the folder; replaces the other."""
        with self.writing():
            if self._is_local:
                target = Path(self._path(other))
                target.parent.mkdir(parents=True, exist_ok=True)
                Path(self._path(name)).replace(target)
            else:
                self._files.mv(self._path(name), self._path(other))

    def read_json(self, name: str) -> Any:
        """Return what a JSON file holds; None if it is not there."""
        with self.writing():
            self._files.invalidate_cache()
            try:
                return json.loads(self._files.cat_file(self._path(name)))
            except FileNotFoundError:
                return None
            except ValueError as error:
                raise DataError(f"{self.shown}/{name}: damaged ({error})") from error

    def write_json(self, name: str, value: Any, scratch: Path) -> None:
        """Write a JSON file in one step."""
        with self.writing():
            file = scratch / "json"
            file.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        self.publish(file, name)

    def remove(self, name: str) -> None:
        """Remove a file, or a folder with all that is in it, if it is there."""
        with self.writing():
            try:
                self._files.rm(self._path(name), recursive=True)
            except FileNotFoundError:
                pass
            self._files.invalidate_cache()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep another process on this machine out of a local folder for a block.

        The folder is made if it is not there, and removed again if nothing was written.
        """
        if not self._is_local or fcntl is None:
            yield
            return
        with self.writing():
            Path(self.path).mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_RDONLY)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise DataError(f"{self.shown}: another churn predict is writing there") from error
            yield
        finally:
            os.close(handle)
            with contextlib.suppress(OSError):
                Path(self.path).rmdir()  # if it is empty

    def _path(self, name: str) -> str:
        return f"{self.path}/{name}"

    def writing(self) -> AbstractContextManager[None]:
        """Turn an error of what is written for this folder into one line."""
        return addresses.in_one_line(DataError, f"{self.shown}: cannot be written")
