"""Get the model of a run; apart from what predicts, because MLflow takes seconds to import."""

from __future__ import annotations

import tempfile
from pathlib import Path

from churn.provenance.candidate import model_digest
from churn.registry import loading
from churn.serve.store import Loadable, Store


def fetch(uri: str, root: Path, store: Store) -> Loadable:
    """Put the model that an address names, verified, into a store.

    Parameters
    ----------
    uri : str
        As for `churn.registry.loading.fetch`.
    root : Path
        Folder of the local MLflow store.
    store : Store

    Raises
    ------
    ChurnError
        If there is no such model, or its files were changed.
    """
    with tempfile.TemporaryDirectory(prefix="churn-predict-") as folder:
        files = loading.fetch(uri, root, Path(folder))
        digest = model_digest(files.model)
        loadable = Loadable(version=files.version or digest[:12], digest=digest)
        store.add(loadable, files.model, files.stored)
    return loadable
