"""The files of the prediction log: where they are, and which of them are removed."""

from __future__ import annotations

import logging
import os
import re
import socket
import threading
from datetime import UTC, date, datetime, timedelta
from typing import Any

from fsspec.implementations.local import LocalFileSystem

from churn.core import addresses
from churn.core.errors import ParamsError
from churn.core.files import is_alive

_logger = logging.getLogger("churn.serve")
_DAY = re.compile(r"day=(\d{4}-\d{2}-\d{2})")
_LOOK_S = 3600.0
# The host is there because a folder may be shared, and a process id is one machine's.
_HOST = re.sub(r"[^\w-]", "-", socket.gethostname())
_PART = re.compile(rf"\..*@{re.escape(_HOST)}@(\d+)\.part")


def file_system(address: str) -> tuple[Any, str]:
    """Return the file system of a log's address, and the folder in it.

    Raises
    ------
    ParamsError
        If fsspec does not know it.
    """
    try:
        files, folder = addresses.file_system(address)
    except (ValueError, ImportError) as error:
        raise ParamsError(f"serve.log: {addresses.public(address)}: {error}") from error
    return files, folder.rstrip("/")


def of_days(files: Any, folder: str, first: str = "", last: str = "9999") -> dict[str, list[str]]:
    """Return the files of each day from `first` to `last` (YYYY-MM-DD) that has any, in order.

    Raises
    ------
    OSError
        If one of these days cannot be listed. fsspec's own `glob` would leave it out.
    """
    found: dict[str, list[str]] = {}
    for day in sorted(_names(files, folder)):
        match = _DAY.fullmatch(day.rpartition("/")[2])
        if match and first <= match[1] <= last and _day(match[1]) is not None:
            paths = sorted(path for path in _names(files, day) if path.endswith(".parquet"))
            if paths:
                found[match[1]] = paths
    return found


def _names(files: Any, folder: str) -> list[str]:
    """Return what is in a folder; nothing if it is not there yet, or was removed meanwhile."""
    try:
        return [path.rstrip("/") for path in files.ls(folder, detail=False)]
    except FileNotFoundError:
        return []


def day_folder(folder: str, moment: float) -> str:
    """Return the folder for predictions of a moment, in seconds since 1970; days are UTC's."""
    return f"{folder}/day={datetime.fromtimestamp(moment, UTC).date().isoformat()}"


def part(name: str) -> str:
    """Return what this process calls a file that it has not finished."""
    return f".{name}@{_HOST}@{os.getpid()}.part"


def remove_parts(address: str) -> int:
    """Remove the unfinished files of processes of this machine that have ended.

    Returns
    -------
    int
        How many there were. An object store has none: an object is there when it is complete.
    """
    files, folder = file_system(address)
    if not isinstance(files, LocalFileSystem):
        return 0
    found = 0
    for path in files.glob(f"{folder}/day=*/.*.part"):
        match = _PART.fullmatch(path.rpartition("/")[2])
        if match and not is_alive(int(match[1])):
            os.remove(path)  # noqa: PTH107 (fsspec's paths are text)
            found += 1
    return found


def remove_days(address: str, before: date) -> list[date]:
    """Remove the folders of the days before one.

    Parameters
    ----------
    address : str
        As for `churn.serve.prediction_log.PredictionLog`.
    before : date
        The first day that is kept.

    Returns
    -------
    list of date
        What was removed, oldest first. Whatever else is there is left alone.
    """
    files, folder = file_system(address)
    files.invalidate_cache()  # other processes write there
    found = []
    for path in _names(files, folder):
        match = _DAY.fullmatch(path.rpartition("/")[2])
        if match and (day := _day(match[1])) is not None and day < before:
            files.rm(path, recursive=True)
            found.append(day)
    return sorted(found)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


class Retention(threading.Thread):
    """Removes old days of a log each hour, until the process ends.

    Parameters
    ----------
    address : str
    days : int
        Number of days that are kept, beside today.
    """

    def __init__(self, address: str, days: int) -> None:
        super().__init__(name="retention", daemon=True)
        self._address, self._days = address, days
        self._ended = threading.Event()

    def run(self) -> None:
        """Look each hour; what fails is told, and tried again at the next look."""
        while True:
            try:
                self.look(datetime.now(UTC).date())
            except Exception as error:  # each file system has its own
                _logger.error("prediction log: old days could not be removed: %s", error)
            if self._ended.wait(_LOOK_S):
                return

    def look(self, today: date) -> None:
        """Remove what is too old on a day."""
        removed = remove_days(self._address, today - timedelta(days=self._days))
        if removed:
            _logger.info(
                "prediction log: removed %s (serve.log_days)", ", ".join(map(str, removed))
            )

    def stop(self) -> None:
        """Look no more."""
        self._ended.set()
