"""As much of GitHub's API as is asked here, over real HTTPS, with its state to look at."""

from __future__ import annotations

import json
import re
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

BOT = "github-actions[bot]"
TOKEN = "the-token"
HEAD, BASE = "a" * 40, "b" * 40
_API = "/api/v3"


@dataclass
class FakeGitHub:
    """The server's state, and what was asked of it."""

    repository: str = "octo/shop"
    pulls: list[dict[str, Any]] = field(default_factory=list)
    commits: dict[str, list[int]] = field(default_factory=dict)  # with their pull requests
    outage: tuple[int, Any] | None = None  # status and content of every answer
    files: list[dict[str, Any]] = field(default_factory=list)  # that a pull request changes
    texts: dict[str, str] = field(default_factory=dict)  # of params.yaml, by commit
    jobs: list[dict[str, Any]] = field(default_factory=list)  # of every run
    comments: list[dict[str, Any]] = field(default_factory=list)
    artifacts: list[dict[str, Any]] = field(default_factory=list)
    issues: list[dict[str, Any]] = field(default_factory=list)
    archives: dict[int, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    host: str = ""
    certificate: Path = Path()
    git: Path = Path()  # whose branches pull requests are opened from
    author: str = BOT  # of pull requests
    permits_pulls: bool = True  # whether workflows may open pull requests

    def open_pull(
        self, number: int, source: str, branch: str, head: str, base: str = "main"
    ) -> None:
        repo = self.place(source) | {"owner": {"login": source.partition("/")[0]}}
        pull = {"number": number, "state": "open", "merged_at": None, "base": {"ref": base}}
        self.pulls.append(pull | {"head": {"ref": branch, "sha": head, "repo": repo}})

    def merge_pull(self, number: int, commit: str) -> None:
        [pull] = [pull for pull in self.pulls if pull["number"] == number]
        pull |= {"state": "closed", "merged_at": f"2026-02-01T00:00:{number:02}Z"}
        self.commits.setdefault(commit, []).append(number)

    def place(self, name: str) -> dict[str, Any]:
        return {"id": sum(map(ord, name)), "full_name": name}

    def add_artifact(
        self, archive: bytes, name: str = "comment", size: int | None = None, run: int = 77
    ) -> dict[str, Any]:
        number = len(self.artifacts) + 1
        size = len(archive) if size is None else size
        listed = {"id": number, "name": name, "size_in_bytes": size, "expired": False}
        self.artifacts.append(listed | {"workflow_run": {"id": run}})
        self.archives[number] = archive
        return self.artifacts[-1]

    def add_comment(self, body: str, login: str = BOT) -> dict[str, Any]:
        number = 1000 + len(self.comments)
        address = f"https://{self.host}/{self.repository}/pull/3#issuecomment-{number}"
        made = {"id": number, "body": body, "user": {"login": login}, "html_url": address}
        self.comments.append(made)
        return made

    def answer(
        self, method: str, path: str, query: dict[str, str], body: Any
    ) -> tuple[int, Any, dict[str, str]]:
        """Return status, content and headers of the answer to a request."""
        self.asked.append(f"{method} {path}")
        if self.outage:
            return *self.outage, {}
        repo = re.escape(f"{_API}/repos/{self.repository}")
        routes: list[tuple[str, Callable[..., tuple[int, Any]]]] = [
            (rf"GET {repo}/pulls", lambda: (200, page(self._pulls(query), query))),
            (rf"POST {repo}/pulls", lambda: self._create_pull(body)),
            (rf"PATCH {repo}/pulls/(\d+)", lambda n: self._change_pull(int(n), body)),
            (rf"GET {repo}/commits/(\w+)/pulls", self._pulls_of),
            (rf"GET {repo}/actions/runs/(\d+)/artifacts", lambda n: self._listing(int(n), query)),
            (rf"GET {repo}/actions/runs/\d+/jobs", lambda: (200, self._jobs(query))),
            (rf"GET {repo}/pulls/\d+/files", lambda: (200, page(self.files, query))),
            (rf"GET {repo}/compare/main\.\.\.\w+", self._merge_base),
            (rf"GET {repo}/contents/params\.yaml", lambda: self._params(query)),
            (rf"GET {repo}/issues", lambda: (200, page(self._issues(query), query))),
            (rf"POST {repo}/issues", lambda: (201, self._open_issue(body))),
            (rf"PATCH {repo}/issues/(\d+)", lambda n: self._change_issue(int(n), body)),
            (rf"GET {repo}/issues/\d+/comments", lambda: (200, page(self.comments, query))),
            (rf"POST {repo}/issues/\d+/comments", lambda: (201, self.add_comment(body["body"]))),
            (rf"PATCH {repo}/issues/comments/(\d+)", lambda n: self._patch(int(n), body["body"])),
            (rf"GET {_API}/users/[^/]+", lambda: (200, {"login": BOT})),
            (r"GET /storage/(\d+)", lambda n: (200, self.archives[int(n)])),
        ]
        if zipped := re.fullmatch(rf"{repo}/actions/artifacts/(\d+)/zip", path):
            return 302, b"", {"Location": f"https://{self.host}/storage/{zipped[1]}"}
        for pattern, reply in routes:
            if matched := re.fullmatch(pattern, f"{method} {path}"):
                return *reply(*matched.groups()), {}
        return 404, {"message": "Not Found"}, {}

    def _pulls(self, query: dict[str, str]) -> list[dict[str, Any]]:
        return [
            pull
            for pull in self.pulls
            if pull["state"] == query.get("state", "open")
            and query.get("base") in (None, pull["base"]["ref"])
            and query.get("head")
            in (None, f"{pull['head']['repo']['owner']['login']}:{pull['head']['ref']}")
        ]

    def _create_pull(self, body: dict[str, str]) -> tuple[int, Any]:
        if not self.permits_pulls:
            return 403, {"message": "GitHub Actions is not permitted to create or approve pull"
                         " requests"}  # fmt: skip
        found = ["git", "rev-parse", "--verify", "--quiet", f"refs/heads/{body['head']}"]
        head = subprocess.run(found, cwd=self.git, capture_output=True, text=True).stdout.strip()
        taken = [pull for pull in self.pulls if pull["head"]["ref"] == body["head"]]
        if not head or any(pull["state"] == "open" for pull in taken):
            return 422, {"message": "Validation Failed"}
        number = 1 + max((pull["number"] for pull in self.pulls), default=0)
        self.open_pull(number, self.repository, body["head"], head, body["base"])
        return 201, self._change_pull(number, body)[1]

    def _change_pull(self, number: int, body: dict[str, str]) -> tuple[int, Any]:
        [pull] = [pull for pull in self.pulls if pull["number"] == number]
        if len(body["body"]) > 65_536:
            return 422, {"message": "body is too long (maximum is 65536 characters)"}
        pull |= {"title": body["title"], "body": body["body"], "user": {"login": self.author}}
        pull["html_url"] = f"https://{self.host}/{self.repository}/pull/{number}"
        return 200, pull

    def _pulls_of(self, commit: str) -> tuple[int, Any]:
        if commit not in self.commits:
            return 422, {"message": f"No commit found for SHA: {commit}"}
        numbers = self.commits[commit]
        return 200, [pull for pull in self.pulls if pull["number"] in numbers]

    def _listing(self, run: int, query: dict[str, str]) -> tuple[int, Any]:
        of_run = [a for a in self.artifacts if a["workflow_run"]["id"] == run]
        named = [a for a in of_run if a["name"] == query["name"]]
        return 200, {"total_count": len(named), "artifacts": page(named, query)}

    def _jobs(self, query: dict[str, str]) -> dict[str, Any]:
        return {"total_count": len(self.jobs), "jobs": page(self.jobs, query)}

    def _merge_base(self) -> tuple[int, Any]:
        return 200, {"merge_base_commit": {"sha": BASE}}

    def _params(self, query: dict[str, str]) -> tuple[int, Any]:
        if query["ref"] not in self.texts:
            return 404, {"message": "Not Found"}
        return 200, self.texts[query["ref"]].encode()

    def _issues(self, query: dict[str, str]) -> list[dict[str, Any]]:
        return [
            issue
            for issue in self.issues
            if query["labels"] in issue["labels"] and issue["state"] == query["state"]
        ]

    def _open_issue(self, body: dict[str, Any]) -> dict[str, Any]:
        number = 200 + len(self.issues)
        url = f"https://{self.host}/{self.repository}/issues/{number}"
        self.issues.append({"number": number, "state": "open", "html_url": url, **body})
        return self.issues[-1]

    def _change_issue(self, number: int, body: dict[str, Any]) -> tuple[int, Any]:
        [issue] = [issue for issue in self.issues if issue["number"] == number]
        issue |= body
        return 200, issue

    def _patch(self, number: int, body: str) -> tuple[int, Any]:
        [comment] = [c for c in self.comments if c["id"] == number]
        comment["body"] = body  # GitHub lets the token of a workflow write into anyone's
        return 200, comment


def ended(
    head: str = HEAD, source: str = "octo/shop", conclusion: str = "success", branch: str = "better"
) -> dict[str, Any]:
    """Return what GitHub tells of a run that has ended; it names no pull request for forks."""
    return {
        "id": 77,
        "run_number": 12,
        "path": ".github/workflows/pull-request.yml",
        "event": "pull_request",
        "conclusion": conclusion,
        "head_sha": head,
        "head_branch": branch,
        "head_repository": {"full_name": source},
        "pull_requests": [],
    }


def page(listed: list[Any], query: dict[str, str]) -> list[Any]:
    """Return a page of a list, 30 entries a page where nothing else is asked for, as GitHub."""
    size, number = int(query.get("per_page", 30)), int(query.get("page", 1))
    return listed[(number - 1) * size : number * size]


def make_certificate(folder: Path) -> Path:
    """Make a certificate for 127.0.0.1, in one file with its key."""
    target = folder / "certificate.pem"
    options = "-x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test"
    named = ["-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(target), "-out", str(folder / "cert")]
    subprocess.run(
        ["openssl", "req", *options.split(), *named, *files], check=True, capture_output=True
    )
    with target.open("a") as file:
        file.write((folder / "cert").read_text())
    return target


@contextmanager
def serving(certificate: Path) -> Iterator[FakeGitHub]:
    """Give a GitHub without pull requests and comments, until the block ends."""
    state = FakeGitHub()
    server = serve(state, certificate)
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()


def serve(state: FakeGitHub, certificate: Path) -> ThreadingHTTPServer:
    """Answer requests in a thread, until the server is shut down."""

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            sent = self._sent()
            body = json.loads(sent) if sent else None
            parts = urlsplit(self.path)
            query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            if self.headers.get("Authorization") not in (f"token {TOKEN}", f"Bearer {TOKEN}"):
                status, content, headers = 401, {"message": "Bad credentials"}, {}
            else:
                status, content, headers = state.answer(self.command, parts.path, query, body)
            raw = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            kind = "octet-stream" if isinstance(content, bytes) else "json; charset=utf-8"
            self.send_header("Content-Type", f"application/{kind}")
            self.send_header("Content-Length", str(len(raw)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(OSError):  # who has asked has read enough, and is gone
                self.wfile.write(raw)

        def _sent(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            chunks = []
            while length := int(self.rfile.readline(), 16):
                chunks.append(self.rfile.read(length))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)

        do_GET = do_POST = do_PATCH = do_PUT = handle_any  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    state.host, state.certificate = f"127.0.0.1:{server.server_port}", certificate
    # Polls for its end; by default so rarely that each test would wait half a second.
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return server
