"""A zip file that somebody else has made, unpacked as if it wanted to do harm."""

from __future__ import annotations

import io
import re
import shutil
import stat
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from churn.errors import ChurnError

MAX_FILES = 1000
MAX_BYTES = 1_000_000_000  # unpacked
# Neither "..", nor absolute, nor hidden, nor anything that a shell or a system takes for more than
# a name; no deeper than what is packed here.
_NAME = re.compile(r"\w[\w.-]{0,99}(?:/\w[\w.-]{0,99}){0,4}", re.ASCII)
# The others may ask for gigabytes of memory to unpack a few bytes.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1


class ArchiveError(ChurnError):
    """An archive is damaged, or holds what it should not; the message repeats none of its names."""


def unpack(content: bytes, folder: Path) -> None:
    """Unpack plain files into a new folder.

    Parameters
    ----------
    content : bytes
        Of the zip file.
    folder : Path
        Made here. If this fails, whatever it holds then is the caller's to remove.

    Raises
    ------
    ArchiveError
        If the archive is damaged, holds anything but plain files with plain names, or too much of
        them.
    """
    folder.mkdir()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as opened:
            members = [member for member in opened.infolist() if not _is_folder(member)]
            _require_harmless(members)
            for member in members:
                target = folder / member.filename
                target.parent.mkdir(parents=True, exist_ok=True)
                # No more is written than was announced: that is all that zipfile gives.
                with opened.open(member) as source, target.open("xb") as copy:
                    shutil.copyfileobj(source, copy)
    except (ArchiveError, OSError):  # the latter of the disk: the archive is in memory
        raise
    except Exception as error:  # zipfile raises half a dozen kinds on damaged archives
        raise ArchiveError("no zip file, or a damaged one") from error


def _is_folder(member: zipfile.ZipInfo) -> bool:
    return member.is_dir() and not member.file_size


def _require_harmless(members: Sequence[zipfile.ZipInfo]) -> None:
    if len(members) > MAX_FILES:
        raise ArchiveError(f"more than {MAX_FILES:,} files")
    if sum(member.file_size for member in members) > MAX_BYTES:
        raise ArchiveError(f"more than {MAX_BYTES:,} bytes")
    for member in members:
        # The original: zipfile cuts a name at its first zero byte.
        if not _NAME.fullmatch(member.orig_filename):
            raise ArchiveError("a name that leads elsewhere, or is no plain one")
        if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG):
            raise ArchiveError("a link, or something else that is no file")
        if member.flag_bits & _ENCRYPTED or member.compress_type not in _METHODS:
            raise ArchiveError("a file that is encrypted, or packed in an unusual way")
    _require_distinct([member.filename for member in members])


def _require_distinct(names: Sequence[str]) -> None:
    """Make sure that no name is taken twice, on systems that tell no case apart as well."""
    alike = [name.casefold() for name in names]
    folders = {str(parent) for name in alike for parent in PurePosixPath(name).parents}
    if len(set(alike)) != len(alike) or folders.intersection(alike):
        raise ArchiveError("two files of one name")
