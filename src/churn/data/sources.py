"""The files of a table."""

from __future__ import annotations

import hashlib
from pathlib import Path


def files(path: Path) -> list[Path]:
    """Return the files that a path names, sorted by name.

    Parameters
    ----------
    path : Path
        A file; a folder of Parquet files, as Spark writes it; or a pattern such as
        ``data/part-*.csv``.

    Returns
    -------
    list of Path
        Empty if there are none.
    """
    if path.is_file():
        return [path]
    if path.is_dir():
        # Without Spark's own files, such as _SUCCESS.
        return sorted(
            file
            for file in path.rglob("*.parquet")
            if not any(part.startswith(("_", ".")) for part in file.relative_to(path).parts)
        )
    if set(str(path)) & set("*?["):
        pattern = str(path.relative_to(path.anchor))
        return sorted(file for file in Path(path.anchor).glob(pattern) if file.is_file())
    return []


def digest(path: Path, algorithm: str) -> str | None:
    """Digest a table: the digest of its file, or of the digests of its files in their order.

    Parameters
    ----------
    path : Path
        See `files`.
    algorithm : str
        As `hashlib` names it.

    Returns
    -------
    str or None
        Hexadecimal digits; None if there is no file.
    """
    found = []
    for file in files(path):
        with file.open("rb") as stream:
            found.append(hashlib.file_digest(stream, algorithm).hexdigest())
    if len(found) > 1:
        together = "".join(found).encode()
        return hashlib.new(algorithm, together, usedforsecurity=False).hexdigest()
    return found[0] if found else None
