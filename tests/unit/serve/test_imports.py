"""What the processes of the server do not import, because each start would wait for it."""

from __future__ import annotations

import subprocess
import sys

import pytest


def imported_by(module: str) -> set[str]:
    program = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.slow
def test_a_worker_imports_nothing_that_only_measures_or_compares() -> None:
    imported = imported_by("churn.serve.worker")
    assert "churn.model.artifact" in imported
    assert not imported & {"churn.evaluation", "matplotlib", "mlflow", "shap"}


@pytest.mark.slow
def test_what_starts_the_workers_imports_no_tables() -> None:
    imported = imported_by("churn.serve.supervisor")
    assert "churn.serve.store" in imported
    assert not imported & {"numpy", "pandas", "pyarrow", "mlflow"}
