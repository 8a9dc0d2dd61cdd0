"""Keep one issue on GitHub for each kind of alarm: opened, updated, and closed when it is over."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping

from churn.core.errors import GitHubError
from churn.monitor import markdown
from churn.monitor.results import TITLES, Kind, Report
from churn.provenance.github import Repository

LABEL = "churn-monitor"


def keep(report: Report, repository: Repository, run: str, say: Callable[[str], None]) -> None:
    """Open, update and close the issues.

    The issue of a kind has the label `LABEL`, and in its text, where nobody sees them, the kind and
    a digest of each quantity that was an alarm. It is closed when all of these were measured to be
    as before; what could not be measured leaves it open.

    Parameters
    ----------
    report : Report
    repository : Repository
    run : str
        URL of the workflow run; empty outside of one.
    say : callable
        Gets a line for each issue that is changed.

    Raises
    ------
    GitHubError
        If GitHub refuses, or does not answer.
    """
    opened = list(reversed(repository.issues(LABEL)))
    over = {_digest(name) for name in report.settled}
    for kind, title in TITLES.items():
        known = next((issue for issue in opened if _marked(kind, issue.body) is not None), None)
        number = None if known is None else known.number
        before = set() if known is None else _marked(kind, known.body) or set()
        alarms = [alarm for alarm in report.alarms if alarm.kind == kind]
        if alarms:
            names = (before - over) | {_digest(alarm.name) for alarm in alarms}
            body = f"{markdown.alarms(report, alarms, run)}\n{_marker(kind, names)}\n"
            url = repository.write_issue(number, title, body, LABEL)
            say(f"{url}: {'updated' if number else 'opened'}")
        elif number is not None and before <= over:
            day = report.until or report.source
            url = repository.close_issue(number, f"Over: as before on {day}. {markdown.link(run)}")
            say(f"{url}: closed")


def repository(environment: Mapping[str, str]) -> Repository:
    """Return the repository whose issues are kept.

    Parameters
    ----------
    environment : mapping
        With `GITHUB_REPOSITORY` and `GH_TOKEN`, and `GITHUB_SERVER_URL` if it is not github.com.

    Raises
    ------
    GitHubError
        If the repository or the token is not in the environment.
    """
    server = environment.get("GITHUB_SERVER_URL") or "https://github.com"
    name, token = environment.get("GITHUB_REPOSITORY"), environment.get("GH_TOKEN")
    if not name or not token:
        raise GitHubError("--issues needs GITHUB_REPOSITORY (owner/name) and GH_TOKEN")
    return Repository(f"{server}/{name}", token)


def _marker(kind: Kind, digests: set[str]) -> str:
    # Digests, because a column's name might end the comment.
    return f"<!-- churn-monitor: {kind} {' '.join(sorted(digests))} -->"


def _marked(kind: Kind, body: str) -> set[str] | None:
    """Return the digests in an issue's text; None if it is not the issue of the kind."""
    found = re.search(rf"<!-- churn-monitor: {kind} ([0-9a-f ]*)-->", body)
    return None if found is None else set(found[1].split())


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:12]
