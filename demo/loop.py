"""`make demo`: the whole loop on this machine, in a few minutes.

A model goes into Production and is served. Thirty days pass, with drift from the fifteenth on. The
monitor is quiet until then, and alarms after; an issue is opened; a newer table becomes a pull
request, which is reviewed and merged; the new model is released, the server swaps, and the monitor
is quiet again.

All of it is real, but for GitHub's API, which runs here, and the calendar: the log of each day's
answers gets that day's date.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pandas as pd
from tests.workflows.fake_github import TOKEN, FakeGitHub, make_certificate, serving

from demo.traffic import FIRST, Traffic, population

ROOT = Path(__file__).resolve().parents[1]
DRIFT_FROM, DAYS, AFTER = 14, 30, 5
ROWS, DRIFT = 2000, 3.0
_START_S = 120


@dataclass
class Loop:
    """The project's clone, GitHub, and a folder for everything else.

    Attributes
    ----------
    folder : Path
    shop : Path
        The clone.
    github : FakeGitHub
    environment : dict of str to str
        Of each command.
    say : callable
        Gets a line for each step.
    """

    folder: Path
    shop: Path
    github: FakeGitHub
    environment: dict[str, str]
    say: Callable[[str], None]

    def run(self, *command: str, code: int = 0) -> str:
        """Run a command in the clone, and return what it prints.

        Raises
        ------
        SystemExit
            With its output, if it ends with another code than `code`.
        """
        done = subprocess.run(
            command, cwd=self.shop, env=self.environment, capture_output=True, text=True
        )
        if done.returncode != code:
            sys.exit(
                f"{' '.join(command)}: exit code {done.returncode}, not {code}\n"
                f"{done.stdout}\n{done.stderr}"
            )
        return done.stdout

    def monitor(self, last: int, code: int, *options: str) -> str:
        """Watch the last seven days up to a day, and return the headline."""
        until = (FIRST + timedelta(days=last)).isoformat()
        log = ("--log", "../log", "--until", until)
        shown = self.run("churn", "monitor", *log, "--issues", *options, code=code)
        return next(line for line in shown.splitlines() if "(version" in line)


def run(
    folder: Path, say: Callable[[str], None], environment: Mapping[str, str] | None = None
) -> Path:
    """Go once around, and return the folder with the pages.

    Parameters
    ----------
    folder : Path
        Empty, for everything that is made.
    say : callable
        Gets a line for each step.
    environment : mapping of str to str, optional
        Further variables of each command, but not of the server.
    """
    with ExitStack() as stack:
        github = stack.enter_context(serving(make_certificate(folder)))
        loop = _begin(folder, github, say)
        server = loop.environment
        loop = replace(loop, environment=server | dict(environment or {}))
        say("train and release")
        loop.run("dvc", "repro", "--quiet")
        loop.run("churn", "release", "--embedded")
        url = stack.enter_context(_served(loop, server))
        say(f"version 1 is served on {url}")
        traffic = Traffic(url, loop.shop / "served/log", folder / "log")
        same, other = population(91, 0.0, "S"), population(92, DRIFT, "D")
        asked = [traffic.days(same, 0, DRIFT_FROM, ROWS)]
        say(f"day {DRIFT_FROM}: {loop.monitor(DRIFT_FROM - 1, 0)}")
        assert not github.issues
        asked.append(traffic.days(other, DRIFT_FROM, DAYS - DRIFT_FROM, ROWS))
        labels = folder / "labels.csv"
        pd.concat(asked)[["customer_id", "churned"]].to_csv(labels, index=False)
        say(f"day {DAYS}: {loop.monitor(DAYS - 1, 1, '--labels', str(labels), '--since', '30d')}")
        [issue, *_] = github.issues
        say(f"issue opened: {issue['title']}")
        pages = _keep(loop, "alarm")
        _retrain(loop)
        _release(loop)
        traffic.wait_for("2", other.drop(columns="churned").head(1))
        say("the server answers with version 2")
        traffic.days(other.iloc[::-1], DAYS, AFTER, ROWS)
        say(f"day {DAYS + AFTER}: {loop.monitor(DAYS + AFTER - 1, 0)}")
        assert {issue["state"] for issue in github.issues} == {"closed"}
        say("issue closed")
        _keep(loop, "after")
        return pages


def _begin(folder: Path, github: FakeGitHub, say: Callable[[str], None]) -> Loop:
    """Clone this project twice: as GitHub has it, and as somebody works on it."""
    origin, shop = folder / "origin.git", folder / "shop"
    _git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(origin))
    _git(ROOT, "push", "--quiet", str(origin), "HEAD:refs/heads/main")
    _git(folder, "clone", "--quiet", str(origin), str(shop))
    for name, value in (("user.name", "demo"), ("user.email", "demo@example.org")):
        _git(shop, "config", name, value)
    exclude = shop / ".git/info/exclude"
    exclude.write_text(exclude.read_text() + ".venv*\n")
    for environment in (".venv", ".venv-checks"):
        (shop / environment).symlink_to(ROOT / environment)
    github.git = origin
    ours = {
        "PATH": f"{ROOT / '.venv/bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(shop / "src"),
        "GITHUB_SERVER_URL": f"https://{github.host}",
        "GITHUB_REPOSITORY": github.repository,
        "GH_TOKEN": TOKEN,
        "SSL_CERT_FILE": str(github.certificate),
    }
    loop = Loop(folder, shop, github, os.environ | ours, say)
    loop.run("dvc", "pull", "--quiet")
    return loop


def _retrain(loop: Loop) -> None:
    """Let the newest table become a pull request: yesterday's customers, and those of today."""
    table = loop.folder / "warehouse.csv"
    newer = population(93, DRIFT, "N").head(20_000)
    pd.concat([pd.read_csv(loop.shop / "data/customers.csv"), newer]).to_csv(table, index=False)
    alarm = loop.folder / "alarm" / "monitor.json"
    loop.say("retrain on the newest table")
    loop.run("churn", "retrain", "--source", str(table), "--alarm", str(alarm))
    [pull] = loop.github.pulls
    verdict = next(line for line in pull["body"].splitlines() if "erge" in line)
    loop.say(f"pull request: {pull['title']}: {verdict}")
    assert "Do not merge" not in verdict, verdict


def _release(loop: Loop) -> None:
    """Merge the pull request, and release what main then is."""
    [pull] = loop.github.pulls
    branch = pull["head"]["ref"]
    loop.run("git", "fetch", "--quiet", "origin")
    loop.run("git", "merge", "--quiet", "--no-ff", "--no-edit", f"origin/{branch}")
    loop.run("git", "push", "--quiet", "origin", "HEAD:main")
    loop.say("merged; release")
    loop.run("dvc", "checkout", "--quiet", "--force")
    loop.run("dvc", "pull", "--quiet")
    loop.run("churn", "release", "--embedded")


@contextmanager
def _served(loop: Loop, environment: dict[str, str]) -> Iterator[str]:
    """Serve Production until the block ends, and give the address."""
    with (loop.folder / "serve.log").open("w") as log:
        server = subprocess.Popen(
            ["churn", "serve", "--port", "0"],
            cwd=loop.shop,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield _address(loop.folder / "serve.log", server)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)


def _address(log: Path, server: subprocess.Popen[bytes]) -> str:
    end = time.monotonic() + _START_S
    while time.monotonic() < end and server.poll() is None:
        for line in log.read_text().splitlines():
            if " serves http://" in line or line.startswith("serves http://"):
                return line.partition("serves ")[2].split()[0]
        time.sleep(0.1)
    sys.exit(f"churn serve did not start:\n{log.read_text()}")


def _keep(loop: Loop, name: str) -> Path:
    """Keep the pages of now, and return their folder."""
    target = loop.folder / name
    shutil.copytree(loop.shop / "build/monitor", target)
    return target


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def main() -> None:
    """Run the loop in a new folder, and print each step with its time."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, help="empty folder  [default: a temporary one]")
    arguments = parser.parse_args()
    if lacking := [name for name in ("gh", "openssl") if not shutil.which(name)]:
        sys.exit(f"make demo needs {' and '.join(lacking)}")
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="churn-demo-"))
    folder.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()

    def say(step: str) -> None:
        print(f"{time.monotonic() - start:5.0f} s  {step}", flush=True)

    page = run(folder.resolve(), say) / "monitor.html"
    say(f"the page of the alarm: {page}")


if __name__ == "__main__":
    main()
