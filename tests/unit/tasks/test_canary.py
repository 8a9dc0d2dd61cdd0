"""A trial of numbers and of classes, from the registry to the server, and back from its log."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import RobustScaler

from churn.cli.main import main
from churn.core.files import read_json
from churn.core.params import Params
from churn.deploy import canary
from churn.evaluation.reference import Reference
from churn.model import artifact
from churn.model.artifact import Model
from churn.registry import Canary, verified
from churn.serve import log_reading
from tests.conftest import PARAMS
from tests.exhaustive import rest_by_night
from tests.unit import releases
from tests.unit.conftest import working_in
from tests.unit.releases import Candidates
from tests.unit.serve.running import Record, Running, eventually, serving
from tests.unit.serve.test_stopping import NO_REGISTRY, on_trial, require_refused
from tests.unit.tasks.conftest import CLASSES, Fit, fitted

pytestmark = pytest.mark.long

TASKS = ("regression", "multiclass")
# By default one repository is made; a champion of classes needs no limits.
MOST_BY_NIGHT = rest_by_night(TASKS, ["regression"])
TARGETS = {"regression": "spend", "multiclass": "level"}
FOLDS = {"folds": 2, "max_rows": 1000}
SECTIONS: dict[str, dict[str, Any]] = {
    "regression": {
        "decision": {"coverage": 0.9, "cost_too_low": 3.0, "cost_too_high": 1.0, **FOLDS},
        "metric": "mae",
        "minima": {"r2": 0.0},
        "margins": {"mae": 1000.0, "cost": 1000.0},
    },
    "multiclass": {
        "decision": {"costs": {"high": 3.0}, **FOLDS},
        "metric": "log_loss",
        "minima": {"macro_f1": 0.0},
        "margins": {"macro_f1": 1.0, "cost": 10.0},
    },
}


def changes(task: str) -> dict[str, Any]:
    """Return the sections of params.yaml that a task changes; versions may differ as they like."""
    document = yaml.safe_load(PARAMS.read_text())
    own = SECTIONS[task]
    data = {"target": TARGETS[task], "positive": None}
    data |= {"classes": list(CLASSES)} if task == "multiclass" else {}
    gates = {"minima": own["minima"], "margins": own["margins"], "slice_margins": {}}
    return {
        "task": task,
        "data": document["data"] | data,
        "decision": own["decision"],
        "gates": document["gates"] | gates,
        "tune": document["tune"] | {"metric": own["metric"]},
        "comparison": document["comparison"] | {"resamples": 1000},
    }


def table(spenders: pd.DataFrame) -> pd.DataFrame:
    return spenders.assign(level=np.array(CLASSES)[spenders["level"]])


@dataclass(frozen=True)
class Story:
    """A repository in which version 1 is in Production and version 2 is tested, of one task."""

    task: str
    candidates: Candidates
    customers: pd.DataFrame

    @property
    def root(self) -> Path:
        return self.candidates.roots[1]

    @property
    def target(self) -> str:
        return TARGETS[self.task]

    @property
    def records(self) -> list[Record]:
        columns = self.model(1).card.inputs
        chosen = self.customers[["customer_id", *columns]]
        found: list[Record] = json.loads(chosen.to_json(orient="records"))
        return found

    def model(self, number: int) -> Model:
        return artifact.load(self.candidates.roots[number - 1] / "build/candidate/model")

    def predicted(self, number: int) -> np.ndarray:
        model = self.model(number)
        return model.predict(self.customers)["prediction"].to_numpy()

    def configure(self, customers: int = 500, **margins: float) -> None:
        """Write what the trial must show, with margins that matter."""
        document = yaml.safe_load((self.root / "params.yaml").read_text())
        trial = {"share": 0.5, "hours": 0, "customers": customers}
        document["release"] |= {"canary": trial, "p95_ms": 5000}
        document["gates"]["margins"] = {"cost": 0.0} | margins
        document["serve"] = {"poll_s": 0.4, "flush_s": 0.3, "log": "log", "drain_s": 5}
        (self.root / "params.yaml").write_text(yaml.safe_dump(document))

    def write_labels(self, values: Any) -> None:
        labels = pd.DataFrame({"customer_id": self.customers["customer_id"], self.target: values})
        labels.to_csv(self.root / "labels.csv", index=False)

    def logged(self) -> pd.DataFrame:
        since = datetime.now(UTC) - timedelta(minutes=15)
        return log_reading.read(str(self.root / "log"), since)


@pytest.fixture(scope="module")
def made(
    request: pytest.FixtureRequest,
    spenders: pd.DataFrame,
    empty_store: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Both candidates of a task, the first in Production, the second tested; tests copy it."""
    folder = tmp_path_factory.mktemp(request.param)
    shutil.copy(empty_store, folder / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch, working_in(folder, patch):
        both = releases.make(folder, table(spenders), changes(request.param), (4, 40))
        both.release(1)
        both.release(2, until="integration")
    (folder / "task").write_text(request.param)
    return folder


@pytest.fixture
def story(
    made: Path, spenders: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Story]:
    from churn.tracking import local_store

    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    local_store.relocate_artifact_uris(tmp_path)
    with working_in(tmp_path, monkeypatch):
        both = Candidates((tmp_path / "first", tmp_path / "second"))
        found = Story((made / "task").read_text(), both, table(spenders))
        found.configure()
        monkeypatch.chdir(found.root)
        yield found


def run(capsys: pytest.CaptureFixture[str], *command: str) -> tuple[int, list[str]]:
    """Return a command's exit code, and the lines that it has printed."""
    code = 0
    try:
        main(["canary", *command])
    except SystemExit as ended:
        code = int(ended.code or 0)
    printed = capsys.readouterr()
    return code, (printed.out + printed.err).splitlines()


def ask_all(story: Story, running: Running, expected: int) -> None:
    """Ask for each customer, one by one, and wait until all is in the log."""
    for record in story.records:
        assert running.ask([record]).status_code == 200
    eventually(lambda: len(story.logged()) == expected)


def require_words(story: Story, lines: list[str]) -> None:
    """Check that a trial is told in the words of its task."""
    text = "\n".join(lines)
    assert "churn" not in text.replace("churn promote", "")
    shown = (
        ["mean prediction"]
        if story.task == "regression"
        else [f"predicted {name}" for name in CLASSES]
    )
    for title in shown:
        assert any(line.startswith(f"{title:28}") for line in lines), text
        assert any(line.startswith(f"{title}: difference ") for line in lines), text


@pytest.mark.parametrize("made", MOST_BY_NIGHT, indirect=True)
def test_a_trial_in_the_shadow_is_decided_by_what_became_of_the_customers(
    story: Story, capsys: pytest.CaptureFixture[str]
) -> None:
    second = "absolute error" if story.task == "regression" else "log loss"
    count = len(story.customers)
    with serving(story.root) as running:
        assert running.version(story.records[0]) == "1"
        assert run(capsys, "start", "2", "--share", "1", "--shadow")[0] == 0
        eventually(lambda: running.number("churn_canary_share") == 1)
        ask_all(story, running, 2 * count + 1)
        assert running.number("churn_predictions_total", role="shadow") == count
        if story.task == "regression":
            assert running.number("churn_predictions_total", prediction="number") == 2 * count + 1

        log = story.logged()
        for number, role in ((1, "champion"), (2, "shadow")):
            its = log[log["role"] == role].drop_duplicates("customer_id", keep="last")
            by_id = its.set_index("customer_id")["prediction"]
            found = by_id.loc[story.customers["customer_id"]].to_numpy()
            np.testing.assert_array_equal(found, story.predicted(number))

        code, lines = run(capsys, "status")
        assert code == 0
        require_words(story, lines)
        assert f"with --labels: cost and {second}" in lines
        assert lines[-1].startswith("ready for Production: nothing speaks against it after 6")

        # All customers did what version 1 has predicted: version 2 is worse.
        story.write_labels(story.predicted(1))
        code, lines = run(capsys, "status", "--labels", "labels.csv")
        assert lines[-1].startswith("not fit for Production: its "), lines
        assert " is worse by " in lines[-1]
        code, lines = run(capsys, "promote", "--when-due", "--labels", "labels.csv")
        assert code == 1
        assert lines[0].startswith("not promoted: version 2: its ")
        assert story.candidates.production is not None
        assert story.candidates.production.number == 1

        story.write_labels(story.customers[story.target])
        code, lines = run(capsys, "status", "--labels", "labels.csv")
        require_words(story, lines)
        assert any(line.startswith("cost of a customer: difference ") for line in lines)
        assert any(line.startswith(f"{second}: difference ") for line in lines)
        limits = [line for line in lines if " count " in line]
        assert len(limits) == (2 if story.task == "regression" else 0)
        if story.task == "regression":
            file = story.candidates.roots[0] / "build/reference.json"
            half_width = read_json(file, "evaluate", Reference).half_width
            assert half_width is not None
            assert f"errors count up to {4 * half_width:.2f}"[:24] in limits[1]
        assert lines[-1].startswith("ready for Production: "), lines

        code, lines = run(capsys, "promote", "--when-due", "--labels", "labels.csv")
        assert code == 0
        assert "version 2 is in Production" in lines
        eventually(lambda: running.version(story.records[0]) == "2")
        eventually(lambda: running.number("churn_canary_share") == 0)
    assert story.candidates.registry.version(2).tags["smoke"] == "passed"


@pytest.mark.exhaustive
@pytest.mark.parametrize("made", TASKS, indirect=True)
def test_a_trial_on_half_of_the_customers_is_stopped_by_hand(
    story: Story, capsys: pytest.CaptureFixture[str]
) -> None:
    count = len(story.customers)
    with serving(story.root) as running:
        assert run(capsys, "start", "2", "--share", "0.5")[0] == 0
        eventually(lambda: running.number("churn_canary_share") == 0.5)
        ask_all(story, running, count)
        counted = {
            role: running.number("churn_predictions_total", role=role)
            for role in ("champion", "challenger")
        }
        assert sum(counted.values()) == count and min(counted.values()) > count / 4
        story.write_labels(story.customers[story.target])
        code, lines = run(capsys, "status", "--labels", "labels.csv")
        assert code == 0
        require_words(story, lines)
        needed = f"it has predicted for {counted['challenger']:.0f} customers, and 500 are needed"
        assert needed in lines[-1]
        assert run(capsys, "promote", "--when-due")[0] == 1
        story.configure(customers=100)
        assert run(capsys, "status")[1][-1].startswith("ready for Production: ")
        assert run(capsys, "stop", "--why", "seen enough")[0] == 0
        eventually(lambda: running.number("churn_canary_share") == 0)
        assert {running.version(record) for record in story.records[:20]} == {"1"}
    what = [event.what for event in story.candidates.registry.version(2).events]
    assert what[-2:] == ["canary", "canary_stopped"]


@pytest.mark.parametrize("made", MOST_BY_NIGHT, indirect=True)
def test_files_of_another_task_in_the_log_are_passed_over(
    story: Story, capsys: pytest.CaptureFixture[str]
) -> None:
    canary.start(
        story.root, story.candidates.registry, 2, Canary(0.5, shadow=False), "me", "to see"
    )
    folder = story.root / "log" / f"day={datetime.now(UTC):%Y-%m-%d}"
    folder.mkdir(parents=True)
    binary = pd.DataFrame(
        {
            "request_id": ["r1"],
            "time": pd.Timestamp.now("UTC").as_unit("us"),
            "row": np.zeros(1, np.int32),
            "customer_id": ["C1"],
            "probability": [0.4],
            "prediction": np.ones(1, np.int8),
            "version": ["1"],
            "role": ["champion"],
            "latency_ms": np.float32(2),
            "scoring_ms": np.float32(1),
        }
    )
    binary.to_parquet(folder / "a.parquet", index=False)
    code, lines = run(capsys, "status")
    assert (code, lines[1]) == (0, "log has no predictions since then")
    assert "it has predicted for 0 customers" in lines[-1]


@pytest.mark.parametrize("made", MOST_BY_NIGHT, indirect=True)
def test_a_champion_that_gives_no_limits_is_told_in_one_line(
    story: Story, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    canary.start(
        story.root, story.candidates.registry, 2, Canary(0.5, shadow=False), "me", "to see"
    )
    monkeypatch.setattr(verified, "companion", lambda *_: None)
    code, lines = run(capsys, "promote", "--when-due")
    if story.task == "multiclass":  # needs none
        assert (code, "it has predicted for 0 customers" in lines[-1]) == (1, True)
    else:
        assert code == 2
        assert "version 1 was registered before there was a reference" in lines[-1]
    assert story.candidates.production is not None
    assert story.candidates.production.number == 1


# What ends a trial by itself.


@contextmanager
def tried(
    folder: Path, champion: Model, challenger: Model, task: str, **release: Any
) -> Iterator[tuple[Running, Any]]:
    """Serve two models of a task, one of them on trial for all customers, without a registry."""
    for name, model in (("model", champion), ("other", challenger)):
        artifact.save(model, folder / name)
    document = yaml.safe_load(PARAMS.read_text()) | changes(task)
    document["release"] |= release
    document["serve"] = {"log": "log", "flush_s": 0.3, "drain_s": 5, "poll_s": 0.3}
    (folder / "params.yaml").write_text(yaml.safe_dump(document))
    store = on_trial(folder, folder / "model", folder / "other")
    with serving(folder, environment=NO_REGISTRY) as running:
        yield running, store


def of_task(task: str, fit_numbers: Fit, fit_classes: Fit, **hyperparameters: Any) -> Model:
    fit = fit_numbers if task == "regression" else fit_classes
    return fit("hist_gradient_boosting", **hyperparameters)


@pytest.mark.exhaustive
@pytest.mark.parametrize("task", TASKS)
def test_a_challenger_that_is_slow_is_stopped(
    task: str, fit_numbers: Fit, fit_classes: Fit, spenders: pd.DataFrame, tmp_path: Path
) -> None:
    champion = of_task(task, fit_numbers, fit_classes)
    # A step that is not compiled, so that scikit-learn answers.
    features = champion.pipeline["features"].transform(champion.inputs(spenders))
    steps = [*champion.pipeline.steps[:-1], ("scale", RobustScaler().fit(features))]
    slow = replace(champion, pipeline=Pipeline([*steps, champion.pipeline.steps[-1]]))
    columns = list(champion.card.inputs)
    records = json.loads(spenders[columns].to_json(orient="records"))
    with tried(tmp_path, champion, slow, task, p95_ms=2) as (running, store):
        asked = 0
        while store.refusal() is None and asked < 400:
            assert running.ask([records[asked % len(records)]]).status_code == 200
            asked += 1
        assert asked >= 100
        eventually(lambda: running.number("churn_canary_share") == 0)
        assert running.version(records[0]) == "1"
    require_refused(store, "5 of 100 predictions take more than ")


@pytest.mark.exhaustive  # by default tests/unit/serve/test_stopping.py shows it of two classes
@pytest.mark.parametrize("task", TASKS)
def test_a_challenger_that_cannot_answer_is_stopped(
    task: str,
    request: pytest.FixtureRequest,
    fit_numbers: Fit,
    fit_classes: Fit,
    small: Params,
    spenders: pd.DataFrame,
    tmp_path: Path,
) -> None:
    challenger = of_task(task, fit_numbers, fit_classes)
    # The champion takes no plan; the challenger needs one.
    data = small.data.model_copy(update={"categorical": ()})
    decision = request.getfixturevalue("numbers" if task == "regression" else "classes")
    plain = small.model_copy(update={"data": data})
    champion = fitted(plain, spenders, task, decision, "hist_gradient_boosting", {})
    columns = list(champion.card.inputs)
    records = json.loads(spenders[columns].head(5).to_json(orient="records"))
    with tried(tmp_path, champion, challenger, task) as (running, store):
        for one in records:
            answer = running.ask([one])
            assert (answer.status_code, answer.headers["X-Model-Version"]) == (200, "1")
        eventually(lambda: "the canary of version 2 is stopped" in running.text)
        eventually(lambda: running.number("churn_canary_share") == 0)
        assert running.number("churn_challenger_failures_total", version="2") >= 3
    require_refused(store, "it could not answer")
