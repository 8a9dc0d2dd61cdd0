"""Folders at any address that Spark knows, by Hadoop's file systems."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from churn.core.addresses import public
from churn.core.errors import ChurnError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class Folder:
    """A folder whose files are moved by the driver.

    Parameters
    ----------
    spark : SparkSession
    address : str

    Raises
    ------
    ChurnError
        If this Spark gives no access to files, as Spark Connect does.
    """

    def __init__(self, spark: SparkSession, address: str) -> None:
        try:
            self._path: Any = spark._jvm.org.apache.hadoop.fs.Path
            settings = spark._jsc.hadoopConfiguration()
        except Exception as error:  # it differs between Spark's versions
            raise ChurnError(
                f"{public(address)}: this Spark lets nobody move files; name a table of its catalog"
            ) from error
        self._address = address.rstrip("/")
        self._shown = public(self._address)
        self._files = self._path(address).getFileSystem(settings)

    def names(self, below: str = "") -> tuple[list[str], list[str]]:
        """Return the folders and the files in a subfolder, by their names; none if it is absent."""
        path = self._at(below)
        folders: list[str] = []
        files: list[str] = []
        for status in self._files.listStatus(path) if self._files.exists(path) else ():
            (folders if status.isDirectory() else files).append(status.getPath().getName())
        return sorted(folders), sorted(files)

    def leaves(self, depth: int, below: str = "") -> list[str]:
        """Return the folders so many levels below a subfolder, by their paths in it."""
        found = [""]
        for _ in range(depth):
            found = [
                f"{name}/{part}" if name else part
                for name in found
                for part in self.names(f"{below}/{name}")[0]
                if "=" in part
            ]
        return found

    def exists(self, name: str) -> bool:
        """Tell whether a file or folder is there."""
        return bool(self._files.exists(self._at(name)))

    def move(self, name: str, other: str) -> None:
        """Move a file or folder within the folder, to where nothing is.

        Raises
        ------
        ChurnError
            If it cannot be moved.
        """
        target = self._at(other)
        self._files.mkdirs(target.getParent())
        if not self._files.rename(self._at(name), target):
            raise ChurnError(f"{self._shown}/{other}: cannot be written")

    def remove(self, name: str) -> None:
        """Remove a file, or a folder with all that is in it, if it is there."""
        self._files.delete(self._at(name), True)

    def remove_empty(self, name: str) -> None:
        """Remove a folder if nothing is in it; another job may write there at any moment."""
        if self.names(name) != ([], []):
            return
        try:
            self._files.delete(self._at(name), False)
        except Exception:  # Hadoop's, by py4j
            if self.names(name) == ([], []):
                raise

    def touch(self, name: str) -> None:
        """Write an empty file."""
        self._files.create(self._at(name), True).close()

    def _at(self, name: str) -> Any:
        return self._path("/".join(part for part in (self._address, name.strip("/")) if part))
