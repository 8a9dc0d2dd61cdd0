"""The settings of a repository on GitHub as calls of `gh` (pure functions)."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Plan = Literal["free", "pro", "team", "enterprise"]
REPOSITORY = "repos/{owner}/{repo}"  # gh fills in the folder's remote
ENVIRONMENTS = ("staging", "production")


@dataclass(frozen=True)
class Call:
    """One call of GitHub's API.

    Attributes
    ----------
    why : str
        What it sets.
    method : str
    path : str
    body : dict
    """

    why: str
    method: Literal["PATCH", "POST", "PUT"]
    path: str
    body: Mapping[str, object]  # see GitHub's documentation of the call

    @property
    def command(self) -> str:
        """The call as a command for a shell."""
        body = json.dumps(self.body, indent=2)
        return (
            f"gh api --method {self.method} {shlex.quote(self.path)} --input - <<'JSON'\n"
            f"{body}\nJSON"
        )


@dataclass(frozen=True)
class Current:
    """The current settings of a repository.

    Attributes
    ----------
    branch : str
        The default branch.
    is_private : bool
    plan : {"free", "pro", "team", "enterprise"}
        Plan of the account that owns the repository.
    variables : frozenset of str
        Names of its variables.
    rulesets : dict of str to int
        Ids of its rulesets by name.
    branch_policies : frozenset of tuple of str
        Pairs of an environment and a branch that may use it.
    reviewers : tuple of dict
        Who has to approve a deployment to Production now.
    kept : dict of str to dict
        By environment, what GitHub would reset and this command does not set: ``wait_timer``,
        ``prevent_self_review``.
    """

    branch: str
    is_private: bool
    plan: Plan
    variables: frozenset[str] = frozenset()
    rulesets: Mapping[str, int] = field(default_factory=dict)
    branch_policies: frozenset[tuple[str, str]] = frozenset()
    reviewers: tuple[Mapping[str, str | int], ...] = ()
    kept: Mapping[str, Mapping[str, int | bool]] = field(default_factory=dict)

    @property
    def has_rules(self) -> bool:
        """Whether its plan includes rulesets and environments."""
        return not self.is_private or self.plan != "free"

    @property
    def has_reviewers(self) -> bool:
        """Whether its plan includes required reviewers of environments."""
        return not self.is_private or self.plan == "enterprise"


@dataclass(frozen=True)
class Wanted:
    """The desired settings.

    Attributes
    ----------
    ruleset : dict
        The content of ``.github/rulesets/main.json``.
    reviewers : tuple of dict
        Who must approve a deployment to Production, in GitHub's format; empty for nobody.
    variables : dict of str to str
    is_alone : bool
        Whether there is nobody else to approve a pull request.
    bot_pull_requests : bool
        Whether workflows may open pull requests with their own token, as retrain.yml does. GitHub
        lets them approve some as well then; a code owner's approval stays necessary.
    """

    ruleset: Mapping[str, object]  # GitHub's format
    reviewers: tuple[dict[str, str | int], ...]
    variables: dict[str, str]
    is_alone: bool
    bot_pull_requests: bool = False


def calls(current: Current, wanted: Wanted) -> list[Call]:
    """Return the calls that set up a repository, in order.

    They are idempotent: each sets a state, or is left out if that state is current.
    """
    found = [
        Call(
            "a job's token is read-only, unless the workflow grants more"
            + (", and may open pull requests" if wanted.bot_pull_requests else ""),
            "PUT",
            f"{REPOSITORY}/actions/permissions/workflow",
            {
                "default_workflow_permissions": "read",
                "can_approve_pull_request_reviews": wanted.bot_pull_requests,
            },
        )
    ]
    if current.has_rules:
        found += [_ruleset(current, wanted), *_environments(current, wanted)]
    found += _variables(current, wanted)
    return found


def notes(current: Current, wanted: Wanted) -> list[str]:
    """Return one line per requirement that no call can meet."""
    found = []
    if not current.is_private:
        found.append(
            "the repository is public, and so is the DVC remote in it: keep real customers out of"
            " data/"
        )
    if not current.has_rules:
        found.append(
            f"a private repository on the {current.plan} plan has neither rulesets nor"
            " environments: a failed pull request can be merged, and nobody approves deployments"
            " to Production; GitHub Pro and Team have both"
        )
    elif wanted.reviewers and not current.has_reviewers:
        found.append(
            f"a private repository on the {current.plan} plan has environments without required"
            " reviewers; GitHub Enterprise has them"
        )
    return found


def _ruleset(current: Current, wanted: Wanted) -> Call:
    ruleset = json.loads(json.dumps(wanted.ruleset))
    if wanted.is_alone:
        for rule in ruleset["rules"]:
            if rule["type"] == "pull_request":
                rule["parameters"] |= {
                    "required_approving_review_count": 0,
                    "require_code_owner_review": False,
                }
    why = f"{current.branch} changes only by pull requests that have passed `required`"
    if number := current.rulesets.get(ruleset["name"]):
        return Call(why, "PUT", f"{REPOSITORY}/rulesets/{number}", ruleset)
    return Call(why, "POST", f"{REPOSITORY}/rulesets", ruleset)


def _environments(current: Current, wanted: Wanted) -> Iterable[Call]:
    for name in ENVIRONMENTS:
        policy = {"protected_branches": False, "custom_branch_policies": True}
        why, approval = f"only jobs of {current.branch} may use {name}", {}
        # To set an environment without reviewers takes away those that it has.
        reviewers = wanted.reviewers or current.reviewers
        if name == "production" and reviewers and current.has_reviewers:
            why, approval = f"{why}, after approval", {"reviewers": list(reviewers)}
        body = {"deployment_branch_policy": policy, **current.kept.get(name, {}), **approval}
        yield Call(why, "PUT", f"{REPOSITORY}/environments/{name}", body)
        if (name, current.branch) not in current.branch_policies:
            yield Call(
                f"{current.branch} may use {name}",
                "POST",
                f"{REPOSITORY}/environments/{name}/deployment-branch-policies",
                {"name": current.branch, "type": "branch"},
            )


def _variables(current: Current, wanted: Wanted) -> Iterable[Call]:
    for name, value in wanted.variables.items():
        body = {"name": name, "value": value}
        there = f"/{name}" if name in current.variables else ""
        path = f"{REPOSITORY}/actions/variables{there}"
        yield Call(f"variable {name}", "PATCH" if there else "POST", path, body)
