"""Who is predicted for by the challenger: always the same customers, by a hash of the id."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pandas as pd

from churn.data.split import hash_share


def to_challenger(
    ids: Sequence[str | None] | None, count: int, share: float, salt: str
) -> np.ndarray:
    """Tell for which customers the challenger predicts.

    Parameters
    ----------
    ids : sequence of str or None, or None
        Ids of the customers, if there are any.
    count : int
        Number of customers.
    share : float
        Part of the customers, in [0, 1].
    salt : str
        Another one picks other customers.

    Returns
    -------
    ndarray of bool, shape (n_customers,)
        By the id where there is one; customers without are drawn, all of a request together.
    """
    drawn = random.random() < share  # noqa: S311 (no secret)
    if ids is None:
        return np.full(count, drawn)
    known = [place for place, one in enumerate(ids) if one is not None]
    chosen = np.full(count, drawn)
    hashed = hash_share(pd.Series([ids[place] for place in known], dtype=object), salt)
    chosen[known] = hashed < share
    return chosen
