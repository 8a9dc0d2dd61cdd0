"""Both sides of the split as deepchecks' datasets, with the predictions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import pandas as pd
from deepchecks.tabular import Dataset
from deepchecks.tabular.context import _DummyModel

from checks.specification import Specification

# ConflictingLabels adds a column of this name, and crashes if there is one already.
_RENAMED = {"count": "count (column)"}
# scikit-learn 1.6 and later ask a regressor for the method of the name that its `predict` has.
_DummyModel._predict.__name__ = "predict"
_EXACT_DIGITS = 15  # what a float64 holds exactly


class Sides:
    """Training and held-out rows as deepchecks' datasets, with the predictions.

    Parameters
    ----------
    frames : dict of str to DataFrame
        ``train`` and ``test``: id, target, features, ``prediction`` and scores.
    specification : Specification

    Attributes
    ----------
    frames : dict of str to DataFrame
    id, target : str
        Columns.
    predicted : list of str
        Columns with predictions.
    train, test : Dataset
    model_train, model_test : Dataset
        The same without features that have no value on a side; with them SimpleModelComparison
        crashes.
    predictions : dict of str to ndarray
        The arguments of deepchecks' checks for predictions.
    """

    def __init__(self, frames: dict[str, pd.DataFrame], specification: Specification) -> None:
        self.frames, self._specification = frames, specification
        self.id, self.target = specification.id, specification.target
        self.predicted = list(dict.fromkeys(["prediction", *specification.scores]))
        both = pd.concat([frames["train"], frames["test"]], ignore_index=True)
        n = len(frames["train"])
        self.train = self._dataset(both.iloc[:n])
        self.test = self._dataset(both.iloc[n:])
        self._both = both
        empty = [str(c) for c in both if any(part[c].isna().all() for part in (both[:n], both[n:]))]
        self.model_train = self._dataset(both.iloc[:n], empty) if empty else self.train
        self.model_test = self._dataset(both.iloc[n:], empty) if empty else self.test
        self.predictions = {
            **self._predictions("train", frames["train"]),
            **self._predictions("test", frames["test"]),
        }

    @property
    def has_classes(self) -> bool:
        """Whether the labels are classes, and not numbers."""
        return self._specification.task != "regression"

    @cached_property
    def all(self) -> Dataset:
        """The rows of both sides."""
        return self._dataset(self._both)

    @classmethod
    def read(cls, specification: Specification) -> Sides:
        """Read both sides from their files."""
        train, test = map(pd.read_parquet, (specification.train, specification.test))
        both = pd.concat([train, test], ignore_index=True)
        both[specification.id] = _ordered(both[specification.id])
        n = len(train)
        return cls({"train": both.iloc[:n], "test": both.iloc[n:]}, specification)

    def of(self, frames: dict[str, pd.DataFrame]) -> Sides:
        """Return sides with other rows and the same columns."""
        return Sides(frames, self._specification)

    def _dataset(self, frame: pd.DataFrame, without: Sequence[str] = ()) -> Dataset:
        categorical = [c for c in self._specification.categorical if c not in without]
        return Dataset(
            frame.drop(columns=[*self.predicted, *without])
            .reset_index(drop=True)
            .rename(columns=_RENAMED),
            label=_RENAMED.get(self.target, self.target),
            index_name=_RENAMED.get(self.id, self.id),
            cat_features=[_RENAMED.get(column, column) for column in categorical],
            label_type=self._specification.task,
        )

    def _predictions(self, side: str, frame: pd.DataFrame) -> dict[str, np.ndarray]:
        found = {f"y_pred_{side}": frame["prediction"].to_numpy()}
        if self._specification.task == "regression":
            return found
        scores = frame[list(self._specification.scores)].to_numpy()
        both = np.column_stack([1 - scores, scores]) if scores.shape[1] == 1 else scores
        return found | {f"y_proba_{side}": both}


def _ordered(ids: pd.Series) -> pd.Series:
    """Convert ids that end in digits to numbers, because only numbers can correlate with labels."""
    digits = ids.str.extract(r"(\d+)$", expand=False)
    prefixes = ids.str.replace(r"\d+$", "", regex=True)
    if digits.isna().any() or prefixes.nunique() > 1 or digits.str.len().max() > _EXACT_DIGITS:
        return ids
    numbers = pd.to_numeric(digits)
    return numbers if numbers.nunique() == ids.nunique() else ids
