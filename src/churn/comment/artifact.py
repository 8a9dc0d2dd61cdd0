"""The review as an artifact: chosen by its listing, then read as if it wanted to do harm."""

from __future__ import annotations

import io
import json
import stat
import zipfile

from churn.core.errors import ChurnError
from churn.provenance.github import Repository
from churn.review.report.facts import Facts, read

NAME, MEMBER = "comment", "review.json"
MAX_ARCHIVE_BYTES, _MAX_BYTES = 1_000_000, 4_000_000
# The others may ask for gigabytes of memory to unpack a few bytes.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class RefusedError(ChurnError):
    """The review is not one that this project writes; the message holds no word of it."""


def fetch(repository: Repository, run_id: int) -> Facts | None:
    """Get what a run's review has found; None where it has left none.

    Raises
    ------
    RefusedError
        If it is too large, damaged, or not of the shape that main's code knows.
    """
    listed = repository.artifacts(run_id, NAME)
    ours = [entry for entry in listed if entry.name == NAME and not entry.expired]
    if not ours:
        return None
    chosen = max(ours, key=lambda entry: entry.id)  # the last attempt's
    too_large = chosen.size_in_bytes > MAX_ARCHIVE_BYTES
    archive = b"" if too_large else repository.download(chosen.id, MAX_ARCHIVE_BYTES)
    if too_large or len(archive) > MAX_ARCHIVE_BYTES:
        raise RefusedError(f"the artifact is larger than {MAX_ARCHIVE_BYTES:,} bytes")
    return unpack(archive)


def unpack(archive: bytes) -> Facts:
    """Read the facts from the bytes of a zip file; nothing is written to disk.

    Raises
    ------
    RefusedError
        If it holds anything but one plain file of the expected name, with facts in it.
    """
    try:
        document = json.loads(_member(archive).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"{MEMBER} is not JSON") from error
    try:
        return read(document)
    except ValueError as error:
        raise RefusedError(f"{MEMBER} is not as main's code expects it: {error}") from error


def _member(archive: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            first, *more = opened.infolist()
            if more or first.filename != MEMBER:
                raise RefusedError(f"the artifact holds something else than one {MEMBER}")
            kind, packed = stat.S_IFMT(first.external_attr >> 16), first.compress_type
            if kind not in (0, stat.S_IFREG) or packed not in _METHODS or first.flag_bits & 1:
                raise RefusedError(f"{MEMBER} is a link, a folder, encrypted, or oddly packed")
            with opened.open(first) as file:
                content = file.read(_MAX_BYTES + 1)
    except RefusedError:
        raise
    except Exception as error:  # zipfile raises half a dozen kinds on damaged archives
        raise RefusedError("the artifact is not a zip file, or a damaged one") from error
    if len(content) > _MAX_BYTES:
        raise RefusedError(f"{MEMBER} unpacks to more than {_MAX_BYTES:,} bytes")
    return content
