"""Whether the outputs that a commit names are those that its inputs give, in real repositories."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from churn.core.errors import IncomparableError
from churn.core.paths import Workspace
from churn.provenance import machine
from churn.provenance.git import git
from churn.review import outputs
from churn.review.baseline import Baseline
from tests.unit.repositories import commit, dvc, write

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("warm_programs")]

PIPELINE = """
stages:
  all:
    cmd: python src/make.py
    deps: [src/make.py]
    params: [seed]
    outs:
      - build/train.parquet
      - build/test.parquet
      - build/predictions
      - build/model
      - build/picture.png
      - reports/metrics.json: {cache: false}
      - reports/checks.json: {cache: false}
      - reports/machine.json: {cache: false}
"""
# With little to import, as it runs often.
MAKE = """
import json, pathlib
import numpy as np, pyarrow as pa, yaml
from pyarrow.parquet import write_table

seed = yaml.safe_load(open("params.yaml"))["seed"]
rng = np.random.default_rng(seed)
for folder in ("build/predictions", "build/model", "reports"):
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
for side in ("train", "test"):
    ids = [f"C{i:03}" for i in range(200)]
    rows = pa.table({"customer_id": ids, "age": rng.integers(18, 90, 200)})
    write_table(rows, f"build/{side}.parquet")
    scored = pa.table({"customer_id": ids, "probability": rng.random(200)})
    write_table(scored, f"build/predictions/{side}.parquet")
pathlib.Path("build/model/model.json").write_text(json.dumps({"seed": seed}))
pathlib.Path("build/picture.png").write_text(str(seed))
measured = {"threshold": 0.2, "test": {"roc_auc": 0.8, "precision": None}}
pathlib.Path("reports/metrics.json").write_text(json.dumps(measured))
checks = [{"suite": "model", "check": "RocReport", "status": "passed"}]
pathlib.Path("reports/checks.json").write_text(json.dumps({"passed": 1, "checks": checks}))
pathlib.Path("reports/machine.json").write_text(json.dumps(MACHINE))
"""


@pytest.fixture(scope="module")
def made(warm_programs: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository whose outputs are committed and pushed, as CONTRIBUTING asks."""
    root = tmp_path_factory.mktemp("made") / "repository"
    root.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        prepare_environment(patch)
        git(root, "init", "--quiet", "--initial-branch=main")
        dvc(root, "init", "--quiet")
        dvc(root, "remote", "add", "--quiet", "--default", "embedded", "dvc-remote")
        make = MAKE.replace("MACHINE", repr(machine.describe()))
        write(root, {"dvc.yaml": PIPELINE, "src/make.py": make, "params.yaml": "seed: 1\n"})
        write(root, {".gitignore": "/build\n/dvc-remote/tmp\n"})
        dvc(root, "repro", "--quiet")
        dvc(root, "push", "--quiet")
        commit(root)
    return root


def prepare_environment(patch: pytest.MonkeyPatch) -> None:
    patch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    patch.setenv("PATH", f"{Path(sys.executable).parent}:/usr/bin:/bin")
    for who in ("AUTHOR", "COMMITTER"):
        patch.setenv(f"GIT_{who}_NAME", "test")
        patch.setenv(f"GIT_{who}_EMAIL", "test@example.org")


@pytest.fixture
def workspace(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    prepare_environment(monkeypatch)
    shutil.copytree(made, tmp_path / "repository", symlinks=True)
    return Workspace(tmp_path / "repository")


def commit_as_of(workspace: Workspace, elsewhere: bool) -> None:
    """Commit all that is there, and let it say that another kind of machine has made it."""
    if elsewhere:
        workspace.machine.write_text(json.dumps(machine.describe() | {"blas": "another"}))
    commit(workspace.root)
    workspace.machine.write_text(json.dumps(machine.describe()))


def forge(
    workspace: Workspace, path: str, frame: pd.DataFrame | None = None, elsewhere: bool = False
) -> None:
    """Let dvc.lock and the remote name another output than the inputs give.

    The pipeline then runs again from scratch, as on a runner.
    """
    root = workspace.root
    if frame is not None:
        frame.to_parquet(root / path)
    else:
        write(root, {f"{path}/model.json": '{"seed": 99}'})
    dvc(root, "commit", "--quiet", "--force", "all")
    dvc(root, "push", "--quiet")
    commit_as_of(workspace, elsewhere)
    dvc(root, "repro", "--quiet", "--force")


def test_what_the_inputs_give_is_the_same_byte_for_byte(workspace: Workspace) -> None:
    assert outputs.compare(workspace).how == "same"
    dvc(workspace.root, "repro", "--quiet", "--force")
    assert outputs.compare(workspace).how == "same"


@pytest.mark.parametrize("elsewhere", [False, True], ids=["here", "elsewhere"])
def test_forged_training_rows_are_found(elsewhere: bool, workspace: Workspace) -> None:
    """A teammate's next `dvc repro` would train on them."""
    rows = pd.read_parquet(workspace.split("train"))
    other = rows.assign(age=rows["age"] + (rows.index == 7))
    forge(workspace, "build/train.parquet", other, elsewhere)

    found = outputs.compare(workspace)

    assert found.how == "other"
    assert [note.partition(":")[0] for note in found.notes] == ["build/train.parquet"]


def test_a_forged_model_is_found(workspace: Workspace) -> None:
    forge(workspace, "build/model")
    found = outputs.compare(workspace)
    assert found.how == "other"
    assert found.notes == ("build/model: differs, although the machine is equal",)


@pytest.fixture(scope="module")
def forged(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository whose model is forged, and is said to come from another machine."""
    root = tmp_path_factory.mktemp("forged") / "repository"
    shutil.copytree(made, root, symlinks=True)
    with pytest.MonkeyPatch.context() as patch:
        prepare_environment(patch)
        forge(Workspace(root), "build/model", elsewhere=True)
    return root


PROBABILITY = np.linspace(0, 1, 200)


@pytest.mark.long
@pytest.mark.parametrize(
    ("says", "how"),
    [
        (PROBABILITY, "rounded"),
        (PROBABILITY + 0.0005, "rounded"),
        (np.where(np.arange(200) < 2, 0.9, PROBABILITY), "rounded"),  # a tree split differently
        (np.where(np.arange(200) < 3, 0.9, PROBABILITY), "other"),
        (PROBABILITY[::-1], "other"),
        (np.full(200, np.nan), "other"),
        (PROBABILITY[:-1], "other"),
        (IncomparableError("takes another column"), "other"),
    ],
    ids=["same", "rounded", "two rows", "three rows", "another", "none", "fewer", "fails"],
)
def test_a_model_that_was_made_elsewhere_is_asked_what_it_says(
    says: np.ndarray | Exception,
    how: str,
    forged: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepare_environment(monkeypatch)

    def predict(self: Baseline, rows: Path) -> pd.DataFrame:
        assert self.code == self.model.parent.parent / "src"  # apart from here
        if isinstance(says, Exception):
            raise says
        return pd.DataFrame({"probability": says})

    monkeypatch.setattr(Baseline, "predict", predict)
    workspace = Workspace(shutil.copytree(forged, tmp_path / "repository", symlinks=True))
    ids = [f"C{i:03}" for i in range(200)]
    here = pd.DataFrame({"customer_id": ids, "probability": PROBABILITY})
    here.to_parquet(workspace.predictions("test"))

    assert outputs.compare(workspace).how == how


CARDS = {
    "regression": {"task": "regression"},
    "multiclass": {"task": "multiclass", "classes": ["high", "low"]},
}
# Of numbers the unit of the tolerance is their standard deviation, about 290 here.
SCORES = {
    "regression": {"prediction": 1000 * PROBABILITY},
    "multiclass": {"probability_high": PROBABILITY, "probability_low": 1 - PROBABILITY},
}


@pytest.mark.long
@pytest.mark.parametrize("task", CARDS)
@pytest.mark.parametrize(
    ("factor", "rows", "how"),
    [
        pytest.param(1.0002, 200, "rounded", id="rounded"),
        pytest.param(1.5, 2, "rounded", id="two rows", marks=pytest.mark.exhaustive),
        pytest.param(1.5, 4, "other", id="four rows"),
        pytest.param(1.002, 200, "other", id="all a little", marks=pytest.mark.exhaustive),
    ],
)
def test_numbers_and_classes_of_another_machine_have_room_for_rounding(
    task: str, factor: float, rows: int, how: str, workspace: Workspace
) -> None:
    root, ids = workspace.root, [f"C{i:03}" for i in range(200)]
    true = pd.DataFrame({"customer_id": ids, **SCORES[task]})
    first = true.columns[1]
    said = true.assign(**{first: np.where(np.arange(200) >= 200 - rows, factor, 1) * true[first]})
    for side in ("train", "test"):
        said.to_parquet(workspace.predictions(side))
    write(root, {"build/model/model.json": json.dumps(CARDS[task])})
    dvc(root, "commit", "--quiet", "--force", "all")
    commit_as_of(workspace, elsewhere=True)
    for side in ("train", "test"):
        true.to_parquet(workspace.predictions(side))
    dvc(root, "commit", "--quiet", "--force", "all")

    found = outputs.compare(workspace)

    assert found.how == how, found
    if how == "other":
        differ = "build/predictions: its predictions differ from those of the inputs"
        assert found.notes == (differ,)


def test_a_committed_model_that_nobody_has_blocks(workspace: Workspace) -> None:
    forge(workspace, "build/model", elsewhere=True)
    lock = yaml.safe_load(git(workspace.root, "show", "HEAD:dvc.lock"))
    [md5] = [o["md5"] for o in lock["stages"]["all"]["outs"] if o["path"] == "build/model"]
    pushed = f"files/md5/{md5[:2]}/{md5[2:]}"
    (workspace.root / ".dvc/cache" / pushed).unlink()
    git(workspace.root, "rm", "--quiet", f"dvc-remote/{pushed}")
    git(workspace.root, "commit", "--quiet", "--message", "no dvc push")

    found = outputs.compare(workspace)

    assert found.how == "other"
    assert found.notes[0].startswith("build/model: neither the cache nor the remote has it")


@pytest.mark.parametrize("elsewhere", [False, True], ids=["here", "elsewhere"])
def test_forged_metrics_in_git_are_found_whatever_the_lock_says(
    elsewhere: bool, workspace: Workspace
) -> None:
    true = workspace.metrics.read_text()
    write(workspace.root, {"reports/metrics.json": true.replace("0.8", "0.81")})
    commit_as_of(workspace, elsewhere)
    write(workspace.root, {"reports/metrics.json": true})

    found = outputs.compare(workspace)

    assert found.how == "other"
    assert found.notes[0].startswith("reports/metrics.json: ")
    assert not elsewhere or "test.roc_auc is 0.8, but 0.81 in the commit" in found.notes[0]


@pytest.mark.parametrize(
    ("said", "how"), [(0.804, "rounded"), (0.806, "other"), (None, "other"), ("0.8", "other")]
)
def test_metrics_of_another_machine_have_room_for_rounding(
    said: float | str | None, how: str, workspace: Workspace
) -> None:
    true = workspace.metrics.read_text()
    write(workspace.root, {"reports/metrics.json": true.replace("0.8", json.dumps(said))})
    commit_as_of(workspace, elsewhere=True)
    write(workspace.root, {"reports/metrics.json": true})
    assert outputs.compare(workspace).how == how


def test_the_results_of_checks_are_the_same_on_every_machine(workspace: Workspace) -> None:
    true = workspace.checks.read_text()
    failed = true.replace('"status": "passed"', '"status": "failed"')
    write(workspace.root, {"reports/checks.json": failed})
    commit_as_of(workspace, elsewhere=True)
    write(workspace.root, {"reports/checks.json": true})
    found = outputs.compare(workspace)
    assert found.notes == ("reports/checks.json: its results differ from the commit's: RocReport",)


def test_a_picture_of_another_machine_may_be_another(workspace: Workspace) -> None:
    write(workspace.root, {"build/picture.png": "drawn elsewhere"})
    dvc(workspace.root, "commit", "--quiet", "--force", "all")
    commit_as_of(workspace, elsewhere=True)
    dvc(workspace.root, "repro", "--quiet", "--force")
    assert outputs.compare(workspace).how == "rounded"


def test_an_output_that_the_committed_lock_lacks_is_found(workspace: Workspace) -> None:
    lock = yaml.safe_load((workspace.root / "dvc.lock").read_text())
    outs = lock["stages"]["all"]["outs"]
    lock["stages"]["all"]["outs"] = [out for out in outs if out["path"] != "build/model"]
    write(workspace.root, {"dvc.lock": yaml.safe_dump(lock)})
    commit(workspace.root)
    dvc(workspace.root, "repro", "--quiet", "--force")
    assert outputs.compare(workspace).notes == ("build/model: not in dvc.lock",)


def test_what_is_not_committed_yet_is_not_compared(workspace: Workspace) -> None:
    forge(workspace, "build/model")
    write(workspace.root, {"params.yaml": "seed: 2\n"})
    assert outputs.compare(workspace).how == "uncommitted"
