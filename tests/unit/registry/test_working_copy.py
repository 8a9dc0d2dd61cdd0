"""The registry as a branch: real repositories, real commands, and somebody else who is faster."""

from __future__ import annotations

import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import pytest

from churn.core import params
from churn.core.errors import NotNowError, RegistryError
from churn.core.paths import Workspace
from churn.deploy import commands, integration
from churn.deploy.integration import Findings
from churn.deploy.promotion import require_unchanged_files
from churn.provenance.git import git
from churn.registry import Registry, Version
from churn.registry.working_copy import WorkingCopy, exported, working_copy
from churn.review import registered
from churn.tracking import local_store
from tests.unit import releases
from tests.unit.conftest import as_somebody
from tests.unit.repositories import commit

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("warm_programs")]

BRANCH = "registry"
CLONES = ("first", "second", "third")


@dataclass(frozen=True)
class Shared:
    """A remote, and three clones of it, each at a commit that has a candidate."""

    folder: Path

    @property
    def remote(self) -> Path:
        return self.folder / "remote.git"

    def root(self, number: int) -> Path:
        return self.folder / CLONES[number - 1]

    def release(self, number: int, until: str = "production") -> int:
        root = self.root(number)
        return commands.release(root, Workspace(root).candidate, "HEAD", until, "released", False)

    def git(self, *arguments: str) -> str:
        return git(self.remote, *arguments).strip()

    @property
    def tip(self) -> str:
        return self.git("for-each-ref", "--format=%(objectname)", f"refs/heads/{BRANCH}")

    @property
    def versions(self) -> list[Version]:
        """What the branch holds, in a copy of its own."""
        settings = params.load(self.root(1) / "params.yaml").release
        with exported(self.root(1), BRANCH) as uri:
            try:
                return Registry(self.root(1), settings, uri).versions()
            finally:
                mlflow.set_tracking_uri(None)

    @property
    def standing(self) -> dict[int, tuple[str, set[str]]]:
        return {v.number: (v.stage, set(v.aliases)) for v in self.versions}

    def start(self, number: int, *words: str, **environment: str) -> subprocess.Popen[str]:
        """Start a command in one of the clones, as a process of its own (`tests.warm`)."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
        return subprocess.Popen(
            [sys.executable, "-m", "churn", *words],
            cwd=self.root(number),
            env=kept | {local_store.BRANCH: BRANCH} | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def churn(self, number: int, *words: str, code: int = 0, **environment: str) -> str:
        """Run a command, and return what it has said, the errors last."""
        process = self.start(number, *words, **environment)
        out, err = process.communicate(timeout=300)
        assert process.returncode == code, (out, err)
        return out + err


@pytest.fixture(scope="session")
def _made(_both: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the remote and its clones; it has a registry with one version, and one with two."""
    shared = Shared(tmp_path_factory.mktemp("shared"))
    git(shared.folder, "init", "--quiet", "--bare", str(shared.remote))
    with pytest.MonkeyPatch.context() as patch:
        as_somebody(patch, shared.folder)
        patch.chdir(shared.folder)
        patch.setattr(integration, "run", lambda *_: releases.PASSED)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setenv(local_store.BRANCH, BRANCH)
        for number, source in enumerate(("first", "second", "second"), 1):
            shutil.copytree(_both / source, shared.root(number))
            git(shared.root(number), "remote", "add", "origin", shared.remote.as_uri())
        for number in (1, 2):
            assert shared.release(number) == 0
            shared.git("branch", f"with-{number}", BRANCH)
        releases.make_candidate(shared.root(3), trees=16)
        shared.git("branch", "--delete", "--force", BRANCH)
        for number in (1, 2, 3):
            git(shared.root(number), "push", "--quiet", "origin", f"HEAD:of-{CLONES[number - 1]}")
    return shared.folder


@pytest.fixture
def empty(_made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shared:
    """Return a remote that has no registry yet."""
    as_somebody(monkeypatch, tmp_path)
    shared = Shared(tmp_path / "shared")
    shutil.copytree(_made, shared.folder)
    for number in (1, 2, 3):
        git(shared.root(number), "remote", "set-url", "origin", shared.remote.as_uri())
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv(local_store.BRANCH, BRANCH)
    monkeypatch.setenv("GITHUB_ACTOR", "octocat")
    monkeypatch.setattr(integration, "run", lambda *_: releases.PASSED)
    return shared


def with_registry(shared: Shared, versions: int) -> Shared:
    shared.git("branch", BRANCH, f"with-{versions}")
    return shared


@pytest.fixture
def one(empty: Shared) -> Shared:
    """Return a remote whose registry has the first commit's model in Production."""
    return with_registry(empty, 1)


@pytest.fixture
def two(empty: Shared) -> Shared:
    """Return a remote whose registry has the second commit's in Production, after the first's."""
    return with_registry(empty, 2)


def last_line(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out.strip().splitlines()[-1]


def of_the_user(root: Path) -> tuple[object, ...]:
    """What of a clone is the user's, but for the note that a release leaves for a workflow."""
    files = {
        path: path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and ".git" not in path.parts and path.name != "release.md"
    }
    refs = git(root, "for-each-ref", "refs/heads", "refs/tags")
    index = (root / ".git" / "index").read_bytes()
    return files, refs, index, git(root, "rev-parse", "HEAD"), (root / ".git/FETCH_HEAD").exists()


# Alone


def test_a_first_registry_is_one_commit_that_another_clone_goes_on_from(empty: Shared) -> None:
    assert empty.tip == ""
    assert empty.release(1) == 0
    assert empty.git("rev-list", "--count", BRANCH) == "1"
    assert empty.git("ls-tree", "--name-only", BRANCH).split() == ["mlflow.db", "mlruns"]
    first = empty.tip

    assert empty.release(2) == 0

    assert empty.tip != first
    assert empty.git("rev-list", "--count", BRANCH) == "1"
    assert empty.standing == {1: ("Archived", {"previous"}), 2: ("Production", {"champion"})}
    assert empty.git("log", "-1", "--format=%an <%ae>", BRANCH) == "churn <churn@registry.invalid>"
    assert "production of version 2 by octocat" in empty.git("log", "-1", "--format=%s", BRANCH)


def test_a_runner_has_no_user_name(
    empty: Shared, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AUTHOR_NAME", "AUTHOR_EMAIL", "COMMITTER_NAME", "COMMITTER_EMAIL"):
        monkeypatch.delenv(f"GIT_{name}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "user.useConfigOnly")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "true")
    assert empty.release(1) == 0
    assert empty.tip


def test_the_files_of_a_version_come_along(one: Shared) -> None:
    with working_copy(one.root(2)):
        registry = Registry(one.root(2), params.load(one.root(2) / "params.yaml").release)
        [version] = registry.versions()
        require_unchanged_files(registry, version)
    assert list(one.folder.rglob("mlruns")) == list(one.folder.rglob("mlflow.db")) == []


def test_all_else_in_the_clone_and_at_the_remote_stays(
    two: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = two.root(2)
    for name in ("mlflow.db", "staged.txt"):
        (root / name).write_text("mine")
    git(root, "add", "staged.txt")
    hook = root / ".git" / "hooks" / "pre-push"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {two.folder}/hooked\n")
    hook.chmod(0o755)
    git(root, "config", "core.autocrlf", "true")  # would alter what git takes for text
    before, there = of_the_user(root), two.git("for-each-ref", "refs/heads/of-*", "refs/tags")
    tip = two.tip

    commands.rollback(root, None, "why")
    commands.promote(root, 2, "production", "all the same")

    assert two.tip != tip
    assert of_the_user(root) == before
    assert two.git("for-each-ref", "refs/heads/of-*", "refs/tags") == there
    assert not (two.folder / "hooked").exists()
    with working_copy(two.root(1)):
        registry = Registry(root, params.load(root / "params.yaml").release)
        require_unchanged_files(registry, registry.version(1))


def test_what_looks_publishes_nothing_and_leaves_nothing(
    one: Shared, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    tip, before = one.tip, of_the_user(one.root(2))
    commands.status(one.root(2), markdown=False)
    assert one.versions[0].digest[:12] in capsys.readouterr().out
    commands.history(one.root(2))
    assert "integration tests passed" in capsys.readouterr().out
    assert one.tip == tip
    assert of_the_user(one.root(2)) == before
    assert list((tmp_path / "temporary").iterdir()) == []
    assert local_store.registry_branch() == BRANCH  # MLflow is not pointed at the copy any more


def test_where_nothing_has_changed_nothing_is_published(
    one: Shared, capsys: pytest.CaptureFixture[str]
) -> None:
    tip = one.tip
    assert one.release(1) == 0
    assert last_line(capsys).startswith("version 1 is in Production already")
    with pytest.raises(RegistryError, match="version 1 is the first in Production"):
        commands.rollback(one.root(1), None, "why")
    commands.confirm(one.root(1), "HEAD")
    assert last_line(capsys).startswith("version 1 is in Production already")
    commands.confirm(one.root(2), "HEAD")
    assert last_line(capsys).startswith("nothing to note: Production is not of HEAD's inputs")
    assert one.tip == tip


def test_that_a_commit_has_productions_model_is_noted(one: Shared) -> None:
    (one.root(1) / "README.md").write_text("words")
    made = commit(one.root(1))
    commands.confirm(one.root(1), "HEAD")
    [version] = one.versions
    assert version.tags["newest_commit"] == made
    assert version.events[-1].what == "confirmed"


def test_what_a_blocked_release_has_written_is_kept(
    one: Shared, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = Findings(False, "integration tests failed: test_parity", "")
    monkeypatch.setattr(integration, "run", lambda *_: failed)
    assert one.release(2) == 1
    assert last_line(capsys).startswith("blocked: integration tests failed: test_parity. Prod")
    assert one.standing == {1: ("Production", {"champion"}), 2: ("Staging", {"staging"})}
    assert one.versions[1].tags["integration"] == "failed"


def test_all_that_reads_production_reads_the_branch(two: Shared) -> None:
    settings = params.load(two.root(1) / "params.yaml").release
    with registered.in_production(two.root(1), settings) as found:
        assert found is not None
        assert found.identity == "2"
    assert two.versions[1].run_id in two.churn(1, "runs")
    out = two.churn(
        1, "predict", "--model", "models:/churn-predictor@champion",
        "--input", "data/customers.csv", "--output", "scored.csv",
    )  # fmt: skip
    assert "scored.csv: " in out


def test_a_branch_that_cannot_be_read_is_not_taken_for_an_empty_registry(two: Shared) -> None:
    settings = params.load(two.root(1) / "params.yaml").release
    git(two.root(1), "remote", "set-url", "origin", f"file://{two.folder}/gone.git")
    with (
        pytest.raises(RegistryError, match="branch registry cannot be read"),
        registered.in_production(two.root(1), settings),
    ):
        pytest.fail("there is none")


def test_versions_are_copied_from_the_branch_to_a_server(two: Shared, empty_store: Path) -> None:
    tip = two.tip
    shutil.copy(empty_store, two.folder / "server.db")
    uri = f"sqlite:///{two.folder / 'server.db'}"
    assert "2 versions copied to" in two.churn(2, "migrate", MLFLOW_TRACKING_URI=uri)
    settings = params.load(two.root(2) / "params.yaml").release
    there = Registry(two.root(2), settings, uri).versions()
    mlflow.set_tracking_uri(None)
    assert {v.number: (v.stage, set(v.aliases)) for v in there} == two.standing
    assert two.tip == tip
    environment = {"MLFLOW_TRACKING_URI": uri, local_store.BRANCH: "none"}
    assert "Error: branch none: not there" in two.churn(2, "migrate", code=2, **environment)


# With others


def meanwhile(act: Callable[[], object], times: int = 1) -> Callable[..., Findings]:
    """Let something else happen while a release tests, as often as said; its tests pass."""
    left = [act] * times

    def run(*_: object) -> Findings:
        if left:
            left.pop()()
        return releases.PASSED

    return run


def test_a_rollback_that_comes_between_is_not_lost_and_the_release_goes_on_from_it(
    two: Shared, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # given a release that is at its tests while somebody rolls back in another clone
    def roll_back() -> None:
        two.churn(1, "rollback", "--why", "many complaints", GITHUB_ACTOR="ann")

    monkeypatch.setattr(integration, "run", meanwhile(roll_back))

    # when it is to be published
    assert two.release(3) == 0

    # then it has been done again after the rollback, and both are there
    said = capsys.readouterr()
    assert re.search(
        r"another one was faster: rollback of version 1 by ann at .* UTC \(many complaints\);"
        r" trying again, on the newest registry",
        said.err,
    )
    assert two.standing[3] == ("Production", {"champion"})
    first, second, third = two.versions
    assert [event.what for event in first.events][-1] == "rollback"
    assert "many complaints" in second.tags["rolled_back"]
    assert third.replaced == 1
    assert two.git("rev-list", "--count", BRANCH) == "1"


def test_a_release_gives_up_where_others_are_faster_three_times(
    two: Shared, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    times = []

    def touch() -> None:
        times.append(1)
        other = two.git("commit-tree", f"{BRANCH}^{{tree}}", "-m", f"other {len(times)}")
        two.git("update-ref", f"refs/heads/{BRANCH}", other)

    monkeypatch.setattr(integration, "run", meanwhile(touch, times=9))
    with pytest.raises(
        NotNowError, match=r"production of version 2 .* nothing of this command was"
    ):
        two.release(3)
    assert len(times) == 3
    assert two.git("log", "-1", "--format=%s", BRANCH) == "other 3"
    assert set(two.standing) == {1, 2}
    assert "Production: version 2" in last_line(capsys)


def test_a_rollback_that_was_not_the_first_stops_and_says_who_was(
    two: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    from churn.deploy import promotion

    real = promotion.rollback

    def slow(*arguments: Any) -> Any:
        done = real(*arguments)
        two.churn(1, "rollback", "--why", "it was slow", GITHUB_ACTOR="ann")
        return done

    monkeypatch.setattr(promotion, "rollback", slow)
    with pytest.raises(
        NotNowError,
        match=r"another one was faster: rollback of version 1 by ann at .*\(it was slow\); nothing"
        r" of this command was kept",
    ):
        commands.rollback(two.root(2), None, "mine")
    assert two.standing[1] == ("Production", {"champion"})
    assert [e.why for v in two.versions for e in v.events if e.what == "rollback"] == [
        "it was slow"
    ]


def test_of_two_first_registries_one_is_made_and_the_other_goes_on_from_it(
    empty: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(integration, "run", meanwhile(lambda: with_registry(empty, 1)))
    assert empty.release(2) == 0
    assert empty.standing == {1: ("Archived", {"previous"}), 2: ("Production", {"champion"})}


def programs(folder: Path, body: str) -> str:
    """Put another git before the real one, and return the path that has it."""
    (folder / "bin").mkdir()
    program = folder / "bin" / "git"
    program.write_text(f'#!/bin/sh\nreal={shutil.which("git")}\n{body}\nexec "$real" "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return f"{program.parent}{os.pathsep}{os.environ['PATH']}"


def test_one_that_is_killed_before_it_publishes_has_done_nothing(
    two: Shared, tmp_path: Path
) -> None:
    tip, before = two.tip, of_the_user(two.root(2))
    waits = f'case "$*" in *" push "*) touch {tmp_path}/pushing; sleep 120;; esac'
    process = two.start(2, "rollback", "--why", "x", PATH=programs(tmp_path, waits))
    while not (tmp_path / "pushing").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert list((tmp_path / "temporary").iterdir()) != []
    assert two.tip == tip
    assert of_the_user(two.root(2)) == before

    commands.rollback(two.root(2), None, "once more")

    assert two.standing[1] == ("Production", {"champion"})
    assert list((tmp_path / "temporary").iterdir()) == []


def test_what_is_refused_is_not_called_done(
    two: Shared, capsys: pytest.CaptureFixture[str]
) -> None:
    hook = two.remote / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'this token may only read' >&2\nexit 1\n")
    hook.chmod(0o755)
    tip = two.tip
    said = "branch registry cannot be written to: git push: remote: this token may only read"

    with pytest.raises(RegistryError, match=said):
        two.release(3)
    line = last_line(capsys)
    assert line.startswith("not released, because of an error. Production: version 2 (")
    assert "3 is in Production" not in Workspace(two.root(3)).release_note.read_text()
    with pytest.raises(RegistryError, match=said):
        commands.rollback(two.root(2), None, "why")
    assert capsys.readouterr().out == ""
    out = two.churn(2, "rollback", "--why", "x", code=2)
    assert out == f"Error: {said}\n"
    assert two.tip == tip


def test_where_it_cannot_be_read_again_nothing_is_called_done_either(
    two: Shared, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def touch() -> None:
        other = two.git("commit-tree", f"{BRANCH}^{{tree}}", "-m", "other")
        two.git("update-ref", f"refs/heads/{BRANCH}", other)

    def unreachable(_: WorkingCopy) -> None:
        raise RegistryError("branch registry cannot be read")

    def meanwhile_gone() -> None:
        touch()
        monkeypatch.setattr(WorkingCopy, "refresh", unreachable)

    monkeypatch.setattr(integration, "run", meanwhile(meanwhile_gone))
    with pytest.raises(RegistryError, match="cannot be read"):
        two.release(3)
    assert "Production: version 2" in last_line(capsys)


def test_what_was_blocked_and_is_refused_says_both(
    one: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = one.remote / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    failed = Findings(False, "integration tests failed: test_parity", "")
    monkeypatch.setattr(integration, "run", lambda *_: failed)
    with pytest.raises(
        RegistryError, match=r"cannot be written to: .*; and before that: integration tests failed"
    ):
        one.release(2)


def test_a_remote_that_cannot_be_reached_is_one_line(
    two: Shared, capsys: pytest.CaptureFixture[str]
) -> None:
    git(two.root(2), "remote", "set-url", "origin", f"file://{two.folder}/gone.git")
    for words in (("status",), ("history",), ("rollback",), ("release", "build/candidate")):
        said = two.churn(2, *words, code=2)
        [error] = [line for line in said.splitlines() if line.startswith("Error: ")]
        assert error.startswith("Error: branch registry cannot be read: git ls-remote: fatal: ")
    assert "because the registry cannot be read. Production: unknown" in said
    note = Workspace(two.root(2)).release_note.read_text()
    assert note.startswith("## not released, because the registry cannot be read")


def test_an_answer_that_was_lost_is_looked_for(two: Shared, tmp_path: Path) -> None:
    loses = 'case "$*" in *" push "*) "$real" "$@"; exit 128;; esac'
    said = two.churn(2, "rollback", "--why", "x", PATH=programs(tmp_path, loses))
    assert said == "version 1 is in Production again; it was version 2\n"


# What the branch holds


@pytest.mark.parametrize("branch", ["of-first", "of-second"])
def test_a_branch_that_holds_anything_else_is_never_replaced(
    two: Shared, branch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(local_store.BRANCH, branch)
    before = two.git("rev-parse", branch)
    with pytest.raises(RegistryError, match=rf"branch {branch}: holds .* so it is no registry"):
        two.release(2)
    assert two.git("rev-parse", branch) == before


@pytest.mark.parametrize("name", ["a b", "-x:y", "x..y", "a:b", "*"])
def test_what_is_no_name_of_a_branch_is_refused(
    name: str, two: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(local_store.BRANCH, name)
    with pytest.raises(
        RegistryError, match=r"CHURN_REGISTRY_BRANCH: .* is not a valid branch name"
    ):
        commands.status(two.root(2), markdown=False)


@pytest.mark.parametrize("entry", ["120000 blob {} mlruns/link", "100644 blob {} hooks"])
def test_links_and_other_files_in_it_are_refused(entry: str, two: Shared, tmp_path: Path) -> None:
    blob = git(two.remote, "hash-object", "-w", "--stdin", stdin="/etc").strip()
    mode, kind, _, name = entry.format(blob).split()
    folder, _, file = name.rpartition("/")
    listed = f"{mode} {kind} {blob}\t{file}\n"
    if folder:
        tree = git(two.remote, "mktree", stdin=listed).strip()
        listed = f"040000 tree {tree}\t{folder}\n"
    listed += git(two.remote, "ls-tree", BRANCH, "mlflow.db")
    made = two.git("commit-tree", git(two.remote, "mktree", stdin=listed).strip(), "-m", "x")
    two.git("update-ref", f"refs/heads/{BRANCH}", made)
    with pytest.raises(RegistryError, match=f"holds '{name}', so it is no registry"):
        commands.status(two.root(2), markdown=False)


def test_a_database_that_is_none_is_one_line(two: Shared) -> None:
    blob = git(
        two.remote, "hash-object", "-w", "--stdin", stdin="no database, but as long as one"
    ).strip()
    tree = git(two.remote, "mktree", stdin=f"100644 blob {blob}\tmlflow.db\n").strip()
    two.git("update-ref", f"refs/heads/{BRANCH}", two.git("commit-tree", tree, "-m", "x"))
    for words in (("status",), ("rollback",)):
        said = two.churn(2, *words, code=2)
        assert said.startswith("Error: ") and "not a database" in said
        assert "Traceback" not in said


def test_a_server_goes_before_a_branch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(local_store.BRANCH, BRANCH)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert local_store.registry_branch() is None
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert local_store.registry_branch() == BRANCH
    monkeypatch.setenv(local_store.BRANCH, "")
    assert local_store.registry_branch() is None


def test_the_folders_own_store_is_never_taken_for_it(two: Shared) -> None:
    settings = params.load(two.root(1) / "params.yaml").release
    with pytest.raises(RuntimeError, match="a branch stores inside `working_copy`"):
        Registry(two.root(1), settings)
