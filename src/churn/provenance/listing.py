"""The files that ``data.dvc`` names: their MD5s, and the one MD5 of them all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import yaml

from churn.core.errors import ArtifactError
from churn.provenance import tracked_data

Files = Mapping[str, str]


def data_md5(text: str) -> str:
    """Return the MD5 by which the text of a ``data.dvc`` names ``data/``; empty if it names none.

    Examples
    --------
    >>> data_md5("outs: [{md5: 0a1b.dir, path: data}]")
    '0a1b.dir'
    """
    try:
        [out] = yaml.safe_load(text)["outs"]
        return str(out["md5"])
    except (yaml.YAMLError, KeyError, TypeError, ValueError):
        return ""


def folder_md5(files: Files) -> str:
    """Return the MD5 by which DVC names a folder.

    Parameters
    ----------
    files : mapping of str to str
        The MD5 of each file, by its path in the folder.

    Returns
    -------
    str
        The MD5 of DVC's listing of these files, with ``.dir`` at the end.
    """
    listing = [{"md5": md5, "relpath": path} for path, md5 in sorted(files.items())]
    text = json.dumps(listing, sort_keys=True)
    return f"{hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()}.dir"


def files(root: Path) -> dict[str, str]:
    """Return the MD5 of each file in ``data/``, by its path in there.

    The folder's listing is fetched together with the data if it is not in the cache.

    Raises
    ------
    ArtifactError
        If ``data.dvc`` names more than ``data/``, or the data are unavailable.
    """
    tracked_data.require_data_file(root)
    md5 = data_md5((root / "data.dvc").read_text(encoding="utf-8"))
    listing = root / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
    if not listing.exists():
        tracked_data.get(root)
    try:
        return {entry["relpath"]: entry["md5"] for entry in json.loads(listing.read_bytes())}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(
            f"data.dvc: the listing {md5} cannot be read; run dvc fetch data.dvc"
        ) from error
