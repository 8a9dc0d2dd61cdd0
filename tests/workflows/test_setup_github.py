"""`churn setup github`, by the real `gh` against a GitHub that keeps what is set."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from churn.cli.main import cli
from churn.core.errors import GitHubError
from tests.pipeline.conftest import ROOT
from tests.workflows import forge
from tests.workflows.fake_github import TOKEN, FakeGitHub, serve

pytestmark = pytest.mark.long

_API = "/api/v3"
_REPO = f"{_API}/repos/octo/shop"
WORKFLOWS = ("pull-request.yml", "deploy.yml")


@dataclass
class Settings(FakeGitHub):
    """The settings of one repository, as `gh` changes them."""

    private: bool = False
    branch: str = "main"
    plan: str | None = "team"
    rulesets: list[dict[str, Any]] = field(default_factory=list)
    inherited: list[dict[str, Any]] = field(default_factory=list)
    environments: dict[str, dict[str, Any]] = field(default_factory=dict)
    policies: dict[str, list[str]] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    token_may: str = "write"
    workflows_may_propose: bool | None = None

    def answer(
        self, method: str, path: str, query: dict[str, str], body: Any
    ) -> tuple[int, Any, dict[str, str]]:
        self.asked.append(f"{method} {path}")
        if self.outage:
            return *self.outage, {}
        owner = {"login": "octo", "type": "Organization"}
        if self.private and self.plan == "free" and re.search("rulesets|environments", path):
            return 403, {"message": "Upgrade to GitHub Pro"}, {}
        match method, path.removeprefix(_REPO).removeprefix(_API).split("/"):
            case "GET", [""]:
                return 200, {"private": self.private, "default_branch": self.branch,
                             "owner": owner}, {}  # fmt: skip
            case "GET", ["", "orgs", "octo"]:
                told = {"login": "octo"} | ({"plan": {"name": self.plan}} if self.plan else {})
                return 200, told, {}
            case "GET", ["", "orgs", "octo", "teams", "data"]:
                return 200, {"id": 7}, {}
            case "GET", ["", "users", "mona"]:
                return 200, {"id": 8}, {}
            case "PUT", ["", "actions", "permissions", "workflow"]:
                self.token_may = body["default_workflow_permissions"]
                self.workflows_may_propose = body["can_approve_pull_request_reviews"]
                return 204, b"", {}
            case "GET", ["", "rulesets"]:
                inherited = [] if query.get("includes_parents") == "false" else self.inherited
                return 200, [*inherited, *self.rulesets], {}
            case "POST", ["", "rulesets"]:
                self.rulesets.append(body | {"id": 40 + len(self.rulesets)})
                return 201, self.rulesets[-1], {}
            case "PUT", ["", "rulesets", number]:
                [index] = [i for i, r in enumerate(self.rulesets) if r["id"] == int(number)]
                self.rulesets[index] = body | {"id": int(number)}
                return 200, self.rulesets[index], {}
            case "GET", ["", "environments"]:
                return 200, {"environments": list(map(self._environment, self.environments))}, {}
            case "PUT", ["", "environments", name]:
                self.environments[name] = body
                return 200, {}, {}
            case "GET", ["", "environments", name, "deployment-branch-policies"]:
                listed = [{"name": branch} for branch in self.policies.get(name, [])]
                return 200, {"branch_policies": listed}, {}
            case "POST", ["", "environments", name, "deployment-branch-policies"]:
                self.policies.setdefault(name, []).append(body["name"])
                return 200, {}, {}
            case "GET", ["", "actions", "variables"]:
                return 200, {"variables": [{"name": name} for name in self.variables]}, {}
            case ("POST", ["", "actions", "variables"]) | (
                "PATCH",
                ["", "actions", "variables", _],
            ):
                self.variables[body["name"]] = body["value"]
                return 201, {}, {}
        return 404, {"message": "Not Found"}, {}

    def _environment(self, name: str) -> dict[str, Any]:
        asked = [{"type": reviewer["type"], "reviewer": {"id": reviewer["id"]}}
                 for reviewer in self.environments[name].get("reviewers", [])]  # fmt: skip
        made = self.environments[name]
        rules: list[dict[str, Any]] = [{"type": "branch_policy"}]
        if wait := made.get("wait_timer"):
            rules.append({"type": "wait_timer", "wait_timer": wait})
        if asked:
            alone = made.get("prevent_self_review", False)
            rules.append({"type": "required_reviewers", "reviewers": asked,
                          "prevent_self_review": alone})  # fmt: skip
        return {"name": name, "protection_rules": rules}


@pytest.fixture
def github(certificate: Path) -> Iterator[Settings]:
    if lacking := [name for name in forge.missing() if name.startswith(("gh ", "openssl "))]:
        pytest.skip(f"install {', '.join(lacking)}")
    state = Settings()
    server = serve(state, certificate)
    yield state
    server.shutdown()
    server.server_close()


@pytest.fixture
def project(github: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a clone of the repository, with a `gh` that is logged in."""
    shutil.copytree(ROOT / ".github", tmp_path / ".github")
    for words in (
        ["init", "--quiet"],
        ["remote", "add", "origin", f"https://{github.host}/octo/shop"],
    ):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GH_HOST", github.host)
    # Of a remote gh takes no port.
    monkeypatch.setenv("GH_REPO", f"{github.host}/octo/shop")
    monkeypatch.setenv("GH_ENTERPRISE_TOKEN", TOKEN)
    monkeypatch.setenv("SSL_CERT_FILE", str(github.certificate))
    return tmp_path


def setup(*options: str) -> Result:
    return CliRunner().invoke(cli, ["setup", "github", *options])


def test_a_public_repository_gets_rules_environments_and_a_reviewer(
    github: Settings, project: Path
) -> None:
    done = setup("--reviewer", "mona", "--reviewer", "octo/data", "--apply")

    assert done.exit_code == 0, done.output
    assert github.token_may == "read"
    [ruleset] = github.rulesets
    assert ruleset | {"id": 0} == json.loads(
        (project / ".github/rulesets/main.json").read_text()
    ) | {"id": 0}
    assert github.environments["production"]["reviewers"] == [
        {"type": "User", "id": 8},
        {"type": "Team", "id": 7},
    ]
    assert "reviewers" not in github.environments["staging"]
    assert github.policies == {"staging": ["main"], "production": ["main"]}
    assert "keep real customers out of" in done.stderr


def test_given_again_it_changes_nothing(github: Settings, project: Path) -> None:
    options = ("--registry", "https://mlflow.example.org", "--apply")
    setup(*options)
    before = json.dumps([github.rulesets, github.environments, github.policies, github.variables])
    done = setup(*options)
    assert done.exit_code == 0, done.output
    assert github.variables == {"MLFLOW_TRACKING_URI": "https://mlflow.example.org"}
    assert before == json.dumps(
        [github.rulesets, github.environments, github.policies, github.variables]
    )


def test_workflows_may_open_pull_requests_if_that_is_wanted(
    github: Settings, project: Path
) -> None:
    setup("--apply")
    assert github.workflows_may_propose is False
    setup("--retrain", "--apply")
    assert github.workflows_may_propose is True
    assert github.token_may == "read"
    # GitHub lets them approve with it; a code owner is asked all the same.
    [rule] = [r for r in github.rulesets[0]["rules"] if r["type"] == "pull_request"]
    assert rule["parameters"]["require_code_owner_review"]


def test_reviewers_stay_until_others_are_named(github: Settings, project: Path) -> None:
    setup("--reviewer", "mona", "--apply")
    setup("--apply")
    assert github.environments["production"]["reviewers"] == [{"type": "User", "id": 8}]
    setup("--reviewer", "octo/data", "--apply")
    assert github.environments["production"]["reviewers"] == [{"type": "Team", "id": 7}]


def test_what_it_does_not_set_stays(github: Settings, project: Path) -> None:
    setup("--reviewer", "mona", "--apply")
    strict = {"wait_timer": 30, "prevent_self_review": True}
    for environment in github.environments.values():
        environment |= {"wait_timer": 30}
    github.environments["production"] |= strict
    setup("--reviewer", "octo/data", "--apply")
    production = github.environments["production"]
    assert production | strict == production
    assert production["reviewers"] == [{"type": "Team", "id": 7}]
    assert github.environments["staging"]["wait_timer"] == 30


def test_a_ruleset_of_the_organisation_is_another_one(github: Settings, project: Path) -> None:
    github.inherited = [{"id": 7, "name": "main"}]
    done = setup("--apply")
    assert done.exit_code == 0, done.output
    assert [ruleset["id"] for ruleset in github.rulesets] == [40]


def test_without_apply_it_prints_commands_that_do_the_same(github: Settings, project: Path) -> None:
    printed = setup("--reviewer", "mona")
    assert printed.exit_code == 0, printed.output
    assert not any(asked.startswith(("PUT", "POST", "PATCH")) for asked in github.asked)

    subprocess.run(["bash", "-euc", printed.stdout], cwd=project, check=True, capture_output=True)
    assert len(github.rulesets) == 1
    assert github.environments["production"]["reviewers"] == [{"type": "User", "id": 8}]
    assert github.policies == {"staging": ["main"], "production": ["main"]}


def test_a_private_repository_of_the_free_plan_is_told_what_it_lacks(
    github: Settings, project: Path
) -> None:
    github.private, github.plan = True, "free"
    done = setup("--reviewer", "mona", "--apply")
    assert done.exit_code == 0, done.output
    assert github.token_may == "read"
    assert (github.rulesets, github.environments) == ([], {})
    assert "neither rulesets nor environments" in done.stderr


def test_a_private_repository_of_a_team_has_environments_and_no_reviewers(
    github: Settings, project: Path
) -> None:
    github.private = True
    done = setup("--reviewer", "mona", "--apply")
    assert done.exit_code == 0, done.output
    assert len(github.rulesets) == 1
    assert set(github.environments) == {"staging", "production"}
    assert "reviewers" not in github.environments["production"]
    assert "GitHub Enterprise has them" in done.stderr


def test_a_private_repository_of_an_enterprise_asks_its_reviewer(
    github: Settings, project: Path
) -> None:
    github.private = True
    setup("--reviewer", "mona", "--plan", "enterprise", "--apply")
    assert github.environments["production"]["reviewers"] == [{"type": "User", "id": 8}]


def test_a_plan_that_github_does_not_tell_has_to_be_named(github: Settings, project: Path) -> None:
    github.private, github.plan = True, None
    done = setup("--apply")
    assert isinstance(done.exception, GitHubError)
    assert "pass --plan" in str(done.exception)
    assert not any(asked.startswith(("PUT", "POST", "PATCH")) for asked in github.asked)


def test_who_works_alone_needs_nobody_s_approval(github: Settings, project: Path) -> None:
    done = setup("--alone", "--apply")
    [rule] = [r for r in github.rulesets[0]["rules"] if r["type"] == "pull_request"]
    assert rule["parameters"]["required_approving_review_count"] == 0
    assert not rule["parameters"]["require_code_owner_review"]
    assert "CODEOWNERS" not in done.stderr


def test_a_default_branch_of_another_name_is_put_into_the_workflows(
    github: Settings, project: Path
) -> None:
    github.branch = "trunk"
    before = [(project / ".github/workflows" / name).read_text() for name in WORKFLOWS]
    assert "not for trunk; --apply changes that" in setup().stderr
    assert before == [(project / ".github/workflows" / name).read_text() for name in WORKFLOWS]

    done = setup("--apply")
    assert done.exit_code == 0, done.output
    for name, text in zip(WORKFLOWS, before, strict=True):
        fresh = (project / ".github/workflows" / name).read_text()
        assert fresh == text.replace("branches: [main]", "branches: [trunk]")
        assert fresh != text
    assert github.policies == {"staging": ["trunk"], "production": ["trunk"]}


def test_what_github_refuses_is_one_line(github: Settings, project: Path) -> None:
    github.outage = (404, {"message": "Not Found"})
    done = setup()
    assert isinstance(done.exception, GitHubError)
    assert "Not Found" in str(done.exception)
    assert "\n" not in str(done.exception)
