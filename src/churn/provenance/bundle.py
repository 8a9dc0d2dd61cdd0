"""Pack a candidate into one folder with a manifest of digests, and verify it."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict

from churn.core.errors import CandidateError
from churn.core.files import Shape, atomic, read_json, read_parquet, require
from churn.core.paths import Workspace
from churn.provenance.candidate import (
    Identity,
    data_md5,
    holds_commit,
    identity,
    input_fingerprint,
    model_digest,
    table_digest,
)
from churn.provenance.git import git

MANIFEST = "manifest.json"
MODEL = "model"
PROBABILITIES = "probabilities.parquet"
# In the manifest of every release of this project.
_MANIFEST_KEYS = {"format", "fingerprint", "model_digest", "files", "digest"}
# On which a served model's predictions depend.
_LIBRARIES = ("mlflow", "numpy", "pandas", "scikit-learn", "scipy", "skops")


class Manifest(Shape):
    """manifest.json; not trusted until it was verified."""

    model_config = ConfigDict(extra="forbid")

    format: Literal[1]
    created: str
    commit: str
    fingerprint: str
    model_digest: str | None
    predictions_digest: str | None
    data_md5: str | None
    data_sha256: str | None = None  # None in manifests of older releases
    python: str
    libraries: dict[str, str]
    files: dict[str, str]
    digest: str  # of the rest of the manifest

    @property
    def sealed(self) -> Manifest:
        """The manifest with its own digest filled in."""
        content = self.model_dump(exclude_unset=True, exclude={"digest"})
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        return self.model_copy(update={"digest": digest})

    @property
    def text(self) -> str:
        """The content of manifest.json; deterministic."""
        return json.dumps(self.model_dump(exclude_unset=True), indent=2, sort_keys=True) + "\n"


class JudgedVerdict(Shape):
    """The fields of a candidate's verdict that decide whether it may be released."""

    outcome: str
    passed: bool
    of: Identity | None = None


def pack(workspace: Workspace, folder: Path) -> Manifest:
    """Copy a judged candidate and its manifest into a folder, atomically.

    A candidate that was stopped before it had a model is packed without one; verdict and report
    are always required.

    Parameters
    ----------
    workspace : Workspace
    folder : Path
        Replaced if it holds a candidate already.

    Raises
    ------
    ArtifactError
        If verdict or report are missing.
    CandidateError
        If `folder` holds something else, or the verdict is not on the current model and inputs.
    """
    verdict = read_json(workspace.verdict, "gate", JudgedVerdict)
    require(workspace.report, "report")
    _require_replaceable(folder)
    judged = verdict.outcome == "judged"
    if judged:
        require(workspace.predictions("test"), "evaluate")
    if judged and verdict.of != identity(workspace):
        raise CandidateError(
            f"{workspace.verdict}: its verdict is on another model or other inputs;"
            " run churn compare, churn gate and churn report again"
        )
    with atomic(folder) as packed:
        packed.mkdir()
        for source, name in contents(workspace, judged).items():
            if source.is_dir():
                shutil.copytree(source, packed / name)
            elif source.exists():
                shutil.copyfile(source, packed / name)
        if judged:
            _write_probabilities(workspace, packed)
        manifest = _manifest(workspace, packed, judged)
        (packed / MANIFEST).write_text(manifest.text, encoding="utf-8")
    return manifest


def remove(folder: Path) -> None:
    """Remove a packed candidate if it exists.

    Raises
    ------
    CandidateError
        If `folder` holds something else.
    """
    _require_replaceable(folder)
    if folder.exists():
        shutil.rmtree(folder)


def _write_probabilities(workspace: Workspace, folder: Path) -> None:
    """Write the held-out predictions without the customers' ids."""
    predictions = read_parquet(workspace.predictions("test"), "evaluate").iloc[:, 1:]
    predictions.to_parquet(folder / PROBABILITIES, index=False, compression="zstd")


def _require_replaceable(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()) and not _is_candidate(folder):
        raise CandidateError(
            f"{folder}: not a candidate, so it is not replaced; name another folder"
        )


def verify(folder: Path, root: Path | None = None, commit: str | None = None) -> Manifest:
    """Check a packed candidate against its manifest.

    Parameters
    ----------
    folder : Path
    root : Path, optional
        Top folder of a git repository, for `commit`.
    commit : str, optional
        The commit that the candidate must have been made from, by its inputs.

    Raises
    ------
    CandidateError
        If a file differs, is missing or was added, there is no model, or the inputs differ.
    """
    manifest = read_manifest(folder)
    digests = _digests(folder)
    digests.pop(MANIFEST, None)
    for name in sorted(set(manifest.files) | set(digests)):
        if name not in digests:
            raise CandidateError(f"{folder / name}: missing")
        if name not in manifest.files:
            raise CandidateError(f"{folder / name}: not in the manifest")
        if digests[name] != manifest.files[name]:
            raise CandidateError(f"{folder / name}: differs from the manifest")
    if manifest.model_digest is None:
        raise CandidateError(f"{folder}: holds no model; its pipeline was stopped early")
    if model_digest(folder / MODEL) != manifest.model_digest:
        raise CandidateError(f"{folder / MODEL}: its digest differs from the manifest's")
    if commit is not None:
        work_tree = root or Path()
        if not holds_commit(work_tree, commit):
            raise CandidateError(
                f"{work_tree.resolve()}: the inputs in the work tree differ from {commit}; check"
                " out that commit without changes"
            )
        if manifest.fingerprint != (expected := input_fingerprint(work_tree)):
            raise CandidateError(
                f"{folder}: made from other inputs than those of {commit}"
                f" (fingerprint {manifest.fingerprint[:12]}, not {expected[:12]})"
            )
    return manifest


def rejection_reason(folder: Path, manifest: Manifest) -> str | None:
    """Return why a candidate may not be released, by its verdict; None if it may.

    Parameters
    ----------
    folder : Path
        A candidate that `verify` has accepted.
    manifest : Manifest
    """
    verdict = read_verdict(folder)
    if verdict.outcome != "judged" or not verdict.passed:
        return "its verdict is not a pass"
    of = verdict.of
    if of is None or (of.model_digest, of.fingerprint) != (
        manifest.model_digest,
        manifest.fingerprint,
    ):
        return "its verdict is on another model"
    return None


def read_verdict(folder: Path) -> JudgedVerdict:
    """Read the verdict in a candidate.

    Raises
    ------
    ArtifactError
        If it is missing or invalid.
    """
    return read_json(folder / "verdict.json", "gate", JudgedVerdict)


def read_manifest(folder: Path) -> Manifest:
    """Read a manifest and check it against its own digest.

    Raises
    ------
    CandidateError
        If it is missing or was changed.
    """
    file = folder / MANIFEST
    if file.is_symlink() or not file.is_file():
        raise CandidateError(f"{folder}: not a candidate ({MANIFEST} is missing)")
    try:
        text = file.read_text(encoding="utf-8")
        manifest = Manifest.model_validate_json(text)
    except (ValueError, RecursionError) as error:
        raise CandidateError(f"{file}: not a manifest") from error
    if manifest.sealed.text != text:
        raise CandidateError(f"{file}: changed since it was written")
    return manifest


def _is_candidate(folder: Path) -> bool:
    """Tell whether a folder holds a candidate, of any release of this project.

    Other programs have a manifest.json as well.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(manifest, dict) and set(manifest) >= _MANIFEST_KEYS


def contents(workspace: Workspace, judged: bool = True) -> dict[Path, str]:
    """Return the names in a candidate of the files that the stages write.

    Files that do not exist after an early stop are skipped by `pack`. There are no customers among
    them: who may read a run's artifacts need not be allowed to read the data.
    """
    reports = [workspace.report, workspace.report_page, workspace.review]
    files = [
        workspace.params,
        workspace.dvc_lock,
        workspace.data_stats,
        workspace.out_of_fold,
        workspace.reference,
        workspace.metrics,
        workspace.slices,
        workspace.checks,
        workspace.checks_page,
        workspace.changes,
        workspace.comparison,
        workspace.main_checks,
        workspace.verdict,
        workspace.lineage,
        workspace.model_card,
        *reports,
    ]
    if not judged:
        # Other files may be left over from an earlier candidate.
        files = [workspace.params, workspace.verdict, *reports]
        return {file: file.name for file in files}
    folders = {workspace.model: MODEL, workspace.plot_images: workspace.plot_images.name}
    return {**folders, **{file: file.name for file in files}}


def _manifest(workspace: Workspace, folder: Path, judged: bool) -> Manifest:
    has_model = (folder / MODEL).is_dir()
    return Manifest(
        format=1,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=git(workspace.root, "rev-parse", "HEAD").strip(),
        fingerprint=input_fingerprint(workspace.root),
        model_digest=model_digest(folder / MODEL) if has_model else None,
        # Code can change the predictions without changing the model's bytes.
        predictions_digest=file_digest(workspace.predictions("test")) if judged else None,
        data_md5=data_md5(workspace.root) if judged else None,
        data_sha256=table_digest(workspace.root) if judged else None,
        python=platform.python_version(),
        libraries={name: version(name) for name in _LIBRARIES},
        files=_digests(folder),
        digest="",
    ).sealed


def _digests(folder: Path) -> dict[str, str]:
    """Digest every file below a folder.

    Raises
    ------
    CandidateError
        If an entry is neither a file nor a folder, such as a link that leads out of the folder.
    """
    digests = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise CandidateError(f"{path}: neither a file nor a folder")
        if path.is_file():
            digests[path.relative_to(folder).as_posix()] = file_digest(path)
    return digests


def file_digest(file: Path) -> str:
    """Return the SHA-256 of a file, 64 hexadecimal digits."""
    return hashlib.sha256(file.read_bytes()).hexdigest()
