"""Bad input, through the real commands: one line that helps, exit code 2, nothing touched."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import skops.io
import yaml
from sklearn.preprocessing import StandardScaler

from churn.core.files import write_json, write_parquet
from churn.core.paths import SIDES
from churn.data.synthesize import write
from churn.evaluation.metric_names import TITLES
from churn.model import artifact
from churn.provenance.candidate import model_digest
from tests.conftest import PARAMS
from tests.pipeline.warm import run

pytestmark = pytest.mark.slow

Lines = list[str]
CARD = {
    "family": "hist_gradient_boosting",
    "threshold": 0.4,
    "id": "customer_id",
    "target": "churned",
    "numeric": ["age"],
    "features": ["age"],
    "test_share": 0.2,
    "salt": "churn",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with params.yaml, 120 customers, and outputs of an earlier run."""
    (tmp_path / "params.yaml").write_text(PARAMS.read_text())
    write(tmp_path / "data/customers.csv", 120, seed=1)
    (tmp_path / "build").mkdir()
    (tmp_path / "build/train.parquet").write_text("of an earlier run")
    return tmp_path


def refused(project: Path, *arguments: str, **environment: str) -> str:
    """Run a command that must be refused, and return its one line."""
    before = {path: path.stat().st_mtime_ns for path in project.rglob("*") if path.is_file()}

    done = run(project, *arguments, **environment)

    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("Error: ")
    after = {path: path.stat().st_mtime_ns for path in project.rglob("*") if path.is_file()}
    assert {p: t for p, t in after.items() if "mlflow.db" not in p.name} == before
    return lines[0]


def cell(lines: Lines, row: int, column: str, value: str) -> Lines:
    """Put a value into a row (counted from 1 below the header)."""
    cells = lines[row].split(",")
    cells[lines[0].split(",").index(column)] = value
    return [*lines[:row], ",".join(cells), *lines[row + 1 :]]


def without(lines: Lines, column: str) -> Lines:
    place = lines[0].split(",").index(column)
    return [",".join(c for i, c in enumerate(line.split(",")) if i != place) for line in lines]


def labels(lines: Lines, value: str) -> Lines:
    return [lines[0], *(line.rpartition(",")[0] + f",{value}" for line in lines[1:])]


TABLES: dict[str, tuple[Callable[[Lines], Lines], list[str]]] = {
    "conflict markers": (
        lambda t: [*t[:5], "<<<<<<< HEAD", *t[5:], ">>>>>>> other"],
        ["merge-conflict marker in line 6", "choose one side"],
    ),
    "wrong delimiter": (
        lambda t: [line.replace(",", ";") for line in t],
        ["delimited by semicolons", "set data.csv.separator"],
    ),
    "missing column": (
        lambda t: without(t, "frequency"),
        ["column 'frequency' is missing", "found: 'customer_id'", "params.yaml"],
    ),
    "column twice": (
        lambda t: [f"{t[0]},age", *(f"{line},1" for line in t[1:])],
        ["column 'age' is repeated"],
    ),
    "text in a number": (
        lambda t: cell(cell(t, 7, "frequency", "many"), 9, "frequency", "few"),
        ["column 'frequency', row 7", "C00000007", "'many'", "correct the cell"],
    ),
    "too large": (
        lambda t: cell(t, 8, "monetary_value", "1e39"),
        ["column 'monetary_value', row 8", "beyond 3.4e+38", "leave the cell empty"],
    ),
    "infinite": (
        lambda t: cell(t, 8, "monetary_value", "-inf"),
        ["column 'monetary_value', row 8", "infinite"],
    ),
    "missing label": (
        lambda t: cell(t, 3, "churned", ""),
        ["column 'churned', row 3", "missing"],
    ),
    "one label": (lambda t: labels(t, "1"), ["column 'churned'", "row 1", "both classes"]),
    "three labels": (
        lambda t: cell(t, 11, "churned", "2"),
        ["column 'churned', row 11", "third value"],
    ),
    "duplicate id": (
        lambda t: cell(t, 9, "customer_id", "C00000002"),
        ["column 'customer_id', row 9", "is also in row 2", "one row per customer"],
    ),
    "missing id": (
        lambda t: cell(t, 4, "customer_id", ""),
        ["column 'customer_id', row 4", "missing"],
    ),
    "few rows": (lambda t: t[:50], ["49 rows", "at least 50"]),
    "header only": (lambda t: t[:1], ["0 rows", "at least 50"]),
    "too many cells": (
        lambda t: [*t[:6], f"{t[6]},1", *t[7:]],
        ["not a CSV file", "row 6: Expected 10 columns, got 11"],
    ),
    "too few cells": (
        lambda t: [*t[:6], "C1,2", *t[7:]],
        ["not a CSV file", "row 6: Expected 10 columns, got 2"],
    ),
}


@pytest.mark.parametrize("case", TABLES)
def test_a_bad_table_is_refused(case: str, project: Path) -> None:
    spoil, expected = TABLES[case]
    table = project / "data/customers.csv"
    table.write_text("\n".join(spoil(table.read_text().splitlines())) + "\n")

    said = refused(project, "prepare")

    assert "data/customers.csv" in said
    for words in expected:
        assert words in said


def test_a_missing_table_is_refused(project: Path) -> None:
    (project / "data/customers.csv").unlink()

    assert "data/customers.csv: not there; correct the path, or get it with `dvc pull`" in refused(
        project, "prepare"
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\x89PNG\x00\x00", "not a CSV file (it holds binary data)"),
        (
            "customer_id,größe\n1,2\n".encode("latin-1"),
            "no UTF-8 text in line 1; set data.csv.encoding",
        ),
        (b"<html>404</html>", "column 'customer_id' is missing"),
    ],
)
def test_what_is_no_table_is_refused(content: bytes, words: str, project: Path) -> None:
    (project / "data/customers.csv").write_bytes(content)

    said = refused(project, "prepare")

    assert "data/customers.csv" in said
    assert words in said


def test_a_parquet_file_that_is_none_is_refused(project: Path) -> None:
    (project / "data/customers.csv").rename(project / "data/customers.parquet")
    _edit(project, "data/customers.csv ", "data/customers.parquet ")

    assert "data/customers.parquet: not a Parquet file" in refused(project, "prepare")


def test_a_category_that_is_an_id_is_refused(project: Path) -> None:
    table = project / "data/customers.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join(f"{line},email{i}" for i, line in enumerate(lines)) + "\n")
    _edit(
        project, "  categorical: []                 # columns", "  categorical: [email0] # columns"
    )

    said = refused(project, "prepare")

    assert "column 'email0'" in said
    assert "like an id" in said
    assert "data.categorical" in said


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("test_share: 0.2", "test_shar: 0.2", ["split.test_shar: unknown key", "test_share"]),
        ("test_share: 0.2", 'test_share: "0.2"', ["split.test_share", "number", "'0.2'"]),
        ("test_share: 0.2", "test_share: 1.5", ["split.test_share", "less than 1"]),
        ("  salt: churn ", "  # ", ["split.salt: missing"]),
        ("family: hist_gradient_boosting", "family: xgboost", ["model.family", "random_forest"]),
        ("strategy: cost ", "strategy: guess ", ["decision.strategy", "'fixed'"]),
        ("numerator: recency_days", "numerator: recency", ["column 'recency' is not in data.nu"]),
        ("roc_auc: 0.78", "auc: 0.78", ["gates.minima.auc", "roc_auc"]),
        ("positive: 1 ", "positive: [1] ", ["data.positive"]),
        ("data:\n", "data: [\n", ["params.yaml:", "not YAML"]),
        ("data:\n", "more: &more [*more]\ndata:\n", ["params.yaml:", "refers to itself"]),
        ("path: data/", "path: ", ["data.path: customers.csv is not below data/", "put the table"]),
        ("path: data/", "path: data/../other/", ["other/customers.csv is not below data/"]),
    ],
)
def test_a_bad_parameter_is_refused(old: str, new: str, expected: list[str], project: Path) -> None:
    _edit(project, old, new)

    said = refused(project, "prepare")

    assert "params.yaml" in said
    for words in expected:
        assert words in said


def test_a_positive_value_that_never_occurs_is_refused(project: Path) -> None:
    _edit(project, "positive: 1 ", "positive: gone ")

    assert "data.positive" in refused(project, "prepare")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("max_iter: 120", "n_trees: 120", ["model.hyperparameters.n_trees", "valid:", "max_iter"]),
        ("max_iter: 120", "max_iter: -1", ["max_iter", "-1"]),
        ("max_iter: 120", "max_iter: many", ["max_iter", "'many'"]),
        ("max_iter: 120", "random_state: 1", ["random_state", "valid:"]),
        ("max_iter: 120", "max_iter: [1, 2]", ["max_iter", "[1, 2]"]),
        ("max_iter: 120", "class_weight: {yes: 5}", ["[0, 1], are not in class_weight"]),
        ("max_iter: 120", "monotonic_cst: [1, 0]", ["shape (2,)", "has 16 features"]),
        ("max_iter: 120", "monotonic_cst: {age: 1}", ["monotonic_cst: takes no mapping"]),
        ("max_iter: 120", "monotonic_cst: [null, null]", ["hist_gradient_boosting fails"]),
    ],
)
def test_a_bad_hyperparameter_is_refused(
    old: str, new: str, expected: list[str], project: Path
) -> None:
    (project / "build/train.parquet").unlink()
    assert run(project, "prepare").returncode == 0
    _edit(project, old, new)

    said = refused(project, "train")

    for words in expected:
        assert words in said


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("low: 2, high: 8", "low: 8, high: 2", "tune.space.max_depth: low (8) must be smaller"),
        ("low: 2, high: 8", "lo: 2, high: 8", "tune.space.max_depth.lo: unknown key"),
        ("low: 2, high: 8", "low: -2, high: 8", "tune.space.max_depth: The 'max_depth' parameter"),
        ("    max_depth: {", "    depth: {", "tune.space.depth: hist_gradient_boosting has none"),
        (
            "hist_gradient_boosting  #",
            "random_forest  #",
            "tune.space.learning_rate: random_forest",
        ),
        ("metric: log_loss", "metric: auc", "tune.metric: "),
        ("trials: 40", "trials: 0", "tune.trials: "),
    ],
)
def test_a_bad_space_is_refused(old: str, new: str, expected: str, project: Path) -> None:
    if new.startswith("random_forest"):
        _edit(project, "    learning_rate: 0.05", "    max_leaf_nodes: 9")
        for name in ("max_iter: 120", "early_stopping: false", "l2_regularization: 1.0"):
            _edit(project, f"    {name}", f"    # {name}")
    _edit(project, old, new)

    assert expected in refused(project, "tune")


def test_a_search_needs_the_training_rows(project: Path) -> None:
    assert "train.parquet: not Parquet" in refused(project, "tune")
    (project / "build/train.parquet").unlink()
    assert "`churn prepare` writes it" in refused(project, "tune")


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("tune.trials=0", "tune.trials: "),
        ("tune.trails=5", "tune.trails: unknown key (valid: trials, timeout_s, metric"),
        ("model.seed=1", "--set model.seed: not a key of tune; change it in params.yaml"),
    ],
)
def test_a_bad_setting_of_a_search_is_refused(setting: str, expected: str, project: Path) -> None:
    assert expected in refused(project, "tune", "--set", setting)


def test_a_stage_names_the_one_that_is_missing(project: Path) -> None:
    assert "`churn train` writes build/model" in refused(project, "evaluate")


def test_a_damaged_output_of_an_earlier_stage_is_refused(project: Path) -> None:
    said = refused(project, "train")

    assert "build/train.parquet: not Parquet" in said
    assert "run `churn prepare` again" in said


SIDE = dict.fromkeys(TITLES, 0.5)
CARD = {"family": "random_forest", "threshold": 0.5, "strategy": "fixed", "id": "customer_id",
        "target": "churned", "features": [], "test_share": 0.2, "salt": "churn"}  # fmt: skip
STATS = {"rows": 60, "label_rate": 0.2, "numeric": {}, "dates": {}, "categorical": {}}
WRITTEN: dict[str, tuple[str, Any]] = {
    "reports/metrics.json": ("evaluate", {"threshold": 0.5, "train": SIDE, "test": SIDE}),
    "reports/checks.json": ("validate", {"passed": 0, "checks": []}),
    "build/model/model.json": ("train", CARD),
    "build/data_stats.json": ("prepare", {"train": STATS, "test": STATS, "rows": 120}),
}


@pytest.mark.parametrize(("command", "content"), [("track", "{}"), ("summary", "[]")])
@pytest.mark.parametrize("damaged", WRITTEN)
def test_json_that_does_not_hold_what_it_should_is_refused(
    damaged: str, command: str, content: str, project: Path
) -> None:
    for path, (_, value) in WRITTEN.items():
        write_json(project / path, value)
    (project / damaged).write_text(content)

    said = refused(project, command)

    assert said.startswith(f"Error: {damaged}: not what `churn {WRITTEN[damaged][0]}` writes")


def test_a_model_without_a_threshold_is_refused(project: Path) -> None:
    (project / "build/train.parquet").unlink()
    assert run(project, "prepare").returncode == 0
    for side in SIDES:
        rows = pd.read_parquet(project / f"build/{side}.parquet")[["customer_id"]]
        write_parquet(project / f"build/predictions/{side}.parquet", rows.assign(probability=0.5))
    write_json(project / "build/model/model.json", {**CARD, "threshold": None})

    said = refused(project, "validate")

    assert "build/model/model.json: not what `churn train` writes (no threshold)" in said


def test_a_sample_for_the_checks_without_anybody_held_out_is_refused(project: Path) -> None:
    write(project / "data/customers.csv", 5000, seed=1)
    (project / "build/train.parquet").unlink()
    assert run(project, "prepare").returncode == 0
    for side in SIDES:
        frame = pd.read_parquet(project / f"build/{side}.parquet")
        frame = frame if side == "train" else frame.tail(1)
        write_parquet(project / f"build/{side}.parquet", frame)
        scored = frame[["customer_id"]].assign(probability=0.5)
        write_parquet(project / f"build/predictions/{side}.parquet", scored)
    write_json(project / "build/model/model.json", CARD)
    _edit(project, "max_rows: 10000 ", "max_rows: 200 ")

    said = refused(project, "validate")

    assert "params.yaml: checks.max_rows" in said
    assert "none is among 200; set it higher" in said


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which `churn prepare` and `churn train` have run on 300 customers."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "params.yaml").write_text(PARAMS.read_text())
    write(folder / "data/customers.csv", 300, seed=1)
    for stage in ("prepare", "train"):
        assert run(folder, stage).returncode == 0
    return folder


@pytest.fixture
def scoring(trained: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may damage."""
    return Path(shutil.copytree(trained, tmp_path / "scoring"))


def scored(model: str, table: str = "data/customers.csv") -> dict[str, list[str]]:
    """The commands that take a model from anywhere and a table."""
    return {
        "predict": ["predict", "--model", model, "--input", table, "--output", "scored.csv"],
        "explain": ["explain", "--model", model, "--input", table, "--output", "reasons.csv"],
        "evaluate": ["evaluate", "--model", model, "--set", f"data.path={table}"],
    }


COMMANDS = ("predict", "explain", "evaluate")
SPOILT = ("missing column", "text in a number", "missing id", "too few cells")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_model_is_scored_where_nothing_is_wrong(command: str, scoring: Path) -> None:
    # The tests below could not fail if this one did.
    assert run(scoring, *scored("build/model")[command]).returncode == 0


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("case", SPOILT)
def test_a_bad_table_is_not_scored(case: str, command: str, scoring: Path) -> None:
    spoil, expected = TABLES[case]
    table = scoring / "data/customers.csv"
    table.write_text("\n".join(spoil(table.read_text().splitlines())) + "\n")

    said = refused(scoring, *scored("build/model")[command])

    for words in ("data/customers.csv", *expected):
        assert words in said


@pytest.mark.parametrize("command", COMMANDS)
def test_a_table_that_is_not_there_is_not_scored(command: str, scoring: Path) -> None:
    said = refused(scoring, *scored("build/model", "data/later.csv")[command])

    assert "data/later.csv: not there" in said


def truncate(folder: Path) -> None:
    content = (folder / "pipeline.skops").read_bytes()
    (folder / "pipeline.skops").write_bytes(content[: len(content) // 2])


MODELS: dict[str, tuple[Callable[[Path], Any], list[str]]] = {
    "no folder": (shutil.rmtree, ["build/model"]),
    "truncated": (truncate, ["build/model: damaged", "train it again"]),
    "no card": (lambda folder: (folder / "model.json").unlink(), ["model"]),
    "card of another shape": (
        lambda folder: (folder / "model.json").write_text("{}"),
        ["build/model: damaged"],
    ),
    "another estimator": (
        lambda folder: skops.io.dump(StandardScaler(), folder / "pipeline.skops"),
        ["build/model: not a churn model", "StandardScaler predicts no probabilities"],
    ),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("case", MODELS)
def test_what_is_no_model_is_not_used(case: str, command: str, scoring: Path) -> None:
    spoil, expected = MODELS[case]
    spoil(scoring / "build/model")

    said = refused(scoring, *scored("build/model")[command])

    for words in expected:
        assert words in said


@pytest.mark.parametrize("command", COMMANDS)
def test_a_run_that_mlflow_does_not_know_has_no_model(command: str, scoring: Path) -> None:
    unknown = "0123456789abcdef0123456789abcdef"

    said = refused(scoring, *scored(f"runs:/{unknown}/model")[command])

    assert unknown in said


def test_a_killed_training_leaves_the_old_model_and_can_be_run_again(scoring: Path) -> None:
    before = model_digest(scoring / "build/model")
    # A forest, which takes long enough to write.
    params = yaml.safe_load((scoring / "params.yaml").read_text())
    params["model"] |= {"family": "random_forest", "hyperparameters": {"n_estimators": 40}}
    params["decision"]["strategy"] = "fixed"
    (scoring / "params.yaml").write_text(yaml.safe_dump(params))
    write(scoring / "data/customers.csv", 4000, seed=1)
    assert run(scoring, "prepare").returncode == 0

    process = subprocess.Popen([sys.executable, "-m", "churn", "train"], cwd=scoring)
    while not (left := list((scoring / "build").glob(f".model-{process.pid}-*"))):
        assert process.poll() is None, "ended before it wrote anything"
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)

    assert process.wait() == -signal.SIGKILL
    assert left[0].exists()
    assert model_digest(scoring / "build/model") == before

    assert run(scoring, "train").returncode == 0
    assert model_digest(scoring / "build/model") != before
    assert artifact.load(scoring / "build/model").card.family == "random_forest"
    assert not list((scoring / "build").glob(".model-*"))


def test_a_folder_without_params_is_refused(tmp_path: Path) -> None:
    assert "run churn in the project's folder" in refused(tmp_path, "prepare")


def test_an_unreachable_server_is_refused_within_a_minute(project: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://somebody:secret@127.0.0.1:{unused.getsockname()[1]}"

        said = refused(project, "runs", MLFLOW_TRACKING_URI=address)

    assert "http://127.0.0.1" in said
    assert "MLFLOW_TRACKING_URI" in said
    assert "secret" not in said


def test_the_output_s_ending_must_be_known(project: Path) -> None:
    said = refused(
        project, "synthesize", "--customers", "10", "--seed", "1", "--output", "customers.xlsx"
    )

    assert "customers.xlsx: the name must end in .csv or .parquet" in said


def test_traceback_shows_the_rest(project: Path) -> None:
    (project / "data/customers.csv").write_text("")

    done = run(project, "prepare", "--traceback")

    assert done.returncode == 2
    assert "Traceback (most recent call last)" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("Error: ")


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("nonsense", "KEY=VALUE"),
        ("split.test_share=[1", "not YAML"),
        ("split.test_share=9", "less than 1"),
        ("model.hyperparameters={max_depth: 3, max_depth: 4}", "found duplicate key"),
        (f"data.numeric={'[' * 5000}{']' * 5000}", "nested more than 30 levels"),
    ],
)
def test_a_bad_setting_is_refused(setting: str, expected: str, project: Path) -> None:
    said = refused(project, "train", "--set", setting)

    assert setting.partition("=")[0].rpartition(".")[2] in said
    assert expected in said


def test_an_unknown_command_or_option_is_a_usage_error(project: Path) -> None:
    assert run(project, "prepair").returncode == 2
    assert run(project, "prepare", "--fast").returncode == 2


def _edit(project: Path, old: str, new: str) -> None:
    text = (project / "params.yaml").read_text()
    assert old in text
    (project / "params.yaml").write_text(text.replace(old, new, 1))
