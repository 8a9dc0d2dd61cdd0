"""Command `candidate fetch`: the bytes that were reviewed, or made again and why.

The repository, its merges and the packed candidates are real, and so is `gh`; GitHub is made here
and asked over HTTPS. Only the pipeline is a stand-in.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from churn import (
    archive,
    bundle,
    cli,
    gate,
    github,
    lineage,
    merges,
    params,
    review,
    reviewed,
    taken,
    tracking,
    verdict,
)
from churn.candidate import commit_fingerprint, git
from churn.errors import GitHubError
from churn.gate import Verdict
from churn.lineage import Source
from churn.paths import Workspace
from churn.promotion import Commit, newest
from churn.registry import Event, Registry
from tests.conftest import ROOT
from tests.unit.repositories import commit, write
from tests.unit.test_archive import HOSTILE, files_below
from tests.workflows.fake_github import TOKEN, FakeGitHub, ended

PASSED = Verdict(True, "judged", "fine", ())
FORK = "stranger/shop"
OUTPUT = Path("build/candidate")
PARAMS = (ROOT / "params.yaml").read_text(encoding="utf-8")
NUMBER, RUN = 12, 77


@dataclass
class Shop:
    """A repository, and what GitHub knows of it."""

    root: Path
    github: FakeGitHub
    reproduced: Verdict = PASSED
    model: str = "the model"
    plans: list[review.Plan] = field(default_factory=list)

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.root)

    def make(self, judged: Verdict, folder: Path) -> None:
        """Leave what a review of the work tree would leave."""
        write(
            self.root,
            {
                "build/model/pipeline.skops": f"{self.model}\n" * 1000,
                "build/data_stats.json": "{}\n",
                "reports/metrics.json": "{}\n",
                "reports/report.md": f"## {judged.reason}\n",
                "reports/report.html": "<p>\n",
            },
        )
        predictions = self.workspace.predictions("test")
        predictions.parent.mkdir(exist_ok=True)
        pd.DataFrame({"probability": [0.25, 0.75]}).to_parquet(predictions)
        verdict.write(self.workspace, judged)
        bundle.pack(self.workspace, folder)

    def push(self, branch: str, files: dict[str, str]) -> str:
        if git(self.root, "branch", "--list", branch):
            git(self.root, "switch", "--quiet", branch)
        else:
            git(self.root, "switch", "--quiet", "--create", branch, "main")
        write(self.root, files)
        return commit(self.root)

    def open(
        self, files: dict[str, str] | None = None, source: str = "octo/shop", number: int = NUMBER
    ) -> str:
        """Open a pull request of two commits, and return its last one."""
        self.push("better", {"params.yaml": f"{PARAMS}\n# first\n"})
        head = self.push("better", files or {"params.yaml": f"{PARAMS}\n# second\n"})
        self.github.open_pull(number, source, "better", head)
        return head

    def review(
        self, judged: Verdict = PASSED, run: int = RUN, source: str = "octo/shop", **other: Any
    ) -> dict[str, Any]:
        """Run pull-request.yml on what merging the branch to main would make."""
        head = git(self.root, "rev-parse", "better").strip()
        git(self.root, "switch", "--quiet", "--detach", "main")
        git(self.root, "merge", "--quiet", "--no-ff", "--message", "merged", "better")
        made = self.github.add_run(ended(head, source, **other) | {"id": run})
        self.keep(judged, run)
        return made

    def keep(self, judged: Verdict, run: int = RUN) -> dict[str, Any]:
        """Upload the candidate of what is checked out as an artifact."""
        folder = self.root.parent / "packed"
        self.make(judged, folder)
        return self.github.add_artifact(zipped(folder), "candidate", run=run)

    def queue(self, commit: str, place: str = f"main/pr-{NUMBER}", run: int = 80) -> None:
        """Run pull-request.yml on a commit of the merge queue."""
        branch = f"gh-readonly-queue/{place}-{'0' * 40}"
        self.github.add_run(ended(commit, branch=branch) | {"id": run}, event="merge_group")

    def merge(self, how: str = "squash", number: int = NUMBER) -> str:
        """Merge the pull request, and return what main is now."""
        git(self.root, "switch", "--quiet", "main")
        if how == "squash":
            git(self.root, "merge", "--quiet", "--squash", "better")
            git(self.root, "commit", "--quiet", "--message", f"better (#{number})")
        elif how == "rebase":
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("GIT_COMMITTER_NAME", "GitHub")
                git(self.root, "rebase", "--quiet", "--force-rebase", "main", "better")
            git(self.root, "switch", "--quiet", "main")
            git(self.root, "merge", "--quiet", "--ff-only", "better")
        else:
            git(self.root, "merge", "--quiet", "--no-ff", "--message", "Merge it", "better")
        made = git(self.root, "rev-parse", "main").strip()
        self.github.merge_pull(number, made)
        return made

    @property
    def kept(self) -> bytes:
        """The newest archive that was uploaded."""
        return self.github.archives[max(self.github.archives)]

    @kept.setter
    def kept(self, content: bytes) -> None:
        self.github.archives[max(self.github.archives)] = content


def zipped(folder: Path) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as opened:
        for file in sorted(file for file in folder.rglob("*") if file.is_file()):
            opened.write(file, file.relative_to(folder))
    return made.getvalue()


def unzipped(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def rezipped(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in files.items():
            opened.writestr(name, content)
    return made.getvalue()


@pytest.fixture
def shop(
    repository: Path,
    empty_store: Path,
    served_github: FakeGitHub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Shop:
    """Return a repository whose main is on GitHub, where nothing was ever released."""
    made = Shop(repository, served_github)
    ignored = "/build/\n/reports/\n/mlflow.db*\n/mlruns/\n"
    data = "outs:\n- md5: 0123.dir\n  path: data\n"
    write(repository, {"params.yaml": PARAMS, "data.dvc": data, "dvc.lock": "stages: {}\n"})
    write(repository, {".gitignore": ignored})
    served_github.commits[commit(repository)] = []
    shutil.copy(empty_store, repository / "mlflow.db")

    def reproduce(workspace: Workspace, plan: review.Plan, output: Path, say: Any) -> Verdict:
        made.plans.append(plan)
        bundle.remove(output)
        made.make(made.reproduced, output)
        return made.reproduced

    monkeypatch.setattr(review, "run", reproduce)
    monkeypatch.chdir(repository)
    monkeypatch.setenv("SSL_CERT_FILE", str(served_github.certificate))
    monkeypatch.setenv("GH_CONFIG_DIR", str(tmp_path / "gh"))
    monkeypatch.setenv("GITHUB_SERVER_URL", f"https://{served_github.host}")
    monkeypatch.setenv("GITHUB_REPOSITORY", "octo/shop")
    monkeypatch.setenv("GITHUB_RUN_ID", "99")
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    monkeypatch.setenv("GH_TOKEN", TOKEN)
    return made


@dataclass(frozen=True)
class Ran:
    """What the command has said and left."""

    code: int
    out: str
    err: str
    needed: str | None

    @property
    def last(self) -> str:
        return self.out.splitlines()[-1]


@pytest.fixture
def release(shop: Shop) -> Callable[..., None]:
    """Return what puts a version with some tags into Production."""

    def put(**tags: str) -> None:
        registry = Registry(shop.root, params.load(shop.workspace.params).release)
        source = shop.root / "mlruns" / "1" / "models"
        write(source, {"MLmodel": "x"})
        with registry.locked("test"):
            version = registry.register(str(source), "", "", tags)
            registry.move(version, "production", "test", "")

    return put


Fetch = Callable[..., Ran]


@pytest.fixture
def fetch(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Fetch:
    """Return what runs the command, and sees that no token was shown."""

    def run(*arguments: str) -> Ran:
        (tmp_path / "output").unlink(missing_ok=True)
        with pytest.raises(SystemExit) as stopped:
            cli.main(["candidate", "fetch", *arguments])
        said = capsys.readouterr()
        note = lineage.path(OUTPUT)
        shown = said.out + said.err + (note.read_text() if note.exists() else "")
        assert TOKEN not in shown
        assert "Traceback" not in shown
        assert not list(OUTPUT.parent.glob(".*"))
        told = (tmp_path / "output").read_text() if (tmp_path / "output").exists() else None
        return Ran(int(stopped.value.code or 0), said.out, said.err, told)

    return run


def assert_reviewed(ran: Ran, shop: Shop, number: int | None = NUMBER, run: int = RUN) -> None:
    """See that the very bytes of the run's artifact are there, and that it is said so."""
    which = f" of pull request #{number}" if number else ""
    assert ran.out == f"build/candidate: the reviewed candidate{which}, byte for byte\n", ran.err
    assert (ran.code, ran.needed) == (0, "needed=true\n")
    assert files_below(OUTPUT) == unzipped(shop.kept)
    assert shop.plans == []
    address = f"https://{shop.github.host}/octo/shop/actions/runs/{run}"
    assert lineage.read(OUTPUT) == Source("reviewed", "", number, address)
    manifest = bundle.verify(OUTPUT, shop.root, "HEAD")
    assert manifest["fingerprint"] == commit_fingerprint(shop.root, "HEAD")


def assert_reproduced(ran: Ran, shop: Shop, why: str) -> None:
    """See that the candidate was made again, and that it is said why."""
    assert ran.last.startswith("build/candidate: reproduced: "), ran.out + ran.err
    assert why in ran.last
    assert (ran.code, ran.needed) == (0, "needed=true\n")
    assert shop.plans == [review.Plan(revision=None, production=True, from_scratch=True)]
    source = lineage.read(OUTPUT)
    assert source.how == "reproduced"
    assert ran.last.endswith(source.why)
    assert source.run == f"https://{shop.github.host}/octo/shop/actions/runs/99"
    bundle.verify(OUTPUT, shop.root, "HEAD")


def assert_not_asked(shop: Shop, *parts: str) -> None:
    assert not [asked for asked in shop.github.asked if any(part in asked for part in parts)]


# What is taken


@pytest.mark.parametrize("how", ["squash", "rebase", "merge"])
def test_what_was_reviewed_is_taken_however_it_was_merged(
    how: str, shop: Shop, fetch: Fetch
) -> None:
    head = shop.open()
    shop.review()
    reviewed = json.loads(unzipped(shop.kept)["manifest.json"])
    merged = shop.merge(how)
    assert merged not in (head, reviewed["commit"])
    assert commit_fingerprint(shop.root, merged) == reviewed["fingerprint"]
    assert_reviewed(fetch(), shop)


@pytest.mark.parametrize("how", ["squash", "rebase", "merge"])
def test_a_main_that_has_moved_on_by_documents_alone_makes_no_difference(
    how: str, shop: Shop, fetch: Fetch
) -> None:
    shop.open()
    shop.review()
    shop.push("main", {"README.md": "other words\n"})
    shop.merge(how)
    assert_reviewed(fetch(), shop)


def test_the_commit_of_a_merge_queue_is_looked_up_by_itself(shop: Shop, fetch: Fetch) -> None:
    shop.open()
    shop.review()
    merged = shop.merge("merge")
    shop.queue(merged)
    shop.keep(PASSED, 80)
    shop.github.asked.clear()
    assert_reviewed(fetch(), shop, run=80)
    assert_not_asked(shop, "/pulls", "runs/77/")


def test_what_a_merge_queue_has_not_kept_is_taken_from_the_pull_request(
    shop: Shop, fetch: Fetch
) -> None:
    shop.open()
    shop.review()
    merged = shop.merge("merge")
    shop.queue(merged)
    assert_reviewed(fetch(), shop)


def test_the_queue_of_another_branch_is_not_this_one_s(shop: Shop, fetch: Fetch) -> None:
    shop.open()
    shop.review()
    merged = shop.merge("merge")
    shop.queue(merged, "evil/pr-9")
    assert_reviewed(fetch(), shop)
    assert_not_asked(shop, "runs/80/")


def test_an_older_commit_can_be_asked_for(shop: Shop, fetch: Fetch) -> None:
    shop.open()
    shop.review()
    merged = shop.merge()
    shop.push("main", {"params.yaml": f"{PARAMS}\n# third\n"})
    assert fetch("--commit", merged, "--output", "elsewhere/one").code == 0
    assert files_below(Path("elsewhere/one")) == unzipped(shop.kept)
    assert lineage.read(Path("elsewhere/one")).pull_request == NUMBER
    assert not OUTPUT.exists()


def test_of_two_attempts_the_last_one_s_is_taken(shop: Shop, fetch: Fetch) -> None:
    shop.open()
    shop.model = "of the first attempt"
    shop.review()
    shop.model = "of the second attempt"
    shop.keep(PASSED)
    shop.merge()
    assert_reviewed(fetch(), shop)
    assert b"second attempt" in (OUTPUT / "model/pipeline.skops").read_bytes()


def test_of_two_runs_the_newest_counts(shop: Shop, fetch: Fetch) -> None:
    shop.open()
    shop.review(run=70)
    shop.review(run=71)
    shop.merge()
    assert_reviewed(fetch(), shop, run=71)
    shop.github.runs[0]["id"], shop.github.runs[1]["id"] = 71, 70  # told in another order
    assert_reviewed(fetch(), shop, run=71)


def test_an_earlier_success_does_not_stand_for_a_run_that_failed(shop: Shop, fetch: Fetch) -> None:
    shop.open()
    shop.review(run=70)
    shop.review(run=71, conclusion="failure")
    shop.merge()
    assert_reproduced(fetch(), shop, "pull request #12: its run 71 has not succeeded (failure)")


def test_only_pull_requests_that_were_merged_to_main_count(shop: Shop, fetch: Fetch) -> None:
    head = shop.open()
    shop.review()
    merged = shop.merge()
    shop.github.open_pull(13, "octo/shop", "other", head)  # not merged
    shop.github.open_pull(14, "octo/shop", "third", head, base="release")
    shop.github.merge_pull(14, merged)
    shop.github.commits[merged].append(13)
    assert_reviewed(fetch(), shop)
    assert_not_asked(shop, "issues/13", "issues/14")


def test_a_second_page_of_pull_requests_is_read(shop: Shop, fetch: Fetch) -> None:
    shop.open()
    shop.review()
    shop.merge()
    for number in range(1000, 1150):
        shop.github.open_pull(number, "octo/shop", "better", "0" * 40)
    shop.github.pulls.reverse()
    assert_reviewed(fetch(), shop)


def test_at_another_place_than_the_repository_s_top_it_is_an_error(
    shop: Shop, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shop.root / "src")
    ran = fetch()
    assert ran.code == 2
    assert ran.err.startswith("Error: ")


# What is made again


def test_what_was_pushed_to_main_is_made_again(shop: Shop, fetch: Fetch) -> None:
    made = shop.push("main", {"params.yaml": f"{PARAMS}\n# pushed\n"})
    shop.github.commits[made] = []
    why = f"no pull request was merged as {made[:12]}; it was pushed to main directly"
    assert_reproduced(fetch(), shop, why)
    assert lineage.read(OUTPUT).pull_request is None


def test_a_commit_that_github_does_not_know_is_made_again(shop: Shop, fetch: Fetch) -> None:
    made = shop.push("main", {"params.yaml": f"{PARAMS}\n# local\n"})
    ran = fetch()
    assert_reproduced(ran, shop, "GitHub could not be asked: GET commits/")
    assert f"No commit found for SHA: {made} (HTTP 422)" in ran.last


@pytest.mark.parametrize(
    ("model", "why"),
    [
        ("the model", "from a fork: made again on main, with the same bytes"),
        ("another", "from a fork: made again on main, with other bytes"),
    ],
)
def test_what_comes_from_a_fork_is_made_again(
    model: str, why: str, shop: Shop, fetch: Fetch
) -> None:
    shop.open(source=FORK)
    shop.model = model
    shop.review(source=FORK)
    shop.merge()
    shop.model = "the model"
    ran = fetch()
    assert_reproduced(ran, shop, why)
    assert ran.last == f"build/candidate: reproduced: {why}"
    assert lineage.read(OUTPUT).pull_request == NUMBER
    assert (OUTPUT / "model/pipeline.skops").read_text().startswith("the model")


def test_what_comes_from_a_fork_and_is_damaged_is_made_again(shop: Shop, fetch: Fetch) -> None:
    shop.open(source=FORK)
    shop.review(source=FORK)
    shop.merge()
    shop.kept = b"x"
    why = "from a fork: made again on main (its candidate cannot be unpacked: no zip file, or a"
    assert_reproduced(fetch(), shop, why)


def test_a_fork_that_is_deleted_is_still_one(shop: Shop, fetch: Fetch) -> None:
    shop.open(source=FORK)
    shop.review(source=FORK)["head_repository"] = None
    shop.merge()
    shop.github.pulls[0]["head"]["repo"] = None
    assert_reproduced(fetch(), shop, "from a fork: made again on main, with the same bytes")


def test_a_fork_s_branch_in_the_merge_queue_was_approved_before_it_ran(
    shop: Shop, fetch: Fetch
) -> None:
    shop.open(source=FORK)
    shop.review(source=FORK)
    merged = shop.merge("merge")
    shop.queue(merged)
    shop.keep(PASSED, 80)
    assert_reviewed(fetch(), shop, run=80)


def test_what_has_expired_is_made_again(shop: Shop, fetch: Fetch) -> None:
    shop.open()
    shop.review()
    shop.merge()
    shop.github.artifacts[0]["expired"] = True
    why = "pull request #12: the candidate of its run has expired"
    assert_reproduced(fetch(), shop, why)
    assert lineage.read(OUTPUT).pull_request == NUMBER
    assert_not_asked(shop, "zip")


def test_what_is_gone_is_made_again(shop: Shop, fetch: Fetch) -> None:
    shop.open()
    shop.review()
    shop.merge()
    shop.github.artifacts[0]["name"] = "comment"
    assert_reproduced(fetch(), shop, "the candidate of its run is gone, or there was none")


def test_where_main_has_moved_and_the_inputs_differ_it_is_made_again(
    shop: Shop, fetch: Fetch
) -> None:
    shop.open()
    shop.review()
    before = commit_fingerprint(shop.root, "HEAD")
    shop.push("main", {"src/churn/new.py": "y = 1\n"})
    shop.merge()
    ran = fetch()
    now = commit_fingerprint(shop.root, "HEAD")
    assert_reproduced(ran, shop, f"(fingerprint {before[:12]}, not {now[:12]}), as when the branch")


@pytest.mark.parametrize(
    ("status", "conclusion", "told"),
    [
        ("completed", "failure", "failure"),
        ("completed", "cancelled", "cancelled"),
        ("completed", "timed_out", "timed_out"),
        ("in_progress", None, "in_progress"),
        ("queued", None, "queued"),
        ("in_progress", "success", "success"),
    ],
)
def test_a_run_that_has_not_succeeded_does_not_count(
    status: str, conclusion: str | None, told: str, shop: Shop, fetch: Fetch
) -> None:
    shop.open()
    shop.review()
    shop.github.runs[0] |= {"status": status, "conclusion": conclusion}
    shop.merge()
    assert_reproduced(fetch(), shop, f"pull request #12: its run 77 has not succeeded ({told})")
    assert_not_asked(shop, "zip", "artifacts")


@pytest.mark.parametrize(
    "change",
    [
        {"head_sha": "0" * 40},
        {"head_branch": "other"},
        {"event": "push"},
        {"head_repository": {"id": 1, "full_name": FORK}},
    ],
    ids=str,
)
def test_a_run_on_something_else_does_not_count(
    change: dict[str, Any], shop: Shop, fetch: Fetch
) -> None:
    shop.open()
    run = shop.review()
    run |= change
    shop.merge()
    shop.github._runs = lambda query: {  # type: ignore[method-assign]
        "workflow_runs": [run] if query["event"] == "pull_request" else []
    }
    assert_reproduced(fetch(), shop, "no run of pull-request.yml on its last commit is known")


def test_a_verdict_that_blocks_is_not_overruled(shop: Shop, fetch: Fetch) -> None:
    shop.open()
    shop.review(Verdict(False, "judged", "worse", ()))
    shop.merge()
    assert_reproduced(fetch(), shop, "its verdict is not a pass")


@pytest.mark.parametrize(
    "edit",
    [{"passed": 1}, {"passed": None}, {"outcome": "unchanged"}, {"outcome": "stopped"}],
    ids=str,
)
def test_only_a_verdict_that_was_judged_and_passed_counts(
    edit: dict[str, Any], shop: Shop, fetch: Fetch
) -> None:
    shop.open()
    shop.review()
    shop.kept = forged(shop.kept, "verdict.json", lambda judged: judged.update(edit))
    shop.merge()
    assert_reproduced(fetch(), shop, "its verdict is not a pass")


def test_a_pipeline_that_was_stopped_has_left_no_candidate(shop: Shop, fetch: Fetch) -> None:
    shop.open()
    shop.review(gate.stopped("no data"))
    shop.merge()
    assert_reproduced(fetch(), shop, "pull request #12: candidate: holds no model")


def test_a_verdict_on_another_model_does_not_count(shop: Shop, fetch: Fetch) -> None:
    shop.open()
    shop.review()
    other = {"model_digest": "0" * 64, "fingerprint": "0" * 64}
    shop.kept = forged(shop.kept, "verdict.json", lambda judged: judged.update(of=other))
    shop.merge()
    assert_reproduced(fetch(), shop, "its verdict is on another model")


def test_a_pull_request_of_documents_has_no_model(shop: Shop, fetch: Fetch) -> None:
    shop.push("better", {"README.md": "words\n"})
    head = git(shop.root, "rev-parse", "HEAD").strip()
    shop.github.open_pull(NUMBER, "octo/shop", "better", head)
    shop.review(gate.unchanged("main"))
    shop.merge()
    assert_reproduced(fetch(), shop, "pull request #12: it changed no model")


def forged(content: bytes, name: str, edit: Callable[[dict[str, Any]], object]) -> bytes:
    """Change a JSON file of a candidate, and renew every digest, as one with ill intent would."""
    files = unzipped(content)
    changed = json.loads(files[name])
    edit(changed)
    files[name] = json.dumps(changed).encode()
    manifest = json.loads(files["manifest.json"])
    manifest["files"][name] = hashlib.sha256(files[name]).hexdigest()
    files["manifest.json"] = bundle._written(manifest).encode()
    return rezipped(files)


# Who could push to a branch but not to main


def test_a_run_that_may_have_been_another_pull_request_s_is_not_trusted(
    shop: Shop, fetch: Fetch
) -> None:
    # To a branch of its own, whose pull-request.yml uploads what it likes.
    head = shop.open()
    shop.review()
    shop.github.open_pull(5, "octo/shop", "better", head, base="evil")
    shop.github.pulls[-1]["state"] = "closed"
    shop.review(run=78)
    shop.merge()
    assert_reproduced(fetch(), shop, "its last commit is that of pull request #5 too")
    assert_not_asked(shop, "zip")


@pytest.mark.parametrize("event", ["base_ref_changed", "automatic_base_change_succeeded"])
def test_a_run_from_before_the_pull_request_was_led_to_main_is_not_trusted(
    event: str, shop: Shop, fetch: Fetch
) -> None:
    shop.open()
    shop.review()
    shop.merge()
    others = [{"event": "labeled", "created_at": "2026-01-09T00:00:00Z"}] * 120
    shop.github.events[NUMBER] = [*others, {"event": event, "created_at": "2026-01-02T00:00:00Z"}]
    assert_reproduced(fetch(), shop, "it was led to another branch since its run")
    shop.plans.clear()
    shop.github.events[NUMBER][-1]["created_at"] = "2025-12-31T23:59:59Z"
    assert_reviewed(fetch(), shop)


# Archives


def test_a_damaged_archive_is_made_again(shop: Shop, fetch: Fetch) -> None:
    shop.open()
    shop.review()
    shop.merge()
    shop.kept = shop.kept[: len(shop.kept) // 2]
    why = "pull request #12: its candidate cannot be unpacked: no zip file, or a damaged one"
    assert_reproduced(fetch(), shop, why)


@pytest.mark.parametrize("name", ["model/pipeline.skops", "verdict.json", "report.md"])
def test_a_byte_that_was_changed_is_seen(name: str, shop: Shop, fetch: Fetch) -> None:
    shop.open()
    shop.review()
    shop.merge()
    files = unzipped(shop.kept)
    files[name] = b"T" + files[name][1:]
    shop.kept = rezipped(files)
    why = f"pull request #12: candidate/{name}: its bytes are not those of the manifest"
    assert_reproduced(fetch(), shop, why)


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (lambda files: files.pop("report.md"), "candidate/report.md: missing"),
        (lambda files: files.update(new=b""), "candidate/new: not in the manifest"),
        (lambda files: files.pop("manifest.json"), "candidate: no candidate there"),
        (lambda files: files.update({"manifest.json": b"{}"}), "candidate/manifest.json: not a"),
        (lambda files: files.clear(), "candidate: no candidate there"),
    ],
)
def test_what_is_not_the_candidate_s_is_seen(
    edit: Callable[[dict[str, bytes]], object], why: str, shop: Shop, fetch: Fetch
) -> None:
    shop.open()
    shop.review()
    shop.merge()
    files = unzipped(shop.kept)
    edit(files)
    shop.kept = rezipped(files)
    assert_reproduced(fetch(), shop, f"pull request #12: {why}")


def test_what_a_manifest_says_is_shown_as_one_plain_line(shop: Shop, fetch: Fetch) -> None:
    shop.open()
    shop.review()
    shop.merge()
    files = unzipped(shop.kept)
    manifest = json.loads(files["manifest.json"])
    manifest["files"]["\n::set-output name=x::y\x1b[2J\ud800\u202e" + "long" * 100] = "0"
    files["manifest.json"] = bundle._written(manifest).encode()
    shop.kept = rezipped(files)
    ran = fetch()
    assert_reproduced(ran, shop, "candidate/ ::set-output name=x::y [2J")
    assert not [line for line in (ran.out + ran.err).splitlines() if line.startswith("::")]
    assert "\x1b" not in ran.out + ran.err
    assert len(lineage.read(OUTPUT).why) <= 300


@pytest.mark.parametrize("name", ["above", "absolute", "a link", "a bomb"])
def test_a_hostile_candidate_is_made_again(
    name: str, shop: Shop, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MAX_BYTES", 10_000_000)
    make, why = HOSTILE[name]
    shop.open()
    shop.review()
    shop.merge()
    shop.kept = make()
    assert_reproduced(fetch(), shop, f"its candidate cannot be unpacked: {why}")
    assert not (shop.root / "x").exists() and not (shop.root / "build/x").exists()


def test_a_candidate_that_is_announced_as_too_large_is_not_asked_for(
    shop: Shop, fetch: Fetch
) -> None:
    shop.open()
    shop.review()
    shop.merge()
    shop.github.artifacts[0]["size_in_bytes"] = 200_000_001
    assert_reproduced(fetch(), shop, "its candidate is larger than 200,000,000 bytes")
    assert_not_asked(shop, "zip", "storage")


def test_no_more_than_was_announced_is_read(
    shop: Shop, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merges, "MAX_ARCHIVE_BYTES", 100_000)
    shop.open()
    shop.review()
    shop.merge()
    shop.kept += b"\0" * 200_000
    assert_reproduced(fetch(), shop, "its candidate is larger than 100,000 bytes")


# GitHub


@pytest.mark.parametrize("name", ["GITHUB_REPOSITORY", "GH_TOKEN"])
@pytest.mark.parametrize("value", ["", None])
def test_where_there_is_no_github_it_is_made_again(
    name: str, value: str | None, shop: Shop, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.open()
    shop.review()
    shop.merge()
    monkeypatch.delenv("GITHUB_RUN_ID")
    monkeypatch.delenv(name)
    if value is not None:
        monkeypatch.setenv(name, value)
    ran = fetch()
    assert ran.last == (
        f"build/candidate: reproduced: there is no GitHub to ask ({name} is not set)"
    )
    assert ran.code == 0 and lineage.read(OUTPUT).run == ""
    assert shop.github.asked == []


@pytest.mark.parametrize(
    ("outage", "why"),
    [
        ((500, {"message": "Server Error"}), "Server Error (HTTP 500)"),
        ((502, b"<html>bad gateway"), "HTTP 502"),
        ((403, {"message": "Resource not accessible"}), "Resource not accessible (HTTP 403)"),
        ((404, {"message": "Not Found"}), "Not Found (HTTP 404)"),
        ((500, {"message": f"no use of {TOKEN} here"}), "no use of *** here (HTTP 500)"),
        ((200, b"<html>"), "the answer is not JSON"),
        ((200, []), "GitHub's answer is not as expected: TypeError"),
        ((200, {}), "GitHub's answer is not as expected: KeyError 'default_branch'"),
        ((200, {"default_branch": "main"}), "as expected: KeyError 'workflow_runs'"),
        ((200, {"default_branch": "main", "workflow_runs": 1}), "as expected: TypeError"),
        ((200, {"default_branch": "main", "workflow_runs": [{}]}), "as expected: id: Field req"),
        ((200, {"default_branch": "main", "workflow_runs": [1]}), "as expected: : Input should"),
    ],
    ids=str,
)
def test_where_github_does_not_answer_as_it_should_it_is_made_again(
    outage: tuple[int, Any], why: str, shop: Shop, fetch: Fetch, release: Callable[..., None]
) -> None:
    shop.open()
    shop.review()
    shop.merge()
    release()
    shop.github.outage = outage
    ran = fetch()
    assert_reproduced(ran, shop, "GitHub could not be asked: ")
    assert why in ran.last


def test_a_token_that_is_refused_is_said_and_not_shown(
    shop: Shop, fetch: Fetch, release: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    release()
    monkeypatch.setenv("GH_TOKEN", "another-secret")
    ran = fetch()
    assert_reproduced(ran, shop, "GitHub could not be asked: GET repos/octo/shop: gh: Bad cred")
    assert "HTTP 401" in ran.last
    assert "another-secret" not in ran.out + ran.err + lineage.path(OUTPUT).read_text()


def test_a_github_that_is_not_there_is_said(
    shop: Shop, release: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    release()
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://127.0.0.1:1")
    with pytest.raises(SystemExit):
        cli.main(["candidate", "fetch"])
    source = lineage.read(OUTPUT)
    assert source.why.startswith("GitHub could not be asked: GET repos/octo/shop: ")
    assert "connection refused" in source.why


def test_a_gh_that_is_not_there_is_said(
    shop: Shop,
    fetch: Fetch,
    release: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    release()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "git").symlink_to(str(shutil.which("git")))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    why = "GitHub could not be asked: gh: not found; install GitHub's command line"
    assert_reproduced(fetch(), shop, why)


def test_an_archive_that_cannot_be_downloaded_is_said(shop: Shop, fetch: Fetch) -> None:
    shop.open()
    shop.review()
    shop.merge()
    shop.github.archives.clear()
    shop.github.answer = after(  # type: ignore[method-assign]
        shop.github.answer, "/zip", (410, {"message": "Artifact has expired"}, {})
    )
    ran = fetch()
    assert_reproduced(ran, shop, "GitHub could not be asked: downloading the artifact: gh: ")
    assert "Artifact has expired (HTTP 410)" in ran.last


def after(answer: Callable[..., Any], path: str, other: Any) -> Callable[..., Any]:
    return lambda method, asked, *rest: (
        other if asked.endswith(path) else answer(method, asked, *rest)
    )


def test_an_empty_token_is_not_looked_for_in_what_is_said() -> None:
    assert github.Repository("https://x/y/z", "")._told(" no\n") == "no"


# Production


def test_where_production_is_of_the_same_inputs_there_is_nothing_to_release(
    shop: Shop, fetch: Fetch, release: Callable[..., None]
) -> None:
    shop.open()
    shop.review()
    shop.merge()
    assert fetch().code == 0
    assert OUTPUT.exists()
    now = commit_fingerprint(shop.root, "HEAD")
    release(fingerprint="0", newest_fingerprint=now, smoke="passed")
    shop.github.asked.clear()
    ran = fetch()
    assert ran.out == "nothing to release: version 1 in Production is of the same inputs\n"
    assert (ran.code, ran.needed) == (0, "needed=false\n")
    assert not OUTPUT.exists() and not lineage.path(OUTPUT).exists()
    assert shop.github.asked == [] and shop.plans == []


@pytest.mark.parametrize("changed", ["README.md", "params.yaml"])
def test_after_a_rollback_documents_alone_release_nothing(
    changed: str, shop: Shop, fetch: Fetch, release: Callable[..., None]
) -> None:
    shop.open()
    shop.review()
    shop.merge()
    was = Commit.of(shop.root, "HEAD")
    release(**newest(was, commit_fingerprint(shop.root, "HEAD")))
    registry = Registry(shop.root, params.load(shop.workspace.params).release)
    event = Event.now("rollback", "the night shift", "too slow", 1)
    registry.tag(registry.version(1), {"rolled_back": event.text})
    before = (shop.root / changed).read_text() if (shop.root / changed).exists() else ""
    for text in (f"{before}\n# other\n", f"{before}\n# words\n"):
        shop.github.commits[shop.push("main", {changed: text})] = []
    shop.github.commits[shop.push("main", {changed: before})] = []
    ran = fetch()
    if changed == "params.yaml":  # the same inputs once more, and somebody means them
        assert commit_fingerprint(shop.root, "HEAD") == commit_fingerprint(shop.root, was.id)
        assert ran.needed == "needed=true\n"
        return
    assert "nothing to release: of the same inputs is version 1, which the night shift" in ran.out
    assert (ran.code, ran.needed) == (0, "needed=false\n")
    assert shop.plans == [] and not OUTPUT.exists()


@pytest.mark.parametrize(
    "tags",
    [
        {"smoke": "pending"},
        {"smoke": "failed"},
        {},
        {"smoke": "passed", "newest_fingerprint": "0" * 64},
    ],
    ids=str,
)
def test_a_production_that_does_not_work_or_is_another_s_is_replaced(
    tags: dict[str, str], shop: Shop, fetch: Fetch, release: Callable[..., None]
) -> None:
    shop.open()
    shop.review()
    shop.merge()
    release(**{"newest_fingerprint": commit_fingerprint(shop.root, "HEAD")} | tags)
    assert_reviewed(fetch(), shop)


def test_a_registry_that_is_kept_and_could_not_be_restored_is_not_begun_anew(
    shop: Shop, fetch: Fetch, release: Callable[..., None]
) -> None:
    shop.open()
    shop.review()
    shop.merge()
    shop.github.caches += ["environments-1", "registry-41-1-production"]
    ran = fetch()
    assert (ran.code, ran.needed) == (2, None)
    assert "GitHub keeps one (registry-41-1-production) that could not be restored" in ran.err
    assert not OUTPUT.exists() and shop.plans == []
    release()  # restored
    assert_reviewed(fetch(), shop)


def test_whether_a_registry_is_kept_has_to_be_known(shop: Shop, fetch: Fetch) -> None:
    shop.github.outage = (500, {"message": "Server Error"})
    ran = fetch()
    assert (ran.code, ran.needed) == (2, None)
    assert "whether GitHub keeps another is unknown" in ran.err
    assert Workspace().release_note.read_text().startswith("## no candidate: the registry is empty")
    assert shop.plans == []


def test_a_registry_is_looked_for_under_the_keys_under_which_it_is_kept() -> None:
    for name in ("get_registry", "keep_registry"):
        action = (ROOT / ".github/actions" / name / "action.yml").read_text()
        assert set(re.findall(r"key(?:s)?: ([a-z]+-)", action)) == {reviewed._KEPT}


def test_a_registry_that_cannot_be_reached_is_an_error(
    shop: Shop, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    tracking.mlflow.set_tracking_uri("http://127.0.0.1:1")
    ran = fetch()
    tracking.mlflow.set_tracking_uri(None)
    assert (ran.code, ran.needed) == (2, None)
    assert ran.err.startswith("Error: ")
    assert len(ran.err.splitlines()) == 1


# What is made again and not good enough; what lies there; being killed


def test_what_is_made_again_and_blocked_is_not_needed(shop: Shop, fetch: Fetch) -> None:
    shop.push("main", {"params.yaml": f"{PARAMS}\n# pushed\n"})
    failed = gate.Gate("roc_auc", False, "0.5", "0.8", "too low")
    shop.reproduced = Verdict(False, "judged", "too low", (failed,))
    ran = fetch()
    assert (ran.code, ran.needed) == (1, None)
    first, second, last = ran.out.splitlines()
    assert (first, second) == ("FAIL  roc_auc: too low", "Do not release: too low")
    assert last.startswith("build/candidate: reproduced: GitHub could not be asked: ")
    assert last.endswith("; it is not to be released")
    assert lineage.read(OUTPUT).how == "reproduced"


def test_what_cannot_be_made_again_is_an_error(shop: Shop, fetch: Fetch) -> None:
    shop.reproduced = gate.stopped("no data")
    ran = fetch()
    assert (ran.code, ran.needed) == (2, None)
    assert "Do not release: no data" in ran.out


def test_a_fork_s_that_is_made_again_and_blocked_is_compared_as_well(
    shop: Shop, fetch: Fetch
) -> None:
    shop.open(source=FORK)
    shop.review(source=FORK)
    shop.merge()
    shop.reproduced = Verdict(False, "judged", "worse", ())
    assert "made again on main, with the same bytes; it is not to be" in fetch().last


def test_another_work_tree_than_the_commit_is_not_made_again(shop: Shop, fetch: Fetch) -> None:
    (shop.root / "src/churn/new.py").write_text("y = 1\n")
    ran = fetch()
    assert (ran.code, ran.needed, shop.plans) == (2, None, [])
    assert "the work tree holds other inputs than" in ran.err
    assert not OUTPUT.exists()


def test_what_is_no_candidate_is_left_alone(shop: Shop, fetch: Fetch) -> None:
    write(shop.root, {"build/candidate/thesis.tex": "years of work"})
    ran = fetch()
    assert (ran.code, ran.needed) == (2, None)
    assert "holds something that is no candidate" in ran.err
    assert files_below(OUTPUT) == {"thesis.tex": b"years of work"}


def test_a_commit_that_is_not_there_is_an_error(shop: Shop, fetch: Fetch) -> None:
    for name in ("absent", "--output=x"):
        assert fetch(f"--commit={name}").code == 2


def test_an_older_candidate_does_not_outlive_a_failure(shop: Shop, fetch: Fetch) -> None:
    shop.open()
    shop.review()
    shop.merge()
    assert fetch().code == 0
    assert fetch("--commit", "absent").code == 2
    assert not OUTPUT.exists() and not lineage.path(OUTPUT).exists()


_KILLED = """
import os, signal, sys
from churn import archive, cli
copy, left = archive.shutil.copyfileobj, [3]
def slow(source, target):
    copy(source, target)
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
archive.shutil.copyfileobj = slow
cli.main(["candidate", "fetch"])
"""


def test_killed_half_way_it_leaves_nothing_and_the_next_one_succeeds(
    shop: Shop, fetch: Fetch
) -> None:
    shop.open()
    shop.review()
    shop.merge()
    done = subprocess.run([sys.executable, "-c", _KILLED], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not OUTPUT.exists() and not lineage.path(OUTPUT).exists()
    [scratch] = OUTPUT.parent.glob(".candidate-*")
    assert len(files_below(scratch)) == 3
    assert_reviewed(fetch(), shop)


def test_outside_of_a_workflow_no_file_is_told(
    shop: Shop, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.open()
    shop.review()
    shop.merge()
    monkeypatch.delenv("GITHUB_OUTPUT")
    ran = fetch()
    assert (ran.code, ran.needed) == (0, None)


def test_a_workflow_s_file_is_added_to(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "output").write_text("other=1\n")
    with pytest.raises(SystemExit):
        cli.main(["candidate", "fetch"])
    assert (tmp_path / "output").read_text() == "other=1\nneeded=true\n"


def test_what_github_says_of_a_wrong_kind_is_its_error() -> None:
    with pytest.raises(GitHubError, match="as expected: created_at"):
        taken._read(merges.Event, [{"event": "x", "created_at": "yesterday"}])
