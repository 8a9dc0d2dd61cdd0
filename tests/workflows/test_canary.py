"""Staging, canary, Production: deploy.yml begins the trial, canary.yml ends it; the real commands.

One story, told in order, as in test_deploy.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from tests.pipeline.small import commit, commit_with_lock, edit
from tests.workflows.test_deploy import TEST, Story, begun

pytestmark = pytest.mark.long

JOBS = ("candidate", "staging", "integration", "production")
ON_TRIAL = {1: ("Production", {"champion"}), 2: ("Staging", {"staging", "challenger"})}


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, certificate: Path) -> Iterator[Story]:
    log = tmp_path_factory.mktemp("log")  # as a bucket is: a runner can read it
    settings = {
        "release.canary": {"share": 0.2, "hours": 0, "customers": 100},
        "serve": {"log": str(log)},
    }
    with begun(tmp_path_factory, certificate, settings) as made:
        made.seen["log"] = str(log)
        yield made


def test_the_first_version_needs_no_trial(story: Story) -> None:
    ran = story.deploy()
    assert ran.jobs == dict.fromkeys(JOBS, "succeeded"), ran.log
    assert story.standing == {1: ("Production", {"champion"})}


def test_a_merge_begins_a_trial_and_production_stays(story: Story) -> None:
    edit(story.clone, {"model.hyperparameters.max_iter": 60})
    commit_with_lock(story.clone, "more trees")
    ran = story.deploy()
    assert ran.jobs == dict.fromkeys(JOBS, "succeeded"), ran.log
    assert "## version 2 is tried until " in ran.summary
    assert story.standing == ON_TRIAL


def test_the_schedule_promotes_nothing_of_which_too_little_is_known(story: Story) -> None:
    file = story.clone.root / ".github/workflows/canary.yml"
    lines = file.read_text().replace("  # schedule:", "  schedule:")
    file.write_text(lines.replace("  #   - cron:", "    - cron:"))
    commit(story.clone, "end trials by themselves")
    ran = story.forge.end_canary_when_due()
    assert ran.jobs == {"decide": "failed"}, ran.log
    said = "not promoted: version 2: it has predicted for 0 customers, and 100 are needed"
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
    assert "version 2: nothing speaks against it after 200 customers" in ran.log
    assert "version 2 is in Production" in ran.log
    assert "| Production | `2` |" in ran.summary
    assert story.standing == {1: ("Archived", {"previous"}), 2: ("Production", {"champion"})}
    assert story.registry[2].tags["smoke"] == "passed"


def test_without_a_trial_the_schedule_does_nothing(story: Story) -> None:
    ran = story.forge.end_canary_when_due()
    assert ran.jobs == {"decide": "succeeded"}, ran.log
    assert "not promoted: no version is being tried" in ran.log
    assert story.standing[2] == ("Production", {"champion"})


def write_predictions(log: Path) -> None:
    """Write what a server has logged: 1,000 customers, 200 of them of version 2."""
    its = pd.Series(range(1000)) % 5 == 0
    rows = pd.DataFrame(
        {
            "request_id": [f"r{i}" for i in range(1000)],
            "time": pd.Timestamp.now("UTC").as_unit("us"),
            "row": 0,
            "customer_id": pd.Series([None] * 1000, dtype="str"),
            "probability": 0.2,
            "prediction": 0,
            "version": its.map({True: "2", False: "1"}),
            "role": its.map({True: "challenger", False: "champion"}),
            "latency_ms": 1.0,
            "scoring_ms": 0.5,
        }
    )
    folder = log / f"day={datetime.now(UTC):%Y-%m-%d}"
    folder.mkdir(parents=True)
    rows.to_parquet(folder / "a.parquet", index=False)
