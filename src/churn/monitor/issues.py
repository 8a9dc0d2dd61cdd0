"""Keep one issue on GitHub for each kind of alarm: opened, updated, and closed when it is over."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from churn.core.errors import GitHubError
from churn.monitor import markdown
from churn.monitor.results import TITLES, Kind, Report
from churn.provenance.github import Repository

LABEL = "churn-monitor"


def keep(report: Report, repository: Repository, run: str, say: Callable[[str], None]) -> None:
    """Open, update and close the issues.

    The issue of a kind has the label `LABEL`, and the kind in its text, where nobody sees it. It
    is closed when everything of that kind was measured to be as before; what could not be measured
    leaves it open.

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
    opened = {issue.body: issue.number for issue in reversed(repository.issues(LABEL))}
    for kind, title in TITLES.items():
        number = next((n for body, n in opened.items() if _marker(kind) in body), None)
        alarms = [alarm for alarm in report.alarms if alarm.kind == kind]
        if alarms:
            body = f"{markdown.alarms(report, alarms, run)}\n{_marker(kind)}\n"
            url = repository.write_issue(number, title, body, LABEL)
            say(f"{url}: {'updated' if number else 'opened'}")
        elif number is not None and kind in report.settled:
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


def _marker(kind: Kind) -> str:
    return f"<!-- churn-monitor: {kind} -->"
