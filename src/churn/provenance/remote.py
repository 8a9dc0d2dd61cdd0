"""Talk to the remote ``origin``: fetch a branch of it, and write to one that nobody has changed."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping
from pathlib import Path

from churn.core import process
from churn.core.errors import ArtifactError

_NAME = "origin"
_PATIENCE_S = 600
# No hooks of the user (DVC's would push data), and no waiting on a connection that is silent.
_SETTINGS = ("core.hooksPath=/dev/null", "gc.auto=0", "maintenance.auto=false",
             "http.lowSpeedLimit=1000", "http.lowSpeedTime=60")  # fmt: skip


def address(root: Path) -> str:
    """Return the remote's address.

    Raises
    ------
    ArtifactError
        If there is no such remote.
    """
    return run(root, "remote", "get-url", _NAME).strip()


def newest(root: Path, branch: str) -> str:
    """Return a branch's commit there; empty if there is no such branch.

    Raises
    ------
    ArtifactError
        If the remote cannot be reached.
    """
    ref = f"refs/heads/{branch}"
    listed = run(root, "ls-remote", "--quiet", _NAME, ref).splitlines()
    # ls-remote matches the end of names, so refs/other/refs/heads/main is listed as well.
    found = (line.split("\t") for line in listed)
    return next((commit for commit, name in found if name == ref), "")


def fetch(root: Path, branch: str, kept: str) -> str:
    """Fetch a branch, and keep its commit under a name of git; the user's branches do not change.

    Parameters
    ----------
    root : Path
    branch : str
    kept : str
        A name below ``refs/churn/``.

    Returns
    -------
    str
        Its commit; empty if there is no such branch.

    Raises
    ------
    ArtifactError
        If the remote cannot be reached.
    """
    if not newest(root, branch):
        return ""
    ref = f"refs/heads/{branch}"
    options = ("--quiet", "--force", "--no-tags", "--no-prune", "--no-recurse-submodules",
               "--no-write-fetch-head", "--refmap=")  # fmt: skip
    run(root, "fetch", *options, _NAME, f"{ref}:{kept}")
    return run(root, "rev-parse", "--verify", f"{kept}^{{commit}}").strip()


def push(root: Path, commit: str, branch: str, expected: str) -> None:
    """Let a branch name a commit.

    Parameters
    ----------
    root : Path
    commit : str
    branch : str
        Made if it is not there.
    expected : str
        The commit that it has to name so far; empty if it must not exist.

    Raises
    ------
    ArtifactError
        If it names another commit, or the remote refuses.
    """
    ref = f"refs/heads/{branch}"
    lease = f"--force-with-lease={ref}:{expected}"
    options = ("--quiet", "--no-follow-tags", "--recurse-submodules=no", lease)
    run(root, "push", *options, _NAME, f"{commit}:{ref}")


def run(
    root: Path, *arguments: str, stdin: str = "", environment: Mapping[str, str] | None = None
) -> str:
    """Run git, without the user's hooks, and return what it prints.

    Parameters
    ----------
    root : Path
    *arguments : str
    stdin : str, optional
        Its input. There, and in what it prints, names of files are bytes (``surrogateescape``).
    environment : mapping, optional
        Variables; default is the credentials for the remote.

    Raises
    ------
    ArtifactError
        If it fails, or does not end.
    """
    settings = [word for setting in _SETTINGS for word in ("-c", setting)]
    given = credentials(os.environ) if environment is None else environment
    try:
        done = process.run(
            ["git", *settings, *arguments],
            root,
            environment={**os.environ, "LC_ALL": "C", **given},
            stdin=stdin,
            timeout_s=_PATIENCE_S,
            errors="surrogateescape",
        )
    except FileNotFoundError as error:
        raise ArtifactError("git: not found; install it") from error
    except TimeoutError as error:
        raise ArtifactError(f"git {arguments[0]}: no end after {_PATIENCE_S} s") from error
    if done.returncode:
        raise ArtifactError(f"git {arguments[0]}: {reason(done.stderr)}")
    return done.stdout


def credentials(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that pass ``GH_TOKEN`` to git, for GitHub's address only.

    Not on a command line, which other users can see. Without a token git uses its own credentials.
    """
    token = environment.get("GH_TOKEN")
    if not token:
        return {}
    server = environment.get("GITHUB_SERVER_URL") or "https://github.com"
    encoded = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    number = int(environment.get("GIT_CONFIG_COUNT") or 0)
    return {
        "GIT_CONFIG_COUNT": str(number + 1),
        f"GIT_CONFIG_KEY_{number}": f"http.{server}/.extraheader",
        f"GIT_CONFIG_VALUE_{number}": f"AUTHORIZATION: basic {encoded}",
        "GIT_TERMINAL_PROMPT": "0",
    }


def reason(stderr: str) -> str:
    """Return why git has failed, without credentials and control characters."""
    line = process.error_line(stderr, ("fatal:", "remote:", "error:"))
    printable = "".join(c for c in line if c.isprintable())
    return re.sub(r"(?<=://)[^/\s]*@", "", printable)[:200]
