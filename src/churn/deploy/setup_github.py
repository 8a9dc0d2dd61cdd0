"""Command `setup github`: print the calls that set up the repository on GitHub, or run them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast, get_args

import click

from churn.core import process
from churn.core.errors import GitHubError
from churn.deploy.github_settings import (
    ENVIRONMENTS,
    REPOSITORY,
    Current,
    Plan,
    Wanted,
    calls,
    notes,
)
from churn.provenance.github import TIMEOUT_S

_RULESET = ".github/rulesets/main.json"
_OWNERS = ".github/CODEOWNERS"
_PLACEHOLDER = "@your-organisation/your-team"
# Workflows triggered by a branch, which must be named: GitHub allows no expression there.
_BRANCH_WORKFLOWS = (".github/workflows/pull-request.yml", ".github/workflows/deploy.yml")
_BRANCHES = re.compile(r"^( +branches: \[)([^\]]+)(\])", re.MULTILINE)


def run(
    root: Path,
    plan: Plan | None,
    reviewers: Sequence[str],
    registry: str | None,
    is_alone: bool,
    bot_pull_requests: bool,
    apply: bool,
) -> None:
    """Print the calls that set up the repository, or run them.

    Parameters
    ----------
    root : Path
        The project's folder, in a clone whose remote is the repository.
    plan : {"free", "pro", "team", "enterprise"}, optional
        Plan of the repository's owner, if GitHub does not return it.
    reviewers : sequence of str
        Users, or teams as ``organisation/team``.
    registry : str or None
        URL of the registry's MLflow server, without credentials.
    is_alone : bool
        Whether there is nobody else to approve a pull request.
    bot_pull_requests : bool
        Whether workflows may open pull requests.
    apply : bool
        Run the calls, and write the default branch into the workflows' files.

    Raises
    ------
    GitHubError
        If a call fails, or the owner's plan is unknown. Settings made so far stay; running the
        command again continues.
    """
    current = _current(plan)
    variables = {} if registry is None else {"MLFLOW_TRACKING_URI": registry}
    wanted = Wanted(
        json.loads((root / _RULESET).read_text(encoding="utf-8")),
        tuple(map(_reviewer, reviewers)),
        variables,
        is_alone,
        bot_pull_requests,
    )
    for call in calls(current, wanted):
        if apply:
            _call(call.method, call.path, json.dumps(call.body))
            click.echo(f"✓ {call.why}")
        else:
            click.echo(f"# {call.why}\n{call.command}\n")
    for note in (*notes(current, wanted), *_file_notes(root, current.branch, is_alone, apply)):
        click.echo(f"note: {note}", err=True)


def _file_notes(root: Path, branch: str, is_alone: bool, apply: bool) -> list[str]:
    """Check the repository's files; with `apply`, write the default branch into workflows."""
    found = []
    for name in _BRANCH_WORKFLOWS:
        text = (root / name).read_text(encoding="utf-8")
        named = _BRANCHES.search(text)
        if named is None or named[2] == branch:
            continue
        if apply:
            fresh = _BRANCHES.sub(rf"\g<1>{branch}\g<3>", text, count=1)
            (root / name).write_text(fresh, encoding="utf-8")
            found.append(f"{name}: now runs for {branch}; commit it")
        else:
            found.append(f"{name}: runs for {named[2]}, not for {branch}; --apply changes that")
    owners = root / _OWNERS
    if not is_alone and owners.exists() and _PLACEHOLDER in owners.read_text(encoding="utf-8"):
        found.append(f"{_OWNERS}: replace {_PLACEHOLDER} by your team, or nobody has to review")
    return found


def _current(plan: Plan | None) -> Current:
    repository = _call("GET", REPOSITORY)
    is_private, owner = bool(repository["private"]), repository["owner"]
    owned_by = plan or _plan(owner["login"], owner["type"]) if is_private else "free"
    listed = _call("GET", f"{REPOSITORY}/actions/variables?per_page=30")["variables"]
    current = Current(
        branch=str(repository["default_branch"]),
        is_private=is_private,
        plan=owned_by,
        variables=frozenset(str(variable["name"]) for variable in listed),
    )
    if not current.has_rules:  # GitHub refuses to list what the plan does not include
        return current
    # Without those of the organisation, which may have the same name.
    rulesets = _call("GET", f"{REPOSITORY}/rulesets?includes_parents=false&per_page=100")
    listed = _call("GET", f"{REPOSITORY}/environments?per_page=100")["environments"]
    environments = {made["name"]: made for made in listed if made["name"] in ENVIRONMENTS}
    return replace(
        current,
        rulesets={str(ruleset["name"]): int(ruleset["id"]) for ruleset in rulesets},
        branch_policies=frozenset(
            (name, str(policy["name"])) for name in environments for policy in _policies(name)
        ),
        reviewers=tuple(
            {"type": str(asked["type"]), "id": int(asked["reviewer"]["id"])}
            for rule in environments.get("production", {}).get("protection_rules", [])
            for asked in rule.get("reviewers", [])
        ),
        kept={name: _kept(made["protection_rules"]) for name, made in environments.items()},
    )


def _kept(rules: Sequence[Mapping[str, Any]]) -> dict[str, int | bool]:
    """Return the settings of an environment that are set and that a call without them resets."""
    names = ("wait_timer", "prevent_self_review")
    return {name: rule[name] for rule in rules for name in names if rule.get(name)}


def _policies(environment: str) -> list[Any]:
    """List the branches that may use an environment."""
    path = f"{REPOSITORY}/environments/{environment}/deployment-branch-policies"
    found: list[Any] = _call("GET", path)["branch_policies"]
    return found


def _plan(login: str, kind: str) -> Plan:
    account = _call("GET", f"orgs/{login}" if kind == "Organization" else "user")
    name = account.get("plan", {}).get("name") if account["login"] == login else None
    if name not in get_args(Plan):
        raise GitHubError(f"the plan of {login} is unknown; pass --plan")
    return cast(Plan, name)


def _reviewer(name: str) -> dict[str, str | int]:
    organisation, _, team = name.partition("/")
    if team:
        return {"type": "Team", "id": int(_call("GET", f"orgs/{organisation}/teams/{team}")["id"])}
    return {"type": "User", "id": int(_call("GET", f"users/{name}")["id"])}


def _call(method: str, path: str, body: str | None = None) -> Any:
    command = ["gh", "api", "--method", method, path]
    if body is not None:
        command += ["--input", "-"]
    try:
        done = process.run(command, stdin=body or "", timeout_s=TIMEOUT_S)
    except FileNotFoundError as error:
        raise GitHubError("gh: not found; install GitHub's command line") from error
    except TimeoutError as error:
        raise GitHubError(f"{method} {path}: no answer in {TIMEOUT_S} seconds") from error
    if done.returncode:
        raise GitHubError(f"{method} {path}: {process.error_line(done.stderr, last=True)}")
    return json.loads(done.stdout) if done.stdout.strip() else None
