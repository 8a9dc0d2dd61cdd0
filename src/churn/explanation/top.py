"""The largest reasons of each prediction, as columns of a table."""

from __future__ import annotations

import numpy as np
import pandas as pd

from churn.core.errors import DataError
from churn.explanation.values import Explainer
from churn.model.artifact import Model
from churn.model.card import ModelCard


class Top:
    """Finds the columns that add most to each prediction, or take most from it.

    Parameters
    ----------
    model : Model
    count : int
        Reasons of each customer.

    Raises
    ------
    DataError
        As `require_count`.
    ExplanationError
        If there are no reasons for this model.
    """

    def __init__(self, model: Model, count: int) -> None:
        require_count(model.card, count)
        self._names = np.array(model.card.inputs, dtype=object)
        self._explainer, self._count = Explainer(model), count

    def kinds(self) -> dict[str, type]:
        """Return the names of the columns, and whether each holds text or numbers."""
        return {
            f"reason_{place + 1}{end}": kind
            for place in range(self._count)
            for end, kind in (("", str), ("_effect", float))
        }

    def of(self, inputs: pd.DataFrame) -> dict[str, np.ndarray]:
        """Return the columns.

        Parameters
        ----------
        inputs : DataFrame, shape (n_customers, n_columns)
            Converted cells, as `churn.model.artifact.Model.inputs` returns them.

        Returns
        -------
        dict of str to ndarray, shape (n_customers,)
            ``reason_1``, the column with the largest effect, up or down, or None if there is none;
            ``reason_1_effect``, its SHAP value, NaN if there is none; and so on. Of equal effects
            the column that comes first in the card.
        """
        values = self._explainer.explain(inputs).values
        order = np.argsort(-np.abs(values), axis=1, kind="stable")[:, : self._count]
        effects = np.take_along_axis(values, order, axis=1)
        names = self._names[order]
        names[effects == 0], effects[effects == 0] = None, np.nan
        both = [
            column
            for place in range(self._count)
            for column in (names[:, place], effects[:, place])
        ]
        return dict(zip(self.kinds(), both, strict=True))


def require_count(card: ModelCard, count: int) -> None:
    """Check that a model can have so many reasons.

    Raises
    ------
    DataError
        If it has fewer columns, or the id is called as a column with reasons.
    """
    if not 1 <= count <= len(card.inputs):
        raise DataError(
            f"{count} reasons: the model has {len(card.inputs)} columns, and each is one reason"
        )
    if card.id in {f"reason_{i + 1}{end}" for i in range(count) for end in ("", "_effect")}:
        raise DataError(f"the id is called {card.id!r}, as a column of the output is")
