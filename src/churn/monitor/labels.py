"""Labels, and the prediction that each is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa

from churn.monitor.counting import hashes
from churn.serve.prediction_log import named

_NEVER = np.iinfo(np.int64).min


class Labels:
    """Labels with the last prediction before each was known.

    Parameters
    ----------
    table : DataFrame
        As `churn.data.labels.read` returns it.
    since, until : datetime
        Labels that were known earlier or later are left out. With a time zone.
    scored : sequence of str
        Columns of the log with the scores (`churn.model.outputs.Output.scored`).
    extra : sequence of str
        Columns of the model that are kept with the prediction.
    """

    def __init__(
        self,
        table: pd.DataFrame,
        since: datetime,
        until: datetime,
        scored: Sequence[str],
        extra: Sequence[str],
    ) -> None:
        first, last = (int(moment.timestamp() * 1e6) for moment in (since, until))
        # A label without a day is known at the end.
        known = table["known"].fillna(until).dt.as_unit("us").astype("int64").to_numpy()
        in_time = (known >= first) & (known <= last)
        ids = hashes(pa.chunked_array([pa.array(table["id"], pa.string())]))
        # Of several labels of a customer the newest counts.
        order = np.flatnonzero(in_time)[np.lexsort((-known[in_time], ids[in_time]))]
        order = order[np.unique(ids[order], return_index=True)[1]]
        self._hashes, self.known = ids[order], known[order]
        self.y = table["y"].to_numpy()[order]
        self._moment = np.full(len(order), _NEVER, dtype=np.int64)
        self._scores = {name: np.full(len(order), np.nan) for name in scored}
        self._extra: dict[str, np.ndarray] = {
            name: np.full(len(order), None, dtype=object) for name in extra
        }

    def __len__(self) -> int:
        return len(self.y)

    def match(self, table: pa.Table) -> None:
        """Keep predictions that are nearer to the moment when a label was known, but before it.

        Parameters
        ----------
        table : Table
            ``customer_id``, ``time``, the scores and the extra columns.
        """
        if not len(self) or not len(table):
            return
        ids = hashes(table["customer_id"].fill_null(""))
        places = np.minimum(np.searchsorted(self._hashes, ids), len(self) - 1)
        moments = table["time"].cast(pa.int64()).to_numpy()
        fits = (
            (self._hashes[places] == ids)
            & (moments <= self.known[places])
            & (moments > self._moment[places])
        )
        chosen = np.flatnonzero(fits)
        # Of several predictions for a customer the last one is assigned last.
        chosen = chosen[np.argsort(moments[chosen], kind="stable")]
        at = places[chosen]
        self._moment[at] = moments[chosen]
        for name, scores in self._scores.items():
            scores[at] = table[name].to_numpy()[chosen]
        for name, values in self._extra.items():
            values[at] = table[named(name)].to_pandas().to_numpy(dtype=object)[chosen]

    def matched(self, max_rows: int) -> pd.DataFrame:
        """Return the labels with a prediction.

        Parameters
        ----------
        max_rows : int
            Maximum number of customers, chosen by the hash of their id.

        Returns
        -------
        DataFrame
            ``y``, the scores, ``day`` (YYYY-MM-DD, of the prediction), and the extra columns.
        """
        at = np.flatnonzero(self._moment > _NEVER)[:max_rows]  # they are in the order of the hash
        days = pd.to_datetime(self._moment[at], unit="us", utc=True).strftime("%Y-%m-%d")
        columns = {name: values[at] for name, values in self._extra.items()}
        scores = {name: values[at] for name, values in self._scores.items()}
        return pd.DataFrame({"y": self.y[at], **scores, "day": days, **columns})

    @property
    def unmatched(self) -> int:
        """Number of labels without a prediction."""
        return int((self._moment == _NEVER).sum())
