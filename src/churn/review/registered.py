"""The baseline in the registry: the model in Production."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from churn.core.params import ReleaseParams
from churn.core.paths import Workspace
from churn.provenance.candidate import SERVED, table_digest, work_tree_fingerprint
from churn.review.baseline import PRODUCTION, Baseline
from churn.tracking import local_store

if TYPE_CHECKING:
    from churn.registry import Version


@contextmanager
def in_production(root: Path, settings: ReleaseParams) -> Iterator[Baseline | None]:
    """Yield the model in Production; None if there is none yet.

    Parameters
    ----------
    root : Path
        Folder of the local MLflow store.
    settings : ReleaseParams
        Names the registered model.

    Raises
    ------
    RegistryError
        If this run has no access to the configured server.
    TrackingError
        If the registry cannot be reached.
    """
    has_registry = os.environ.get("MLFLOW_TRACKING_URI") or local_store.registry_branch()
    if not has_registry and not (root / "mlflow.db").exists():
        yield None  # no server and no store: nothing was ever registered
        return
    from churn.registry import MODEL_FILES, Registry, verified
    from churn.registry.working_copy import working_copy

    with working_copy(root), tempfile.TemporaryDirectory(prefix="churn-production-") as folder:
        registry = Registry(root, settings)
        version = registry.production()
        if version is None:
            yield None
            return
        has_same_code = version.tags.get("served") == work_tree_fingerprint(root, SERVED)
        stored = verified.fetch(registry, version, Path(folder))
        yield Baseline(
            PRODUCTION,
            str(version.number),
            "registry",
            model=stored / MODEL_FILES,
            code=None if has_same_code else stored / "code",
            workspace=None,
            out_of_fold=_out_of_fold_of(version, root, Path(folder)),
        )


def _out_of_fold_of(version: Version, root: Path, folder: Path) -> Path | None:
    """Return a version's out-of-fold predictions if it was trained on the table that is here.

    The registry holds no customers, so rows can only be matched by the digest of the whole table.
    """
    from churn.registry import verified

    digest = table_digest(root)
    if digest == "absent" or version.tags.get("data_sha256") != digest:
        return None
    return verified.companion(version, Workspace().out_of_fold.name, folder)
