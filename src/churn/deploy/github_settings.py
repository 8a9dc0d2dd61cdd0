"""What a repository on GitHub has to be set to, as calls of `gh`: pure, nothing is asked here."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Plan = Literal["free", "pro", "team", "enterprise"]
REPOSITORY = "repos/{owner}/{repo}"  # gh puts in those of the folder's remote
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
    body: dict[str, Any]  # as GitHub's documentation has it

    @property
    def command(self) -> str:
        """The call as a command for a shell."""
        body = json.dumps(self.body, indent=2)
        return (
            f"gh api --method {self.method} {shlex.quote(self.path)} --input - <<'JSON'\n"
            f"{body}\nJSON"
        )


@dataclass(frozen=True)
class Known:
    """What is there already.

    Attributes
    ----------
    branch : str
        The default branch.
    is_private : bool
    plan : {"free", "pro", "team", "enterprise"}
        Of the account that owns the repository.
    variables : frozenset of str
        Names.
    rulesets : dict of str to int
        Ids by name.
    branch_policies : frozenset of tuple of str
        Environments, each with a branch that it is restricted to.
    reviewers : tuple of dict
        Who is asked before Production now.
    """

    branch: str
    is_private: bool
    plan: Plan
    variables: frozenset[str] = frozenset()
    rulesets: Mapping[str, int] = field(default_factory=dict)
    branch_policies: frozenset[tuple[str, str]] = frozenset()
    reviewers: tuple[Mapping[str, str | int], ...] = ()

    @property
    def has_rules(self) -> bool:
        """Whether rulesets and environments are to be had."""
        return not self.is_private or self.plan != "free"

    @property
    def has_reviewers(self) -> bool:
        """Whether an environment can ask somebody."""
        return not self.is_private or self.plan == "enterprise"


@dataclass(frozen=True)
class Wanted:
    """What a team has decided.

    Attributes
    ----------
    ruleset : dict
        As ``.github/rulesets/main.json`` has it.
    reviewers : tuple of dict
        Who is asked before a version comes into Production, as GitHub takes them; none: nobody is.
    variables : dict of str to str
    is_alone : bool
        Whether there is nobody else to approve a pull request.
    """

    ruleset: dict[str, Any]  # a file of GitHub's own format
    reviewers: tuple[dict[str, str | int], ...]
    variables: dict[str, str]
    is_alone: bool


def calls(known: Known, wanted: Wanted) -> list[Call]:
    """Return the calls that set a repository, in their order.

    Given again, they change nothing: each sets a state, or is left out where it is there.
    """
    found = [
        Call(
            "a job's token may read and nothing else, unless the workflow says so",
            "PUT",
            f"{REPOSITORY}/actions/permissions/workflow",
            {"default_workflow_permissions": "read", "can_approve_pull_request_reviews": False},
        )
    ]
    if known.has_rules:
        found += [_ruleset(known, wanted), *_environments(known, wanted)]
    found += _variables(known, wanted)
    return found


def notes(known: Known, wanted: Wanted) -> list[str]:
    """Say what no call can set, one line each."""
    found = []
    if not known.is_private:
        found.append(
            "the repository is public, and so is its DVC remote in it: have no customers in data/"
        )
    if not known.has_rules:
        found.append(
            f"a private repository of the {known.plan} plan has neither rulesets nor environments:"
            " nothing keeps a red pull request from being merged, and nobody is asked before"
            " Production; GitHub Pro or Team has both"
        )
    elif wanted.reviewers and not known.has_reviewers:
        found.append(
            f"a private repository of the {known.plan} plan has environments without reviewers;"
            " GitHub Enterprise has them"
        )
    return found


def _ruleset(known: Known, wanted: Wanted) -> Call:
    ruleset = json.loads(json.dumps(wanted.ruleset))
    if wanted.is_alone:
        for rule in ruleset["rules"]:
            if rule["type"] == "pull_request":
                rule["parameters"] |= {
                    "required_approving_review_count": 0,
                    "require_code_owner_review": False,
                }
    why = f"{known.branch} is changed by pull requests that have passed `required`"
    if number := known.rulesets.get(ruleset["name"]):
        return Call(why, "PUT", f"{REPOSITORY}/rulesets/{number}", ruleset)
    return Call(why, "POST", f"{REPOSITORY}/rulesets", ruleset)


def _environments(known: Known, wanted: Wanted) -> Iterable[Call]:
    for name in ENVIRONMENTS:
        policy = {"protected_branches": False, "custom_branch_policies": True}
        why, asked = f"{name} takes jobs of {known.branch} only", {}
        # To set an environment without reviewers takes away those that it has.
        reviewers = wanted.reviewers or known.reviewers
        if name == "production" and reviewers and known.has_reviewers:
            why, asked = f"{why}, and asks a reviewer", {"reviewers": list(reviewers)}
        body = {"deployment_branch_policy": policy, **asked}
        yield Call(why, "PUT", f"{REPOSITORY}/environments/{name}", body)
        if (name, known.branch) not in known.branch_policies:
            yield Call(
                f"{known.branch} is that branch",
                "POST",
                f"{REPOSITORY}/environments/{name}/deployment-branch-policies",
                {"name": known.branch, "type": "branch"},
            )


def _variables(known: Known, wanted: Wanted) -> Iterable[Call]:
    for name, value in wanted.variables.items():
        body = {"name": name, "value": value}
        path = f"{REPOSITORY}/actions/variables"
        if name in known.variables:
            yield Call(f"variable {name}", "PATCH", f"{path}/{name}", body)
        else:
            yield Call(f"variable {name}", "POST", path, body)
