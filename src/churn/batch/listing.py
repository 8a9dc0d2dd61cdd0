"""List the files of an input, or say why that is not possible: none is left out in silence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

from churn.core import addresses
from churn.core.errors import DataError

Info = Mapping[str, Any]  # what a store tells of a file; each has keys of its own
MAGIC = re.compile(r"[*?[]")
_TABLE = re.compile(r"\.(csv|tsv|parquet)(\.gz)?$", re.IGNORECASE)


def listed(address: str) -> tuple[Any, dict[str, Info], list[str]]:
    """List an input.

    Parameters
    ----------
    address : str
        As for `churn.batch.inputs.found`.

    Returns
    -------
    files : file system
    tables : dict of str to mapping
        What the store tells of each file, by its path below the folder of the input.
    others : list of str
        The paths of files that are no tables.

    Raises
    ------
    DataError
        If the address, or a folder in it, cannot be read.
    """
    with addresses.in_one_line(DataError, f"{addresses.public(address)}: cannot be read"):
        files, path = addresses.file_system(address)
        path = path.rstrip("/")
        files.invalidate_cache()
        try:
            info = files.info(path)
        except FileNotFoundError:
            if not (magic := MAGIC.search(path)):
                raise
            base = path[: magic.start()].rpartition("/")[0]
            parts = _below(path, base).split("/")
            matching = _matching(files, base or files.root_marker, parts)
            return files, {_below(one["name"], base): one for one in matching}, []
        if info["type"] == "file":
            return files, {PurePosixPath(path).name: info}, []
        # A bucket is listed as a whole, which is faster.
        below = _all(files, path) if is_local(files) else files.find(path, detail=True).values()
        found = {_below(one["name"], path): one for one in below}
    tables, others = {}, []
    for relative, info in found.items():
        if any(part.startswith(("_", ".")) for part in relative.split("/")):
            continue  # such as Spark's _SUCCESS
        if info["name"].endswith("/"):
            continue  # an empty object, as a bucket may hold for a folder
        if _TABLE.search(relative):
            tables[relative] = info
        else:
            others.append(relative)
    return files, tables, others


def is_local(files: Any) -> bool:
    """Tell whether a file system is this machine's."""
    return "file" in (files.protocol, *files.protocol)


def _in(files: Any, folder: str) -> Iterator[Info]:
    """Give what is in a folder; of a link, what it leads to.

    Where a folder cannot be listed it raises. fsspec's own `find` and `glob` leave out that folder,
    and do not say so.
    """
    for info in files.ls(folder, detail=True):
        if info["name"].rstrip("/") != folder.rstrip("/"):  # as a bucket may hold a folder
            yield _followed(files, info) if info.get("islink") else info


def _followed(files: Any, link: Info) -> Info:
    try:
        found: Info = files.info(link["name"])
    except FileNotFoundError:  # an editor's lock; of a table, it is told when it is opened
        return link
    return found


def _all(files: Any, folder: str) -> Iterator[Info]:
    for info in _in(files, folder):
        if info["type"] == "directory" and not info["islink"]:  # which may lead back here
            yield from _all(files, info["name"])
        else:
            yield info


def _matching(files: Any, folder: str, parts: Sequence[str]) -> Iterator[Info]:
    """Give the files below a folder that match a pattern, by the parts of its path."""
    first, rest = parts[0], parts[1:]
    if first == "**" and rest:
        yield from _matching(files, folder, rest)
    for info in _in(files, folder):
        is_folder = info["type"] == "directory"
        if first == "**":
            if is_folder and not info.get("islink"):
                yield from _matching(files, info["name"], parts)
            elif not is_folder and not rest:
                yield info
        elif fnmatchcase(info["name"].rstrip("/").rpartition("/")[2], first):
            if is_folder and rest:
                yield from _matching(files, info["name"], rest)
            elif not is_folder and not rest:
                yield info


def _below(name: str, folder: str) -> str:
    return name.removeprefix(folder).lstrip("/")
