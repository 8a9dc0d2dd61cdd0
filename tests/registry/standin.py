"""What stands in for tests/integration in a clone: quick, and it can be held up.

It writes the report that the real tests write. `install` copies it there.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import mlflow
import pytest

HOLD = "TEST_HOLD"  # a folder: there it says that it has begun, and it waits until that is gone


def pytest_addoption(parser: pytest.Parser) -> None:
    for name in ("--model-uri", "--rows", "--serving-report"):
        parser.addoption(name)


def pytest_sessionfinish(session: pytest.Session) -> None:
    report = {"passed": 1, "failed": [], "skipped": [], "start_s": 1.0, "p95_ms": 5.0}
    Path(session.config.getoption("--serving-report")).write_text(json.dumps(report))


def test_the_model_can_be_had_by_a_process_of_its_own(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    uri = request.config.getoption("--model-uri")
    mlflow.artifacts.download_artifacts(f"{uri}/artifacts/model", dst_path=str(tmp_path))
    assert list(tmp_path.rglob("model.json"))
    if folder := os.environ.get(HOLD):
        Path(folder, "begun").touch()
        while Path(folder).exists():
            time.sleep(0.1)


def install(root: Path) -> None:
    """Put it in place of a clone's tests."""
    shutil.rmtree(root / "tests")
    folder = root / "tests" / "integration"
    folder.mkdir(parents=True)
    shutil.copy(__file__, folder / "standin.py")
    (folder / "conftest.py").write_text("from standin import *\n")
    (folder / "test_standin.py").write_text("from standin import *\n")
