"""Addresses of files that fsspec knows: open them, and name them in messages without secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from churn.core.errors import ChurnError


def is_address(text: str) -> bool:
    """Tell an address, such as ``s3://bucket/key``, from a path."""
    return "://" in text or "::" in text


def file_system(address: str, root: Path = Path()) -> tuple[Any, str]:
    """Return fsspec's file system of an address or path, and the path in it.

    Raises
    ------
    ValueError, ImportError
        If the address is of a kind that is not known here.
    """
    from fsspec.core import url_to_fs

    found: tuple[Any, str] = url_to_fs(
        address if is_address(address) else str((root / address).absolute())
    )
    return found


def place(text: str) -> str:
    """Return the folder that an address or path means, to be compared with others.

    Returns
    -------
    str
        Ends in a slash, so that what is in it begins with it. Links of this machine are followed.
    """
    if is_address(text) and not text.startswith("file:///"):
        return text.rstrip("/") + "/"
    return f"{Path(re.sub('^file:(//)?(?=/)', '', text)).resolve()}".rstrip("/") + "/"


def public(address: str) -> str:
    """Leave out a user, a password, and the query, in which signed addresses have their key."""
    if "://" not in address:
        return address
    parts = urlsplit(address)
    shown = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    return without_secrets(shown)  # another address may follow, as in zip://a.csv::https://…


def reason(error: Exception) -> str:
    """Say in one line, without secrets, what the library of any store reports."""
    if isinstance(error, FileNotFoundError):
        return "not there"
    told = error.strerror if isinstance(error, OSError) else None
    lines = (told or str(error)).strip().splitlines() or [""]
    said = without_secrets(lines[0])
    return (said if told else f"{type(error).__name__}: {said}")[:200].removesuffix(": ")


def without_secrets(text: str) -> str:
    """Leave out what `public` does of all addresses in a text that others have written."""
    return re.sub(r"[?][^ ]*", "", re.sub(r"(://)[^/\s@]*@", r"\1", text))


@contextmanager
def in_one_line(
    kind: type[ChurnError],
    what: str,
    hint: str = "",
    errors: tuple[type[Exception], ...] = (Exception,),
) -> Iterator[None]:
    """Turn an error of a disk, or of the library of any store, into one line.

    Parameters
    ----------
    kind : type
        The error to raise.
    what : str
        What is not possible, such as ``s3://bucket/table: cannot be read``.
    hint : str, optional
        What to do about it.
    errors : tuple of type, optional
        Which errors; default is all, because each store's library has its own.
    """
    try:
        yield
    except ChurnError:
        raise
    except errors as error:
        raise kind(f"{what} ({reason(error)}){hint}") from error
