"""Running integration tests: what of theirs lets a release go on, and what stops it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from churn.core.errors import ArtifactError
from churn.core.params import Params
from churn.core.paths import Workspace
from churn.deploy import integration
from churn.model.artifact import Model
from tests.conftest import ROOT
from tests.integration import plugin
from tests.unit.repositories import write

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("warm_programs")]

PYTEST = '[tool.pytest.ini_options]\naddopts = ["--strict-markers"]\n'
# What the real tests say, in a moment and without a server.
MEASURED = """
def test_start(record_property):
    record_property("start_s", 4.21)

def test_latency(record_property):
    record_property("p95_ms", 31.6)
"""


@pytest.fixture
def workspace(tmp_path: Path, stored: Path, model: Model, planned: pd.DataFrame) -> Workspace:
    """Return what a candidate has said of its held-out customers."""
    made = Workspace(tmp_path / "workspace")
    made.predictions("test").parent.mkdir(parents=True)
    shutil.copytree(stored, made.model)
    planned.to_parquet(made.split("test"), index=False)
    said = planned[["customer_id"]].assign(probability=model.scores(planned))
    said.to_parquet(made.predictions("test"), index=False)
    return made


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """Return a repository with two tests that measure, and the real options and report."""
    root = tmp_path / "repository"
    write(root, {"pyproject.toml": PYTEST, "tests/integration/test_measured.py": MEASURED})
    plugin = ROOT / "tests" / "integration" / "plugin.py"
    shutil.copy(plugin, root / "tests" / "integration" / "conftest.py")
    return root


def run(root: Path, workspace: Workspace, small: Params, test: str = "") -> integration.Tested:
    if test:
        write(root, {"tests/integration/test_more.py": test})
    return integration.run(root, root.parent / "served", workspace, small)


def test_tests_that_all_pass_are_told_with_start_and_latency(
    suite: Path, workspace: Workspace, small: Params
) -> None:
    assert run(suite, workspace, small).summary == (
        "2 integration tests passed; the slower server answered after 4.2 s, 95 of 100 requests"
        " within 32 ms"
    )


def test_the_tests_get_the_model_and_the_rows_and_no_credentials(
    suite: Path, workspace: Workspace, small: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GH_TOKEN", "to be seen by nobody")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://reader:password@mlflow.example.org")
    test = (
        "import os\n"
        "import pandas as pd\n"
        "def test_options(pytestconfig):\n"
        "    assert pytestconfig.getoption('--model-uri') == os.path.abspath('../served')\n"
        "    assert os.environ['PYTHONDONTWRITEBYTECODE'] == '1'\n"
        "    assert not {'GH_TOKEN', 'MLFLOW_TRACKING_URI'} & set(os.environ)\n"
        "    rows = pd.read_parquet(pytestconfig.getoption('--rows'))\n"
        "    assert set(rows['prediction']) == {0, 1} and len(rows) == 500\n"
    )
    tested = run(suite, workspace, small, test)
    assert tested.passed, tested.output


@pytest.mark.parametrize(
    ("test", "told"),
    [
        ("def test_a():\n    assert False\n", "test_a"),
        ("import pytest\ndef test_b():\n    pytest.skip('no time')\n", "test_b"),
        ("import pytest\n@pytest.mark.skip\ndef test_b():\n    pass\n", "test_b"),
        ("import pytest\n@pytest.mark.xfail\ndef test_c():\n    assert False\n", "test_c"),
        (
            "import pytest\n@pytest.fixture\ndef server():\n    raise OSError('no server')\n"
            "def test_d(server):\n    pass\n",
            "test_d",
        ),
        (
            "import pytest\n@pytest.fixture\ndef server():\n    yield\n    raise OSError('dead')\n"
            "def test_e(server):\n    pass\n",
            "test_e",
        ),
        ("import nothing_of_this_name\n", "tests/integration/test_more.py"),
        ("import pytest\npytest.skip('all', allow_module_level=True)\n", "test_more.py"),
    ],
    ids=[
        "fails",
        "skipped while it runs",
        "skipped",
        "expected to fail",
        "no server",
        "server died",
        "cannot be imported",
        "module skipped",
    ],
)
def test_a_test_that_has_not_passed_stops_the_release_by_name(
    test: str, told: str, suite: Path, workspace: Workspace, small: Params
) -> None:
    tested = run(suite, workspace, small, test)
    assert not tested.passed
    assert tested.summary.startswith("integration tests failed: ")
    assert told in tested.summary


def test_of_many_failures_three_are_named(suite: Path, workspace: Workspace, small: Params) -> None:
    test = "".join(f"def test_{name}():\n    assert False\n" for name in "abcde")
    told = run(suite, workspace, small, test).summary
    assert told == "integration tests failed: test_a, test_b, test_c and 2 more"


def test_no_tests_at_all_are_no_pass(suite: Path, workspace: Workspace, small: Params) -> None:
    (suite / "tests" / "integration" / "test_measured.py").unlink()
    tested = run(suite, workspace, small)
    assert not tested.passed
    assert tested.summary == "integration tests failed: pytest ended with 5"


@pytest.mark.parametrize("name", ["start", "latency"])
def test_what_was_not_measured_is_no_pass(
    name: str, suite: Path, workspace: Workspace, small: Params
) -> None:
    other = MEASURED.replace(f"test_{name}", f"no_test_{name}")
    write(suite, {"tests/integration/test_measured.py": other})
    tested = run(suite, workspace, small)
    assert not tested.passed
    assert tested.summary == "integration tests failed: start and latency were not measured"


EXIT = "import pytest\ndef test_exit():\n    pytest.exit('enough', 0)\n"


@pytest.mark.parametrize(
    ("file", "test"),
    [
        ("test_z.py", "import os\ndef test_crash():\n    os._exit(0)\n"),
        ("test_z.py", "import os\ndef test_crash():\n    os.kill(os.getpid(), 9)\n"),
        ("test_z.py", EXIT),
        ("test_a.py", EXIT),
    ],
    ids=["ends itself", "killed", "stopped at the last test", "stopped at the first test"],
)
def test_a_run_that_has_not_come_to_its_end_is_no_pass(
    file: str, test: str, suite: Path, workspace: Workspace, small: Params
) -> None:
    write(suite, {f"tests/integration/{file}": test})
    assert not run(suite, workspace, small).passed


def test_options_of_the_users_own_leave_no_tests_out(
    suite: Path, workspace: Workspace, small: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "-k 'start or latency'")
    assert not run(suite, workspace, small, "def test_a():\n    assert False\n").passed


def test_an_error_of_the_tests_own_options_is_told(
    suite: Path, workspace: Workspace, small: Params
) -> None:
    write(suite, {"tests/integration/conftest.py": "import nothing_of_this_name\n"})
    tested = run(suite, workspace, small)
    assert not tested.passed
    assert tested.summary.startswith("the integration tests did not run: ")
    assert "nothing_of_this_name" in tested.output


def test_a_report_of_another_shape_is_an_error(
    suite: Path, workspace: Workspace, small: Params
) -> None:
    conftest = suite / "tests" / "integration" / "conftest.py"
    written, invalid = "write_json(self._target, report)", "write_json(self._target, {'passed': 2})"
    conftest.write_text(conftest.read_text().replace(written, invalid))
    assert invalid in conftest.read_text()
    with pytest.raises(ArtifactError, match="failed"):
        run(suite, workspace, small)


def test_tests_elsewhere_do_not_count(suite: Path, tmp_path: Path) -> None:
    # As `pytest` does that is given no folder, with a report.
    write(suite, {"tests/unit/test_other.py": "def test_other():\n    assert False\n"})
    report = tmp_path / "report.json"
    command = [sys.executable, "-m", "pytest", "tests/integration", "tests/unit"]
    subprocess.run([*command, "--serving-report", str(report)], cwd=suite, capture_output=True)
    found = json.loads(report.read_text())
    assert (found["passed"], found["failed"]) == (2, [])


def test_without_the_tests_there_is_no_release(
    tmp_path: Path, workspace: Workspace, small: Params
) -> None:
    with pytest.raises(ArtifactError, match="a release needs its integration tests"):
        run(tmp_path, workspace, small)


def test_the_rows_are_raw_columns_and_what_the_model_says_of_them_at_once(
    workspace: Workspace, small: Params, model: Model, planned: pd.DataFrame
) -> None:
    rows = integration.parity_rows(workspace, small)
    assert list(rows) == [*small.data.inputs, "probability", "prediction"]
    first = planned.head(small.release.parity_rows)
    np.testing.assert_array_equal(rows["probability"], model.scores(first))
    np.testing.assert_array_equal(rows["prediction"], rows["probability"] >= model.card.threshold)


@pytest.mark.parametrize("change", ["one probability", "one customer", "one row less"])
def test_predictions_that_are_not_the_models_are_refused(
    change: str, workspace: Workspace, small: Params
) -> None:
    file = workspace.predictions("test")
    said = pd.read_parquet(file)
    if change == "one probability":
        said.loc[7, "probability"] += 1e-9
    elif change == "one customer":
        said.loc[7, "customer_id"] = "another"
    else:
        said = said.drop(index=7)
    said.to_parquet(file, index=False)
    with pytest.raises(ArtifactError, match="not the model's predictions"):
        integration.parity_rows(workspace, small)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"--model-uri": "models:/m/1", "--url": "http://x"}, "give one of them"),
        ({"--url": "http://x"}, "--url needs --rows"),
        ({"--rows": "rows.parquet"}, "--rows needs --model-uri or --url"),
        ({"--url": "http://x", "--rows": "nowhere.parquet"}, "nowhere.parquet is not there"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, dict) else "",
)
def test_options_that_do_not_go_together_are_refused(
    given: dict[str, str], told: str, tmp_path: Path
) -> None:
    config = SimpleNamespace(
        getoption=given.get, invocation_params=SimpleNamespace(dir=tmp_path), stash={}
    )
    with pytest.raises(pytest.UsageError, match=told):
        plugin.pytest_configure(config)
