"""The difference of both versions on a trial: of the same customers, or of two groups of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from churn.evaluation import always_valid
from churn.evaluation.always_valid import ConfidenceSequence
from churn.evaluation.tasks.contrast import Contrast

Word = Literal["better", "not worse", "worse", "cannot tell"]
_WORDS: dict[str, Word] = {
    "better": "better",
    "non-inferior": "not worse",
    "worse": "worse",
    "inconclusive": "cannot tell",
}


@dataclass(frozen=True)
class Interval:
    """Challenger minus champion, after the customers so far.

    Attributes
    ----------
    customers : int
    difference, lower, upper : float
        The difference, and the ends of an interval that holds at every look.
    word : {"better", "not worse", "worse", "cannot tell"} or None
        None where neither is better.
    form : str
        How the numbers are written.
    clipped : tuple of float, or None
        Shares of the champion's and of the challenger's customers whose value is larger in truth,
        or a prediction farther out; None if no value can be.
    """

    customers: int
    difference: float
    lower: float
    upper: float
    word: Word | None
    form: str = ".4f"
    clipped: tuple[float, float] | None = None


class Differences(ABC):
    """Customers for whom both versions, or one of them, have predicted."""

    @abstractmethod
    def labelled(self, labels: pd.Series) -> Differences:
        """Keep the customers with a label, in column ``y``."""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of customers."""

    def of(self, contrast: Contrast) -> Interval | None:
        """Return the mean difference with its interval; None without customers."""
        if not len(self):
            return None
        if not contrast.largest:  # costs that are all 0
            return Interval(len(self), 0.0, 0.0, 0.0, "not worse", contrast.form)
        found = self.sequence(contrast, np.array([len(self)]))
        word = None
        if contrast.margin is not None:
            word = _WORDS[found.decisions(contrast.margin)[-1]]
        mean, lower, upper = (float(ends[-1]) for ends in (found.mean, found.lower, found.upper))
        clipped = self._clipped(contrast)
        return Interval(int(found.n[-1]), mean, lower, upper, word, contrast.form, clipped)

    def sequence(self, contrast: Contrast, looks: np.ndarray) -> ConfidenceSequence:
        """Return the mean differences after numbers of customers, as `always_valid.bounded`."""
        values, least, greatest = self._values(contrast)
        return always_valid.bounded(values, least, greatest, contrast.alpha, looks)

    @abstractmethod
    def _values(self, contrast: Contrast) -> tuple[np.ndarray, float, float]:
        """Return a difference of each customer, and the limits of these."""

    @abstractmethod
    def _sides(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return what the champion and the challenger have predicted."""

    def _clipped(self, contrast: Contrast) -> tuple[float, float] | None:
        if contrast.clipped is None:
            return None
        champion, challenger = (
            float(contrast.clipped(side).mean()) if len(side) else 0.0 for side in self._sides()
        )
        return champion, challenger


class Pairs(Differences):
    """Customers for whom both have predicted.

    Parameters
    ----------
    champion, challenger : DataFrame
        Row by row the same customers.
    """

    def __init__(self, champion: pd.DataFrame, challenger: pd.DataFrame) -> None:
        self._champion, self._challenger = champion, challenger

    @classmethod
    def of_trial(cls, trial: pd.DataFrame) -> Pairs:
        """Find them by ``who`` among the rows of roles champion and shadow."""
        sides = [trial[trial["role"] == role].set_index("who") for role in ("champion", "shadow")]
        challenger = sides[1][sides[1].index.isin(sides[0].index)]
        return cls(sides[0].loc[challenger.index], challenger)

    def __len__(self) -> int:
        """Return the number of customers."""
        return len(self._challenger)

    def labelled(self, labels: pd.Series) -> Pairs:
        """Keep the customers with a label."""
        return Pairs(_labelled(self._champion, labels), _labelled(self._challenger, labels))

    def _values(self, contrast: Contrast) -> tuple[np.ndarray, float, float]:
        values = contrast.values(self._challenger) - contrast.values(self._champion)
        return values, -contrast.largest, contrast.largest

    def _sides(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        return self._champion, self._challenger


class Groups(Differences):
    """Customers for whom one of both has predicted, by a hash.

    Parameters
    ----------
    rows : DataFrame
        Of roles champion and challenger, in order of time.
    share : float
        Part of them that are the challenger's, in (0, 1).
    """

    def __init__(self, rows: pd.DataFrame, share: float) -> None:
        self._rows, self._share = rows, share

    def __len__(self) -> int:
        """Return the number of customers."""
        return len(self._rows)

    def labelled(self, labels: pd.Series) -> Groups:
        """Keep the customers with a label."""
        return Groups(_labelled(self._rows, labels), self._share)

    def _values(self, contrast: Contrast) -> tuple[np.ndarray, float, float]:
        share, largest = self._share, contrast.largest
        challenger = (self._rows["role"] == "challenger").to_numpy()
        values = always_valid.unpaired(contrast.values(self._rows), challenger, share, largest)
        least, greatest = -largest / (1 - share), largest / share
        return np.clip(values, least, greatest), least, greatest  # they may exceed them by a bit

    def _sides(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        is_challenger = self._rows["role"] == "challenger"
        return self._rows[~is_challenger], self._rows[is_challenger]


def _labelled(rows: pd.DataFrame, labels: pd.Series) -> pd.DataFrame:
    known = rows[rows["customer_id"].isin(labels.index)]
    return known.assign(y=known["customer_id"].map(labels).to_numpy())
