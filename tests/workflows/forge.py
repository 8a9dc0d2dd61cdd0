"""A repository with pull requests, and act, which runs its workflows on this machine."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests import warm
from tests.pipeline.conftest import ROOT, Clone

HERE = Path(__file__).resolve().parent
WORKFLOWS = ROOT / ".github"
USES = re.compile(r"uses: *([\w.-]+/([\w.-]+))(?:/[\w-]+)?(@[0-9a-f]{40})")
# What each program is for, and how to get it; it is not downloaded from anywhere else.
PROGRAMS = {
    "act": "go install github.com/nektos/act@v0.2.87",
    "git": "apt-get install git",
    "gh": "apt-get install gh",
    "openssl": "apt-get install openssl",
    "make": "apt-get install make",
}
# What jobs call of the environments.
STANDINS = (
    "ruff",
    "mypy",
    "lint-imports",
    "codespell",
    "python",
    "pytest",
    "actionlint",
    "zizmor",
    "check-jsonschema",
    "hadolint",
    "kubernetes-validate",
    "kustomize",
    "dvc",
)
_NUMBER = 3
_LOOK_S = 15  # how often act is looked after
# A run under act shall not take itself for the run that the tests are part of.
_DROPPED = re.compile(
    r"(GITHUB|RUNNER|ACTIONS|MLFLOW|CHURN|GH|CML|PYTHON)_|PYTHONPATH|VIRTUAL_ENV|CI$"
)


@dataclass(frozen=True)
class Ran:
    """What act has printed, and how the jobs have ended."""

    code: int
    log: str

    @property
    def jobs(self) -> dict[str, str]:
        return dict(re.findall(r"\[[^/\]]+/(\w+) *\].*Job (succeeded|failed)", self.log))

    @property
    def summary(self) -> str:
        """What the steps of all jobs have written into the summary of the run."""
        return "\n".join(part.partition("\n[")[0] for part in self.log.split("Summary - ")[1:])


@dataclass
class Forge:
    """A repository, its one pull request, and a store that stands for GitHub's own.

    In `store`: ``environments/`` (what is installed, by path), ``artifacts/`` (what was uploaded),
    ``cml/`` (CML's source, if it is available), ``calls`` (what stand-ins were called with).
    `variables` and `secrets` are those of the repository's settings.
    """

    origin: Clone
    store: Path
    environment: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)

    def open_pull_request(self, changes: dict[str, str], branch: str = "better") -> str:
        """Make a pull request to main, and return its newest commit."""
        self.origin.git("switch", "--quiet", "--create", branch, "main")
        return self.push(changes)

    def push(self, changes: dict[str, str]) -> str:
        """Commit to the pull request's branch, and make the commit that merging it would make."""
        branch = self.origin.git("branch", "--show-current")
        self._commit(changes, "a change")
        head = self.origin.git("rev-parse", "HEAD")
        self.origin.git("switch", "--quiet", "--detach", "main")
        self.origin.git("merge", "--quiet", "--no-ff", "--message", "merged", branch)
        self.origin.git("update-ref", f"refs/pull/{_NUMBER}/merge", "HEAD")
        self.origin.git("switch", "--quiet", branch)
        return head

    def commit_to_main(self, changes: dict[str, str]) -> None:
        self.origin.git("switch", "--quiet", "main")
        self._commit(changes, "main moves on")

    def _commit(self, changes: dict[str, str], message: str) -> None:
        for name, content in changes.items():
            (self.origin.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.origin.root / name).write_text(content)
        self.origin.git("add", "--all")
        self.origin.git("commit", "--quiet", "--message", message)

    def artifact(self, name: str) -> Path:
        return self.store / "artifacts" / f"{name}.zip"

    @property
    def calls(self) -> list[str]:
        return (self.store / "calls").read_text().splitlines()

    def pull_request(self) -> Ran:
        """Run pull-request.yml on the pull request."""
        # The base is what it was when the pull request was opened; main may have moved since.
        head = self.origin.git("rev-parse", "HEAD")
        found = self.origin.run("git", "merge-base", "main", head, check=False).stdout.strip()
        base = found or self.origin.git("rev-parse", "main")  # no common commit: the first ever
        pull = {"number": _NUMBER, "head": {"sha": head}, "base": {"ref": "main", "sha": base}}
        event = {"action": "synchronize", "number": _NUMBER, "pull_request": pull}
        return self._act("pull_request", "pull-request.yml", event, "github.com")

    def comment(self, run: dict[str, Any], host: str) -> Ran:
        """Run comment.yml on the end of a run, against the API at `host`."""
        repository = {"full_name": "octo/shop", "default_branch": "main"}
        event = {"action": "completed", "workflow_run": run, "repository": repository}
        return self._act("workflow_run", "comment.yml", event, host)

    def push_to_main(self, host: str = "github.com") -> Ran:
        """Run deploy.yml on the newest commit of main."""
        event = {
            "ref": "refs/heads/main",
            "after": self.origin.git("rev-parse", "main"),
            "repository": {"full_name": "octo/shop", "default_branch": "main"},
        }
        self.origin.git("switch", "--quiet", "main")
        return self._act("push", "deploy.yml", event, host)

    def roll_back(self, version: str, reason: str) -> Ran:
        """Run rollback.yml, as somebody does by hand."""
        event = {
            "ref": "refs/heads/main",
            "inputs": {"version": version, "reason": reason},
            "repository": {"full_name": "octo/shop", "default_branch": "main"},
        }
        self.origin.git("switch", "--quiet", "main")
        return self._act("workflow_dispatch", "rollback.yml", event, "github.com")

    def retrain(
        self, host: str, reason: str = "", trigger: str = "workflow_dispatch", branch: str = "main"
    ) -> Ran:
        """Run retrain.yml, as somebody does by hand or an alarm; or as the schedule does."""
        return self._start("retrain.yml", trigger, {"reason": reason}, host, branch)

    def monitor(self, host: str, trigger: str = "schedule") -> Ran:
        """Run monitor.yml, as the schedule does, or somebody by hand."""
        return self._start("monitor.yml", trigger, {"since": "7d"}, host)

    def batch(
        self, trigger: str = "schedule", overwrite: bool = False, branch: str = "main"
    ) -> Ran:
        """Run batch.yml, as the schedule does, or somebody by hand."""
        return self._start(
            "batch.yml", trigger, {"overwrite": str(overwrite).lower()}, "github.com", branch
        )

    def _start(
        self, workflow: str, trigger: str, inputs: dict[str, str], host: str, branch: str = "main"
    ) -> Ran:
        """Run a workflow by the schedule, or by hand with inputs."""
        event: dict[str, Any] = {
            "ref": f"refs/heads/{branch}",
            "repository": {"full_name": "octo/shop", "default_branch": "main"},
        }
        if trigger != "schedule":
            event["inputs"] = inputs
        self.origin.git("switch", "--quiet", branch)
        return self._act(trigger, workflow, event, host)

    def end_canary(self, decision: str, reason: str) -> Ran:
        """Decide on a trial by hand."""
        event = {
            "inputs": {"decision": decision, "reason": reason},
            "repository": {"full_name": "octo/shop", "default_branch": "main"},
        }
        self.origin.git("switch", "--quiet", "main")
        return self._act("workflow_dispatch", "canary.yml", event, "github.com")

    def end_canary_when_due(self) -> Ran:
        """Let the schedule come, which has to be uncommented."""
        event = {"repository": {"full_name": "octo/shop", "default_branch": "main"}}
        self.origin.git("switch", "--quiet", "main")
        return self._act("schedule", "canary.yml", event, "github.com")

    def _act(self, trigger: str, workflow: str, event: dict[str, Any], host: str) -> Ran:
        path = self.store / "event.json"
        path.write_text(json.dumps(event))
        self.origin.git("remote", "set-url", "origin", f"https://{host}/octo/shop")
        command = ["act", trigger, "--workflows", f".github/workflows/{workflow}"]
        command += ["--eventpath", str(path), "--platform", "ubuntu-latest=-self-hosted"]
        command += ["--no-skip-checkout", "--no-cache-server", "--github-instance", host]
        for name, value in (self.secrets | {"GITHUB_TOKEN": "the-token"}).items():
            command += ["--secret", f"{name}={value}"]
        for name, value in self.variables.items():
            command += ["--var", f"{name}={value}"]
        for action in swapped():
            command += ["--local-repository", action]
        process = subprocess.Popen(
            command,
            cwd=self.origin.root,
            env=self._environment | self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(900 // _LOOK_S):
            try:
                log, _ = process.communicate(timeout=_LOOK_S)
            except subprocess.TimeoutExpired:
                if not _children(process.pid):
                    _end_output(process.pid)
            else:
                return Ran(process.returncode, log)
        process.kill()
        raise TimeoutError(process.communicate()[0])

    @property
    def _environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not _DROPPED.match(k)}
        return kept | {
            "HOME": str(self.origin.home),
            "XDG_CACHE_HOME": str(self.origin.home / ".cache"),
            "PATH": f"{self.store / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin",
            "TEST_ORIGIN": str(self.origin.root),
            "TEST_STORE": str(self.store),
        }


def _children(pid: int) -> list[str]:
    return [child for task in Path(f"/proc/{pid}/task").glob("*/children") for child in
            task.read_text().split()]  # fmt: skip


def _end_output(pid: int) -> None:
    """Tell act once more that a step's output has ended.

    Now and then it misses the sign for that, which it gives itself through the step's terminal, and
    waits forever when the step is long gone (act 0.2.87, pkg/container/host_environment.go, exec).
    """
    for link in Path(f"/proc/{pid}/fd").glob("*"):
        with suppress(OSError):
            if str(link.readlink()).startswith("/dev/pts/"):
                terminal = os.open(link, os.O_WRONLY | os.O_NOCTTY)
                os.write(terminal, b"\x04")
                os.close(terminal)


def swapped() -> list[str]:
    """Name for each action that the workflows use the folder that stands in for it."""
    used = {
        match
        for file in WORKFLOWS.rglob("*.yml")
        for match in USES.findall(file.read_text(encoding="utf-8"))
    }
    return [f"{action}{at}={HERE / 'actions' / name}" for action, name, at in sorted(used)]


def missing() -> list[str]:
    """Say of each program that is not here how to install it."""
    return [f"{name} ({how})" for name, how in PROGRAMS.items() if not shutil.which(name)]


def make_store(folder: Path) -> Path:
    """Make the store; its ``bin`` is all that a job finds beside the system's own programs."""
    for name in ("bin", "environments", "artifacts"):
        (folder / name).mkdir(parents=True)
    for name in PROGRAMS:
        (folder / "bin" / name).symlink_to(str(shutil.which(name)))
    # What it would install is not wanted, but by the one test of CML itself.
    (folder / "bin" / "npm").symlink_to(HERE / "programs" / "log")
    # Without the packages of the environment that runs the tests.
    (folder / "bin" / "python3").symlink_to(sys.base_prefix + "/bin/python3")
    return folder


def install_standins(clone: Clone) -> None:
    """Let the repository's own scripts take environments from the store instead of installing them.

    Committed, because a job checks out what is committed.
    """
    shutil.copy(HERE / "programs" / "install", clone.root / "scripts" / "install")
    clone.git("add", "scripts/install")
    clone.git("commit", "--quiet", "--message", "environments of the tests")


def make_standins(environments: Path) -> None:
    """Make environments whose programs only note that they were called."""
    for environment in (".venv", ".venv-checks"):
        (environments / environment / "bin").mkdir(parents=True)
    programs = environments / ".venv" / "bin"
    for name in STANDINS:
        (programs / name).symlink_to(HERE / "programs" / "log")
    (programs / "churn").symlink_to(HERE / "programs" / "churn")


_ENTRY_POINTS = {
    "churn": "churn.cli.main:main",
    "dvc": "dvc.cli:main",
    "mlflow": "mlflow.cli:cli",
}


def make_real_environments(environments: Path, *, is_warm: bool = False) -> None:
    """Make environments of the one that runs the tests, and of deepchecks' beside it.

    Links lead to the packages, but `churn` is imported from the job's own checkout. Linters and
    pytest stay stand-ins. With `is_warm` the programs start at once; see `tests.warm`.
    """
    is_warm = is_warm and warm.is_possible()
    shutil.rmtree(environments)
    make_standins(environments)
    packages = Path(sys.prefix, "lib", f"python3.{sys.version_info.minor}", "site-packages")
    own = environments / ".venv" / packages.relative_to(sys.prefix)
    own.mkdir(parents=True)
    for entry in packages.iterdir():
        if not entry.name.startswith("_editable_impl_churn"):  # it leads to the tested work tree
            (own / entry.name).symlink_to(entry)
    (own / "churn.pth").write_text(
        # At the end, as by an editable install: a baseline brings its own code by PYTHONPATH.
        "import os, sys; sys.path.append(os.environ['GITHUB_WORKSPACE'] + '/src')\n"
    )
    (environments / ".venv" / "pyvenv.cfg").symlink_to(Path(sys.prefix, "pyvenv.cfg"))
    programs = environments / ".venv" / ("cold" if is_warm else "bin")
    programs.mkdir(exist_ok=True)
    for name in ("python", "python3"):
        (programs / name).unlink(missing_ok=True)
        (programs / name).symlink_to(Path(sys.prefix, "bin", "python"))
    for name, entry_point in _ENTRY_POINTS.items():
        module, _, function = entry_point.partition(":")
        (programs / name).unlink(missing_ok=True)
        (programs / name).write_text(
            f"#!/usr/bin/env python\nimport sys\nfrom {module} import {function}\n"
            f"sys.exit({function}())\n"
        )
        (programs / name).chmod(0o755)
    checks = Path(sys.prefix).parent / ".venv-checks"
    (environments / ".venv-checks" / "bin").rmdir()
    for name in ("bin", "lib", "pyvenv.cfg"):
        (environments / ".venv-checks" / name).symlink_to(checks / name)
    if is_warm:
        warm.install(environments / ".venv" / "bin", "../cold")
        (environments / ".venv-checks" / "bin").unlink()
        warm.install_checks(environments / ".venv-checks" / "bin", checks / "bin" / "python")
