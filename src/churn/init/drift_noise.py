"""How far two samples of one table drift apart by chance, as deepchecks measures drift."""

from __future__ import annotations

import numpy as np
import pandas as pd

_SHUFFLES = 200
_ONE_OF = 200  # chance alone goes beyond in one of so many tables


def by_chance(
    table: pd.DataFrame, held_out: int, numeric: list[str], categorical: list[str], seed: int
) -> tuple[float, float]:
    """Shuffle rows between two sides, and return the largest drift of any column.

    Parameters
    ----------
    table : DataFrame, shape (n_rows, n_columns)
        Rows of both sides.
    held_out : int
        Number of rows of one side.
    numeric, categorical : list of str
    seed : int

    Returns
    -------
    numeric : float
        Kolmogorov and Smirnov's distance, in [0, 1], that 199 of 200 shuffles keep.
    categorical : float
        Cramér's V, corrected for bias, in [0, 1].

    Notes
    -----
    Source of the correction: Bergsma, W. (2013), A bias-correction for Cramér's V and Tschuprow's
    T, Journal of the Korean Statistical Society 42.
    """
    rng = np.random.default_rng(seed)
    n = len(table)
    ranked = [_ranks(table[name]) for name in numeric]
    codes = [pd.factorize(table[name].fillna("(missing)"))[0] for name in categorical]
    distances, associations = np.zeros(_SHUFFLES), np.zeros(_SHUFFLES)
    for i in range(_SHUFFLES):
        is_held_out = np.zeros(n, dtype=bool)
        is_held_out[rng.permutation(n)[:held_out]] = True
        for order, ends in ranked:
            distances[i] = max(distances[i], _distance(is_held_out[order], ends))
        for code in codes:
            associations[i] = max(associations[i], _association(code, is_held_out))
    share = 1 - 1 / _ONE_OF
    return float(np.quantile(distances, share)), float(np.quantile(associations, share))


def _ranks(column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of the known values in their order, and where equal ones end."""
    values = column.to_numpy(dtype=float)
    order = np.argsort(values, kind="stable")[: int(np.isfinite(values).sum())]
    ordered = values[order]
    return order, np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))


def _distance(is_held_out: np.ndarray, ends: np.ndarray) -> float:
    """Return the largest distance of the two cumulative distributions."""
    n = int(is_held_out.sum())
    if not 0 < n < len(is_held_out):
        return 0.0
    of_one = np.cumsum(is_held_out)[ends] / n
    of_other = (ends + 1 - np.cumsum(is_held_out)[ends]) / (len(is_held_out) - n)
    return float(np.abs(of_one - of_other).max())


def _association(code: np.ndarray, is_held_out: np.ndarray) -> float:
    """Return Cramér's V of a column and the side, corrected for bias."""
    k, n = int(code.max()) + 1, len(code)
    counts = np.stack([np.bincount(code[is_held_out == side], minlength=k) for side in (0, 1)])
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / n
    phi = float(((counts - expected) ** 2 / expected).sum()) / n
    corrected = max(0.0, phi - (k - 1) / (n - 1))
    rows = k - (k - 1) ** 2 / (n - 1)
    columns = 2 - 1 / (n - 1)
    return float(np.sqrt(corrected / (min(rows, columns) - 1)))
