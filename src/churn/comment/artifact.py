"""The review as an artifact: chosen by its listing, then read as if it wanted to do harm."""

from __future__ import annotations

import io
import json
import stat
import zipfile
from typing import Any

from churn.errors import ChurnError
from churn.report.facts import Facts, read

NAME = "comment"
MEMBER = "review.json"
MAX_ARCHIVE_BYTES = 1_000_000
_MAX_BYTES = 4_000_000


class RefusedError(ChurnError):
    """The review is not one that this project writes; the message holds no word of it."""


def newest(listed: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Choose the run's artifact: the last attempt's where a run was repeated.

    Raises
    ------
    RefusedError
        If it is larger than any review of ours, before a byte of it is read.
    """
    ours = [a for a in listed if a["name"] == NAME and not a["expired"]]
    if not ours:
        return None
    chosen = max(ours, key=lambda artifact: int(artifact["id"]))
    if chosen["size_in_bytes"] > MAX_ARCHIVE_BYTES:
        raise RefusedError(f"the artifact is larger than {MAX_ARCHIVE_BYTES:,} bytes")
    return chosen


def unpack(archive: bytes) -> Facts:
    """Read the facts from the bytes of a zip file.

    Nothing is written to disk, and never more is unpacked than a review may have.

    Raises
    ------
    RefusedError
        If the archive holds anything but one plain file of the expected name, or if that file is
        no review.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            members = opened.infolist()
            if [member.filename for member in members] != [MEMBER]:
                raise RefusedError(f"the artifact holds something else than one {MEMBER}")
            kind = stat.S_IFMT(members[0].external_attr >> 16)
            if kind not in (0, stat.S_IFREG) or members[0].flag_bits & 1:
                raise RefusedError(f"{MEMBER} is a link, a folder or encrypted")
            with opened.open(members[0]) as file:
                content = file.read(_MAX_BYTES + 1)
    except RefusedError:
        raise
    except Exception as error:  # zipfile raises half a dozen kinds on damaged archives
        raise RefusedError("the artifact is not a zip file, or a damaged one") from error
    if len(content) > _MAX_BYTES:
        raise RefusedError(f"{MEMBER} unpacks to more than {_MAX_BYTES:,} bytes")
    try:
        document = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"{MEMBER} is not JSON") from error
    try:
        return read(document)
    except ValueError as error:
        raise RefusedError(f"{MEMBER} is not as main's code expects it: {error}") from error
