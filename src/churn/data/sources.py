"""Which files a table is in."""

from __future__ import annotations

import hashlib
from pathlib import Path


def files(path: Path) -> list[Path]:
    """Return the files that `data.path` means, in the order of their names.

    Parameters
    ----------
    path : Path
        A file; a folder of Parquet files, as Spark writes it; or a pattern such as
        ``data/part-*.csv``.

    Returns
    -------
    list of Path
        Empty where there is none.
    """
    if path.is_file():
        return [path]
    if path.is_dir():
        # Beside the parts lie Spark's own notes.
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
    """Digest a table: that of its file, or of its files' digests in their order.

    Parameters
    ----------
    path : Path
        See `files`.
    algorithm : str
        As `hashlib` names it.

    Returns
    -------
    str or None
        Hexadecimal digits; None where there is no file.
    """
    found = []
    for file in files(path):
        with file.open("rb") as stream:
            found.append(hashlib.file_digest(stream, algorithm).hexdigest())
    if len(found) > 1:
        together = "".join(found).encode()
        return hashlib.new(algorithm, together, usedforsecurity=False).hexdigest()
    return found[0] if found else None
