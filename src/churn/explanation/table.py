"""Explain the predictions for a file of customers."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from churn.core.errors import DataError
from churn.core.progress import Advance, bar
from churn.data.table import require_known_suffix
from churn.explanation.top import Top
from churn.explanation.values import Explained, Explainer
from churn.model import prediction
from churn.model.artifact import Model

PREFIX = "reason_"  # of the columns with values, which a table may not have itself
_OWN = ("score", "base")  # beside the answer


def explain(model: Model, source: Path, target: Path) -> Explained:
    """Explain the prediction for every customer of a file.

    Parameters
    ----------
    model : Model
    source : Path
        As for `churn.model.prediction.predict`.
    target : Path
        CSV or Parquet file to write, by its ending: id, the answer, ``score``, ``base``, and
        ``reason_…`` for each raw column. In each row ``base`` and the reasons sum to ``score``.

    Raises
    ------
    DataError
        If the input cannot be used or the output cannot be written; then no file is changed.
    ExplanationError
        If there are no reasons for this model.
    """
    require_known_suffix(target)
    if model.card.id in (
        *model.output.answered,
        *_OWN,
        *(PREFIX + name for name in model.card.inputs),
    ):
        raise DataError(f"the id is called {model.card.id!r}, as a column of the output is")
    with bar("explaining", 5) as advance:
        explainer = Explainer(model)
        customers = _read(model, source, advance)
        found = explainer.explain(model.inputs(customers))
        advance("explained")
        reasons = pd.DataFrame(
            found.values, columns=[PREFIX + name for name in model.card.inputs]
        ).assign(score=found.score, base=found.base)
        ahead = [customers[[model.card.id]], model.predict(customers)]
        table = pd.concat([*ahead, reasons[["score", "base", *reasons.columns[:-2]]]], axis=1)
        advance("predicted")
        prediction.write(table, target)
        advance("written")
    return found


def predict(model: Model, source: Path, target: Path, count: int) -> int:
    """Predict for every customer of a file, with the largest reasons of each prediction.

    Parameters
    ----------
    model : Model
    source, target : Path
        As for `churn.model.prediction.predict`; the output has the columns of
        `churn.explanation.top.Top` as well.
    count : int
        Reasons of each customer.

    Returns
    -------
    int
        Number of customers.

    Raises
    ------
    DataError, ExplanationError
        As for `explain`; also if the model has fewer columns than `count`.
    """
    require_known_suffix(target)
    with bar("predicting", 4) as advance:
        top = Top(model, count)
        customers = _read(model, source, advance)
        reasons = pd.DataFrame(top.of(model.inputs(customers)))
        advance("explained")
        parts = [customers[[model.card.id]], model.predict(customers), reasons]
        prediction.write(pd.concat(parts, axis=1), target)
        advance("written")
    return len(customers)


def _read(model: Model, source: Path, advance: Advance) -> pd.DataFrame:
    customers = prediction.read(model.card, source, advance)
    prediction.announce_unseen(str(source), model.unseen(customers), len(customers))
    return customers
