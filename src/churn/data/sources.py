"""Which files a table is in."""

from __future__ import annotations

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
