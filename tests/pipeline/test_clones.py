"""The pipeline in fresh clones: complete, reproducible, and not done twice."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import mlflow
import pytest
import yaml

from churn.core.paths import STAGES
from churn.provenance.candidate import model_digest
from tests.exhaustive import EXHAUSTIVE
from tests.pipeline.conftest import ROOT, Clone, make_clone
from tests.unit.test_readme import commands

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def at_once(built: Clone) -> Clone:
    """The same clone, in which programs start at once."""
    return replace(built, is_warm=True)


def test_dvc_pull_gets_everything_that_the_lock_names(tmp_path: Path) -> None:
    clone = make_clone(tmp_path)

    clone.run("dvc", "pull")

    assert clone.run("dvc", "status").stdout.strip() == "Data and pipelines are up to date."
    assert (clone.root / "data/customers.csv").read_text().count("\n") == 10_001
    assert (clone.root / "build/model/pipeline.skops").exists()


def test_the_embedded_remote_holds_under_each_name_what_has_that_digest() -> None:
    # DVC takes a remote's word for it unless it is told not to; .dvc/config tells it.
    objects = [path for path in (ROOT / "dvc-remote/files/md5").glob("??/*") if path.is_file()]
    assert len(objects) > 10
    for path in objects:
        name = (path.parent.name + path.name).removesuffix(".dir")
        assert hashlib.md5(path.read_bytes()).hexdigest() == name


def test_an_object_of_the_remote_that_was_altered_is_refused(tmp_path: Path) -> None:
    clone = make_clone(tmp_path)
    for path in (clone.root / "dvc-remote/files/md5").glob("??/*"):
        path.chmod(0o644)
        path.write_bytes(path.read_bytes().replace(b",0\n", b",1\n"))

    done = clone.run("churn", "data", check=False)

    assert done.returncode != 0
    assert not (clone.root / "data/customers.csv").exists()


@pytest.mark.exhaustive
@pytest.mark.long
def test_two_clones_build_the_same_bytes(built: Clone, tmp_path: Path) -> None:
    other = make_clone(tmp_path / "elsewhere")
    other.run("dvc", "pull", "--quiet", "data.dvc")

    # deepchecks' results take longest; that they are the same, `churn review` looks itself.
    stages = STAGES if EXHAUSTIVE else STAGES[: STAGES.index("evaluate") + 1]
    other.run("dvc", "repro", stages[-1], PYTHONHASHSEED="7", OMP_NUM_THREADS="1")

    assert model_digest(other.root / "build/model") == model_digest(built.root / "build/model")
    assert _outputs(other, stages) == _outputs(built, stages)


def _outputs(clone: Clone, stages: Sequence[str]) -> dict[str, str]:
    lock = yaml.safe_load((clone.root / "dvc.lock").read_text())
    return {
        out["path"]: out["md5"] for name in stages for out in lock["stages"][name].get("outs", [])
    }


def test_a_second_repro_runs_no_stage(built: Clone) -> None:
    said = built.run("dvc", "repro").stdout

    assert "Running stage" not in said
    for stage in STAGES:
        assert f"Stage '{stage}' didn't change" in said


def test_all_checks_pass_on_the_shipped_data(built: Clone) -> None:
    checks = json.loads((built.root / "reports/checks.json").read_text())

    assert [c["check"] for c in checks["checks"] if c["status"] != "passed"] == []
    assert len(checks["checks"]) > 20


def test_the_shipped_model_is_good_and_not_too_good(built: Clone) -> None:
    metrics = json.loads((built.root / "reports/metrics.json").read_text())

    assert 0.78 < metrics["test"]["roc_auc"] < 0.9


def test_metrics_and_plots_differ_without_a_remote(at_once: Clone, tmp_path: Path) -> None:
    built = at_once
    built.edit("reports/metrics.json", '"threshold": 0.', '"threshold": 1.')
    said = json.loads(built.run("dvc", "metrics", "diff", "--json", "HEAD").stdout)
    built.edit("reports/metrics.json", '"threshold": 1.', '"threshold": 0.')
    change = said["reports/metrics.json"]["threshold"]["diff"]
    assert round(change, 6) == 1
    built.run("dvc", "plots", "diff", "HEAD", "--out", str(tmp_path / "diff"))
    assert "Calibration" in (tmp_path / "diff/index.html").read_text()
    built.run("dvc", "plots", "show", "--out", str(tmp_path / "plots"))
    page = (tmp_path / "plots/index.html").read_text()
    for title in ("ROC", "Precision and recall", "Calibration", "Predicted probabilities"):
        assert title in page


def test_the_page_of_the_checks_is_small_and_self_contained(built: Clone) -> None:
    page = (built.root / "reports/checks.html").read_text()

    assert len(page) < 3_000_000
    assert "http://" not in page
    assert "https://" not in page
    assert "FeatureDrift" in page


def test_a_changed_module_retrains_and_a_changed_document_does_not(tmp_path: Path) -> None:
    clone = make_clone(tmp_path, is_warm=True)
    clone.run("dvc", "pull")
    (clone.root / "README.md").write_text("changed")
    assert "up to date" in clone.run("dvc", "status").stdout

    with (clone.root / "src/churn/model/features.py").open("a") as file:
        file.write("\n# changed\n")

    changed = json.loads(clone.run("dvc", "status", "--json").stdout)
    assert "train" in changed
    assert "prepare" not in changed


@pytest.mark.long
def test_the_run_holds_all_that_the_candidate_is(built: Clone) -> None:
    script = """
import json, mlflow
mlflow.set_tracking_uri("sqlite:///mlflow.db")
run_id = json.load(open("build/run.json"))["run_id"]
run = mlflow.get_run(run_id)
client = mlflow.MlflowClient()
names = [a.path for a in client.list_artifacts(run_id)]
names += [a.path for a in client.list_artifacts(run_id, "plots")]
model = mlflow.pyfunc.load_model(f"runs:/{run_id}/model")
print(json.dumps([run.data.params, run.data.metrics, run.data.tags, names,
    model.metadata.signature.to_dict(), model.metadata.saved_input_example_info is not None]))
"""
    said = built.run("python", "-c", script).stdout.strip().splitlines()[-1]
    params, metrics, tags, files, signature, has_example = json.loads(said)

    assert params["model.hyperparameters.max_depth"] == "4"
    assert "recency_days/frequency" in params["feature_set"]
    reported = json.loads((built.root / "reports/metrics.json").read_text())
    assert metrics["test_roc_auc"] == reported["test"]["roc_auc"]
    assert metrics["train_cost"] == reported["train"]["cost"]
    assert tags["git_commit"] == built.git("rev-parse", "HEAD")
    # dvc.lock and reports/ change where the committed ones are not those of this machine.
    changed = built.git("status", "--porcelain", "--untracked-files=no")
    assert tags["git_dirty"] == ("true" if changed else "false")
    assert tags["model_digest"] == model_digest(built.root / "build/model")
    assert len(tags["data_md5"]) == 32
    expected = {"data_stats.json", "checks.json", "params.yaml", "dvc.lock", "plots/roc.png"}
    assert expected <= set(files)
    first = json.loads(signature["inputs"])[0]
    assert (first["name"], first["required"]) == ("recency_days", True)
    assert has_example


def test_tracking_again_finds_the_run(at_once: Clone) -> None:
    said = at_once.run("churn", "track").stdout

    assert "tracked before" in said
    assert json.loads((at_once.root / "build/run.json").read_text())["run_id"] in said


def test_tracking_again_notes_the_commit_and_whether_all_is_in_it(at_once: Clone) -> None:
    built = at_once
    run_id = json.loads((built.root / "build/run.json").read_text())["run_id"]

    def tracked() -> dict[str, str]:
        assert "tracked before" in built.run("churn", "track").stdout
        return mlflow.MlflowClient(f"sqlite:///{built.root}/mlflow.db").get_run(run_id).data.tags

    readme = (built.root / "README.md").read_text()
    (built.root / "README.md").write_text("changed")
    tags = tracked()
    assert (tags["git_commit"], tags["git_dirty"]) == (built.git("rev-parse", "HEAD"), "true")

    (built.root / "README.md").write_text(readme)
    built.git("commit", "--quiet", "--all", "--allow-empty", "--message", "as it was built")
    tags = tracked()
    assert (tags["git_commit"], tags["git_dirty"]) == (built.git("rev-parse", "HEAD"), "false")


def test_an_unreachable_server_ends_track_in_one_line_within_a_minute(built: Clone) -> None:
    noted = (built.root / "build/run.json").read_text()
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
        started = time.monotonic()

        done = built.run("churn", "track", check=False, MLFLOW_TRACKING_URI=address)

    # Not a matter of speed: MLflow's own patience with a server that is not there is minutes.
    assert time.monotonic() - started < 60
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert line.startswith(f"Error: {address}: MLflow: ")
    assert "MLFLOW_TRACKING_URI" in line
    assert (built.root / "build/run.json").read_text() == noted


# What docs/daily.md says to do with a pipeline that has run, and what has to come of it.
README_COMMANDS = {
    "churn summary": "checks passed",
    "dvc metrics diff": "",
    "dvc plots diff": "dvc_plots",
    "churn runs": "RUN_ID",
    "churn predict": "scored.csv: 10,000 customers",
    "churn evaluate": "MLflow run",
}


@pytest.mark.parametrize("named", README_COMMANDS)
def test_the_readme_s_day_by_day_commands_run(named: str, at_once: Clone) -> None:
    section = (ROOT / "docs/daily.md").read_text().partition("\n## ")[0]
    told = [words for words in commands(section) if words[: len(named.split())] == named.split()]
    assert told, f"docs/daily.md no longer says `{named}`"
    run_id = json.loads((at_once.root / "build/run.json").read_text())["run_id"]

    for words in told:
        done = at_once.run(*(word.replace("RUN_ID", run_id) for word in words))

        assert README_COMMANDS[named].replace("RUN_ID", run_id) in done.stdout
    (at_once.root / "scored.csv").unlink(missing_ok=True)


def test_the_served_requirements_leave_out_deepchecks_and_dvc(built: Clone) -> None:
    (requirements,) = (built.root / "mlruns").glob("*/models/*/artifacts/requirements.txt")
    names = [line.split("==")[0] for line in requirements.read_text().split()]

    assert {"mlflow", "scikit-learn", "skops"} <= set(names)
    assert not {"deepchecks", "dvc"} & set(names)
    assert all("==" in line for line in requirements.read_text().split())


def test_nothing_in_the_stored_model_is_a_pickle(built: Clone) -> None:
    (folder,) = (built.root / "mlruns").glob("*/models/*/artifacts")

    assert not list(folder.rglob("*.pkl")) + list(folder.rglob("*.joblib"))


@pytest.mark.parametrize("autocrlf", ["true", "input"])
def test_git_leaves_line_ends_as_they_are(autocrlf: str, tmp_path: Path) -> None:
    def git(*arguments: str, folder: Path = tmp_path / "there") -> None:
        settings = ["-c", f"core.autocrlf={autocrlf}", "-c", "user.name=t", "-c", "user.email=t@t"]
        subprocess.run(["git", *settings, *arguments], cwd=folder, check=True, capture_output=True)

    (tmp_path / "there" / "dvc-remote").mkdir(parents=True)
    contents = {"dvc-remote/0a": b"id,left\r\n1,0\r\n", "params.yaml": b"a: 1\n"}
    shutil.copy(ROOT / ".gitattributes", tmp_path / "there")
    for name, content in contents.items():
        (tmp_path / "there" / name).write_bytes(content)
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "one")
    git("clone", "-q", str(tmp_path / "there"), str(tmp_path / "here"), folder=tmp_path)
    for name, content in contents.items():
        assert (tmp_path / "here" / name).read_bytes() == content
