"""The model as MLflow serves it: raw columns in, probability and prediction out.

MLflow stores this file itself ("models from code") with the model's folder beside it, and runs
it to load the model; no pickle is involved.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import PythonModel, PythonModelContext
from mlflow.types.schema import AnyType, Schema

ARTIFACT = "model"


def _let_csv_in() -> None:
    """Let MLflow's server read ``text/csv`` for columns whose signature is "any type".

    It looks up their pandas types, of which it knows none, and refuses every file. Read as text
    they reach the model, which converts cells itself. `Schema.pandas_types` is asked nowhere else.
    """
    named = Schema.pandas_types
    if named.__name__ == "or_object":
        return  # another model was loaded in this process

    def or_object(schema: Schema) -> list[Any]:
        if any(isinstance(kind, AnyType) for kind in schema.input_types()):
            return [object] * len(schema.inputs)
        return named(schema)

    Schema.pandas_types = or_object  # type: ignore[assignment,method-assign]


class ChurnModel(PythonModel):
    """A pyfunc around `churn.model.artifact.Model`."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the model's folder, trusting the listed types only."""
        # Here, because MLflow runs this file when it stores the model as well, and skops is slow
        # to import.
        from churn.model import artifact

        _let_csv_in()
        self.model = artifact.load(Path(context.artifacts[ARTIFACT]))

    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,  # as MLflow calls it
    ) -> pd.DataFrame:
        """Predict for raw columns.

        Parameters
        ----------
        context : PythonModelContext
            MLflow's; not used.
        model_input : DataFrame, shape (n_customers, n_columns)
            The declared columns, in any order.
        params : dict, optional
            MLflow's; not used.

        Returns
        -------
        DataFrame, shape (n_customers, 2)
            ``probability`` in [0, 1], and ``prediction``: 1 at the threshold and above, else 0.

        Raises
        ------
        MlflowException
            If a column is missing or a cell is no number; the server answers 400 with the reason.
        """
        from churn.core.errors import DataError

        try:
            return self.model.predict(model_input)
        except DataError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from error


mlflow.models.set_model(ChurnModel())
