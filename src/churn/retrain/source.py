"""Where the newest table is: what is known of it without reading it, and how it is fetched."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fsspec.implementations.local import LocalFileSystem

from churn.core import addresses
from churn.core.errors import DataError
from churn.core.params import DvcAddress
from churn.data import sources

# What stores call the MD5 of a file: S3 (of a file that was sent in one part), GCS, Azure, DVC, and
# HTTP servers.
_MD5_KEYS = ("etag", "md5", "md5hash", "content_md5", "content-md5")


@dataclass(frozen=True)
class Source:
    """A file or a folder at an address.

    Parameters
    ----------
    root : Path
        The project's folder, to which a relative path is relative.
    address : str or DvcAddress
        As `data.source` in params.yaml.
    """

    root: Path
    address: str | DvcAddress

    @property
    def shown(self) -> str:
        """The address for people, without credentials and signatures."""
        if isinstance(self.address, DvcAddress):
            at = f"@{self.address.rev}" if self.address.rev else ""
            return f"{self.address.path} in {addresses.public(self.address.repo)}{at}"
        return addresses.public(self.address)

    def known_md5s(self) -> frozenset[str]:
        """Return what may be the file's MD5, as the store tells it without a download.

        Empty if it tells none, or if it is a folder.

        Raises
        ------
        DataError
            If the address cannot be read.
        """
        with self._readable():
            filesystem, path = self._open()
            info = filesystem.info(path)
            return md5s(info) if info.get("type") == "file" else frozenset()

    def fetch(self, target: Path) -> dict[str, str]:
        """Download the file or folder to `target`.

        Returns
        -------
        dict of str to str
            The MD5 of each file, by its path in the folder; by ``""`` for a file.

        Raises
        ------
        DataError
            If the address cannot be read, or is a folder without Parquet files.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        with self._readable():
            filesystem, path = self._open()
            # Not `isdir`: over HTTP that is any file in which there are addresses.
            if filesystem.info(path).get("type") != "directory":
                filesystem.get_file(path, str(target))
                return {"": _md5(target)}
            if isinstance(filesystem, LocalFileSystem):
                _copy(path, target)  # `get` leaves out what it cannot list
            else:
                filesystem.get(path.rstrip("/") + "/", str(target), recursive=True)
        parts = sources.files(target)
        if not parts:
            raise DataError(f"{self.shown}: a folder without Parquet files")
        for file in [path for path in target.rglob("*") if path.is_file() and path not in parts]:
            file.unlink()  # such as Spark's _SUCCESS: no part of the table
        return {part.relative_to(target).as_posix(): _md5(part) for part in parts}

    def _open(self) -> tuple[Any, str]:
        """Return fsspec's file system, and the path in it."""
        if isinstance(self.address, DvcAddress):
            from dvc.api import DVCFileSystem

            repo = self.address.repo
            repo = repo if "://" in repo or "@" in repo else str(self.root / repo)
            return DVCFileSystem(repo, rev=self.address.rev), self.address.path
        return addresses.file_system(self.address, self.root)

    def _readable(self) -> AbstractContextManager[None]:
        return addresses.in_one_line(
            DataError,
            f"{self.shown}: cannot be fetched",
            "; correct data.source in params.yaml, or see whether this machine may read it",
        )


def md5s(info: Mapping[str, Any]) -> frozenset[str]:
    """Find what may be a file's MD5 in what a store tells of it.

    A value that is something else does no harm: it equals no MD5 of a table.

    Examples
    --------
    >>> md5s({"size": 3, "ETag": '"900150983cd24fb0d6963f7d28e17f72"'})
    frozenset({'900150983cd24fb0d6963f7d28e17f72'})
    """
    nested = info.get("content_settings") or {}  # Azure
    pairs = [*info.items(), *(dict(nested).items() if isinstance(nested, Mapping) else ())]
    values = [value for key, value in pairs if str(key).lower() in _MD5_KEYS]
    entry = getattr((info.get("dvc_info") or {}).get("entry"), "hash_info", None)  # DVC
    values.append(getattr(entry, "value", None))
    return frozenset(found for value in values if (found := _hexadecimal(value)))


def _hexadecimal(value: object) -> str:
    if isinstance(value, (bytes, bytearray)):
        return value.hex()
    text = str(value).strip('"')
    if re.fullmatch("[0-9a-fA-F]{32}", text):
        return text.lower()
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return ""
    return decoded.hex() if len(decoded) == 16 else ""


def _copy(folder: str, target: Path) -> None:
    try:
        shutil.copytree(folder, target)
    except shutil.Error as error:
        _, _, why = error.args[0][0]  # of all that could not be copied
        raise OSError(why) from error


def _md5(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "md5").hexdigest()
