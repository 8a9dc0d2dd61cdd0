"""A candidate as one folder: what was reviewed, and a manifest that knows each byte of it."""

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
_EACH_HAS = {"format", "fingerprint", "model_digest", "files", "digest"}
# What decides how the model behaves where it is served.
_LIBRARIES = ("mlflow", "numpy", "pandas", "scikit-learn", "scipy", "skops")


class Manifest(Shape):
    """What has to stand in a manifest; somebody else may have written it."""

    model_config = ConfigDict(extra="forbid")

    format: Literal[1]
    created: str
    commit: str
    fingerprint: str
    model_digest: str | None
    predictions_digest: str | None
    data_md5: str | None
    data_sha256: str | None = None  # of a version that was registered before it was noted
    python: str
    libraries: dict[str, str]
    files: dict[str, str]
    digest: str  # of all else in it

    @property
    def sealed(self) -> Manifest:
        """The same with the digest of what stands in it."""
        content = self.model_dump(exclude_unset=True, exclude={"digest"})
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        return self.model_copy(update={"digest": digest})

    @property
    def text(self) -> str:
        """The file, always written in the same way."""
        return json.dumps(self.model_dump(exclude_unset=True), indent=2, sort_keys=True) + "\n"


class JudgedVerdict(Shape):
    """What a candidate's verdict says, as far as it decides where the candidate may go."""

    outcome: str
    passed: bool
    of: Identity | None = None


def pack(workspace: Workspace, folder: Path) -> Manifest:
    """Copy a judged candidate into a folder, with its manifest; whole or not at all.

    A candidate that was stopped before it had a model is packed as far as it came: verdict and
    report have to be there.

    Parameters
    ----------
    workspace : Workspace
    folder : Path
        What was there is replaced, if it is a candidate.

    Raises
    ------
    ArtifactError
        If verdict or report are missing.
    CandidateError
        If `folder` holds something else, or the verdict is not on what is there now.
    """
    verdict = read_json(workspace.verdict, "gate", JudgedVerdict)
    require(workspace.report, "report")
    _require_replaceable(folder)
    judged = verdict.outcome == "judged"
    if judged:
        require(workspace.predictions("test"), "evaluate")
    if judged and verdict.of != identity(workspace):
        raise CandidateError(
            f"{workspace.verdict}: the verdict on another model, or on other inputs;"
            " run churn compare, churn gate and churn report again"
        )
    with atomic(folder) as fresh:
        fresh.mkdir()
        for source, name in contents(workspace, judged).items():
            if source.is_dir():
                shutil.copytree(source, fresh / name)
            elif source.exists():
                shutil.copyfile(source, fresh / name)
        if judged:
            _keep_probabilities(workspace, fresh)
        manifest = _manifest(workspace, fresh, judged)
        (fresh / MANIFEST).write_text(manifest.text, encoding="utf-8")
    return manifest


def remove(folder: Path) -> None:
    """Remove a candidate, if one is there.

    Raises
    ------
    CandidateError
        If `folder` holds something else.
    """
    _require_replaceable(folder)
    if folder.exists():
        shutil.rmtree(folder)


def _keep_probabilities(workspace: Workspace, folder: Path) -> None:
    """Keep what the model has said of the held-out customers, and not who they are."""
    said = read_parquet(workspace.predictions("test"), "evaluate")[["probability"]]
    said.to_parquet(folder / PROBABILITIES, index=False, compression="zstd")


def _require_replaceable(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()) and not _is_candidate(folder):
        raise CandidateError(f"{folder}: holds something that is no candidate; name another folder")


def verify(folder: Path, root: Path | None = None, commit: str | None = None) -> Manifest:
    """Check that a packed candidate is what its manifest says.

    Parameters
    ----------
    folder : Path
    root : Path, optional
        Top folder of a git repository, for `commit`.
    commit : str, optional
        A commit whose inputs must be those that the candidate was made from.

    Raises
    ------
    CandidateError
        If a byte differs, a file is missing or added, there is no model, or the inputs are
        others.
    """
    manifest = read_manifest(folder)
    found = _digests(folder)
    found.pop(MANIFEST, None)
    for name in sorted(set(manifest.files) | set(found)):
        if name not in found:
            raise CandidateError(f"{folder / name}: missing")
        if name not in manifest.files:
            raise CandidateError(f"{folder / name}: not in the manifest")
        if found[name] != manifest.files[name]:
            raise CandidateError(f"{folder / name}: its bytes are not those of the manifest")
    if manifest.model_digest is None:
        raise CandidateError(f"{folder}: holds no model; its pipeline was stopped")
    if model_digest(folder / MODEL) != manifest.model_digest:
        raise CandidateError(f"{folder / MODEL}: its digest is not that of the manifest")
    if commit is not None:
        here = root or Path()
        if not holds_commit(here, commit):
            raise CandidateError(
                f"{here.resolve()}: the work tree holds other inputs than {commit}; check that"
                " commit out, without changes"
            )
        if manifest.fingerprint != (wanted := input_fingerprint(here)):
            raise CandidateError(
                f"{folder}: made from other inputs than those of {commit}"
                f" (fingerprint {manifest.fingerprint[:12]}, not {wanted[:12]})"
            )
    return manifest


def rejection_reason(folder: Path, manifest: Manifest) -> str | None:
    """Say why a candidate's verdict does not let it go on; None where it does.

    Parameters
    ----------
    folder : Path
        A candidate that `verify` has found whole.
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
        If it is none.
    """
    return read_json(folder / "verdict.json", "gate", JudgedVerdict)


def read_manifest(folder: Path) -> Manifest:
    """Read a manifest and check it against its own digest.

    Raises
    ------
    CandidateError
        If there is none, or it was changed.
    """
    file = folder / MANIFEST
    if file.is_symlink() or not file.is_file():
        raise CandidateError(f"{folder}: no candidate there ({MANIFEST} is missing)")
    try:
        text = file.read_text(encoding="utf-8")
        manifest = Manifest.model_validate_json(text)
    except (ValueError, RecursionError) as error:
        raise CandidateError(f"{file}: not a manifest") from error
    if manifest.sealed.text != text:
        raise CandidateError(f"{file}: its bytes are not those that were written")
    return manifest


def _is_candidate(folder: Path) -> bool:
    """Tell whether what is there may be replaced; other programs have a manifest.json as well.

    One that another version of this project has packed may be.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(manifest, dict) and set(manifest) >= _EACH_HAS


def contents(workspace: Workspace, judged: bool = True) -> dict[Path, str]:
    """Name what goes into a candidate, by where the stages put it.

    What an early stop has left out is skipped. No customers: who may read a run's artifacts need
    not be allowed to read the data.
    """
    told = [workspace.report, workspace.report_page, workspace.review]
    files = [
        workspace.params,
        workspace.dvc_lock,
        workspace.data_stats,
        workspace.out_of_fold,
        workspace.metrics,
        workspace.slices,
        workspace.checks,
        workspace.checks_page,
        workspace.changes,
        workspace.comparison,
        workspace.main_checks,
        workspace.verdict,
        workspace.lineage,
        *told,
    ]
    if not judged:
        # What else lies there may be an earlier candidate's.
        files = [workspace.params, workspace.verdict, *told]
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
        # What it says of the held-out customers: code can change that without the model's bytes.
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
        If something is neither a file nor a folder, such as a link that leads out of it.
    """
    digests = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise CandidateError(f"{path}: neither a file nor a folder")
        if path.is_file():
            digests[path.relative_to(folder).as_posix()] = file_digest(path)
    return digests


def file_digest(file: Path) -> str:
    """Digest a file's bytes: SHA-256, 64 hexadecimal digits."""
    return hashlib.sha256(file.read_bytes()).hexdigest()
