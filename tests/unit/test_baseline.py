"""A baseline's model: from DVC's cache, from a remote, or made again; in real repositories."""

from __future__ import annotations

import json
import py_compile
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from churn.core import params
from churn.core.errors import ArtifactError, BaselineError, CandidateError, IncomparableError
from churn.provenance.candidate import model_digest
from churn.provenance.git import git
from churn.review.baseline import Baseline
from churn.review.registered import in_production
from churn.review.revisions import of_revision
from tests.conftest import PARAMS
from tests.unit.releases import Candidates
from tests.unit.repositories import commit, dvc, write

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("warm_programs")]
# What is long here is of git and DVC: no change to data, model or gates breaks it.

RELEASE = params.load(PARAMS).release
PIPELINE = """
stages:
  prepare:
    cmd: mkdir -p build && cp data/rows.csv build/train.parquet && touch build/test.parquet
    deps: [data/rows.csv]
    outs: [build/train.parquet, build/test.parquet]
  train:
    cmd: python src/churn/x.py
    deps: [build/train.parquet, src/churn/x.py]
    params: [a]
    outs: [build/model]
"""
TRAIN = """
import os, pathlib
pathlib.Path("build/model").mkdir(parents=True)
text = pathlib.Path("params.yaml").read_text()
pathlib.Path("build/model/model.json").write_text('{"made": "%s"}' % text.strip())
with open(os.environ["TRAINED"], "a") as log:
    log.write("once\\n")
"""


@pytest.fixture(scope="module")
def made(warm_programs: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository with a model on `main`, its cache full and its remote empty."""
    root = tmp_path_factory.mktemp("made") / "repository"
    root.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        prepare_environment(patch, root.parent)
        git(root, "init", "--quiet", "--initial-branch=main")
        dvc(root, "init", "--quiet")
        dvc(root, "config", "core.analytics", "false")
        dvc(root, "remote", "add", "--quiet", "--default", "store", str(root.parent / "remote"))
        write(root, {"README.md": "x\n"})
        commit(root)
        git(root, "tag", "empty")
        write(root, {"data/rows.csv": "id\n1\n", "dvc.yaml": PIPELINE, "params.yaml": "a: 1\n"})
        write(root, {"src/churn/x.py": TRAIN, "src/churn/__init__.py": ""})
        dvc(root, "add", "--quiet", "data")
        dvc(root, "repro", "--quiet")
        commit(root)
    return root


def prepare_environment(patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    patch.setenv("TRAINED", str(folder / "trained.log"))
    patch.setenv("PATH", f"{Path(sys.executable).parent}:{Path('/usr/bin')}:/bin")
    for who in ("AUTHOR", "COMMITTER"):
        patch.setenv(f"GIT_{who}_NAME", "test")
        patch.setenv(f"GIT_{who}_EMAIL", "test@example.org")


@pytest.fixture
def root(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of that repository in which somebody is at work."""
    prepare_environment(monkeypatch, tmp_path)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    copied = tmp_path / "repository"
    shutil.copytree(made, copied, symlinks=True)
    local = f"['remote \"store\"']\n    url = {tmp_path / 'remote'}\n"
    (copied / ".dvc/config.local").write_text(local)
    write(copied, {"params.yaml": "a: 2\n", "build/model/model.json": "mine", "new.txt": "mine"})
    write(copied, {"src/churn/model/new.py": "mine"})
    return copied


def times_trained(root: Path) -> int:
    log = root.parent / "trained.log"
    return len(log.read_text().splitlines()) if log.exists() else 0


def empty_cache(root: Path) -> None:
    shutil.rmtree(root / ".dvc" / "cache")


@contextmanager
def nothing_touched(root: Path) -> Iterator[None]:
    """Check that the user's files are as they were, and that nothing is left elsewhere."""

    def state() -> tuple[Any, ...]:
        files = [f for f in root.rglob("*") if f.is_file() and ".git" not in f.parts]
        own = {f: f.read_bytes() for f in files if ".dvc" not in f.parts}
        return own, git(root, "status", "--porcelain"), git(root, "rev-parse", "HEAD")

    before = state()
    try:
        yield
    finally:
        assert state() == before
        assert git(root, "worktree", "list").count("\n") == 1
        assert list((root / ".git").glob("worktrees/*")) == []
        assert list(Path(tempfile.gettempdir()).iterdir()) == []


def of_main(root: Path) -> tuple[str, dict[str, Any]]:
    """Return the source and the card of main's model, looked at while it is there."""
    with of_revision(root, "main") as found:
        assert found is not None
        assert found.name == "main"
        assert found.identity == git(root, "rev-parse", "main").strip()
        assert found.workspace is not None
        assert found.workspace.split("train").read_text() == "id\n1\n"
        assert found.code is not None
        assert (found.code / "churn" / "x.py").read_text() == TRAIN
        return found.source, json.loads((found.model / "model.json").read_text())


def test_a_model_comes_from_the_cache(root: Path) -> None:
    with nothing_touched(root):
        assert of_main(root) == ("stored", {"made": "a: 1"})
    assert times_trained(root) == 0


@pytest.mark.long
def test_code_that_is_the_same_is_not_run_in_another_process(root: Path) -> None:
    (root / "src" / "churn" / "model" / "new.py").unlink()
    write(root, {"src/churn/review/report.py": "of what scores nobody"})
    with nothing_touched(root), of_revision(root, "main") as found:
        assert found is not None
        assert found.code is None
    write(root, {"requirements/pipeline.txt": "another\n"})
    with of_revision(root, "main") as found:
        assert found is not None
        assert found.code is not None


@pytest.mark.long
def test_a_model_comes_from_the_remote_where_the_cache_is_empty(root: Path, made: Path) -> None:
    dvc(root, "push", "--quiet")
    empty_cache(root)
    with nothing_touched(root):
        assert of_main(root) == ("stored", {"made": "a: 1"})
    assert times_trained(root) == 0


@pytest.mark.long
def test_a_model_that_nobody_has_is_made_again(root: Path) -> None:
    dvc(root, "push", "--quiet", "data.dvc")
    empty_cache(root)
    with nothing_touched(root):
        assert of_main(root) == ("reproduced", {"made": "a: 1"})
    assert times_trained(root) == 1
    with nothing_touched(root):  # it is in the shared cache from now on
        assert of_main(root) == ("stored", {"made": "a: 1"})
    assert times_trained(root) == 1


@pytest.mark.long
def test_a_runner_takes_main_s_model_from_the_remote_of_main_alone(root: Path) -> None:
    """A pull request's settings, code and cache have put another model under main's name."""
    dvc(root, "push", "--quiet")
    lock = yaml.safe_load(git(root, "show", "main:dvc.lock"))
    md5 = lock["stages"]["train"]["outs"][0]["md5"]
    listing = root / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
    [entry] = json.loads(listing.read_text())
    forged = root / ".dvc/cache/files/md5" / entry["md5"][:2] / entry["md5"][2:]
    forged.chmod(0o644)
    forged.write_text('{"made": "by somebody"}')
    forged.chmod(0o444)  # DVC believes the name of what may not be written

    with of_revision(root, "main") as found:
        assert found is not None
        assert json.loads((found.model / "model.json").read_text()) == {"made": "by somebody"}
    with of_revision(root, "main", share_cache=False) as found:
        assert found is not None
        assert json.loads((found.model / "model.json").read_text()) == {"made": "a: 1"}


def test_a_model_of_a_stale_lock_is_not_taken_for_the_commit_s(root: Path) -> None:
    git(root, "stash", "--quiet")
    write(root, {"params.yaml": "a: 3\n"})
    commit(root)  # without dvc repro
    with nothing_touched(root), of_revision(root, "HEAD") as found:
        assert found is not None
        assert (found.source, json.loads((found.model / "model.json").read_text())) == (
            "reproduced",
            {"made": "a: 3"},
        )
    assert times_trained(root) == 1


@pytest.mark.long
def test_a_commit_without_a_lock_is_reproduced(root: Path) -> None:
    git(root, "rm", "--quiet", "dvc.lock")
    git(root, "commit", "--quiet", "--message", "no lock")
    with nothing_touched(root):
        source, card = of_main(root)
    assert source == "reproduced"
    assert card == {"made": "a: 1"}


@pytest.mark.long
def test_what_cannot_be_had_at_all_is_an_error_and_leaves_nothing(root: Path) -> None:
    empty_cache(root)
    with (
        nothing_touched(root),
        pytest.raises(BaselineError, match=r"^dvc repro in the baseline: .*(rows|missing|data)"),
        of_revision(root, "main"),
    ):
        pytest.fail("there is no such model")


@pytest.mark.long
def test_an_error_while_a_baseline_is_used_leaves_nothing(root: Path) -> None:
    def use() -> None:
        with of_revision(root, "main") as found:
            assert found is not None
            (found.model / "model.json").unlink()
            raise ZeroDivisionError

    with nothing_touched(root), pytest.raises(ZeroDivisionError):
        use()
    assert of_main(root) == ("stored", {"made": "a: 1"})  # the cache has kept its own


@pytest.mark.long
def test_attributes_of_the_change_decide_nothing(root: Path) -> None:
    git(root, "config", "filter.evil.smudge", "echo evil; cat")
    (root / ".gitattributes").write_text("* text eol=crlf filter=evil ident\n")
    with of_revision(root, "main") as found:
        assert found is not None
        assert found.workspace is not None
        text = found.workspace.params.read_bytes()
    assert text == git(root, "show", "main:params.yaml").encode()


@pytest.mark.long
def test_hooks_of_the_user_do_not_run(root: Path) -> None:
    for name in ("post-checkout", "post-index-change"):
        hook = root / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        # Not where git looks into the user's own work tree.
        of_other = f'case "$GIT_INDEX_FILE" in *churn-worktree*) touch {root.parent}/hooked; esac'
        hook.write_text(f"#!/bin/sh\n{of_other}\n")
        hook.chmod(0o755)
    assert of_main(root)[0] == "stored"
    assert not (root.parent / "hooked").exists()


@pytest.mark.long
def test_the_local_configuration_of_dvc_counts(root: Path) -> None:
    dvc(root, "remote", "add", "--local", "store", str(root.parent / "elsewhere"), "--force")
    dvc(root, "push", "--quiet")
    empty_cache(root)
    assert (root.parent / "elsewhere").is_dir()
    with nothing_touched(root):
        assert of_main(root)[0] == "stored"


@pytest.mark.long
def test_a_commit_without_a_pipeline_is_no_baseline(root: Path) -> None:
    with nothing_touched(root), of_revision(root, "empty") as found:
        assert found is None


@pytest.mark.long
@pytest.mark.parametrize("content", ["", "stages: {}\n", "stages:\n", "[]\n", "stages: {fit: {}}"])
def test_a_pipeline_that_does_not_train_is_no_baseline(content: str, root: Path) -> None:
    write(root, {"dvc.yaml": content})
    commit(root)
    with of_revision(root, "HEAD") as found:
        assert found is None


@pytest.mark.long
def test_a_pipeline_that_cannot_be_read_is_not_taken_for_none(root: Path) -> None:
    write(root, {"dvc.yaml": "stages: [\n"})
    commit(root)
    with pytest.raises(BaselineError, match="not YAML"), of_revision(root, "HEAD"):
        pytest.fail("nobody knows whether it trains")


@pytest.mark.long
@pytest.mark.parametrize("name", ["absent", "", "--all", "HEAD:README.md", "HEAD~99"])
def test_an_unknown_revision_is_an_error(name: str, root: Path) -> None:
    with (
        nothing_touched(root),
        pytest.raises(BaselineError, match="no such revision here"),
        of_revision(root, name),
    ):
        pytest.fail("there is no such revision")


@pytest.mark.long
def test_without_dvc_there_is_an_error(root: Path) -> None:
    shutil.rmtree(root / ".dvc")
    with pytest.raises(BaselineError, match=r"no \.dvc there"), of_revision(root, "main"):
        pytest.fail("there is no DVC")


# what a baseline predicts

OWN_CODE = """
import sys, pathlib
import pandas as pd
words = dict(zip(sys.argv[2::2], sys.argv[3::2]))
assert sys.argv[1] == "predict" and pathlib.Path(words["--model"]).is_dir()
rows = pd.read_parquet(words["--input"])
rows.assign(probability=0.25, prediction=0).to_parquet(words["--output"])
"""


def with_code(folder: Path, code: str) -> Baseline:
    write(folder, {"src/churn/__init__.py": "", "src/churn/__main__.py": code, "model/x": "x"})
    return Baseline("main", "1", "stored", folder / "model", folder / "src", None)


def test_a_baseline_predicts_with_its_own_code(tmp_path: Path) -> None:
    rows = tmp_path / "rows.parquet"
    pd.DataFrame({"customer_id": ["b", "a"]}).to_parquet(rows)
    found = with_code(tmp_path, OWN_CODE).predict(rows)
    assert found["customer_id"].tolist() == ["b", "a"]
    assert found["probability"].tolist() == [0.25, 0.25]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import sys; sys.exit('Error: the model takes the column x')", "takes the column x"),
        ("raise KeyError('y')", "KeyError: 'y'"),
        ("import sys; sys.exit(3)", "it printed no reason"),
        (
            "import sys; sys.exit(f'Error: {sys.argv[5]}: no column x')",
            "on these rows: no column x",
        ),
    ],
)
def test_a_baseline_that_does_not_take_the_rows_is_incomparable(
    code: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(IncomparableError, match="main: cannot be scored on these rows") as error:
        with_code(tmp_path, code).predict(tmp_path / "rows.parquet")
    assert said in str(error.value)
    assert "Error: the" not in str(error.value)


def test_a_baseline_without_code_is_not_run_with_the_candidate_s(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    bare = Baseline("main", "1", "stored", tmp_path / "model", tmp_path / "src", None)
    with pytest.raises(IncomparableError, match="its code is missing"):
        bare.predict(tmp_path / "rows.parquet")


def test_a_baseline_that_writes_nothing_has_no_predictions(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="not there"):
        with_code(tmp_path, "").predict(tmp_path / "rows.parquet")


# Production


def test_without_a_store_nothing_is_in_production(tmp_path: Path) -> None:
    with in_production(tmp_path, RELEASE) as found:
        assert found is None
    assert list(tmp_path.iterdir()) == []


def test_a_store_without_the_model_has_nothing_in_production(store: Path) -> None:
    with in_production(store, RELEASE) as found:
        assert found is None


def code_of_production(released: Candidates) -> Path:
    """Let the model in Production be scored by its own code; return that code in the store."""
    assert released.production is not None
    released.registry.tag(released.production, {"served": "by other code"})
    [code] = Path().glob("**/mlruns/**/models/*/artifacts/code")
    return code


def score_production(released: Candidates) -> pd.DataFrame:
    root = released.roots[0]
    rows = root / "build" / "test.parquet"
    with in_production(root, params.load(root / "params.yaml").release) as found:
        assert found is not None
        assert (found.name, found.identity, found.source) == ("Production", "1", "registry")
        assert found.code is not None
        assert found.workspace is None
        scored = found.predict(rows)
        kept = found.model
    assert not kept.exists()
    return scored


def test_the_model_in_production_brings_its_code(released: Candidates) -> None:
    code_of_production(released)
    said = pd.read_parquet(released.roots[0] / "build/predictions/test.parquet")
    scored = score_production(released)
    assert scored["probability"].tolist() == said["probability"].tolist()


def test_the_model_in_production_is_scored_here_where_the_code_is_the_same(
    released: Candidates,
) -> None:
    root = released.roots[0]
    with in_production(root, params.load(root / "params.yaml").release) as found:
        assert found is not None
        assert found.code is None
        assert model_digest(found.model) == released.digest(1)


MARKS = "import pathlib\npathlib.Path({!r}).touch()\n"


def test_code_that_was_swapped_in_the_store_does_not_run(
    released: Candidates, tmp_path: Path
) -> None:
    file, marker = (
        code_of_production(released) / "churn/model/prediction.py",
        tmp_path / "it-ran",
    )
    source = file.read_text()
    start = source.index("import pandas")
    file.write_text(source[:start] + MARKS.format(str(marker)) + source[start:])
    with pytest.raises(CandidateError, match="the code beside its model"):
        score_production(released)
    assert not marker.exists()


def test_what_was_compiled_from_other_code_does_not_run(
    released: Candidates, tmp_path: Path
) -> None:
    # given, beside the unchanged source, byte code that Python never compares with it
    file, marker = (
        code_of_production(released) / "churn/model/prediction.py",
        tmp_path / "it-ran",
    )
    source, other = file.read_text(), tmp_path / "prediction.py"
    start = source.index("import pandas")
    other.write_text(source[:start] + MARKS.format(str(marker)) + source[start:])
    py_compile.compile(
        str(other),
        cache_from_source(str(file)),
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    score_production(released)
    assert not marker.exists()


@pytest.mark.parametrize(
    "name", ["artifacts/model/more.py", "artifacts/more.bin", "code/churn/more.pyc", "MLmodel.py"]
)
def test_a_file_that_was_added_in_the_store_stops_the_comparison(
    name: str, released: Candidates
) -> None:
    (code_of_production(released).parent / name).write_text("")
    with pytest.raises(CandidateError, match="its files were changed"):
        score_production(released)


def test_a_link_in_a_version_is_refused(released: Candidates) -> None:
    (code_of_production(released) / "link").symlink_to("/etc")
    with pytest.raises(CandidateError, match="version 1: code/link is a link"):
        score_production(released)
