"""The floor that the pipeline is compared with: the same computations and nothing else.

``floor.py stages``: the stages' computations in one process, without DVC and MLflow.
``floor.py stage NAME``: those of one stage, with what it imports.
``floor.py model TABLE``: only reading a CSV, fitting and predicting.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

STAGES = ("prepare", "train", "evaluate", "validate")


def stages() -> None:
    """Run prepare, train, evaluate and validate in this process."""
    for name in STAGES:
        stage(name)


def stage(name: str) -> None:
    """Run a stage in this process."""
    from churn.core.paths import Workspace

    importlib.import_module(f"churn.stages.{name}").run(Workspace())


def model(table: str) -> None:
    """Read a table, fit the model that params.yaml names, and predict for every row."""
    import pandas as pd

    from churn.core import params
    from churn.model import estimator, outputs

    settings = params.load(Path("params.yaml"))
    customers = pd.read_csv(table)
    output = outputs.of(settings.task, settings.data.classes)
    pipeline = estimator.build(output, settings.data, settings.features, settings.model)
    pipeline.fit(customers, customers[settings.data.target])
    pipeline.predict_proba(customers)


if __name__ == "__main__":
    {"stages": stages, "stage": stage, "model": model}[sys.argv[1]](*sys.argv[2:])
