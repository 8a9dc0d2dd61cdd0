"""A CSV file as UTF-8 text, a block at a time; errors are about the *file*."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from typing import TYPE_CHECKING, BinaryIO

from churn.core.errors import DataError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BLOCK = 1 << 20  # bytes
_CONFLICT_MARKERS = (b"\n<<<<<<< ", b"\n>>>>>>> ")
_LONGEST = max(map(len, _CONFLICT_MARKERS))


class Decoded(io.RawIOBase):
    """A file's text as UTF-8, without a byte order mark.

    Parameters
    ----------
    stream : binary file
        Closed with this object.
    name : str
        For messages; `gzip` is undone if it ends in ``.gz``.
    encoding : str
        As `data.csv.encoding`.

    Raises
    ------
    DataError
        While it is read: if the file is damaged, is no text of that encoding, or has a
        merge-conflict marker.
    """

    def __init__(self, stream: BinaryIO, name: str, encoding: str) -> None:
        self._file, self._name, self._encoding = stream, name, encoding
        packed = name.lower().endswith(".gz")
        self._stream = gzip.GzipFile(fileobj=stream) if packed else stream
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._line = 1  # in which the next block begins
        self._tail = b"\n"  # the end of the last block, in which a marker may begin
        self._ready = memoryview(b"")
        self._is_first, self._is_last = True, False

    def readable(self) -> bool:
        """Say so."""
        return True

    def head(self, size: int) -> bytes:
        """Return what comes next, up to `size` bytes or a block more, without going on."""
        while len(self._ready) < size and not self._is_last:
            self._ready = memoryview(bytes(self._ready) + self._next())
        return bytes(self._ready)

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill a buffer; 0 at the end."""
        while not self._ready and not self._is_last:
            self._ready = memoryview(self._next())
        target = memoryview(buffer).cast("B")
        count = min(len(target), len(self._ready))
        target[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
        self._file.close()
        super().close()

    def _next(self) -> bytes:
        try:
            block = self._stream.read(_BLOCK)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise DataError(
                f"{self._name}: damaged ({error}); get it again with `dvc pull`"
            ) from error
        self._is_last = not block
        text = self._checked(block) if self._encoding == "utf-8" else self._converted(block)
        self._refuse_conflict_markers(text)
        self._line += text.count(b"\n")
        self._is_first = self._is_first and not text
        return text

    def _checked(self, block: bytes) -> bytes:
        """Return UTF-8 as it is."""
        if self._is_first:
            block = block.removeprefix(codecs.BOM_UTF8)
            if block.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                raise DataError(
                    f"{self._name}: written as UTF-16; set data.csv.encoding: utf-16 in params.yaml"
                )
        if b"\0" in block:
            raise DataError(
                f"{self._name}: not a CSV file (it holds binary data); export it as CSV"
            )
        try:
            self._decoder.decode(block, self._is_last)
        except UnicodeDecodeError as error:
            line = self._line + error.object[: error.start].count(b"\n")
            raise DataError(
                f"{self._name}: no UTF-8 text in line {line}; set data.csv.encoding in params.yaml"
                " (Excel writes cp1252)"
            ) from error
        return block

    def _converted(self, block: bytes) -> bytes:
        try:
            text = self._decoder.decode(block, self._is_last)
            return (text.removeprefix("\ufeff") if self._is_first else text).encode()
        except UnicodeError as error:
            raise DataError(
                f"{self._name}: no {self._encoding} text; correct data.csv.encoding in params.yaml"
            ) from error

    def _refuse_conflict_markers(self, text: bytes) -> None:
        seen = self._tail + text
        for marker in _CONFLICT_MARKERS:
            if (place := seen.find(marker)) >= 0:
                # The lines of the tail are counted already.
                line = self._line + seen[: place + 1].count(b"\n") - self._tail.count(b"\n")
                raise DataError(
                    f"{self._name}: merge-conflict marker in line {line};"
                    " choose one side, then `dvc add data`"
                )
        self._tail = seen[-(_LONGEST - 1) :]
