"""The model as MLflow serves it: raw columns in, the answer of its task out.

MLflow stores this file ("models from code") with the model's folder beside it, and runs it to load
the model; there is no pickle.
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


def _accept_csv() -> None:
    """Make MLflow's server accept ``text/csv`` for columns of the signature's "any type".

    It rejects every file, because there is no pandas type for these columns. With ``object`` it
    reads them as text, and the model converts the cells. Nothing else uses `Schema.pandas_types`.
    """
    named = Schema.pandas_types
    if named.__name__ == "or_object":
        return  # done for another model in this process

    def or_object(schema: Schema) -> list[Any]:
        if any(isinstance(kind, AnyType) for kind in schema.input_types()):
            return [object] * len(schema.inputs)
        return named(schema)

    Schema.pandas_types = or_object  # type: ignore[assignment,method-assign]


class ChurnModel(PythonModel):
    """A pyfunc around `churn.model.artifact.Model`."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the model's folder; only the listed types are trusted."""
        # Here, because MLflow also runs this file to store the model, and skops is slow to import.
        from churn.model import artifact

        _accept_csv()
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
            From MLflow; not used.
        model_input : DataFrame, shape (n_customers, n_columns)
            The declared columns, in any order.
        params : dict, optional
            From MLflow; not used.

        Returns
        -------
        DataFrame, shape (n_customers, n_columns)
            As `churn.model.artifact.Model.predict` returns it.

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
