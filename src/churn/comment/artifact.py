"""The report as an artifact: chosen by its listing, then unpacked as if it wanted to do harm."""

from __future__ import annotations

import io
import re
import stat
import unicodedata
import zipfile
from typing import Any

from churn.errors import ChurnError

NAME = "comment"
MEMBER = "report.md"
MAX_ARCHIVE_BYTES = 1_000_000
MAX_CHARACTERS = 60_000
_MAX_BYTES = 4 * MAX_CHARACTERS
_HEADING = re.compile(r"## (?:✅|❌) \S")
# Fillers and an empty pattern, which are letters or signs by their category, and tags.
_BLANK = re.compile("[\u115f\u1160\u2800\u3164\U000e0000-\U000e007f]")
_ALLOWED = {"\n", "\t", "\u200b"}  # the last is what the report breaks mentions with


class RefusedError(ChurnError):
    """The report is not one that this project writes; the message holds no word of it."""


def newest(listed: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Choose the run's artifact: the last attempt's where a run was repeated.

    Raises
    ------
    RefusedError
        If it is larger than any report of ours, before a byte of it is read.
    """
    ours = [a for a in listed if a["name"] == NAME and not a["expired"]]
    if not ours:
        return None
    chosen = max(ours, key=lambda artifact: int(artifact["id"]))
    if chosen["size_in_bytes"] > MAX_ARCHIVE_BYTES:
        raise RefusedError(f"the artifact is larger than {MAX_ARCHIVE_BYTES:,} bytes")
    return chosen


def unpack(archive: bytes) -> str:
    """Read the report from the bytes of a zip file.

    Nothing is written to disk, and never more is unpacked than a report may have.

    Raises
    ------
    RefusedError
        If the archive holds anything but one plain file of the expected name, or if that file is
        not a report.
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
    return decode(content)


def decode(content: bytes) -> str:
    """Read a report's text.

    Raises
    ------
    RefusedError
        If it is not UTF-8, holds hidden or control characters, is too long, or does not begin as a
        report.
    """
    try:
        text = content.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise RefusedError("the report is not UTF-8") from error
    if has_hidden_characters(text):
        raise RefusedError("the report holds hidden or control characters")
    if len(text) > MAX_CHARACTERS:
        raise RefusedError(f"the report has more than {MAX_CHARACTERS:,} characters")
    if not _HEADING.match(text):
        raise RefusedError("the report does not begin with its heading")
    return text


def has_hidden_characters(text: str) -> bool:
    """Tell whether a text holds what nobody sees, or turns the order of what follows around.

    Such text reads otherwise than it is: to a person, or to a program that is given the comment.
    """
    if _BLANK.search(text):
        return True
    return any(unicodedata.category(c) in ("Cc", "Cf") for c in set(text) - _ALLOWED)
