"""Download the review from the run's artifacts and validate it as untrusted input."""

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
# Other methods may need gigabytes of memory to unpack a few bytes.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class RefusedError(ChurnError):
    """The review is invalid; the message quotes nothing of it."""


def fetch(repository: Repository, run_id: int) -> Facts | None:
    """Download the review of a run; None if the run has uploaded none.

    Raises
    ------
    RefusedError
        If it is too large, damaged, or does not match main's schema.
    """
    listed = repository.artifacts(run_id, NAME)
    ours = [entry for entry in listed if entry.name == NAME and not entry.expired]
    if not ours:
        return None
    latest = max(ours, key=lambda entry: entry.id)  # from the last attempt
    too_large = latest.size_in_bytes > MAX_ARCHIVE_BYTES
    archive = b"" if too_large else repository.download(latest.id, MAX_ARCHIVE_BYTES)
    if too_large or len(archive) > MAX_ARCHIVE_BYTES:
        raise RefusedError(f"the artifact is larger than {MAX_ARCHIVE_BYTES:,} bytes")
    return unpack(archive)


def unpack(archive: bytes) -> Facts:
    """Read the facts from the bytes of a zip archive; nothing is written to disk.

    Raises
    ------
    RefusedError
        If the archive is not exactly one regular file of the expected name with valid facts.
    """
    try:
        document = json.loads(_member(archive).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"{MEMBER} is not JSON") from error
    try:
        return read(document)
    except ValueError as error:
        raise RefusedError(f"{MEMBER} does not match main's schema: {error}") from error


def _member(archive: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            first, *more = opened.infolist()
            if more or first.filename != MEMBER:
                raise RefusedError(f"the artifact holds more or other files than {MEMBER}")
            kind, packed = stat.S_IFMT(first.external_attr >> 16), first.compress_type
            if kind not in (0, stat.S_IFREG) or packed not in _METHODS or first.flag_bits & 1:
                raise RefusedError(
                    f"{MEMBER} is a link, a folder, encrypted, or packed by an unsupported method"
                )
            with opened.open(first) as file:
                content = file.read(_MAX_BYTES + 1)
    except RefusedError:
        raise
    except Exception as error:  # zipfile raises half a dozen kinds on damaged archives
        raise RefusedError("the artifact is not a zip file, or is damaged") from error
    if len(content) > _MAX_BYTES:
        raise RefusedError(f"{MEMBER} unpacks to more than {_MAX_BYTES:,} bytes")
    return content
