"""A packed candidate: what was reviewed, and every way to change it afterwards."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from churn.core.errors import ArtifactError, CandidateError
from churn.core.files import write_parquet
from churn.core.paths import Workspace
from churn.provenance.bundle import MANIFEST, Manifest, pack, read_manifest, verify
from churn.provenance.candidate import input_fingerprint, model_digest
from churn.provenance.git import git
from churn.review import outcome, verdict
from tests.unit.repositories import commit, write

PASSED = outcome.Verdict(True, "judged", "fine", ())
STOPPED = outcome.stopped("no data")


@pytest.fixture
def workspace(repository: Path) -> Workspace:
    """Return a repository in which a candidate was judged and reported."""
    made = Workspace(repository)
    write(
        repository,
        {
            "data.dvc": "outs:\n- md5: 0123.dir\n  path: data\n",
            "dvc.lock": "stages: {}\n",
            "build/model/model.json": '{"a": 1}\n',
            "build/data_stats.json": "{}\n",
            "build/plots/roc.png": "a picture\n",
            "build/comparison.json": "{}\n",
            "reports/metrics.json": "{}\n",
            "reports/slices.json": "{}\n",
            "reports/checks.json": "{}\n",
            "reports/checks.html": "<p>\n",
            "build/review.json": "{}\n",
            "reports/report.md": "## fine\n",
            "reports/report.html": "<p>fine\n",
            "reports/plots/roc.json": "[]\n",
        },
    )
    said = pd.DataFrame({"customer_id": ["a", "b"], "probability": [0.1, 0.2]})
    write_parquet(made.predictions("test"), said)
    (made.model / "pipeline.skops").write_bytes(bytes(range(256)))
    commit(repository)
    verdict.write(made, PASSED)
    return made


@pytest.fixture
def packed(workspace: Workspace) -> Path:
    pack(workspace, workspace.candidate)
    return workspace.candidate


def signed(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    """Change a manifest and renew its own digest, as somebody with ill intent would."""
    manifest = json.loads((folder / MANIFEST).read_text())
    edit(manifest)
    (folder / MANIFEST).write_text(sealed(manifest))


def sealed(manifest: dict[str, Any]) -> str:
    content = {key: value for key, value in manifest.items() if key != "digest"}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return json.dumps(content | {"digest": digest}, indent=2, sort_keys=True) + "\n"


def test_what_is_packed_is_verified(workspace: Workspace, packed: Path) -> None:
    manifest = verify(packed, workspace.root, "HEAD")
    assert manifest == verify(packed) == read_manifest(packed)
    assert sorted(manifest.files) == [
        "checks.html",
        "checks.json",
        "comparison.json",
        "data_stats.json",
        "dvc.lock",
        "metrics.json",
        "model/model.json",
        "model/pipeline.skops",
        "params.yaml",
        "plots/roc.png",
        "probabilities.parquet",
        "report.html",
        "report.md",
        "review.json",
        "slices.json",
        "verdict.json",
    ]
    assert manifest.model_digest == model_digest(workspace.model)
    assert manifest.fingerprint == input_fingerprint(workspace.root)
    assert manifest.commit == git(workspace.root, "rev-parse", "HEAD").strip()
    assert manifest.data_md5 == "0123.dir"
    assert {"scikit-learn", "numpy", "skops"} <= set(manifest.libraries)
    assert manifest.created.endswith("+00:00")


def test_the_files_are_those_of_the_work_tree(workspace: Workspace, packed: Path) -> None:
    for name in ("metrics.json", "checks.html", "report.md"):
        assert (packed / name).read_bytes() == (workspace.reports / name).read_bytes()
    assert model_digest(packed / "model") == model_digest(workspace.model)


@pytest.mark.slow
def test_every_changed_byte_is_found(packed: Path) -> None:
    files = sorted(file for file in packed.rglob("*") if file.is_file())
    assert len(files) == 17
    for file in files:
        content = file.read_bytes()
        step = 1 if file.name == MANIFEST else max(1, len(content) // 7)
        for position in [*range(0, len(content), step), len(content) - 1]:
            for flip in (0x01, 0x20):
                changed = bytearray(content)
                changed[position] ^= flip
                file.write_bytes(changed)
                with pytest.raises(CandidateError):
                    verify(packed)
        for other in (
            b"",
            content[:-1],
            content + b"\n",
            content + b" ",
            b"\xef\xbb\xbf" + content,
        ):
            file.write_bytes(other)
            with pytest.raises(CandidateError):
                verify(packed)
        file.write_bytes(content)
    verify(packed)


def names(packed: Path) -> list[str]:
    return sorted(f.relative_to(packed).as_posix() for f in packed.rglob("*") if f.is_file())


def test_every_file_that_is_missing_or_has_another_name_is_found(packed: Path) -> None:
    for name in names(packed):
        file, aside = packed / name, packed.parent / "aside"
        file.rename(aside)
        with pytest.raises(CandidateError, match="missing"):
            verify(packed)
        aside.rename(file.with_name(f"{file.name}~"))
        with pytest.raises(CandidateError):
            verify(packed)
        file.with_name(f"{file.name}~").rename(file)
    verify(packed)


@pytest.mark.parametrize("name", ["new.txt", ".hidden", "model/new.json", "deep/er/x", "CON"])
def test_every_file_that_was_added_is_found(name: str, packed: Path) -> None:
    write(packed, {name: ""})
    with pytest.raises(CandidateError, match="not in the manifest"):
        verify(packed)


def test_two_files_that_were_exchanged_are_found(packed: Path) -> None:
    one, other = packed / "report.md", packed / "report.html"
    contents = one.read_bytes(), other.read_bytes()
    other.write_bytes(contents[0])
    one.write_bytes(contents[1])
    with pytest.raises(CandidateError, match="differs from the manifest"):
        verify(packed)


@pytest.mark.parametrize("name", ["report.md", "model/model.json", MANIFEST, "model", "new"])
def test_a_link_is_refused_even_to_the_same_bytes(name: str, packed: Path) -> None:
    place, elsewhere = packed / name, packed.parent / "elsewhere"
    if place.exists():
        place.rename(elsewhere)
    else:
        elsewhere.write_text("x")
    place.symlink_to(elsewhere)
    with pytest.raises(CandidateError, match=r"neither a file nor a folder|is missing"):
        verify(packed)


def test_a_pipe_is_refused_and_not_waited_for(packed: Path) -> None:
    os.mkfifo(packed / "pipe")
    with pytest.raises(CandidateError, match="neither a file nor a folder"):
        verify(packed)
    (packed / "pipe").unlink()
    (packed / MANIFEST).unlink()
    os.mkfifo(packed / MANIFEST)
    with pytest.raises(CandidateError, match="is missing"):
        verify(packed)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'"x"',
        b"{",
        b"\xff",
        b'{"format": 1}',
        b'{"files": []}',
        b"[" * 100_000,
        b"1" * 5000,
    ],
)
def test_a_manifest_that_is_none_is_refused(content: bytes, packed: Path) -> None:
    (packed / MANIFEST).write_bytes(content)
    with pytest.raises(CandidateError, match="not a manifest"):
        verify(packed)


@pytest.mark.parametrize(
    "edit",
    [
        lambda m: m.update(format=2),
        lambda m: m.update(format="1"),
        lambda m: m.update(files=[]),
        lambda m: m.update(files={"report.md": 1}),
        lambda m: m.update(extra=1),
        lambda m: m.update(fingerprint=None),
        lambda m: m.update(model_digest=1),
        *(
            lambda m, key=key: m.pop(key)
            for key in ("format", "files", "fingerprint", "model_digest", "commit", "python")
        ),
    ],
)
def test_a_manifest_of_another_shape_is_refused_with_its_digest_renewed(
    edit: Callable[[dict[str, Any]], object], packed: Path
) -> None:
    signed(packed, edit)
    with pytest.raises(CandidateError, match="not a manifest"):
        verify(packed)


def test_a_manifest_may_not_name_another_model_or_other_files(packed: Path) -> None:
    text = (packed / MANIFEST).read_text()
    for edit, said in {
        lambda m: m.update(model_digest="0" * 64): "digest differs from the manifest",
        lambda m: m.update(model_digest=None): "holds no model",
        lambda m: m["files"].pop("report.md"): "not in the manifest",
        lambda m: m["files"].update({"../x": "0"}): "missing",
        lambda m: m["files"].update({MANIFEST: "0"}): "missing",
    }.items():
        (packed / MANIFEST).write_text(text)
        signed(packed, edit)
        with pytest.raises(CandidateError, match=said):
            verify(packed)


def test_a_manifest_that_is_written_otherwise_is_not_the_one_that_was_written(
    packed: Path,
) -> None:
    manifest = json.loads((packed / MANIFEST).read_text())
    for text in (json.dumps(manifest), json.dumps(manifest, indent=2, sort_keys=True)):
        (packed / MANIFEST).write_text(text)
        with pytest.raises(CandidateError, match="changed since it was written"):
            read_manifest(packed)


@pytest.mark.slow
def test_a_candidate_of_other_inputs_is_refused(workspace: Workspace, packed: Path) -> None:
    reviewed = git(workspace.root, "rev-parse", "HEAD").strip()
    write(workspace.root, {"README.md": "only docs\n"})
    commit(workspace.root)
    verify(packed, workspace.root, "HEAD")
    verify(packed, workspace.root, reviewed)
    write(workspace.root, {"params.yaml": "a: 2\n"})
    with pytest.raises(CandidateError, match="the inputs in the work tree differ from HEAD"):
        verify(packed, workspace.root, "HEAD")
    commit(workspace.root)
    with pytest.raises(CandidateError, match="made from other inputs than those of HEAD"):
        verify(packed, workspace.root, "HEAD")
    with pytest.raises(ArtifactError):
        verify(packed, workspace.root, "absent")


def test_what_was_stopped_is_packed_and_is_no_candidate_to_deploy(workspace: Workspace) -> None:
    verdict.write(workspace, STOPPED)
    manifest = pack(workspace, workspace.candidate)
    told = ["report.html", "report.md", "review.json", "verdict.json"]
    assert sorted(manifest.files) == ["params.yaml", *told]
    assert manifest.model_digest is None
    with pytest.raises(CandidateError, match="holds no model"):
        verify(workspace.candidate)


@pytest.mark.parametrize("content", [None, "", "outs: []\n", "outs: [\n", "x\n"])
def test_what_was_stopped_because_of_its_data_is_packed_as_well(
    content: str | None, workspace: Workspace
) -> None:
    (workspace.root / "data.dvc").unlink()
    if content is not None:
        write(workspace.root, {"data.dvc": content})
    with pytest.raises((ArtifactError, CandidateError)):
        pack(workspace, workspace.candidate)  # judged by something else
    verdict.write(workspace, STOPPED)
    assert pack(workspace, workspace.candidate).data_md5 is None


def test_a_judged_candidate_without_data_is_not_packed(workspace: Workspace) -> None:
    write(workspace.root, {"data.dvc": "outs: []\n"})
    verdict.write(workspace, PASSED)
    with pytest.raises(ArtifactError, match="does not name the data"):
        pack(workspace, workspace.candidate)
    assert not workspace.candidate.exists()


def test_without_verdict_or_report_nothing_is_packed(workspace: Workspace) -> None:
    for file, command in ((workspace.verdict, "gate"), (workspace.report, "report")):
        content = file.read_bytes()
        file.unlink()
        with pytest.raises(ArtifactError, match=f"`churn {command}` writes it"):
            pack(workspace, workspace.candidate)
        file.write_bytes(content)
    assert not workspace.candidate.exists()


@pytest.mark.parametrize(
    "files", [{"build/model/model.json": "{}"}, {"params.yaml": "a: 2"}, {"src/y.py": ""}]
)
def test_a_verdict_on_another_model_or_on_other_inputs_is_not_packed(
    files: dict[str, str], workspace: Workspace
) -> None:
    write(workspace.root, files)
    with pytest.raises(CandidateError, match="its verdict is on another model or other inputs"):
        pack(workspace, workspace.candidate)
    verdict.write(workspace, PASSED)
    assert verify_fresh(workspace)


def verify_fresh(workspace: Workspace) -> dict[str, Any]:
    pack(workspace, workspace.candidate)
    return verify(workspace.candidate)


def test_a_verdict_that_does_not_say_on_what_is_not_packed(workspace: Workspace) -> None:
    content = json.loads(workspace.verdict.read_text())
    content.pop("of")
    workspace.verdict.write_text(json.dumps(content))
    with pytest.raises(CandidateError, match="its verdict is on another model"):
        pack(workspace, workspace.candidate)


def test_packing_again_replaces_the_candidate(workspace: Workspace, packed: Path) -> None:
    write(packed, {"left.txt": "over"})
    write(workspace.root, {"build/model/model.json": '{"a": 2}\n'})
    verdict.write(workspace, PASSED)
    pack(workspace, packed)
    assert not (packed / "left.txt").exists()
    assert verify(packed).model_digest == model_digest(workspace.model)


def test_packing_that_fails_leaves_the_candidate_that_was_there(
    workspace: Workspace, packed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = verify(packed)
    monkeypatch.setattr(shutil, "copytree", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        pack(workspace, packed)
    assert verify(packed) == before
    assert [one.name for one in packed.parent.iterdir() if one.name.startswith(".")] == []


@pytest.mark.parametrize(
    "files",
    [
        {"thesis.tex": "years of work"},
        {"manifest.json": '{"name": "a web app"}', "index.html": "x"},
        {"manifest.json": "not even JSON"},
        {"deep/x": "x"},
        {".git/HEAD": "x"},
    ],
)
def test_a_folder_with_something_else_is_not_overwritten(
    files: dict[str, str], workspace: Workspace, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    write(target, files)
    with pytest.raises(CandidateError, match="not a candidate"):
        pack(workspace, target)
    assert {name: (target / name).read_text() for name in files} == files


def test_an_empty_folder_is_filled(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    pack(workspace, tmp_path / "target")
    verify(tmp_path / "target")


def test_a_candidate_can_be_moved(packed: Path, tmp_path: Path) -> None:
    shutil.copytree(packed, tmp_path / "elsewhere")
    assert verify(tmp_path / "elsewhere") == verify(packed)


def test_where_there_is_no_candidate_nothing_is_verified(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(CandidateError, match="not a candidate"):
            verify(folder)


def test_the_manifest_s_digest_is_over_all_else_in_it(packed: Path) -> None:
    manifest = read_manifest(packed)
    assert manifest.sealed == manifest
    assert (packed / MANIFEST).read_text() == sealed(manifest.model_dump())
    for key in set(Manifest.model_fields) - {"digest"}:
        other = manifest.model_copy(update={key: "other"})
        assert other.sealed.digest != manifest.digest


def test_who_the_held_out_customers_are_does_not_travel(packed: Path) -> None:
    assert list(pd.read_parquet(packed / "probabilities.parquet")) == ["probability"]
