"""Git's part: a token that reaches the remote and nothing else, and bytes that stay as they are."""

from __future__ import annotations

import base64
import os
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from churn.core.errors import FasterError, RegistryError
from churn.provenance.git import git
from churn.registry.branch import Branch
from tests.unit.conftest import as_somebody

pytestmark = pytest.mark.long

TOKEN = "ghs_not-to-be-seen"
HEADER = f"basic {base64.b64encode(f'x-access-token:{TOKEN}'.encode()).decode()}"


class _Git(ThreadingHTTPServer):
    """git's own server program behind HTTP, for whoever has the token."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder, self.refused = folder, 0
        self.may_write = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: _Git

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def _answer(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        if self.headers.get("Authorization", "") != HEADER:
            self.server.refused += 1
            self.send_response(401)
            self.send_header("WWW-Authenticate", "Basic")
            self.end_headers()
            return
        if "receive-pack" in self.path and not self.server.may_write:
            self.send_response(403)
            self.end_headers()
            return
        done = subprocess.run(
            ["git", "-c", "http.receivepack=true", "http-backend"],
            input=body,
            capture_output=True,
            env={
                "PATH": os.environ["PATH"],
                "GIT_PROJECT_ROOT": str(self.server.folder),
                "GIT_HTTP_EXPORT_ALL": "1",
                "REQUEST_METHOD": self.command,
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(len(body)),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            },
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        self.send_response(200)
        for line in head.decode().splitlines():
            name, _, value = line.partition(": ")
            if name != "Status":
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Git]:
    as_somebody(monkeypatch, tmp_path)
    git(tmp_path, "init", "--quiet", "--bare", "shop.git")
    with _Git(tmp_path) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield made
        made.shutdown()


@pytest.fixture
def clone(tmp_path: Path, server: _Git, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "clone"
    root.mkdir()
    git(root, "init", "--quiet", "--initial-branch=main")
    git(root, "remote", "add", "origin", f"{server.url}/shop.git")
    monkeypatch.setenv("GITHUB_SERVER_URL", server.url)
    monkeypatch.setenv("GIT_TERMINAL_PROMPT", "0")
    return root


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    """Return a folder that holds a registry, with files that git would like to alter."""
    folder = tmp_path / "registry"
    (folder / "mlruns/1").mkdir(parents=True)
    with closing(sqlite3.connect(folder / "mlflow.db")) as store, store:
        store.execute("CREATE TABLE experiments (artifact_location TEXT)")
    (folder / "mlruns/1/lines.txt").write_bytes(b"one\r\ntwo\n$Id$\n")
    (folder / "mlruns/1/.gitattributes").write_text("* text eol=crlf ident\n")
    (folder / "mlruns/1/.gitignore").write_text("*\n")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in (folder / "mlruns").rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_the_token_reaches_the_server_and_no_command_line(
    clone: Path, server: _Git, registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a git that writes down how it was called
    log, real = tmp_path / "calls", shutil.which("git")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/git").write_text(f'#!/bin/sh\necho "$*" >> {log}\nexec {real} "$@"\n')
    (tmp_path / "bin/git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("GH_TOKEN", TOKEN)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")  # others' settings stay
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.attributesFile")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "/dev/null")

    # when something is published and read again
    branch = Branch(clone, "registry")
    made = branch.publish(branch.tree(registry), branch.fetch(), "first")
    assert branch.fetch() == made

    # then the server has had the token each time, and nothing else has
    assert server.refused == 0
    assert " push " in log.read_text()
    assert TOKEN not in log.read_text()
    assert HEADER.split()[1] not in log.read_text()
    for file in (clone / ".git").rglob("*"):
        assert not file.is_file() or TOKEN.encode() not in file.read_bytes()


@pytest.mark.parametrize("token", ["ghs_another", None])
def test_who_may_not_read_is_told_so_without_the_token(
    token: str | None, clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GH_TOKEN", raising=False)
    if token:
        monkeypatch.setenv("GH_TOKEN", token)
    with pytest.raises(RegistryError, match="branch registry cannot be read: git ls-remote:") as no:
        Branch(clone, "registry").fetch()
    assert token is None or token not in str(no.value)


def test_a_token_that_may_only_read_is_told_so(
    clone: Path, server: _Git, registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GH_TOKEN", TOKEN)
    server.may_write = False
    branch = Branch(clone, "registry")
    with pytest.raises(RegistryError, match=r"cannot be written to: git push: fatal: .* 403") as no:
        branch.publish(branch.tree(registry), "", "first")
    assert TOKEN not in str(no.value)


def test_a_token_goes_to_github_s_address_only(
    clone: Path, server: _Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GH_TOKEN", TOKEN)
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
    with pytest.raises(RegistryError):
        Branch(clone, "registry").fetch()
    assert server.refused > 0  # asked without it


def test_a_password_in_an_address_is_not_said(clone: Path, server: _Git) -> None:
    url = server.url.replace("http://", "http://ann:secret@")
    git(clone, "remote", "set-url", "origin", f"{url}/shop.git")
    with pytest.raises(RegistryError) as refused:
        Branch(clone, "registry").fetch()
    assert "secret" not in str(refused.value)


@pytest.fixture
def near(clone: Path, tmp_path: Path) -> Branch:
    """Return the branch of a remote on this machine."""
    git(clone, "remote", "set-url", "origin", (tmp_path / "shop.git").as_uri())
    return Branch(clone, "registry")


def test_bytes_stay_as_they_are_whatever_git_is_told_of_them(
    near: Branch, clone: Path, registry: Path, tmp_path: Path
) -> None:
    git(clone, "config", "core.autocrlf", "true")
    (clone / ".git/info/attributes").write_text("* text eol=crlf ident\n")
    made = near.publish(near.tree(registry), "", "first")
    assert near.fetch() == made
    (tmp_path / "there").mkdir()
    near.lay_out(made, tmp_path / "there")
    assert contents(tmp_path / "there") == contents(registry)


def test_the_same_content_is_the_same_whatever_was_written_and_taken_back(
    near: Branch, registry: Path
) -> None:
    before = near.tree(registry)
    with closing(sqlite3.connect(registry / "mlflow.db")) as store:
        for statement in ("INSERT INTO experiments VALUES ('x')", "DELETE FROM experiments"):
            store.execute(statement)
            store.commit()
    assert near.tree(registry) == before
    (registry / "mlruns/1/more").write_text("")
    assert near.tree(registry) != before


def test_a_database_that_is_in_use_is_stored_complete(
    near: Branch, registry: Path, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(registry / "mlflow.db")) as store:
        store.execute("PRAGMA journal_mode = WAL")
        store.execute("INSERT INTO experiments VALUES ('here')")
        store.commit()
        assert (registry / "mlflow.db-wal").stat().st_size
        made = near.publish(near.tree(registry), "", "first")
    (tmp_path / "there").mkdir()
    near.fetch()
    near.lay_out(made, tmp_path / "there")
    assert sorted(path.name for path in (tmp_path / "there").iterdir()) == ["mlflow.db", "mlruns"]
    with closing(sqlite3.connect(tmp_path / "there/mlflow.db")) as store:
        assert store.execute("SELECT * FROM experiments").fetchall() == [("here",)]


def test_what_was_read_before_somebody_else_has_published_is_not_replaced(
    near: Branch, registry: Path
) -> None:
    first = near.publish(near.tree(registry), "", "first")
    (registry / "mlruns/1/more").write_text("")
    tree = near.tree(registry)
    second = near.publish(tree, first, "second")
    with pytest.raises(FasterError):
        near.publish(tree, first, "late")
    with pytest.raises(FasterError):
        near.publish(tree, "", "late, and a first one")
    assert near.fetch() == second


def test_links_are_not_published(near: Branch, registry: Path) -> None:
    (registry / "mlruns/1/link").symlink_to("/etc/passwd")
    with pytest.raises(RegistryError, match="mlruns/1/link: not an ordinary file"):
        near.tree(registry)


def test_another_ref_that_ends_alike_is_not_taken_for_it(near: Branch, tmp_path: Path) -> None:
    remote = tmp_path / "shop.git"
    tree = git(remote, "mktree", stdin="").strip()
    other = git(remote, "commit-tree", tree, "-m", "x").strip()
    git(remote, "update-ref", "refs/other/refs/heads/registry", other)
    assert near.fetch() == ""
