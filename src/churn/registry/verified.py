"""Download a version's files and verify them, before anything of them is loaded or run.

The verified copy is the one that is used; it is not downloaded again.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from churn.core.errors import ArtifactError, CandidateError, RegistryError
from churn.core.files import read_json
from churn.core.params import ReleaseParams
from churn.core.paths import Workspace
from churn.provenance.candidate import model_digest
from churn.registry.moves import Registry
from churn.registry.reader import MODEL_FILES
from churn.registry.version import Version
from churn.tracking import pyfunc, runs

if TYPE_CHECKING:
    from churn.evaluation.reference import Reference
    from churn.provenance.bundle import Manifest

CANDIDATE_FOLDER = "candidate"  # in the version's run
_ADDRESS = re.compile(r"models:/([^/@]+)(?:/([^/@]+)|@([^/@]+))")


def fetch(registry: Registry, version: Version, folder: Path) -> Path:
    """Download a version's files, and check that they are those that were registered.

    The model's files must have the digest of the manifest, and all other files the digest that was
    recorded when they were logged. Compiled Python files are removed.

    Parameters
    ----------
    registry : Registry
    version : Version
    folder : Path
        The target folder.

    Returns
    -------
    Path
        The copy, in MLflow's format; the model is in its subfolder `MODEL_FILES`.

    Raises
    ------
    CandidateError
        If they differ, or the version was registered without a digest.
    TrackingError
        If they cannot be downloaded.
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
    if bundle.read_manifest(file.parent).model_digest != version.digest:
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
    """Download a file that was packed with a version's model.

    Parameters
    ----------
    version : Version
    name : str
        Its name in the packed candidate.
    folder : Path
        The target folder.

    Returns
    -------
    Path or None
        The copy; None if no such file was packed.

    Raises
    ------
    CandidateError
        If it is not the file that was registered.
    TrackingError
        If it cannot be downloaded.
    """
    from churn.provenance import bundle

    def get(file: str) -> Path:
        return runs.download(str(version.run_id), f"{CANDIDATE_FOLDER}/{file}", folder)

    manifest = bundle.read_manifest(get(bundle.MANIFEST).parent)
    _require_registered(version, manifest)
    if name not in manifest.files:
        return None
    found = get(name)
    if bundle.file_digest(found) != manifest.files[name]:
        raise _changed(version, name)
    return found


def reference(version: Version, folder: Path) -> Reference:
    """Download what a version's customers are compared with (`churn.evaluation.reference`).

    Raises
    ------
    RegistryError
        If none was packed with it.
    CandidateError, TrackingError
        As `companion`.
    """
    from churn.evaluation.reference import Reference

    file = companion(version, Workspace().reference.name, folder)
    if file is None:
        raise RegistryError(
            f"version {version.number} was registered before there was a reference to compare"
            " with; release another model, which brings one"
        )
    return read_json(file, "evaluate", Reference)


def candidate(version: Version, folder: Path) -> tuple[Path, Manifest]:
    """Download the packed candidate that a version was registered from.

    Parameters
    ----------
    version : Version
    folder : Path
        The target folder.

    Returns
    -------
    tuple of (Path, Manifest)
        The copy, and its verified manifest.

    Raises
    ------
    CandidateError
        If it is not what was registered.
    TrackingError
        If it cannot be downloaded.
    """
    from churn.provenance import bundle

    found = runs.download(str(version.run_id), CANDIDATE_FOLDER, folder)
    manifest = bundle.verify(found)
    _require_registered(version, manifest)
    return found, manifest


def _require_registered(version: Version, manifest: Manifest) -> None:
    if manifest.digest != version.tags.get("manifest_digest"):
        raise _changed(version, "manifest.json")


def _changed(version: Version, what: str) -> CandidateError:
    return CandidateError(
        f"version {version.number}: {what} is not what was registered; its files were changed"
    )


def _serving_digest(version: Version, found: str) -> str:
    """Return the digest of the files that a version was registered to be served with.

    Versions without this tag may only be rolled back to: those that were never in Production are
    rejected.
    """
    if recorded := version.tags.get("serving_digest"):
        return recorded
    if version.was_in_production:
        return found
    raise CandidateError(
        f"version {version.number}: registered without the digest of the code that it is served"
        " with; release its commit again"
    )


def registered(root: Path, uri: str) -> tuple[Registry, Version] | None:
    """Return the version that a ``models:/`` address names, if it can be verified.

    Parameters
    ----------
    root : Path
        Folder of the local MLflow store.
    uri : str
        As for `churn.tracking.runs.load_model`.

    Returns
    -------
    tuple of (Registry, Version), or None
        None if it is not the address of a version, or the version has no digest.

    Raises
    ------
    TrackingError
        If MLflow cannot be reached.
    """
    address = _ADDRESS.fullmatch(uri)
    if address is None:
        return None
    name, number_or_stage, alias = address.groups()
    registry = Registry(root, ReleaseParams.model_construct(model=name, stages=False))
    version = registry.find(number_or_stage, alias)
    return (registry, version) if version is not None and version.digest else None
