"""What a worker of the server does not import, because each start would wait for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = "import sys, churn.serve.worker; print(*sys.modules)"


@pytest.mark.slow
def test_a_worker_imports_nothing_that_only_measures_or_compares() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    imported = set(done.stdout.split())
    assert "churn.model.artifact" in imported
    for heavy in ("churn.evaluation", "matplotlib", "mlflow", "shap"):
        assert heavy not in imported
