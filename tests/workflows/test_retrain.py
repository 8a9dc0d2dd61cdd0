"""retrain.yml, run as it is, with the real commands, a newer table, and a GitHub made here.

One story, told in order.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from churn.data.synthesize import write
from tests.pipeline.conftest import Clone
from tests.pipeline.small import commit_with_lock, edit, make_small
from tests.workflows import forge
from tests.workflows.fake_github import FakeGitHub, serving
from tests.workflows.forge import Forge

pytestmark = pytest.mark.long


@dataclass
class Story:
    """The repository, what GitHub knows, and the file with the newest table."""

    forge: Forge
    github: FakeGitHub
    export: Path

    @property
    def clone(self) -> Clone:
        return self.forge.origin

    @property
    def branches(self) -> dict[str, str]:
        listed = self.clone.git("for-each-ref", "--format=%(refname:short) %(objectname)")
        found = dict(line.split() for line in listed.splitlines())
        return {name: commit for name, commit in found.items() if not name.startswith("pull/")}


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, certificate: Path) -> Iterator[Story]:
    if lacking := forge.missing():
        pytest.skip(f"the workflows cannot be run here; install {', '.join(lacking)}")
    folder = tmp_path_factory.mktemp("shop")
    clone = make_small(folder)
    clone.git("remote", "add", "origin", "https://github.com/octo/shop")
    edit(clone, {"data.source": str(folder / "export.csv")})
    commit_with_lock(clone, "where newer tables are")
    shutil.copy(clone.root / "data/customers.csv", folder / "export.csv")
    store = forge.make_store(tmp_path_factory.mktemp("forge") / "store")
    forge.make_real_environments(store / "environments", is_warm=True)
    forge.install_standins(clone)
    with serving(certificate) as github:
        github.git = clone.root
        made = Forge(clone, store, {"SSL_CERT_FILE": str(certificate)})
        yield Story(made, github, folder / "export.csv")


@contextmanager
def app(story: Story) -> Iterator[None]:
    """Let the repository have an app, whose token is asked for."""
    story.forge.variables["RETRAIN_APP_ID"] = "Iv1.app"
    story.forge.secrets["RETRAIN_APP_KEY"] = "the-key"
    yield
    del story.forge.variables["RETRAIN_APP_ID"], story.forge.secrets["RETRAIN_APP_KEY"]


def test_on_another_branch_nothing_is_run(story: Story) -> None:
    story.clone.git("branch", "other", "main")
    ran = story.forge.retrain(story.github.host, branch="other")
    assert ran.jobs == {}
    story.clone.git("switch", "--quiet", "main")
    story.clone.git("branch", "--delete", "other")


def test_the_schedule_finds_nothing_new_with_the_token_of_an_app(story: Story) -> None:
    before = story.branches
    with app(story):
        ran = story.forge.retrain(story.github.host, trigger="schedule")
    assert "app Iv1.app the-key contents=write pull-requests=write" in story.forge.calls
    assert "the-key" not in ran.log
    assert ran.jobs == {"retrain": "succeeded"}, ran.log
    assert "## Nothing new" in ran.summary
    assert "nothing new: main has this table" in ran.log
    assert (story.branches, story.github.asked) == (before, [])


def test_a_broken_table_fails_the_run_and_says_why(story: Story) -> None:
    before = story.branches
    write(story.export, 600, 3)
    ran = story.forge.retrain(story.github.host, trigger="schedule")
    assert ran.jobs == {"retrain": "failed"}, ran.log
    assert "refused: 600 rows, 10% of today" in ran.log
    assert "## ❌ No pull request" in ran.summary
    assert story.branches == before
    assert all(asked.startswith("GET") for asked in story.github.asked)


def test_a_newer_table_becomes_a_pull_request(story: Story) -> None:
    write(story.export, 6300, 3)
    before = story.branches

    ran = story.forge.retrain(story.github.host, 'age "has" $(drifted); `x`')

    assert ran.jobs == {"retrain": "succeeded"}, ran.log
    [pull] = story.github.pulls
    name = pull["head"]["ref"]
    # A branch and a pull request, never main, never the registry.
    assert {**story.branches, name: ""} == {**before, name: ""}
    assert pull["base"]["ref"] == "main"
    assert "Production" in pull["body"]  # it is compared with that as well
    assert "age &#34;has" in pull["body"] or 'age "has" &#36;(drifted)' in pull["body"]
    assert "pull request #1 opened: Retrain on 6,300 customers (+300)" in ran.summary.replace(
        "&#35;", "#"
    ).replace("\u200b", "")
    assert "its checks wait" in ran.summary
    assert pull["head"]["sha"] == story.branches[name]


@pytest.mark.exhaustive
def test_it_goes_through_the_gates(story: Story) -> None:
    [pull] = story.github.pulls
    clone = story.clone
    clone.git("switch", "--quiet", pull["head"]["ref"])
    merged = clone.git("commit-tree", "HEAD^{tree}", "-p", "main", "-p", "HEAD", "-m", "merged")
    clone.git("update-ref", "refs/pull/3/merge", merged)
    ran = story.forge.pull_request()
    clone.git("switch", "--quiet", "main")
    assert ran.jobs["required"] == "succeeded", ran.log
    assert "Running stage 'train'" in ran.log


@pytest.mark.exhaustive
def test_the_next_run_updates_it_with_the_token_of_an_app(story: Story) -> None:
    [pull] = story.github.pulls
    first = story.branches[pull["head"]["ref"]]
    write(story.export, 6400, 3)
    story.github.author = "our-app[bot]"

    with app(story):
        ran = story.forge.retrain(story.github.host, trigger="schedule")

    assert ran.jobs == {"retrain": "succeeded"}, ran.log
    assert story.github.pulls == [pull]
    assert pull["title"].startswith("Retrain on 6,400 customers (+400)")
    assert story.branches[pull["head"]["ref"]] != first
    assert "wait" not in ran.summary
