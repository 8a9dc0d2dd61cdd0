"""comment.yml, run as it is, after pull-request.yml and by itself, against a GitHub made here."""

from __future__ import annotations

import io
import stat
import zipfile

import pytest

from tests.workflows.conftest import install_cml
from tests.workflows.fake_github import BOT, HEAD, FakeGitHub, ended
from tests.workflows.forge import Forge

MARK = '![](https://cml.dev/watermark.png#0123abc "CML watermark churn-report")'
FORK = "stranger/shop"


def zipped(text: str | bytes, name: str = "report.md") -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, text)
    return made.getvalue()


REPORT = zipped("## ✅ Merge: passed\n\n| metric | main |\n| --- | --- |\n| ROC AUC | 0.85 |\n")


def test_two_pushes_leave_one_comment(repository: Forge, github: FakeGitHub, poster: str) -> None:
    github.add_comment("a word of a reviewer", "reviewer")
    head = repository.open_pull_request({"standin.sh": "verdict='✅ Merge: better'"})
    github.open_pull(3, "octo/shop", "better", head)
    assert repository.pull_request().code == 0
    github.add_artifact(repository.artifact("comment").read_bytes())

    first = repository.comment(ended(head), github.host)

    assert first.code == 0, first.log
    assert ("cml is not installed" in first.log) == (poster == "gh")
    [_, comment] = github.comments
    assert comment["body"].startswith("## ✅ Merge: better\n")
    assert f"[Run 12](https://{github.host}/octo/shop/actions/runs/77)" in comment["body"]
    assert f"{head}: success" in comment["body"]

    worse = repository.push({"standin.sh": "code=1 verdict='❌ Do not merge: cost rose'"})
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
    github.add_artifact(REPORT)

    for installed in (False, True, False):
        if installed:
            install_cml(repository)
        else:
            (repository.store / "cml").exists() and (repository.store / "cml/cml").unlink()
        ran = repository.comment(ended(), github.host)
        assert ran.code == 0, ran.log
        assert ("cml is not installed" in ran.log) == (not installed)

    assert len(github.comments) == 1
    assert github.comments[0]["body"].count("CML watermark") == 1


def test_where_cml_fails_gh_posts(repository: Forge, github: FakeGitHub) -> None:
    install_cml(repository)
    (repository.store / "cml" / "cml").write_text("#!/bin/sh\nexit 1\n")
    github.open_pull(3, "octo/shop", "better", HEAD)
    github.add_artifact(REPORT)

    ran = repository.comment(ended(), github.host)

    assert ran.code == 0, ran.log
    assert "cml failed" in ran.log
    assert len(github.comments) == 1


def test_a_fork_gets_the_same_comment(repository: Forge, github: FakeGitHub, poster: str) -> None:
    # Both have a branch of that name; what tells them apart is whose it is.
    github.open_pull(2, "octo/shop", "better", "b" * 40)
    github.open_pull(3, FORK, "better", HEAD)
    github.add_artifact(REPORT)

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
    github.add_artifact(REPORT)

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
    github.add_artifact(REPORT)

    ran = repository.comment(ended(), github.host)

    assert ran.code != 0
    assert "Error: run 77: its commit is the head of several pull requests" in ran.log
    assert not github.comments


def test_a_commit_that_goes_to_main_and_to_a_release_is_told_where_it_goes_to_main(
    repository: Forge, github: FakeGitHub
) -> None:
    github.open_pull(3, "octo/shop", "better", HEAD)
    github.open_pull(4, "octo/shop", "better", HEAD, base="release")
    github.add_artifact(REPORT)

    ran = repository.comment(ended(), github.host)

    assert ran.code == 0, ran.log
    posts = [asked for asked in github.asked if asked.startswith("POST")]
    assert posts == ["POST /api/v3/repos/octo/shop/issues/3/comments"]


def test_a_run_without_a_report_is_told(repository: Forge, github: FakeGitHub, poster: str) -> None:
    github.open_pull(3, "octo/shop", "better", HEAD)
    github.add_artifact(REPORT, name="candidate")

    ran = repository.comment(ended(conclusion="cancelled"), github.host)

    assert ran.code == 0, ran.log
    [comment] = github.comments
    assert comment["body"].startswith("## ❌ Do not merge: no report\n")
    assert "The run ended before it could say more" in comment["body"]
    assert "/actions/runs/77)" in comment["body"]


def test_another_ones_comment_with_the_mark_is_left_alone(
    repository: Forge, github: FakeGitHub, poster: str
) -> None:
    # CML alone would write into it, and its author could then say what he likes in it.
    forged = github.add_comment(f"## ✅ Merge: passed\n\n{MARK}", "stranger")
    github.open_pull(3, FORK, "better", HEAD)
    github.add_artifact(REPORT)

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
    github.add_artifact(REPORT)

    ran = repository.comment(ended(), github.host)

    assert ran.code == 0, ran.log
    assert len(github.comments) == 121
    assert mine["body"].startswith("## ✅ Merge: passed")


def test_what_a_stranger_writes_into_the_report_stays_dead(
    repository: Forge, github: FakeGitHub, poster: str
) -> None:
    report = """## ✅ Merge: passed @everyone

![x](https://evil.example/pixel.png) [merge](https://evil.example) closes #1 <img src=x onerror=y>
<a href="https://evil.example">here</a> <script>alert(1)</script> &#64;octo/team www.evil.example

<details><summary>more</summary>

kept

</details>
"""
    github.open_pull(3, FORK, "better", HEAD)
    github.add_artifact(zipped(report))

    ran = repository.comment(ended(source=FORK), github.host)

    assert ran.code == 0, ran.log
    body = github.comments[0]["body"].removesuffix(github.comments[0]["body"][-120:])
    for alive in ("@e", "@o", "&#64;", "![", "](https://evil", "#1 ", "<img", "<a ", "<script"):
        assert alive not in body, alive
    for alive in ("https://evil", "www.evil"):
        assert alive not in body, alive
    assert "<details><summary>more</summary>\n\nkept\n\n</details>" in body


def two_members() -> bytes:
    made = io.BytesIO(REPORT)
    with zipfile.ZipFile(made, "a") as archive:
        archive.writestr("second.md", "## ✅ Merge: passed\n")
    return made.getvalue()


def link() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        member = zipfile.ZipInfo("report.md")
        member.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(member, "/etc/passwd")
    return made.getvalue()


HOSTILE = {
    "a second member": (two_members(), "something else than one report.md"),
    "a path": (zipped("## ✅ Merge: x", "../report.md"), "something else than one report.md"),
    "a link": (link(), "is a link"),
    "a bomb": (zipped(b"\0" * 50_000_000), "unpacks to more than"),
    "no zip file": ("## ✅ Merge: passed".encode(), "not a zip file"),
    "no UTF-8": (zipped("## ✅ Merge: ".encode() + b"\xff"), "not UTF-8"),
    "an escape": (zipped("## ✅ Merge: \x1b[2J"), "control characters"),
    "too long": (zipped("## ✅ Merge: " + "x" * 60_000), "more than 60,000 characters"),
    "no report": (zipped("# Merge me\n"), "does not begin with its heading"),
    "an open block": (zipped("## ✅ Merge: x\n\n```text\n"), "leaves a block"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_artifact_is_refused_and_that_is_told(
    repository: Forge, github: FakeGitHub, name: str
) -> None:
    archive, reason = HOSTILE[name]
    github.open_pull(3, FORK, "better", HEAD)
    github.add_artifact(archive)

    ran = repository.comment(ended(source=FORK), github.host)

    assert ran.code != 0
    [line] = [line for line in ran.log.splitlines() if "Error: the" in line or "Error: rep" in line]
    assert reason in line
    [comment] = github.comments
    assert comment["body"].startswith("## ❌ Do not merge: no report\n\nThe report of this run was")
    assert reason in comment["body"]


def test_an_artifact_that_is_too_big_is_not_even_asked_for(
    repository: Forge, github: FakeGitHub
) -> None:
    github.open_pull(3, FORK, "better", HEAD)
    github.add_artifact(REPORT, size=2_000_000)

    ran = repository.comment(ended(source=FORK), github.host)

    assert "Error: the artifact is larger than 1,000,000 bytes" in ran.log
    assert not [asked for asked in github.asked if "zip" in asked or "storage" in asked]


def test_more_than_was_announced_is_not_read(repository: Forge, github: FakeGitHub) -> None:
    github.open_pull(3, FORK, "better", HEAD)
    github.add_artifact(REPORT + b"\0" * 3_000_000, size=1000)

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
