"""The baseline in the registry: the model in Production."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from churn.core.params import ReleaseParams
from churn.core.paths import Workspace
from churn.provenance.candidate import SERVED, table_digest, work_tree_fingerprint
from churn.review.baseline import PRODUCTION, Baseline
from churn.tracking import local_store


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
        # The registry holds no customers, so rows can only be matched by the digest of the table.
        digest = table_digest(root)
        has_this_table = digest != "absent" and version.tags.get("data_sha256") == digest
        out_of_fold = Workspace().out_of_fold.name
        yield Baseline(
            PRODUCTION,
            str(version.number),
            "registry",
            model=stored / MODEL_FILES,
            code=None if has_same_code else stored / "code",
            workspace=None,
            out_of_fold=verified.companion(version, out_of_fold, Path(folder))
            if has_this_table
            else None,
            has_this_table=has_this_table,
        )
