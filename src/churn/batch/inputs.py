"""The files of an input: a file, a folder, a pattern, or the same at an address."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, BinaryIO, cast

from churn.core import addresses
from churn.core.errors import DataError
from churn.core.progress import announce
from churn.data.streams import File

_TABLE = re.compile(r"\.(csv|tsv|parquet)(\.gz)?$", re.IGNORECASE)
_MAGIC = re.compile(r"[*?[]")


class Meter:
    """Counts the bytes of a file that are read from its beginning to its end."""

    def __init__(self) -> None:
        self.bytes = 0

    def of(self, stream: BinaryIO) -> BinaryIO:
        """Return the file, counted."""
        read = stream.read

        def counted(size: int = -1) -> bytes:
            block = read(size)
            self.bytes += len(block)
            return block

        return cast(BinaryIO, _Counted(counted, stream.close))


class _Counted:
    def __init__(self, read: Callable[[int], bytes], close: Callable[[], None]) -> None:
        self.read, self.close = read, close


@dataclass(frozen=True)
class Input:
    """A file of the input.

    Attributes
    ----------
    file : File
    relative : str
        Its path below the folder of the input; the output has one of this name.
    stamp : str
        Changes when the file does.
    meter : Meter
        How much of it was read, if it is CSV.
    """

    file: File
    relative: str
    stamp: str
    meter: Meter


def found(address: str) -> list[Input]:
    """Return the files of an input, in the order of their names.

    Parameters
    ----------
    address : str
        A file; a folder with CSV or Parquet files, such as Spark writes; a pattern such as
        ``data/part-*.csv``; or an address of one of these that fsspec knows. Below a folder, names
        that begin with ``_`` or ``.`` are left out.

    Raises
    ------
    DataError
        If there are none, a folder has both kinds, or the address cannot be read.
    """
    shown = addresses.public(address)
    with addresses.in_one_line(DataError, f"{shown}: cannot be read"):
        files, path = addresses.file_system(address)
        listed = dict(_listed(files, path.rstrip("/")))
    if not listed:
        raise DataError(f"{shown}: no CSV or Parquet files there")
    several = len(listed) > 1
    result = [
        _input(files, info, relative, _named(address, relative, several))
        for relative, info in sorted(listed.items())
    ]
    kinds = {"parquet" if one.file.kind == "parquet" else "csv" for one in result}
    if len(kinds) > 1:
        raise DataError(
            f"{shown}: holds both CSV and Parquet files; name one kind, as in {shown}/*.parquet"
        )
    return result


def _input(files: Any, info: Mapping[str, Any], relative: str, name: str) -> Input:
    meter = Meter()
    is_parquet = relative.lower().endswith(".parquet")

    def opened() -> BinaryIO:
        with addresses.in_one_line(DataError, f"{name}: cannot be read"):
            stream: BinaryIO = files.open(info["name"], "rb")
        return stream if is_parquet else meter.of(stream)

    is_remote = "file" not in (files.protocol, *files.protocol)
    return Input(File(name, int(info["size"]), opened, is_remote), relative, _stamp(info), meter)


def _listed(files: Any, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Give what the store tells of each file, by its path below the folder of the input."""
    try:
        info = files.info(path)
    except FileNotFoundError:
        if not _MAGIC.search(path):
            raise
        base = path[: _MAGIC.search(path).start()].rpartition("/")[0]  # type: ignore[union-attr]
        matched = files.glob(path, detail=True)
        for name, info in matched.items():
            if info["type"] == "file":
                yield _below(name, base), info
        return
    if info["type"] == "file":
        yield PurePosixPath(path).name, info
        return
    others = []
    for name, info in files.find(path, detail=True).items():
        relative = _below(name, path)
        if any(part.startswith(("_", ".")) for part in relative.split("/")):
            continue  # such as Spark's _SUCCESS
        if _TABLE.search(relative):
            yield relative, info
        else:
            others.append(relative)
    if others:
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        announce(f"left out, neither CSV nor Parquet: {', '.join(sorted(others)[:3])}{more}")


def _below(name: str, folder: str) -> str:
    return name.removeprefix(folder).lstrip("/")


def _named(address: str, relative: str, several: bool) -> str:
    """Return how a file is called in messages."""
    shown = addresses.public(address)
    if not several and shown.rpartition("/")[2] == relative.rpartition("/")[2]:
        return shown
    if magic := _MAGIC.search(shown):
        shown = shown[: magic.start()].rpartition("/")[0]
    return f"{shown.rstrip('/')}/{relative}" if shown else relative


def _stamp(info: Mapping[str, Any]) -> str:
    moment = next(
        (str(info[key]) for key in ("ETag", "etag", "md5Hash", "LastModified", "last_modified",
                                    "mtime", "created") if info.get(key)),
        "",
    )  # fmt: skip
    return f"{info['size']} {moment}".strip()
