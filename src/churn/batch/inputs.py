"""The files of an input: a file, a folder, a pattern, or the same at an address."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from churn.batch import listing
from churn.batch.listing import MAGIC, Info
from churn.core import addresses
from churn.core.errors import DataError
from churn.core.progress import announce
from churn.data.streams import File


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
    files, listed, others = listing.listed(address)
    if others:
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        announce(f"left out, neither CSV nor Parquet: {', '.join(sorted(others)[:3])}{more}")
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


def changed(address: str, before: Sequence[Input]) -> str | None:
    """Return the name of a file that is no longer as `found` has listed it; None if all are.

    Raises
    ------
    DataError
        If the address cannot be read.
    """
    _, listed, _ = listing.listed(address)
    for one in before:
        if one.relative not in listed or _stamp(listed[one.relative]) != one.stamp:
            return one.file.name
    return None


def _input(files: Any, info: Info, relative: str, name: str) -> Input:
    meter = Meter()
    is_parquet = relative.lower().removesuffix(".gz").endswith(".parquet")  # not read as a stream

    def opened() -> BinaryIO:
        with addresses.in_one_line(DataError, f"{name}: cannot be read"):
            stream: BinaryIO = files.open(info["name"], "rb")
        return stream if is_parquet else meter.of(stream)

    file = File(name, int(info["size"]), opened, remote=not listing.is_local(files))
    return Input(file, relative, _stamp(info), meter)


def _named(address: str, relative: str, several: bool) -> str:
    """Return how a file is called in messages."""
    shown = addresses.public(address)
    if not several and shown.rpartition("/")[2] == relative.rpartition("/")[2]:
        return shown
    if magic := MAGIC.search(shown):
        shown = shown[: magic.start()].rpartition("/")[0]
    return f"{shown.rstrip('/')}/{relative}" if shown else relative


def _stamp(info: Info) -> str:
    moment = next(
        (str(info[key]) for key in ("ETag", "etag", "md5Hash", "LastModified", "last_modified",
                                    "mtime", "created") if info.get(key)),
        "",
    )  # fmt: skip
    return f"{info['size']} {moment}".strip()
