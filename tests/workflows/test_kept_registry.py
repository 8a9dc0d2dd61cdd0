"""The registry without a server, as it travels from job to job and from run to run."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tests.workflows.forge import Forge, Ran

# Three jobs of which each adds its name to the file, as a release adds versions.
_JOB = """
  {name}:
    {needs}
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1
      - uses: ./.github/actions/get_registry
        id: registry
        with: {{first: "{first}"}}
      - run: mkdir -p mlruns && if [ {name} != "$ONLY_LOOKS" ]; then echo {name} >> mlflow.db; fi
        env: {{ONLY_LOOKS: "${{{{ vars.ONLY_LOOKS }}}}"}}
      - run: touch mlruns/file
      - if: always() && steps.registry.conclusion == 'success'
        uses: ./.github/actions/keep_registry
        with:
          found: ${{{{ steps.registry.outputs.found }}}}
          content: ${{{{ steps.registry.outputs.content }}}}
"""
WORKFLOW = "on: push\npermissions: {contents: read}\njobs:\n" + "".join(
    _JOB.format(
        name=name, needs=f"needs: {before}" if before else "", first=str(not before).lower()
    )
    for before, name in (("", "one"), ("one", "two"), ("two", "three"))
)


@pytest.fixture
def jobs(repository: Forge) -> Forge:
    """Return a forge with a workflow of three jobs that hand a registry on."""
    repository.commit_to_main({".github/workflows/three.yml": WORKFLOW})
    return repository


def run(jobs: Forge) -> Ran:
    event = {"ref": "refs/heads/main", "repository": {"default_branch": "main"}}
    return jobs._act("push", "three.yml", event, "github.com")


def kept(jobs: Forge) -> list[str]:
    newest = sorted((jobs.store / "saved").iterdir())[-1]
    return (newest / "mlflow.db").read_text().split()


def arrive(jobs: Forge, name: str, content: str) -> Path:
    """Let another run keep a registry at some moment."""
    folder = jobs.store / "arriving" / name
    (folder / "mlruns").mkdir(parents=True)
    (folder / "mlflow.db").write_text(content)
    return folder


def test_it_goes_from_job_to_job_and_from_run_to_run(jobs: Forge) -> None:
    ran = run(jobs)
    assert set(ran.jobs.values()) == {"succeeded"}, ran.log
    assert kept(jobs) == ["one", "two", "three"]
    assert "No MLflow server" in ran.log
    run(jobs)
    assert kept(jobs) == ["one", "two", "three"] * 2


def test_what_another_run_has_moved_between_two_jobs_is_gone_on_from(jobs: Forge) -> None:
    arrive(jobs, "three", "one\nrolled-back\n")
    ran = run(jobs)
    assert set(ran.jobs.values()) == {"succeeded"}, ran.log
    assert kept(jobs) == ["one", "rolled-back", "three"]


def test_what_another_run_moves_meanwhile_is_not_overwritten(jobs: Forge) -> None:
    arrive(jobs, "two-look", "one\nrolled-back\n")
    ran = run(jobs)
    assert ran.jobs == {"one": "succeeded", "two": "failed"}
    assert "Another run was faster" in ran.log
    assert ran.summary.startswith("> Another run has moved versions while this job did")
    assert kept(jobs) == ["one", "rolled-back"]


def test_what_has_only_looked_is_no_hindrance_and_keeps_nothing(jobs: Forge) -> None:
    jobs.variables["ONLY_LOOKS"] = "two"
    arrive(jobs, "two-look", "rolled-back\n")  # nobody looks there, so it does not arrive
    ran = run(jobs)
    assert set(ran.jobs.values()) == {"succeeded"}, ran.log
    assert kept(jobs) == ["one", "three"]
    names = [path.name.rpartition("-")[2] for path in sorted((jobs.store / "saved").iterdir())]
    assert names == ["one", "three"]


def test_where_the_cache_has_none_it_is_handed_on_all_the_same(jobs: Forge) -> None:
    jobs.environment["TEST_NO_CACHE"] = "true"
    ran = run(jobs)
    assert set(ran.jobs.values()) == {"succeeded"}, ran.log
    assert not list((jobs.store / "saved").iterdir())
    with zipfile.ZipFile(jobs.artifact("registry")) as registry:
        assert registry.read("mlflow.db").decode().split() == ["one", "two", "three"]


def test_where_there_is_neither_none_is_begun_anew(jobs: Forge) -> None:
    (jobs.origin.root / ".github/workflows/three.yml").write_text(
        WORKFLOW.replace('first: "true"', 'first: "false"')
    )
    jobs.commit_to_main({})
    ran = run(jobs)
    assert ran.jobs == {"one": "failed"}
    assert not (jobs.store / "saved").exists() or not list((jobs.store / "saved").iterdir())
