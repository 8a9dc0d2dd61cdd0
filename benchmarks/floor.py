"""The floor that the pipeline is compared with: the same computations and nothing else.

``floor.py stages``: the stages' computations in one process, without DVC and MLflow.
``floor.py model TABLE``: only reading a CSV, fitting and predicting.
"""

from __future__ import annotations

import sys
from pathlib import Path


def stages() -> None:
    """Run prepare, train, evaluate and validate in this process."""
    from churn.core.paths import Workspace
    from churn.stages import evaluate, prepare, train, validate

    for stage in (prepare, train, evaluate, validate):
        stage.run(Workspace())


def model(table: str) -> None:
    """Read a table, fit the model that params.yaml names, and predict for every row."""
    import pandas as pd

    from churn.core import params
    from churn.model import estimator

    settings = params.load(Path("params.yaml"))
    customers = pd.read_csv(table)
    pipeline = estimator.build(settings.data, settings.features, settings.model)
    pipeline.fit(customers, customers[settings.data.target])
    pipeline.predict_proba(customers)


if __name__ == "__main__":
    {"stages": stages, "model": model}[sys.argv[1]](*sys.argv[2:])
