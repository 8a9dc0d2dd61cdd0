"""comment.yml, run as it is, after pull-request.yml and by itself, against a GitHub made here."""

from __future__ import annotations

import html
import io
import json
import math
import os
import re
import shutil
import stat
import zipfile
from typing import Any

import pytest

from tests.conftest import PARAMS
from tests.exhaustive import rest_by_night
from tests.unit.report.samples import facts, zipped
from tests.workflows.conftest import both_post, install_cml
from tests.workflows.fake_github import BASE, BOT, HEAD, FakeGitHub, ended
from tests.workflows.forge import Forge

pytestmark = pytest.mark.long

MARK = '![](https://cml.dev/watermark.png#0123abc "CML watermark churn-report")'
FORK = "stranger/shop"


def reviewed(reason: str = "passed", passed: bool = True, **others: Any) -> bytes:
    """Return the artifact of a review that says so."""
    verdict = {"passed": passed, "outcome": "judged", "reason": reason, "gates": []}
    return zipped(json.dumps(facts(verdict=verdict, **others)))


REVIEW = reviewed()


@both_post
def test_two_pushes_leave_one_comment(repository: Forge, github: FakeGitHub, poster: str) -> None:
    github.add_comment("a word of a reviewer", "reviewer")
    head = repository.open_pull_request({"standin.sh": "reason=better"})
    github.open_pull(3, "octo/shop", "better", head)
    assert repository.pull_request().code == 0
    github.add_artifact(repository.artifact("comment").read_bytes())

    first = repository.comment(ended(head), github.host)

    assert first.code == 0, first.log
    assert ("cml is not installed" in first.log) == (poster == "gh")
    assert repository.calls.count("npm ci --ignore-scripts --omit=dev --no-audit --no-fund") == 1
    [_, comment] = github.comments
    assert comment["body"].startswith("## ✅ Merge: better\n")
    assert f"[Run 12](https://{github.host}/octo/shop/actions/runs/77)" in comment["body"]
    assert f"{head}: success" in comment["body"]

    worse = repository.push({"standin.sh": "code=1 passed=false reason='cost rose'"})
    github.pulls[0]["head"]["sha"] = worse
    assert repository.pull_request().code != 0
    github.add_artifact(repository.artifact("comment").read_bytes())

    second = repository.comment(ended(worse, conclusion="failure"), github.host)

    assert second.code == 0, second.log
    assert [c["id"] for c in github.comments] == [1000, comment["id"]]
    assert comment["body"].startswith("## ❌ Do not merge: cost rose\n")
    assert f"{worse}: failure" in comment["body"]
    assert sum(asked.startswith("POST") for asked in github.asked) == 1


def test_a_comment_of_cml_and_one_of_gh_are_the_same(repository: Forge, github: FakeGitHub) -> None:
    github.open_pull(3, "octo/shop", "better", HEAD)
    github.add_artifact(REVIEW)

    for installed in (False, True, False):
        if installed:
            install_cml(repository)
        else:
            (repository.store / "bin/cml").unlink(missing_ok=True)
        ran = repository.comment(ended(), github.host)
        assert ran.code == 0, ran.log
        assert ("cml is not installed" in ran.log) == (not installed)

    assert len(github.comments) == 1
    assert github.comments[0]["body"].count("CML watermark") == 1


def test_where_cml_fails_gh_posts(repository: Forge, github: FakeGitHub) -> None:
    install_cml(repository)
    (repository.store / "bin" / "cml").write_text(
        '#!/bin/sh\necho "::error::$REPO_TOKEN"; cat "$6" >&2; exit 3\n'
    )
    github.open_pull(3, "octo/shop", "better", HEAD)
    github.add_artifact(REVIEW)

    ran = repository.comment(ended(), github.host)

    assert ran.code == 0, ran.log
    # Nothing else that it has said: it had the token, and text of the pull request.
    assert "cml failed (exit code 3): gh posts the comment" in ran.log
    assert "::error::" not in ran.log
    assert "Merge: passed" not in ran.log
    assert len(github.comments) == 1


# GitHub cannot be asked for it in a test: `git archive v0.20.6 | tar x -C FOLDER` in a clone of
# iterative/cml. npm brings the packages that .github/cml locks, from the registry that is set up.
CML_SOURCE = "CHURN_TESTS_CML_SOURCE"


@pytest.mark.skipif(
    not (os.environ.get(CML_SOURCE) and shutil.which("node") and shutil.which("npm")),
    reason=f"needs node, npm, and the source of CML 0.20.6 in the folder that {CML_SOURCE} names",
)
def test_cml_itself_writes_the_one_comment_and_updates_it(
    repository: Forge, github: FakeGitHub
) -> None:
    shutil.copytree(os.environ[CML_SOURCE], repository.store / "cml")
    for program in ("node", "npm"):
        (repository.store / "bin" / program).unlink(missing_ok=True)
        (repository.store / "bin" / program).symlink_to(str(shutil.which(program)))
    repository.environment["NODE_EXTRA_CA_CERTS"] = str(github.certificate)
    github.add_comment("a word of a reviewer", "reviewer")
    github.open_pull(3, "octo/shop", "better", HEAD)
    for reason in ("better", "better still"):
        github.add_artifact(reviewed(reason))

        ran = repository.comment(ended(), github.host)

        assert ran.code == 0, ran.log
        assert "gh posts" not in ran.log
        [_, comment] = github.comments
        assert comment["body"].startswith(f"## ✅ Merge: {reason}\n")
        assert comment["body"].count("CML watermark churn-report") == 1
    written = [asked for asked in github.asked if asked.startswith(("POST", "PATCH"))]
    assert [asked.partition(" ")[0] for asked in written] == ["POST", "PATCH"]

    # And gh takes over the comment that CML has made.
    shutil.rmtree(repository.store / "cml")
    ran = repository.comment(ended(), github.host)
    assert "cml is not installed: gh posts the comment" in ran.log
    assert len(github.comments) == 2


def test_without_cmls_source_or_npm_gh_posts(repository: Forge, github: FakeGitHub) -> None:
    (repository.store / "npm-fails").touch()
    github.open_pull(3, "octo/shop", "better", HEAD)
    github.add_artifact(REVIEW)

    ran = repository.comment(ended(), github.host)

    assert ran.code == 0, ran.log
    assert "cml is not installed" in ran.log
    assert len(github.comments) == 1


def test_a_fork_gets_the_same_comment(repository: Forge, github: FakeGitHub, poster: str) -> None:
    # Both have a branch of that name; what tells them apart is whose it is.
    github.open_pull(2, "octo/shop", "better", "b" * 40)
    github.open_pull(3, FORK, "better", HEAD)
    github.add_artifact(REVIEW)

    ran = repository.comment(ended(source=FORK), github.host)

    assert ran.code == 0, ran.log
    assert len(github.comments) == 1
    posts = [asked for asked in github.asked if asked.startswith("POST")]
    assert posts == ["POST /api/v3/repos/octo/shop/issues/3/comments"]


@pytest.mark.parametrize("pulls", [[], ["b" * 40]], ids=["closed", "superseded"])
def test_a_run_of_the_past_is_not_told(
    repository: Forge, github: FakeGitHub, poster: str, pulls: list[str]
) -> None:
    for head in pulls:
        github.open_pull(3, "octo/shop", "better", head)
    github.add_artifact(REVIEW)

    ran = repository.comment(ended(), github.host)

    assert ran.code == 0, ran.log
    assert "no comment" in ran.log
    assert ("superseded" in ran.log) == bool(pulls)
    assert not github.comments


def test_a_commit_of_two_pull_requests_is_not_guessed_at(
    repository: Forge, github: FakeGitHub
) -> None:
    github.open_pull(3, "octo/shop", "better", HEAD)
    github.open_pull(4, "octo/shop", "better", HEAD)
    github.add_artifact(REVIEW)

    ran = repository.comment(ended(), github.host)

    assert ran.code != 0
    assert "Error: run 77: its commit is the head of several pull requests" in ran.log
    assert not github.comments


def test_a_commit_that_goes_to_main_and_to_a_release_is_told_where_it_goes_to_main(
    repository: Forge, github: FakeGitHub
) -> None:
    github.open_pull(3, "octo/shop", "better", HEAD)
    github.open_pull(4, "octo/shop", "better", HEAD, base="release")
    github.add_artifact(REVIEW)

    ran = repository.comment(ended(), github.host)

    assert ran.code == 0, ran.log
    posts = [asked for asked in github.asked if asked.startswith("POST")]
    assert posts == ["POST /api/v3/repos/octo/shop/issues/3/comments"]


def test_a_run_without_a_report_is_told(repository: Forge, github: FakeGitHub, poster: str) -> None:
    github.open_pull(3, "octo/shop", "better", HEAD)
    github.add_artifact(REVIEW, name="candidate")

    ran = repository.comment(ended(conclusion="cancelled"), github.host)

    assert ran.code == 0, ran.log
    [comment] = github.comments
    assert comment["body"].startswith("## ❌ Do not merge: no report\n")
    assert "There is no report of this run" in comment["body"]
    assert "/actions/runs/77)" in comment["body"]


@both_post
def test_another_ones_comment_with_the_mark_is_left_alone(
    repository: Forge, github: FakeGitHub, poster: str
) -> None:
    # CML alone would write into it, and its author could then say what he likes in it.
    forged = github.add_comment(f"## ✅ Merge: passed\n\n{MARK}", "stranger")
    github.open_pull(3, FORK, "better", HEAD)
    github.add_artifact(REVIEW)

    for _ in range(2):
        ran = repository.comment(ended(source=FORK), github.host)
        assert ran.code == 0, ran.log

    assert forged["body"] == f"## ✅ Merge: passed\n\n{MARK}"
    assert [c["user"]["login"] for c in github.comments] == ["stranger", BOT]


def test_the_comment_is_found_behind_a_hundred_others(
    repository: Forge, github: FakeGitHub, poster: str
) -> None:
    for _ in range(120):
        github.add_comment("talk", "reviewer")
    mine = github.add_comment(f"old\n\n{MARK}")
    github.open_pull(3, "octo/shop", "better", HEAD)
    github.add_artifact(REVIEW)

    ran = repository.comment(ended(), github.host)

    assert ran.code == 0, ran.log
    assert len(github.comments) == 121
    assert mine["body"].startswith("## ✅ Merge: passed")


@both_post
def test_what_a_stranger_writes_into_the_review_stays_dead(
    repository: Forge, github: FakeGitHub, poster: str
) -> None:
    github.open_pull(3, FORK, "better", HEAD)
    reason = "passed @everyone ![x](https://evil.example) closes #1 <img src=x onerror=y>"
    github.add_artifact(reviewed(reason))
    name = "<script>alert(1)</script> www.evil.example @octo/team"
    github.files = [{"filename": f".github/{name}", "status": "added"}]

    ran = repository.comment(ended(source=FORK), github.host)

    assert ran.code == 0, ran.log
    body = github.comments[0]["body"]
    assert "passed @\u200beveryone" in body
    for alive in (
        "@e",
        "@o",
        "![x",
        "](https://evil",
        "#1 ",
        "<img",
        "<script",
        "https://evil",
        "www.e",
    ):
        assert alive not in body, alive


def test_a_change_of_limits_and_workflows_is_said_by_main(
    repository: Forge, github: FakeGitHub, poster: str
) -> None:
    github.open_pull(3, FORK, "better", HEAD)
    github.add_artifact(reviewed("better than main"))
    params = PARAMS.read_text()
    github.texts = {BASE: params, HEAD: params.replace("roc_auc: 0.78", "roc_auc: 0.5")}
    changed = ("params.yaml", ".github/workflows/pull-request.yml", "docs/note.md")
    github.files = [{"filename": name, "status": "modified"} for name in changed]

    ran = repository.comment(ended(source=FORK), github.host)

    assert ran.code == 0, ran.log
    body = github.comments[0]["body"]
    assert body.startswith(
        "## ⚠️ Look first: this change touches its own limits and workflows\n\n"
        "If that is intended, the report says: ✅ Merge: better than main\n\n"
    )
    assert "**Limits changed in params.yaml:** `gates`." in body
    assert "**Workflows changed:** `.github/workflows/pull-request.yml`." in body
    assert "<code>roc_auc: 0.78</code> | <code>roc_auc: 0.5</code> |" in html.unescape(body)
    assert "docs/note.md" not in body.partition("### ")[0]


def test_a_run_without_a_report_says_which_job_and_step_has_failed(
    repository: Forge, github: FakeGitHub
) -> None:
    github.open_pull(3, "octo/shop", "better", HEAD)
    github.jobs = [
        job("quality", "success", ("Unit tests", "success")),
        job("candidate", "failure", ("Get the data", "failure"), ("Report", "skipped")),
        job("required", "failure", ("Every job has succeeded", "failure")),
    ]

    ran = repository.comment(ended(conclusion="failure"), github.host)

    assert ran.code == 0, ran.log
    [comment] = github.comments
    assert comment["body"].startswith(
        "## ❌ Do not merge: candidate failed in the step “Get the data”\n\nThere is no report"
    )


def test_a_run_of_another_workflow_of_that_name_is_not_told(
    repository: Forge, github: FakeGitHub
) -> None:
    github.open_pull(3, "octo/shop", "better", HEAD)
    github.add_artifact(REVIEW)

    ran = repository.comment(ended() | {"path": ".github/workflows/evil.yml"}, github.host)

    assert ran.code == 0, ran.log
    assert "run 77 belongs to another workflow: no comment" in ran.log
    assert not github.asked


def job(name: str, conclusion: str, *steps: tuple[str, str]) -> dict[str, Any]:
    """Return a job of a run, as GitHub lists it."""
    listed = [{"name": step, "conclusion": how} for step, how in steps]
    return {"name": name, "conclusion": conclusion, "steps": listed}


def two_members() -> bytes:
    made = io.BytesIO(REVIEW)
    with zipfile.ZipFile(made, "a") as archive:
        archive.writestr("second.json", "{}")
    return made.getvalue()


def link() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        member = zipfile.ZipInfo("review.json")
        member.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(member, "/etc/passwd")
    return made.getvalue()


HOSTILE = {
    "a second member": (two_members(), "more or other files than review.json"),
    "a path": (zipped("{}", "../review.json"), "more or other files than review.json"),
    "a link": (link(), "is a link"),
    "a bomb": (zipped(b"\0" * 50_000_000), "unpacks to more than"),
    "no zip file": (b"{}", "not a zip file"),
    "no JSON": (zipped("## ✅ Merge: passed"), "not JSON"),
    "too deep": (zipped("[" * 1_000_000), "not JSON"),
    "no review": (zipped("[]"), "does not match main's schema: the whole: not of type dict"),
    "no number": (
        zipped(json.dumps({**facts(), "metrics": {"threshold": math.nan, "test": {}}})),
        "not finite",
    ),
}


@pytest.mark.parametrize(
    "name", rest_by_night(HOSTILE, ["a bomb", "a path", "too deep", "no review"])
)
def test_a_hostile_artifact_is_refused_and_that_is_told(
    repository: Forge, github: FakeGitHub, name: str
) -> None:
    archive, reason = HOSTILE[name]
    github.open_pull(3, FORK, "better", HEAD)
    github.add_artifact(archive)

    ran = repository.comment(ended(source=FORK), github.host)

    assert ran.code != 0
    [line] = [line for line in ran.log.splitlines() if re.search("Error: (the|review)", line)]
    assert reason in line
    [comment] = github.comments
    assert comment["body"].startswith("## ❌ Do not merge: no report\n\nThe report of this run was")
    assert "Traceback" not in ran.log
    assert reason in comment["body"]


def test_an_artifact_that_is_too_big_is_not_even_asked_for(
    repository: Forge, github: FakeGitHub
) -> None:
    github.open_pull(3, FORK, "better", HEAD)
    github.add_artifact(REVIEW, size=2_000_000)

    ran = repository.comment(ended(source=FORK), github.host)

    assert "Error: the artifact is larger than 1,000,000 bytes" in ran.log
    assert not [asked for asked in github.asked if "zip" in asked or "storage" in asked]


def test_more_than_was_announced_is_not_read(repository: Forge, github: FakeGitHub) -> None:
    github.open_pull(3, FORK, "better", HEAD)
    github.add_artifact(REVIEW + b"\0" * 3_000_000, size=1000)

    ran = repository.comment(ended(source=FORK), github.host)

    assert ran.code != 0
    assert "Error: the artifact is" in ran.log


def test_a_refusal_of_github_is_one_line(repository: Forge, github: FakeGitHub) -> None:
    github.repository = "octo/other"

    ran = repository.comment(ended(), github.host)

    assert ran.code != 0
    [line] = [line for line in ran.log.splitlines() if "Error: GET" in line]
    assert "HTTP 404" in line
    assert "Traceback" not in ran.log


def test_a_run_of_main_is_not_told(repository: Forge, github: FakeGitHub) -> None:
    ran = repository.comment(ended() | {"event": "merge_group"}, github.host)

    assert ran.code == 0
    assert not github.asked
