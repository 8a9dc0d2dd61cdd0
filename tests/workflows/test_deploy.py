"""From a pull request to Production, back, and there again by a trial: the workflows as they are.

One story, told in order: what one test leaves in the registry is where the next one begins. The
tests of a served model are replaced by a quick one; they have their own.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from churn.core import params
from churn.data import synthesize
from churn.model import artifact
from churn.registry import Registry, Version
from churn.registry.branch import Branch
from tests.pipeline.conftest import Clone
from tests.pipeline.small import commit, commit_with_lock, edit, make_small
from tests.unit.monitor import logs
from tests.workflows import forge
from tests.workflows.fake_github import FakeGitHub, serving
from tests.workflows.forge import Forge, Ran

pytestmark = pytest.mark.long

QUICK = """
import json, pathlib

def pytest_addoption(parser):
    for name in ("--model-uri", "--url", "--rows", "--serving-report"):
        parser.addoption(name)

def pytest_sessionfinish(session, exitstatus):
    bad = ["tests/integration/test_served.py::test_parity"] if exitstatus else []
    report = {"passed": 1, "failed": bad, "skipped": [], "start_s": 1.0, "p95_ms": 5.0}
    pathlib.Path(session.config.getoption("--serving-report")).write_text(json.dumps(report))
"""
TEST = """
import mlflow

def test_parity(request, tmp_path):
    uri = request.config.getoption("--model-uri")
    assert mlflow.artifacts.download_artifacts(uri, dst_path=str(tmp_path))
    assert {0}
"""

JOBS = ("candidate", "staging", "integration", "production")


@dataclass
class Story:
    """The repository, what GitHub knows, and what was seen so far."""

    forge: Forge
    github: FakeGitHub
    seen: dict[str, str] = field(default_factory=dict)

    @property
    def clone(self) -> Clone:
        return self.forge.origin

    def deploy(self) -> Ran:
        self.github.commits.setdefault(self.clone.git("rev-parse", "main"), [])
        return self.forge.push_to_main(self.github.host)

    @property
    def registry(self) -> dict[int, Version]:
        """What the branch holds."""
        commit = self.clone.git("rev-parse", "registry")
        settings = params.load(self.clone.root / "params.yaml").release
        with tempfile.TemporaryDirectory() as folder:
            Branch(self.clone.root, "registry").lay_out(commit, Path(folder))
            uri = f"sqlite:///{folder}/mlflow.db"
            return {v.number: v for v in Registry(Path(folder), settings, uri).versions()}

    @property
    def standing(self) -> dict[int, tuple[str, set[str]]]:
        return {n: (v.stage, set(v.aliases)) for n, v in self.registry.items()}


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, certificate: Path) -> Iterator[Story]:
    if lacking := forge.missing():
        pytest.skip(f"the workflows cannot be run here; install {', '.join(lacking)}")
    clone = make_small(tmp_path_factory.mktemp("shop"))
    clone.git("remote", "add", "origin", "https://github.com/octo/shop")
    shutil.rmtree(clone.root / "tests" / "integration", ignore_errors=True)
    (clone.root / "tests/integration").mkdir(parents=True)
    (clone.root / "tests/conftest.py").write_text("")
    (clone.root / "tests/integration/conftest.py").write_text(QUICK)
    (clone.root / "tests/integration/test_served.py").write_text(TEST.format("True"))
    commit(clone, "quick tests")
    store = forge.make_store(tmp_path_factory.mktemp("forge") / "store")
    forge.make_real_environments(store / "environments", is_warm=True)
    forge.install_standins(clone)
    with serving(certificate) as github:
        made = Forge(clone, store, {"SSL_CERT_FILE": str(certificate)})
        yield Story(made, github)


def test_a_first_push_is_made_judged_and_released(story: Story) -> None:
    ran = story.deploy()

    assert ran.jobs == dict.fromkeys(
        ("candidate", "staging", "integration", "production"), "succeeded"
    ), ran.log
    assert story.standing == {1: ("Production", {"champion"})}
    version = story.registry[1]
    assert version.tags["candidate"] == "commit"
    assert version.tags["commit"] == story.clone.git("rev-parse", "main")
    assert "## version 1 is in Production" in ran.summary
    assert version.digest in ran.summary
    assert story.clone.git("rev-list", "--count", "registry") == "1"
    story.seen["first"] = version.digest


def test_a_merged_pull_request_is_made_again_with_the_bytes_that_were_reviewed(
    story: Story,
) -> None:
    clone, github = story.clone, story.github
    clone.git("switch", "--quiet", "--create", "better", "main")
    edit(clone, {"model.hyperparameters.max_iter": 60})
    commit_with_lock(clone, "more trees")
    head = clone.git("rev-parse", "HEAD")
    merge = clone.git("commit-tree", "HEAD^{tree}", "-p", "main", "-p", head, "-m", "merged")
    clone.git("update-ref", "refs/pull/3/merge", merge)
    reviewed = story.forge.pull_request()
    assert reviewed.jobs["required"] == "succeeded", reviewed.log
    with zipfile.ZipFile(story.forge.artifact("candidate")) as candidate:
        manifest = json.loads(candidate.read("manifest.json"))
        report = candidate.read("report.md").decode()
    assert manifest["model_digest"] in report

    github.open_pull(3, "octo/shop", "better", head)
    clone.git("switch", "--quiet", "main")
    clone.git("merge", "--quiet", "--squash", "better")
    clone.git("commit", "--quiet", "--message", "more trees (#3)")
    github.merge_pull(3, clone.git("rev-parse", "HEAD"))
    ran = story.deploy()

    assert set(ran.jobs.values()) == {"succeeded"}, ran.log
    assert story.standing == {
        1: ("Archived", {"previous"}),
        2: ("Production", {"champion"}),
    }
    version = story.registry[2]
    assert version.digest == manifest["model_digest"]
    assert version.tags["candidate"] == "commit"
    assert version.tags["pull_request"] == "3"
    assert "compared with what was reviewed" in ran.summary
    story.seen["second"] = version.digest


def test_documents_alone_release_nothing(story: Story) -> None:
    (story.clone.root / "README.md").write_text("# Other words\n")
    commit(story.clone, "words")

    ran = story.deploy()

    assert ran.jobs == {"candidate": "succeeded", "confirm": "succeeded"}, ran.log
    assert story.standing[2] == ("Production", {"champion"})
    assert story.registry[2].tags["newest_commit"] == story.clone.git("rev-parse", "main")


def test_a_failing_integration_test_leaves_production_as_it_is(story: Story) -> None:
    edit(story.clone, {"model.hyperparameters.max_iter": 50})
    (story.clone.root / "tests/integration/test_served.py").write_text(TEST.format("False"))
    commit_with_lock(story.clone, "fewer trees, and served otherwise")
    story.github.outage = (503, {"message": "GitHub's API is away"})  # nothing depends on it

    ran = story.deploy()

    assert ran.jobs == {
        "candidate": "succeeded", "staging": "succeeded", "integration": "failed",
    }, ran.log  # fmt: skip
    assert "blocked: integration tests failed: test_parity. Production: version 2" in ran.log
    assert "the pull request is unknown" in ran.summary
    assert story.standing == {
        1: ("Archived", {"previous"}),
        2: ("Production", {"champion"}),
        3: ("Staging", {"staging"}),
    }


def test_a_rollback_puts_the_one_before_back(story: Story) -> None:
    ran = story.forge.roll_back("previous", 'it "was" $(slow); `x`')

    assert ran.jobs == {"rollback": "succeeded"}, ran.log
    assert story.standing == {
        1: ("Production", {"champion"}),
        2: ("Archived", set()),
        3: ("Staging", {"staging"}),
    }
    assert story.registry[1].digest == story.seen["first"]
    assert story.registry[1].tags["promoted_why"] == 'it "was" $(slow); `x`'
    assert "| Production | `1` |" in ran.summary


@pytest.mark.exhaustive
def test_the_same_commands_locally_end_in_the_same_state(story: Story, tmp_path: Path) -> None:
    clone = replace(story.clone, root=tmp_path / "local")
    story.clone.git("clone", "--quiet", ".", str(clone.root))
    commits = story.clone.git("log", "--reverse", "--format=%H", "main").split()
    by_subject = {clone.git("show", "--no-patch", "--format=%s", one): one for one in commits}
    ends = {
        "quick tests": 0,
        "more trees (#3)": 0,
        "words": 0,
        "fewer trees, and served otherwise": 1,
    }
    for subject, code in ends.items():
        clone.git("checkout", "--quiet", by_subject[subject])
        clone.run("dvc", "pull", "--quiet")
        done = clone.run("churn", "release", check=False)
        assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
    clone.run("churn", "rollback", "--why", "it was slow")

    settings = params.load(story.clone.root / "params.yaml").release
    local = Registry(clone.root, settings, f"sqlite:///{clone.root / 'mlflow.db'}").versions()
    assert [(v.number, v.stage, v.aliases, v.digest) for v in local] == [
        (v.number, v.stage, v.aliases, v.digest) for v in story.registry.values()
    ]


def test_the_monitor_waits_until_it_knows_where_the_log_is(story: Story) -> None:
    ran = story.forge.monitor(story.github.host)
    assert ran.jobs == {"monitor": "succeeded"}, ran.log
    assert "monitor.log is null" in ran.log
    assert story.github.issues == []


def test_other_customers_fail_its_run_and_open_an_issue(story: Story, tmp_path: Path) -> None:
    story.github.outage = None
    log_of_other_customers(story, tmp_path / "log")
    edit(story.clone, {"monitor.log": str(tmp_path / "log")})
    commit(story.clone, "where the log is")

    ran = story.forge.monitor(story.github.host)

    assert ran.jobs == {"monitor": "failed"}, ran.log
    assert "## 🔴 The customers have changed" in ran.summary
    [issue] = story.github.issues
    assert (issue["title"], issue["state"]) == ("The customers have changed", "open")
    assert "drift of age" in issue["body"]
    with zipfile.ZipFile(story.forge.artifact("monitor")) as pages:
        assert "monitor.html" in pages.namelist()


def log_of_other_customers(story: Story, folder: Path) -> None:
    """Log the answers of Production's model for customers who are twenty years older."""
    with tempfile.TemporaryDirectory() as laid_out:
        commit = story.clone.git("rev-parse", "registry")
        Branch(story.clone.root, "registry").lay_out(commit, Path(laid_out))
        # Of any version: the columns are the same, and the log says whose answers they are.
        model = artifact.load(next(Path(laid_out).rglob("model/model.json")).parent)
    pool = next(synthesize.customers(6000, 1)).to_pandas()
    today = datetime.now(UTC).date()
    for number in range(3):
        customers = pool.iloc[2000 * number :][:2000]
        customers = customers.assign(age=customers["age"] + 20)
        logs.write(folder, today - timedelta(days=3 - number), customers, model)


# A trial before Production, on what the story has left: version 1 in Production, 3 in Staging.
ON_TRIAL = {
    1: ("Production", {"champion"}),
    2: ("Archived", set()),
    3: ("Staging", {"staging", "challenger"}),
}


def test_a_push_begins_a_trial_and_production_stays(story: Story, tmp_path: Path) -> None:
    story.seen["log"] = str(tmp_path / "log")  # as a bucket is: a runner can read it
    edit(story.clone, {
        "release.canary": {"share": 0.2, "hours": 0, "customers": 100},
        "serve": {"log": story.seen["log"]},
    })  # fmt: skip
    (story.clone.root / "tests/integration/test_served.py").write_text(TEST.format("True"))
    commit(story.clone, "a trial, and tests that pass")
    ran = story.deploy()
    assert ran.jobs == dict.fromkeys(JOBS, "succeeded"), ran.log
    assert "## version 3 is tried until " in ran.summary
    assert story.standing == ON_TRIAL


def test_the_schedule_promotes_nothing_of_which_too_little_is_known(story: Story) -> None:
    file = story.clone.root / ".github/workflows/canary.yml"
    lines = file.read_text().replace("  # schedule:", "  schedule:")
    file.write_text(lines.replace("  #   - cron:", "    - cron:"))
    commit(story.clone, "end trials by themselves")
    ran = story.forge.end_canary_when_due()
    assert ran.jobs == {"decide": "failed"}, ran.log
    said = "not promoted: version 3: it has predicted for 0 customers, and 100 are needed"
    assert said in ran.log
    assert story.standing == ON_TRIAL


def test_a_version_that_fails_its_tests_is_not_promoted_by_hand_either(story: Story) -> None:
    (story.clone.root / "tests/integration/test_served.py").write_text(TEST.format("False"))
    commit(story.clone, "served otherwise")
    ran = story.forge.end_canary("promote", "it looks good")
    assert ran.jobs == {"decide": "failed"}, ran.log
    assert "not promoted: integration tests failed: test_parity" in ran.log
    assert story.standing == ON_TRIAL


def test_the_schedule_promotes_when_nothing_speaks_against_it(story: Story) -> None:
    (story.clone.root / "tests/integration/test_served.py").write_text(TEST.format("True"))
    commit(story.clone, "served as before")
    write_predictions(Path(story.seen["log"]))
    ran = story.forge.end_canary_when_due()
    assert ran.jobs == {"decide": "succeeded"}, ran.log
    assert "version 3: nothing speaks against it after 200 customers" in ran.log
    assert "version 3 is in Production" in ran.log
    assert "| Production | `3` |" in ran.summary
    assert story.standing == {
        1: ("Archived", {"previous"}),
        2: ("Archived", set()),
        3: ("Production", {"champion"}),
    }
    assert story.registry[3].tags["smoke"] == "passed"


def test_without_a_trial_the_schedule_does_nothing(story: Story) -> None:
    ran = story.forge.end_canary_when_due()
    assert ran.jobs == {"decide": "succeeded"}, ran.log
    assert "not promoted: no version is being tried" in ran.log
    assert story.standing[3] == ("Production", {"champion"})


def write_predictions(log: Path) -> None:
    """Write what a server has logged: 1,000 customers, 200 of them of version 3."""
    its = pd.Series(range(1000)) % 5 == 0
    rows = pd.DataFrame(
        {
            "request_id": [f"r{i}" for i in range(1000)],
            "time": pd.Timestamp.now("UTC").as_unit("us"),
            "row": 0,
            "customer_id": pd.Series([None] * 1000, dtype="str"),
            "probability": 0.2,
            "prediction": 0,
            "version": its.map({True: "3", False: "1"}),
            "role": its.map({True: "challenger", False: "champion"}),
            "latency_ms": 1.0,
            "scoring_ms": 0.5,
        }
    )
    folder = log / f"day={datetime.now(UTC):%Y-%m-%d}"
    folder.mkdir(parents=True)
    rows.to_parquet(folder / "a.parquet", index=False)
