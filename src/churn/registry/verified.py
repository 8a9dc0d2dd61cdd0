"""A version's files, copied and verified: whatever of a version is loaded or run comes from here.

The copy that was verified is the one that is used. Nobody downloads a second one in between.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from churn.core.errors import ArtifactError, CandidateError
from churn.core.params import ReleaseParams
from churn.provenance.candidate import model_digest
from churn.registry.moves import Registry
from churn.registry.reader import MODEL_FILES
from churn.registry.version import Version
from churn.tracking import pyfunc, runs

if TYPE_CHECKING:
    from churn.model.artifact import Model

CANDIDATE_FOLDER = "candidate"  # in the version's run
_ADDRESS = re.compile(r"models:/([^/@]+)(?:/([^/@]+)|@([^/@]+))")


def fetch(registry: Registry, version: Version, folder: Path) -> Path:
    """Copy a version's files, and make sure that they are those with which it was registered.

    The model's are those of its manifest. What is served with it is what was logged then, no file
    less and none more; what Python has compiled is removed, because Python would run that instead.

    Parameters
    ----------
    registry : Registry
    version : Version
    folder : Path
        Where to.

    Returns
    -------
    Path
        The copy, as MLflow holds it; the model is in `MODEL_FILES` of it.

    Raises
    ------
    CandidateError
        If they differ, or nobody can tell.
    TrackingError
        If they cannot be had.
    """
    from churn.provenance import bundle

    what = f"version {version.number}"
    if not version.digest or not version.run_id:
        raise CandidateError(f"{what}: registered without a digest; register it with churn")
    stored = registry.download(version, folder / "version")
    if links := [path for path in stored.rglob("*") if path.is_symlink()]:
        raise CandidateError(f"{what}: {links[0].relative_to(stored)} is a link; never promoted")
    pyfunc.remove_bytecode(stored)
    try:
        found, serving = model_digest(stored / MODEL_FILES), pyfunc.serving_digest(stored)
    except ArtifactError as error:
        raise CandidateError(f"{what}: holds no model of this project") from error
    file = runs.download(
        version.run_id, f"{CANDIDATE_FOLDER}/{bundle.MANIFEST}", folder / "manifest"
    )
    if bundle.read_manifest(file.parent)["model_digest"] != version.digest:
        raise CandidateError(f"{what}: its manifest is of another model; never promoted")
    if found != version.digest:
        raise CandidateError(
            f"{what}: its model is {found[:12]}, its manifest says {version.digest[:12]}; its files"
            " were changed, and it is never promoted"
        )
    if serving != _serving_digest(version, serving):
        raise CandidateError(
            f"{what}: the code beside its model, or how it is loaded, is not what was registered;"
            " its files were changed, and it is never promoted"
        )
    return stored


def companion(version: Version, name: str, folder: Path) -> Path | None:
    """Copy a file that was packed beside a version's model.

    Parameters
    ----------
    version : Version
    name : str
        In the packed candidate.
    folder : Path
        Where to.

    Returns
    -------
    Path or None
        The copy; None where no such file was packed.

    Raises
    ------
    CandidateError
        If it is not the one that was registered.
    TrackingError
        If it cannot be had.
    """
    from churn.provenance import bundle

    def get(file: str) -> Path:
        return runs.download(str(version.run_id), f"{CANDIDATE_FOLDER}/{file}", folder)

    def changed(what: str) -> CandidateError:
        return CandidateError(
            f"version {version.number}: {what} is not what was registered; its files were changed"
        )

    manifest = bundle.read_manifest(get(bundle.MANIFEST).parent)
    if manifest["digest"] != version.tags.get("manifest_digest"):
        raise changed(bundle.MANIFEST)
    if name not in manifest["files"]:
        return None
    found = get(name)
    if bundle.file_digest(found) != manifest["files"][name]:
        raise changed(name)
    return found


def _serving_digest(version: Version, found: str) -> str:
    """Return what a version was registered to be served with.

    One of before that was noted may come back to Production, as it was there; it does not go there
    for the first time.
    """
    if recorded := version.tags.get("serving_digest"):
        return recorded
    if version.was_in_production:
        return found
    raise CandidateError(
        f"version {version.number}: registered before it was noted with which code it is served;"
        " release its commit again"
    )


def load(root: Path, uri: str) -> Model:
    """Load a model that MLflow holds; a registered version that has a digest is verified first.

    Parameters
    ----------
    root : Path
        Folder of the local MLflow store.
    uri : str
        What `churn.tracking.runs.load_model` takes.

    Raises
    ------
    CandidateError
        If a version's files are not those with which it was registered.
    TrackingError
        If there is no such model, or it cannot be had.
    """
    from churn.model import artifact

    if address := _ADDRESS.fullmatch(uri):
        name, number_or_stage, alias = address.groups()
        registry = Registry(root, ReleaseParams.model_construct(model=name, stages=True))
        version = registry.find(number_or_stage, alias)
        if version is not None and version.digest:
            with tempfile.TemporaryDirectory(prefix="churn-version-") as folder:
                return artifact.load(fetch(registry, version, Path(folder)) / MODEL_FILES)
    return runs.load_model(uri)
