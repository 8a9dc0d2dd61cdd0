"""Zip files of others: what could do harm is refused before it is written."""

from __future__ import annotations

import io
import stat
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from churn import archive


def files_below(folder: Path) -> dict[str, bytes]:
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def bomb() -> bytes:
    made = io.BytesIO()
    with (
        zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as opened,
        opened.open("model/x", "w", force_zip64=True) as member,
    ):
        for _ in range(11):
            member.write(b"\0" * 1_000_000)
    return made.getvalue()


def of_members(*members: zipfile.ZipInfo | str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as opened, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a duplicate
        for member in members:
            opened.writestr(member, "/etc/passwd")
    return made.getvalue()


def special(name: str, kind: int) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)
    member.external_attr = (kind | 0o777) << 16
    return member


def packed_by(method: int) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo("x")
    member.compress_type = method
    return member


def encrypted() -> bytes:
    content = bytearray(of_members("x"))
    content[6] |= 1  # local header
    content[content.index(b"PK\x01\x02") + 8] |= 1  # central directory
    return bytes(content)


def lying() -> bytes:
    """Announce one byte for a member that unpacks to a million."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("x", b"\0" * 1_000_000)
    content = bytearray(made.getvalue())
    for start, offset in ((0, 22), (content.index(b"PK\x01\x02"), 24)):
        content[start + offset : start + offset + 4] = (1).to_bytes(4, "little")
    return bytes(content)


ELSEWHERE = "a name that leads elsewhere"
HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "above": (lambda: of_members("../x"), ELSEWHERE),
    "above, from below": (lambda: of_members("model/../../x"), ELSEWHERE),
    "absolute": (lambda: of_members("/tmp/x"), ELSEWHERE),
    "of another system": (lambda: of_members("C:\\x"), ELSEWHERE),
    "above, of another system": (lambda: of_members("..\\x"), ELSEWHERE),
    "hidden": (lambda: of_members(".bashrc"), ELSEWHERE),
    "no name": (lambda: of_members("model//x"), ELSEWHERE),
    "a line": (lambda: of_members("x\ny"), ELSEWHERE),
    "a zero": (lambda: of_members("xxx").replace(b"xxx", b"x\0x"), ELSEWHERE),
    "long": (lambda: of_members("x" * 101), ELSEWHERE),
    "deep": (lambda: of_members("a/" * 5 + "x"), ELSEWHERE),
    "a folder with bytes": (lambda: of_members("model/"), ELSEWHERE),
    "a link": (lambda: of_members(special("x", stat.S_IFLNK)), "a link, or something else"),
    "a pipe": (lambda: of_members(special("x", stat.S_IFIFO)), "a link, or something else"),
    "a device": (lambda: of_members(special("x", stat.S_IFBLK)), "a link, or something else"),
    "twice": (lambda: of_members("x", "x"), "two files of one name"),
    "twice, in capitals": (lambda: of_members("model/x", "Model/X"), "two files of one name"),
    "a file that is a folder": (lambda: of_members("x", "x/y"), "two files of one name"),
    "a folder that is a file": (lambda: of_members("x/y", "x"), "two files of one name"),
    "many": (lambda: of_members(*(f"x{n}" for n in range(1001))), "more than 1,000 files"),
    "a bomb": (bomb, "more than 10,000,000 bytes"),
    "encrypted": (encrypted, "a file that is encrypted"),
    "packed by lzma": (lambda: of_members(packed_by(zipfile.ZIP_LZMA)), "in an unusual way"),
    "packed by bzip2": (lambda: of_members(packed_by(zipfile.ZIP_BZIP2)), "in an unusual way"),
    "a lie": (lying, "no zip file, or a damaged one"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused_and_writes_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MAX_BYTES", 10_000_000)
    make, why = HOSTILE[name]
    target = tmp_path / "deep" / "target"
    target.parent.mkdir()
    with pytest.raises(archive.ArchiveError, match=why):
        archive.unpack(make(), target)
    assert sum(len(content) for content in files_below(tmp_path).values()) <= 1
    assert all(Path(file).parts[:2] == ("deep", "target") for file in files_below(tmp_path))


def test_folders_in_an_archive_are_no_harm(tmp_path: Path) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as opened:
        opened.mkdir("model")
        opened.writestr("model/x", "y")
    archive.unpack(made.getvalue(), tmp_path / "target")
    assert files_below(tmp_path / "target") == {"model/x": b"y"}


def test_every_damage_is_seen_and_said_in_one_way(tmp_path: Path) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as opened:
        for name in ("model/x", "y"):
            opened.writestr(name, bytes(range(256)) * 9)
    good = made.getvalue()
    half = len(good) // 2
    changed = [good[:at] + bytes([good[at] ^ 0xFF]) + good[at + 1 :] for at in range(len(good))]
    refused = 0
    for number, content in enumerate([b"", b"PK", b"<html>", good[:half], good[half:], *changed]):
        target = tmp_path / str(number)
        try:
            archive.unpack(content, target)
        except archive.ArchiveError:
            refused += 1
        else:  # a date, or another thing that says nothing of the bytes
            assert number >= 5
            assert set(files_below(target).values()) <= {bytes(range(256)) * 9}
    assert refused > len(good) / 2


def test_what_is_wrong_with_the_disk_is_not_the_archive_s_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(archive.shutil, "copyfileobj", full)
    with pytest.raises(OSError, match="no space left"):
        archive.unpack(of_members("x"), tmp_path / "target")
